"""A private Asterisk, a real call and a receiver: the demo, also used by the tests."""
