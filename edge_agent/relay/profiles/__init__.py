"""One platform a file: topics and payloads."""
