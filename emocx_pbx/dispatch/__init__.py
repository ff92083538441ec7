"""What decides now where a call goes."""
