"""Keeping what is derived from a resource in step with it, change by change."""

from __future__ import annotations

from collections.abc import Callable

from swarmlet.errors import ExpiredError
from swarmlet.store.commands import Key
from swarmlet.store.replica import Stored, View


def catch_up(
    view: View,
    resource: str,
    revision: int,
    *,
    note: Callable[[Key, Stored | None], None],
    rebuild: Callable[[View], None],
) -> int:
    """Take in what changed since `revision`, -1 for everything; return the revision that is known then.

    `note` is told each object that changed, None where it is gone; `rebuild` reads everything, where the store has
    forgotten the changes. Called often, it never needs to.
    """
    if not 0 <= revision <= view.revision:
        rebuild(view)
    elif revision < view.revision:
        try:
            for change in view.changes_since(resource, revision):
                note(change.key, change.new)
        except ExpiredError:
            rebuild(view)
    return view.revision
