"""What a developer runs on recordings: scoring and training."""
