"""Where the README's figures come from; each prints JSON with --json."""
