"""The conditions of a Node, by name. Source: k8s.io/api/core/v1/types.go (NodeConditionType)."""

from __future__ import annotations

READY = "Ready"
MEMORY_PRESSURE = "MemoryPressure"
DISK_PRESSURE = "DiskPressure"
PID_PRESSURE = "PIDPressure"
NETWORK_UNAVAILABLE = "NetworkUnavailable"
