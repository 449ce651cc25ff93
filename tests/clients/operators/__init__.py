"""Operators that people write, and what brings them: kopf against a daemon, and charts with definitions."""
