"""The document of what works is what comes of what passed and of the code."""

from __future__ import annotations

import ast
import json
from pathlib import Path

from tools import make_compatibility

ROOT = Path(__file__).resolve().parents[2]


def passed() -> dict[str, list[dict[str, object]]]:
    found: dict[str, list[dict[str, object]]] = json.loads(make_compatibility.PASSED.read_text(encoding="utf-8"))
    return found


def test_the_document_is_up_to_date() -> None:
    assert make_compatibility.TARGET.read_text(encoding="utf-8") == make_compatibility.document(passed())


def test_what_passed_is_still_there() -> None:
    functions: dict[str, set[str]] = {}
    for name in passed():
        path, _, function = name.partition("::")
        if path not in functions:
            tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
            kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
            functions[path] = {node.name for node in ast.walk(tree) if isinstance(node, kinds)}
        assert function.partition("[")[0] in functions[path], name


def test_fields_that_are_left_out_are_told_by_their_type() -> None:
    told = {each.name: each for each in make_compatibility.supports()}
    assert "ephemeralContainers" in told["core.v1.PodSpec"].warned
    assert "nfs" in told["core.v1.Volume"].refused
    assert told["core.v1.Volume"].warned == ()
    assert told["core.v1.ConfigMap"].kept == told["core.v1.ConfigMap"].known


def test_a_verb_is_told_of_each_client_that_did_it() -> None:
    def proof(client: str, *words: str, refused: str = "") -> dict[str, object]:
        return {"client": client, "proves": list(words), "refused": refused}

    said = make_compatibility.document(
        {
            "one": [proof("kubectl 1.32", "get", "wait"), proof("kubectl 1.37", "get")],
            "two": [proof("kubectl 1.37", "fly", refused="nothing flies")],
        }
    )
    assert "|  | kubectl 1.37 | kubectl 1.32 |" in said
    assert "| `get` | yes | yes |\n| `wait` |  | yes |" in said
    assert "| `fly` | refused |  |" in said
    assert "- `fly` is refused: nothing flies." in said


def test_what_is_not_served_is_named() -> None:
    absent = make_compatibility.not_served()
    assert "Ingress (networking.k8s.io)" in absent
    assert "ReplicationController" in absent
    assert not {each for each in absent if each.startswith(("Pod ", "Deployment ", "Event", "HorizontalPodAutoscaler"))}
