"""What differs between two states of an object, field by field, as people read it. Pure.

    before, after = desired(stored), desired(wanted)
    for each in between(before, after):
        print(*written(each))                           # ~ spec.replicas: 2 -> 3

Items of a list that Kubernetes merges by a key are told apart by that key: `containers[web].image`, `ports[80/TCP]`.
What stands under `data` of a Secret is compared and never told: its values read `(secret)`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from swarmlet.errors import BugError
from swarmlet.model import schema

Document = Mapping[str, Any]

SECRET = "(secret)"  # noqa: S105  what is told instead of a secret
INLINE_MAX = 72
"""Letters of an object or list that stands on one line; a longer one is told field by field."""
SECRET_FIELDS = ("data", "stringData")
BOOKKEEPING = frozenset(
    {
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "generation",
        "managedFields",
        "resourceVersion",
        "selfLink",
        "uid",
    }
)
"""Of metadata: what the server stamps."""
BOOKKEEPING_ANNOTATIONS = frozenset({"kubectl.kubernetes.io/last-applied-configuration"})

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_PLAIN = re.compile(r"[A-Za-z0-9_/][A-Za-z0-9_./:@%+=,-]*")
_NUMERIC = re.compile(r"[0-9][0-9._:eExXoO+-]*")
"""What YAML may read as a number, a time or a date."""
_WORDS_OF_YAML = frozenset({"null", "true", "false", "yes", "no", "on", "off", "~"})
_UNKNOWN = schema.Field(schema={}, shape="single")


class Difference(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One field that differs. `before` UNSET: it is new; `after` UNSET: it goes. As JSON, what is UNSET is left out."""

    path: str
    before: Any = UNSET
    after: Any = UNSET


def desired(document: Document) -> dict[str, Any]:
    """Return what users and controllers ask for of an object: without status and without what the server stamps."""
    metadata = {name: value for name, value in document.get("metadata", {}).items() if name not in BOOKKEEPING}
    annotations = metadata.pop("annotations", None) or {}
    kept = {name: value for name, value in annotations.items() if name not in BOOKKEEPING_ANNOTATIONS}
    if kept:
        metadata["annotations"] = kept
    return {**{name: value for name, value in document.items() if name != "status"}, "metadata": metadata}


def definition_of(document: Document) -> str:
    """Return the name of a document's type in `schema`, "" where it is of a kind that is not known here."""
    try:
        return schema.definition_of(document.get("apiVersion", ""), document.get("kind", ""))
    except BugError:
        return ""


def between(before: Document, after: Document) -> list[Difference]:
    """Return the fields that differ between two documents of one kind, in the order in which they stand.

    An object or list that is new or goes as a whole is one difference; `written` takes it apart where it is long.
    """
    kind = after.get("kind") or before.get("kind")
    found = list(_object("", before, after, definition_of(after) or definition_of(before)))
    return [_concealed(each) for each in found] if kind == "Secret" else found


def written(difference: Difference) -> list[str]:
    """Return the lines that tell a difference, each beginning with a sign: "~ spec.replicas: 2 -> 3"."""
    path, before, after = difference.path, difference.before, difference.after
    if before is UNSET or after is UNSET:
        sign, value = ("+", after) if before is UNSET else ("-", before)
        return [f"{sign} {name}: {text}" for name, text in _unfolded(path, value)]
    if len(shown(before)) + len(shown(after)) > 2 * INLINE_MAX or "\n" in f"{before}{after}":
        return [f"~ {path}: {line}" for line in _apart(before, after)]
    return [f"~ {path}: {shown(before)} -> {shown(after)}"]


def shown(value: Any) -> str:
    """Return a value in YAML's short form, on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_text(str(name))}: {shown(each)}" for name, each in value.items()) + "}"
    if isinstance(value, str):
        return value if value == SECRET else _text(value)
    if isinstance(value, Sequence):
        return f"[{', '.join(map(shown, value))}]"
    return msgspec.json.encode(value).decode()


def _unfolded(path: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield the paths and texts of a value that is told alone: in one line while it is short."""
    text = shown(value)
    if len(text) <= INLINE_MAX or not value or not isinstance(value, Mapping | list):
        yield path, text
    elif isinstance(value, Mapping):
        for name, each in value.items():
            yield from _unfolded(_below(path, str(name)), each)
    else:
        for number, each in enumerate(value):
            yield from _unfolded(f"{path}[{_name_of(each) or number}]", each)


def _name_of(item: Any) -> str:
    return str(item.get("name", "")) if isinstance(item, Mapping) else ""


def _apart(before: Any, after: Any) -> Iterator[str]:
    """Yield the lines of two long values of which only some lines differ."""
    if not (isinstance(before, str) and isinstance(after, str) and ("\n" in before or "\n" in after)):
        yield f"{shown(before)} -> {shown(after)}"
        return
    old, new = before.splitlines(), after.splitlines()
    gone, come = set(old) - set(new), set(new) - set(old)
    lines = [f"- {each}" for each in old if each in gone] + [f"+ {each}" for each in new if each in come]
    yield from lines or [f"{shown(before)} -> {shown(after)}"]


def _text(value: str) -> str:
    is_plain = _PLAIN.fullmatch(value) and not _NUMERIC.fullmatch(value)
    if is_plain and value.lower() not in _WORDS_OF_YAML and not value.endswith(":"):
        return value
    return msgspec.json.encode(value).decode()


def _below(path: str, name: str) -> str:
    if not path:
        return name
    return f"{path}.{name}" if _WORD.fullmatch(name) else f"{path}[{name}]"


# Comparing.


def _value(path: str, before: Any, after: Any, field: schema.Field) -> Iterator[Difference]:
    """Yield what differs between two values of one field, both there."""
    if before == after:
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        if field.shape == "map":
            each_value = schema.Field(schema={}, shape="single", definition=field.definition)
            yield from _entries(path, before, after, dict.fromkeys((*before, *after), each_value))
        else:
            yield from _object(path, before, after, field.definition if field.shape == "single" else "")
    elif isinstance(before, list) and isinstance(after, list):
        yield from _list(path, before, after, field)
    else:
        yield Difference(path=path, before=before, after=after)


def _object(path: str, before: Document, after: Document, definition: str) -> Iterator[Difference]:
    known = schema.fields(definition) if definition else {}
    yield from _entries(path, before, after, known)


def _entries(path: str, before: Document, after: Document, fields: Mapping[str, schema.Field]) -> Iterator[Difference]:
    for name in dict.fromkeys((*before, *after)):
        below = _below(path, name)
        if name not in after:
            yield Difference(path=below, before=before[name])
        elif name not in before:
            yield Difference(path=below, after=after[name])
        else:
            yield from _value(below, before[name], after[name], fields.get(name, _UNKNOWN))


def _list(path: str, before: list[Any], after: list[Any], field: schema.Field) -> Iterator[Difference]:
    identified = _identified(before, after, field)
    if identified is None:
        yield from _sequence(path, before, after, field)
        return
    old, new = identified
    item = schema.Field(schema={}, shape="single", definition=field.definition)
    named_old = {f"[{name}]": each for name, each in old.items()}
    named_new = {f"[{name}]": each for name, each in new.items()}
    for name in dict.fromkeys((*named_old, *named_new)):
        if name not in named_new:
            yield Difference(path=path + name, before=named_old[name])
        elif name not in named_old:
            yield Difference(path=path + name, after=named_new[name])
        else:
            yield from _value(path + name, named_old[name], named_new[name], item)
    in_both = [[name for name in one if name in other] for one, other in ((old, new), (new, old))]
    if in_both[0] != in_both[1]:
        yield Difference(path=f"{path} (order)", before=in_both[0], after=in_both[1])


def _identified(
    before: list[Any], after: list[Any], field: schema.Field
) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Return the items by what tells them apart; None where nothing does."""
    keys = field.list_keys or ((field.merge_key,) if field.merge_key else ())
    if not keys:
        return None
    named = []
    for items in (before, after):
        if not all(isinstance(item, Mapping) and keys[0] in item for item in items):
            return None
        by_name = {"/".join(str(item[key]) for key in keys if key in item): item for item in items}
        if len(by_name) != len(items):
            return None
        named.append(by_name)
    return named[0], named[1]


def _sequence(path: str, before: list[Any], after: list[Any], field: schema.Field) -> Iterator[Difference]:
    """Yield what differs between lists whose items have no names: objects by their place, plain values as a whole."""
    if len(before) != len(after) or not all(isinstance(item, Mapping) for item in (*before, *after)):
        yield Difference(path=path, before=before, after=after)
        return
    item = schema.Field(schema={}, shape="single", definition=field.definition)
    for number, (old, new) in enumerate(zip(before, after, strict=True)):
        yield from _value(f"{path}[{number}]", old, new, item)


def _concealed(difference: Difference) -> Difference:
    """Return the difference without what a Secret hides: its keys are told, its values are not."""
    root = re.split(r"[.\[]", difference.path, maxsplit=1)[0]
    if root not in SECRET_FIELDS:
        return difference
    return Difference(path=difference.path, before=_hidden(difference.before), after=_hidden(difference.after))


def _hidden(value: Any) -> Any:
    if value is UNSET:
        return UNSET
    return dict.fromkeys(value, SECRET) if isinstance(value, Mapping) else SECRET
