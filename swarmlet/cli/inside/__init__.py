"""Inside Pods: logs, commands, files and ports."""
