"""`cordon`, `uncordon` and `drain`: machines out of use for a while, and back."""
