"""`swarmlet explain`: what fields a kind has, in the words of the server's OpenAPI document."""
