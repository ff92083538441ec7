"""Calls at a steady rate through the service while one thing after another fails, and what became of each.

`__main__` takes the arguments, `run` puts everything together, `load` calls, `faults` breaks, `truth` sees
with its own eyes what happened, `judge` compares it with what the receiver was told.
"""
