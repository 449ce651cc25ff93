"""Services without the kernel's help: TCP and UDP passed on by the daemon."""
