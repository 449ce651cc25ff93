"""Where Pods go: scheduling, preemption, rebalance, and the record of why."""
