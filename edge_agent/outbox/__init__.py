"""What must not be lost: on disk before anybody hears of it, in memory when the disk fails."""
