"""Namespaces and what each has and may have: accounts, roles, kinds of its users, quotas."""
