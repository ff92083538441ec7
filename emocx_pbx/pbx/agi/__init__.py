"""FastAGI: the protocol and the server that the dialplan asks."""
