"""The worker process: taps, spoken queries, and the lane of models."""
