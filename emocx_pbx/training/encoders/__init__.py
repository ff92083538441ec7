"""Writes the voice model's encoders afresh, from Whisper's original weights."""
