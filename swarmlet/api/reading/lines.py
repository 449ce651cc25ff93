"""The lines of a watch, each framed as a chunk of an HTTP body: made once, written to many."""

from __future__ import annotations

import msgspec


def event(type_: str, document: bytes) -> bytes:
    """Return one event as a line, framed (RFC 9112 §7.1)."""
    line = b'{"type":"%b","object":%b}\n' % (type_.encode(), document)
    return b"%x\r\n%b\r\n" % (len(line), line)


def bookmark(kind: str, api_version: str, revision: int, *, initial_events_end: bool = False) -> bytes:
    """Return the event that tells how far a watch has come, framed."""
    metadata: dict[str, object] = {"resourceVersion": str(revision), "creationTimestamp": None}
    if initial_events_end:
        metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
    return event("BOOKMARK", msgspec.json.encode({"kind": kind, "apiVersion": api_version, "metadata": metadata}))
