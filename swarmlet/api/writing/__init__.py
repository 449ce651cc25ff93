"""create, update, patch, apply and delete: an object's way in, to one command of the log."""
