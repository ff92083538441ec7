"""The commands behind the README's figures; each prints JSON with --json."""
