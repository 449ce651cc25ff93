"""What `kubectl get` prints of each kind: columns, cells, and the Table that carries them."""
