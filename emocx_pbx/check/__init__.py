"""The doctor: what is wrong or missing, with its remedy."""
