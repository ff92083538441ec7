"""From segments and readings to a grade with its reasons; pure."""
