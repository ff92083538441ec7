"""Settings: the file, its sections, and what reads and documents them."""
