"""NetworkPolicies and isolation, as rules of the kernel."""
