"""Standard Webhooks: signing, schedule, sender."""
