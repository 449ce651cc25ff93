"""What Services ask of a node, and the way they are reached: rules in the kernel, or the proxy."""
