"""The API as any program meets it: plain HTTPS with a client certificate."""
