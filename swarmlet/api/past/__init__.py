"""Who changed what and when, what was at a moment, and undoing."""
