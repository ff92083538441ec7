"""SQLite behind named SQL files and numbered migrations."""
