"""The Python client libraries on a cluster of three machines: each as a program of its own, as its users write them."""
