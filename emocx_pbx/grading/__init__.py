"""Segments and readings to a grade with reasons; pure."""
