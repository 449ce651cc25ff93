"""Who a caller is and what it may do: roles, reviews, tokens, and where a change comes from."""
