"""`history`, `diff`, `undo` and `get --at`: what was, and going back to it."""
