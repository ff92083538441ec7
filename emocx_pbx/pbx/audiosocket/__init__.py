"""AudioSocket: the protocol, and the server that Asterisk sends audio to."""
