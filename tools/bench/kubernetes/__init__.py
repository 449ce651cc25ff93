"""`make bench PARTS=kubernetes`: what clients of the Kubernetes API cost three daemons, and what they wait for.

Programs of their own (`pinger`, `readers`, `writers`) look on from outside, so that looking costs the daemons nothing.
"""
