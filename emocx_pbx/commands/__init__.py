"""The commands of `emocx-pbx`, one a file; each imports what it needs only when it runs."""
