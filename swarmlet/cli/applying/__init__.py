"""`apply`: making the cluster as the manifests say, and following until it is."""
