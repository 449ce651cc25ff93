"""Who is who: the cluster's CA, node and user certificates, TLS contexts, tokens, users and what they may do.

Every daemon and the command line call it. It knows no HTTP server and no store: the tokens and the members that it
must look up come in as functions, and the CA as an object read by somebody else.

Invariants:
- Of a certificate request only the public key is taken; names, addresses and usages are this room's decision.
- A node is known by the URI `swarmlet://<cluster id>/node/<node id>` in its certificate, never by its name or address.
- Only a node's certificate can act as a server, so a client that trusts the CA cannot meet a user who poses as one.
- A token's secret is kept as a hash alone and compared in constant time.
- TLS 1.3 or nothing.

The drive loop of a daemon:

    files = state.NodeFiles(config.data_dir)
    node = files.load()
    server = tls.server_context(files)
    peers = tls.peer_context(files)
    ...accept with `server`, connect with `peers`, then `tls.check_peer(ssl_object, cluster_id, node_id)`...
    user = authenticator.authenticate(ssl_object, authorization_header, local=False)
    access.authorize(user, access.Attributes(verb="get", path="/version"))
"""
