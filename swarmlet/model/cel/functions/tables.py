"""All functions, by name and number of arguments, and what those cost that a look at their arguments does not pay."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from swarmlet.model.cel.functions import amounts, formats, lists, networks, standard, texts

Table = Mapping[tuple[str, int], Callable[..., Any]]

GLOBALS: Table = {
    **standard.GLOBALS,
    **texts.GLOBALS,
    **lists.GLOBALS,
    **networks.GLOBALS,
    **amounts.GLOBALS,
    **formats.GLOBALS,
}
METHODS: Table = {
    **standard.METHODS,
    **texts.METHODS,
    **lists.METHODS,
    **networks.METHODS,
    **amounts.METHODS,
    **formats.METHODS,
}
NAMESPACES = frozenset(name.partition(".")[0] for name, _ in GLOBALS if "." in name)
"""The first words of functions such as `sets.contains`."""
COSTS: Mapping[str, Callable[..., int]] = {
    "matches": texts.cost_of_match,
    "replace": texts.cost_of_replacement,
    "join": texts.cost_of_joining,
}
"""Steps of functions that cost more than a look at their arguments, asked for before they are called."""
FREE = frozenset(
    {"size", "type", "dyn", "hasValue", "value", "or", "orValue", "optional.of", "optional.ofNonZeroValue"}
)
"""Those that do not look into their arguments."""
