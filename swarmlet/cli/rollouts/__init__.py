"""`rollout`: how the newest version of a workload comes about, and going back to an earlier one."""
