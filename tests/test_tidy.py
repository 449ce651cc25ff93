"""What keeps the tree a place to live in: lengths, docstrings, dead modules, banned names and calls."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "swarmlet"
MODULE_LINES_MAX = 420
FUNCTION_LINES_MAX = 60
BANNED_NAMES = {"utils", "helpers", "manager", "common", "misc", "data"}
ENTRY_POINTS = {
    "swarmlet.runtime.deputy",  # started as a process of its own, like the next
    "swarmlet.runtime.shim",
    "swarmlet.__main__",  # `python -m swarmlet`
}
TIME_CALLS = {("time", "time"), ("time", "sleep"), ("time", "monotonic"), ("datetime", "now"), ("datetime", "utcnow")}
TIME_READERS = {"clock.py", "runtime/shim.py", "runtime/deputy.py"}  # those are processes of their own
PURE_ROOMS = ("model", "manifests", "ownership", "protobuf", "raft", "store", "scheduler", "explain")
RANDOM_FUNCTIONS = {"random", "randint", "choice", "choices", "shuffle", "sample", "uniform", "getrandbits", "seed"}

MODULES = sorted(PACKAGE.rglob("*.py"))


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def place(path: Path, node: ast.AST | None = None) -> str:
    line = f":{node.lineno}" if node is not None else ""
    return f"{path.relative_to(ROOT)}{line}"


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def attribute_calls(tree: ast.AST) -> Iterator[tuple[ast.Call, str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            value = node.func.value
            owner = value.id if isinstance(value, ast.Name) else value.attr if isinstance(value, ast.Attribute) else ""
            yield node, owner, node.func.attr


def test_no_module_is_long() -> None:
    lengths = {place(path): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {path: lines for path, lines in lengths.items() if lines > MODULE_LINES_MAX} == {}


def test_no_function_is_long() -> None:
    long = {
        f"{place(path, function)} {function.name}": lines
        for path in MODULES
        for function in functions(parse(path))
        if function.end_lineno and (lines := function.end_lineno - function.lineno + 1) > FUNCTION_LINES_MAX
    }
    assert long == {}


def test_every_room_says_what_it_is_for() -> None:
    rooms = [path for path in MODULES if path.name == "__init__.py" and path.stat().st_size]
    assert rooms
    assert [place(path) for path in rooms if not ast.get_docstring(parse(path))] == []


def test_every_module_says_what_it_is_about() -> None:
    assert [place(path) for path in MODULES if path.stat().st_size and not ast.get_docstring(parse(path))] == []


def test_no_module_is_dead() -> None:
    names = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in MODULES if path.name != "__init__.py"
    }
    used: set[str] = set()
    for path in MODULES:
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.Import):
                used.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                used.add(node.module)
                used.update(f"{node.module}.{alias.name}" for alias in node.names)
            elif isinstance(node, ast.Constant) and node.value in names:  # imported by its name, when it is needed
                used.add(node.value)
    assert sorted(set(names) - used - ENTRY_POINTS) == []


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [place(path) for path in MODULES if path.stem in BANNED_NAMES] == []


def test_only_the_clock_reads_time_or_sleeps() -> None:
    readers = [
        f"{place(path, call)} {owner}.{name}"
        for path in MODULES
        if str(path.relative_to(PACKAGE)) not in TIME_READERS
        for call, owner, name in attribute_calls(parse(path))
        if (owner, name) in TIME_CALLS
    ]
    assert readers == []


def test_pure_rooms_take_randomness_as_an_argument() -> None:
    draws = [
        f"{place(path, call)} random.{name}"
        for room in PURE_ROOMS
        for path in (PACKAGE / room).rglob("*.py")
        for call, owner, name in attribute_calls(parse(path))
        if owner == "random" and name in RANDOM_FUNCTIONS
    ]
    assert draws == []


@pytest.mark.parametrize("pattern", [r"\bTODO\b", r"\bFIXME\b", r"\bXXX\b", r"\bNotImplementedError\b"])
def test_nothing_is_left_for_later_in_the_code(pattern: str) -> None:
    marks = [
        f"{place(path)}:{number}"
        for path in MODULES
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(pattern, line)
    ]
    assert marks == []


def test_tracked_files_name_no_path_of_a_developer() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    home = re.compile(r"/(home|Users|work)/[a-z]+/")
    guilty = []
    for name in tracked:
        path = ROOT / name
        if path.suffix in {".py", ".md", ".toml", ".yaml", ".txt", ".service", ".sh"} and path.exists():
            guilty += [name] if home.search(path.read_text(encoding="utf-8")) else []
    assert guilty == []
