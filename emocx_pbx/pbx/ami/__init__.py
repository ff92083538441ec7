"""Asterisk's manager interface (AMI): link, messages, gateway."""
