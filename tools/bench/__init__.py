"""`make bench`: what swarmlet costs, beside the bare Docker API and the disk, in one run on one machine.

Ratios are what to compare between machines; absolute times are this machine's.
"""
