"""The Pod network: addresses, links, routes and tunnels between machines."""
