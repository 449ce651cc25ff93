"""`/swarmlet/v1` and what a daemon tells of itself: members, backups, reports, rebalance, why."""
