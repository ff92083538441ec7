"""Weights that others made, and files that only tuning needs: which, where, and how they come here.

Of the standard library alone, so that a package or an image can be given its weights before anything else.
"""
