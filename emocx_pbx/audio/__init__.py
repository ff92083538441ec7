"""Samples to utterances and features; pure functions on arrays."""
