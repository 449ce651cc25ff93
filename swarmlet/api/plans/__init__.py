"""What would come of a change, kept for an hour, and done as it was shown or not at all."""
