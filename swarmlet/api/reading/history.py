"""A resource's list as it was: today's, with the changes since then undone.

So a list in pages is of one moment on whichever daemon each page is asked, and no page costs memory between requests.
It reaches back as far as the store's window of changes does.
"""

from __future__ import annotations

import base64
import binascii
import bisect
from collections.abc import Sequence

import msgspec

from swarmlet.errors import CallerError, ExpiredError
from swarmlet.store.replica import Stored, View

TOKEN_LENGTH_MAX = 2_048


class Continuation(msgspec.Struct, frozen=True, array_like=True):
    """Where a list in pages goes on: at `revision`, after (`namespace`, `name`)."""

    revision: int
    namespace: str
    name: str

    def encode(self) -> str:
        """Return the opaque token for the client."""
        return base64.urlsafe_b64encode(msgspec.msgpack.encode(self)).decode()

    @classmethod
    def decode(cls, token: str) -> Continuation:
        """Read a token; raise `CallerError` for one that is not of our making."""
        try:
            data = base64.b64decode(token[:TOKEN_LENGTH_MAX], altchars=b"-_", validate=True)
            found = msgspec.msgpack.decode(data, type=cls)
        except (msgspec.MsgspecError, binascii.Error, ValueError) as error:
            raise CallerError("continue: the token is not valid; start the list without it") from error
        if found.revision < 0:
            raise CallerError("continue: the token is not valid; start the list without it")
        return found


def list_at(view: View, resource: str, namespace: str, revision: int) -> Sequence[Stored]:
    """Return the objects as they were at `revision`, sorted; raise `ExpiredError` where that is forgotten."""
    now = view.list(resource, namespace)
    if revision == view.revision:
        return now
    changes = [
        change
        for change in view.changes_since(resource, revision)
        if not namespace or change.key.namespace == namespace
    ]
    if not changes:
        return now
    objects = {stored.key: stored for stored in now}
    for change in reversed(changes):
        if change.old is None:
            objects.pop(change.key, None)
        else:
            objects[change.key] = change.old
    return [objects[key] for key in sorted(objects)]


def paged(view: View, resource: str, namespace: str, continuation: Continuation) -> Sequence[Stored]:
    """Return the list that is read in pages, all of it; raise `ExpiredError` in the words that clients know."""
    if continuation.revision > view.revision:
        raise CallerError("continue: the token is from the future of this cluster; start the list without it")
    try:
        return list_at(view, resource, namespace, continuation.revision)
    except ExpiredError as error:
        raise ExpiredError(
            "The provided continue parameter is too old to display a consistent list result. "
            "You can start a new list without the continue parameter."
        ) from error


def rest(objects: Sequence[Stored], continuation: Continuation) -> Sequence[Stored]:
    """Return the part of a sorted list that the pages so far have not shown."""
    return objects[bisect.bisect_right(objects, (continuation.namespace, continuation.name), key=position) :]


def position(stored: Stored) -> tuple[str, str]:
    """Return what lists are sorted by."""
    return stored.key.namespace, stored.key.name
