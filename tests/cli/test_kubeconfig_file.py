from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from swarmlet.cli import kubeconfig_file
from swarmlet.errors import ConfigError


def config(name: str, server: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": server}}],
        "users": [{"name": f"admin@{name}", "user": {}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": f"admin@{name}"}}],
        "current-context": name,
    }


def servers(path: Path) -> dict[str, str]:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {each["name"]: each["cluster"]["server"] for each in document["clusters"]}


def test_a_cluster_is_put_beside_the_others_and_is_current(tmp_path: Path) -> None:
    path = tmp_path / "kube" / "config"
    kubeconfig_file.put(path, config("one", "https://a") | {"preferences": {"colors": True}})
    first = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump(first | {"preferences": {"colors": True}}), encoding="utf-8")
    kubeconfig_file.put(path, config("two", "https://b"))
    kubeconfig_file.put(path, config("one", "https://c"))
    assert servers(path) == {"two": "https://b", "one": "https://c"}
    after = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert (after["current-context"], after["preferences"]) == ("one", {"colors": True})
    assert [each["name"] for each in after["contexts"]] == ["two", "one"]


def test_the_file_is_closed_to_others_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.touch(mode=0o644)
    kubeconfig_file.put(path, config("one", "https://a"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    link, path = tmp_path / "link", tmp_path / "config"
    link.symlink_to(path)
    kubeconfig_file.put(link, config("one", "https://a"))
    assert link.is_symlink()
    assert servers(path) == {"one": "https://a"}


@pytest.mark.parametrize("text", ["a: [", "- a", "clusters: 1", "users: [x]"])
def test_what_is_no_kubeconfig_is_left_as_it_is(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="left as it is"):
        kubeconfig_file.put(path, config("one", "https://a"))
    assert path.read_text(encoding="utf-8") == text


def test_the_file_is_the_one_that_kubectl_writes_to() -> None:
    home = Path("/nowhere")
    assert kubeconfig_file.path_of({}, home) == home / ".kube/config"
    assert kubeconfig_file.path_of({"KUBECONFIG": ":/a:/b"}, home) == Path("/a")
