"""Training and evaluation of the speech models."""
