"""Small histories, told in the fewest words."""

from __future__ import annotations

import math

from tools.chaos.history import Act, End, Event, Listing, Operation, Sighting

EMPTY = Listing(0, {})


class Told:
    """Builds operations whose times are given in whole seconds."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []

    def create(self, key, token, revision, times, end=End.DONE, reason=""):
        return self._add(times, act=Act.CREATE, key=key, token=token, revision=revision, end=end, reason=reason)

    def swap(self, key, token, expected, revision, times, end=End.DONE, reason=""):
        told = {"token": token, "expected": expected, "revision": revision}
        return self._add(times, act=Act.SWAP, key=key, end=end, reason=reason, **told)

    def delete(self, key, expected, times, end=End.DONE, reason=""):
        return self._add(times, act=Act.DELETE, key=key, expected=expected, end=end, reason=reason)

    def read(self, key, token, revision, times):
        return self._add(times, act=Act.READ, key=key, token=token, revision=revision, end=End.DONE)

    def _add(self, times, **told):
        started, ended = times if told["end"] is not End.UNKNOWN else (times[0], math.inf)
        number = len(self.operations)
        self.operations.append(Operation(number=number, client="c0", daemon="h1", started=started, ended=ended, **told))
        return self


def put(revision, key, token):
    return Event(revision, key, gone=False, token=token, digest=str(revision))


def gone(revision, key, token, digest=""):
    return Event(revision, key, gone=True, token=token, digest=digest or str(revision))


def saw(*events, daemon="h1", listing=EMPTY):
    return Sighting(daemon, listing, list(events))
