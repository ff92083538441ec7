"""Models and their answers: speech, text, transcription, fusion."""
