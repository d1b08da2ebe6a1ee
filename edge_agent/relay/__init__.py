"""Routes from the outbox to platforms."""
