"""The official Helm, in two versions, on three machines, with a chart of the usual shape."""
