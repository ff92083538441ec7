"""From samples to utterances and features; pure functions on arrays."""
