"""What the benchmark writes: ConfigMaps as an API server stores them."""

from __future__ import annotations

from swarmlet.store.commands import Key, Put


def key(name: str) -> Key:
    """Return where a ConfigMap of the benchmark lies."""
    return Key("configmaps", "default", name)


def config_map(name: str, value: str) -> Put:
    """Return the write of a new ConfigMap with one value."""
    json = (
        f'{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}","namespace":"default"}},'
        f'"data":{{"value":"{value}"}}}}'
    )
    return Put(key(name), json.encode(), expected_revision=0)
