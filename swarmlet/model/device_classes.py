"""Which devices of a machine Pods may ask for, by resource name: the key `devices` of the configuration.

devices:
example.com/fuse: {paths: [/dev/fuse], count: 4}        # four containers may have it at a time
example.com/modem: {each: [/dev/ttyUSB0, /dev/ttyUSB1]} # two units, each a file of its own
nvidia.com/gpu: {driver: nvidia, ids: ["0", "1"]}       # handed out by a driver of the Docker Engine
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from swarmlet.model import resource_names, syntax

CLASSES_MAX = 100
UNITS_MAX = 1_000
KEYS = ("paths", "each", "driver", "ids", "count", "permissions")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceClass:
    """Units of one resource. Every unit gives all of `paths`; of `each`, its own; of a `driver`, one of its ids."""

    paths: tuple[str, ...] = ()
    each: tuple[str, ...] = ()
    driver: str = ""
    ids: tuple[str, ...] = ()
    count: int = 1
    permissions: str = "rwm"


def read(value: Any) -> Mapping[str, DeviceClass]:
    """Return the classes that the configuration names; raise `ValueError` saying what is allowed."""
    if not isinstance(value, dict) or len(value) > CLASSES_MAX:
        raise ValueError(f"at most {CLASSES_MAX} resource names, each with its devices")
    return {_name(name): _class(name, given) for name, given in value.items()}


def _name(name: Any) -> str:
    if not isinstance(name, str) or syntax.label_key(name) or not resource_names.is_extended(name):
        raise ValueError(f"names such as example.com/fuse, which {name!r} is not")
    return name


def _class(name: str, given: Any) -> DeviceClass:
    if not isinstance(given, dict) or not set(given) <= set(KEYS):
        raise ValueError(f"{name}: the keys {', '.join(KEYS)}")
    found = DeviceClass(
        paths=_words(name, given, "paths"),
        each=_words(name, given, "each"),
        driver=_text(name, given, "driver", ""),
        ids=_words(name, given, "ids"),
        count=_count(name, given.get("count", 1)),
        permissions=_text(name, given, "permissions", "rwm"),
    )
    if sum(map(bool, (found.paths, found.each, found.driver))) != 1:
        raise ValueError(f"{name}: one of paths, each and driver")
    if bool(found.driver) != bool(found.ids):
        raise ValueError(f"{name}: driver and ids together")
    if not all(path.startswith("/dev/") and ".." not in path for path in (*found.paths, *found.each)):
        raise ValueError(f"{name}: paths below /dev")
    if not found.permissions or not set(found.permissions) <= set("rwm"):
        raise ValueError(f"{name}: permissions of the letters r, w and m")
    return found


def _words(name: str, given: Mapping[str, Any], key: str) -> tuple[str, ...]:
    words = given.get(key, [])
    if (
        not isinstance(words, list)
        or len(words) > UNITS_MAX
        or not all(isinstance(word, str) and word for word in words)
    ):
        raise ValueError(f"{name}: {key} is a list of texts, such as [/dev/fuse]")
    return tuple(dict.fromkeys(words))


def _text(name: str, given: Mapping[str, Any], key: str, default: str) -> str:
    text = given.get(key, default)
    if not isinstance(text, str):
        raise ValueError(f"{name}: {key} is text")  # noqa: TRY004  a rule speaks through ValueError alone
    return text


def _count(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= UNITS_MAX:
        raise ValueError(f"{name}: count is a whole number from 1 to {UNITS_MAX}")
    return value
