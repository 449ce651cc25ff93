"""YAML as the Kubernetes tools write it: keys sorted, text of several lines as a block, no line ever folded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

WIDTH = 1_000_000
_STRING_TAG = "tag:yaml.org,2002:str"


class _Dumper(yaml.SafeDumper):
    """Writes text in the styles of Go's YAML, and what stands twice twice: no anchors."""

    def ignore_aliases(self, _: Any) -> bool:
        return True


def written(document: Mapping[str, Any]) -> str:
    """Return the YAML of a document, without the last line end."""
    text: str = yaml.dump(document, Dumper=_Dumper, sort_keys=True, allow_unicode=True, width=WIDTH)
    return text.removesuffix("\n")


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None if _is_plain(dumper, text) else '"'
    return dumper.represent_scalar(_STRING_TAG, text, style=style)


def _is_plain(dumper: yaml.SafeDumper, text: str) -> bool:
    """Return whether unquoted text would be read back as text."""
    tag = dumper.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]  # PyYAML has no types
    return bool(tag == _STRING_TAG)


_Dumper.add_representer(str, _text)
