"""Sends events by Standard Webhooks: signing, schedule, sender."""
