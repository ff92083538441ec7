"""Alerts: rules on the readings of a live call, pure and clock-free."""
