"""Which objects of a collection a request is about: label selector and field selector together."""

from __future__ import annotations

from dataclasses import dataclass

from swarmlet.api.queries import ListOptions
from swarmlet.api.targets import Target
from swarmlet.model import selectors
from swarmlet.store.replica import Stored


@dataclass(frozen=True, slots=True)
class Selection:
    """`name`: the only one that can match, "" where many can. `everything`: no selector was given at all.

    `labels`, `fields`: None where none was given, so that an object need not be read for it.
    """

    labels: selectors.LabelPredicate | None
    fields: selectors.FieldPredicate | None
    name: str
    everything: bool

    def matches(self, stored: Stored) -> bool:
        """Whether an object is selected."""
        if self.everything:
            return True
        if self.name and stored.key.name != self.name:
            return False
        if self.labels is not None and not self.labels(stored.labels):
            return False
        return self.fields is None or self.fields(stored.object)


def of(target: Target, options: ListOptions) -> Selection:
    """Read the selectors of a request; raise `CallerError` for one that cannot be read."""
    return Selection(
        labels=selectors.parse_labels(options.label_selector) if options.label_selector else None,
        fields=selectors.parse_fields(target.kind, options.field_selector) if options.field_selector else None,
        name=target.name or selectors.pinned_name(options.field_selector),
        everything=not (options.label_selector or options.field_selector or target.name),
    )
