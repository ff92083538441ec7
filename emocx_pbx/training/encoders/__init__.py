"""Writes the voice model's encoders anew, from Whisper's original weights."""
