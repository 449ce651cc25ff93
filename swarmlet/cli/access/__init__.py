"""Who one is, and what one may: the reviews that the server makes of the caller."""
