"""Weights that others made, and files that only tuning needs: which they are, where they lie, how they get
here.

Uses only the standard library, so that a package or an image can be given its weights before anything else.
"""
