"""The records, in SQLite or PostgreSQL, through named queries and numbered migrations."""
