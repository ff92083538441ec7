"""Models and what they answer: speech, text, transcription, fusion."""
