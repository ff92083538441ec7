"""Training and evaluation of the text model."""
