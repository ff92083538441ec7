"""The process that hears: taps, questions, and the lane of models."""
