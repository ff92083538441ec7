"""The demo: a private Asterisk, a real call and a receiver; the tests run it, too."""
