"""Random and broken input for everything that strangers can reach."""
