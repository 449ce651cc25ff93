"""StatefulSets and DaemonSets, and the versions of both."""
