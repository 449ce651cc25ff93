"""The Pod network in mode "wireguard": keys, devices and the kernel's part of it."""
