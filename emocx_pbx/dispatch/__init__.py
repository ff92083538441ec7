"""Decides, as calls come in, where each one goes."""
