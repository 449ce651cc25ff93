"""The user's own kubeconfig file: a cluster put into it beside those that are there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from swarmlet.errors import ConfigError

VARIABLE = "KUBECONFIG"
HOME_FILE = Path(".kube/config")
BYTES_MAX = 16 * 1024 * 1024
SECTIONS = ("clusters", "users", "contexts")


def path_of(environment: Mapping[str, str], home: Path) -> Path:
    """Return the file that kubectl would write to: the first of $KUBECONFIG, else ~/.kube/config."""
    named = [each for each in environment.get(VARIABLE, "").split(os.pathsep) if each]
    return Path(named[0]) if named else home / HOME_FILE


def merged(present: Mapping[str, Any], added: Mapping[str, Any]) -> dict[str, Any]:
    """Return a kubeconfig with the entries of another, in place of those of the same names, and its context current."""
    whole = {"apiVersion": "v1", "kind": "Config", **present, "current-context": added["current-context"]}
    for section in SECTIONS:
        names = {each["name"] for each in added[section]}
        kept = [each for each in present.get(section) or () if each.get("name") not in names]
        whole[section] = [*kept, *added[section]]
    return whole


def put(path: Path, added: Mapping[str, Any]) -> None:
    """Put a kubeconfig's entries into a file: whole or not at all, closed to others.

    Raises `ConfigError` where the file cannot be written, or holds something else.
    """
    import yaml

    real = path.resolve()  # where it is a link, what it leads to is written
    text = yaml.safe_dump(merged(_read(real), added), sort_keys=False)
    try:
        real.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=real.parent, prefix=f".{real.name}-")  # of mode 0600
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(descriptor)
            Path(name).replace(real)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from error


def _read(path: Path) -> Mapping[str, Any]:
    import yaml

    try:
        with path.open("rb") as stream:
            document = yaml.safe_load(stream.read(BYTES_MAX))
    except FileNotFoundError:
        return {}
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {' '.join(str(error).split())}; it is left as it is") from error
    if document is None:
        return {}
    entries = [document.get(section) or [] for section in SECTIONS] if isinstance(document, dict) else [None]
    if not all(isinstance(each, list) and all(isinstance(entry, dict) for entry in each) for each in entries):
        raise ConfigError(f"{path}: not a kubeconfig; it is left as it is")
    return dict(document)
