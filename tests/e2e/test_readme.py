"""The README's tour, typed as it stands, on three fresh machines with the default configuration."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools import demo
from tools.lab import Lab, Machine, image
from tools.lab.processes import wait_until

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
PROMPT = re.compile(r"^(h\d)# (.+)$", re.MULTILINE)
HANDS_OVER = ("swarmlet init", "swarmlet join")  # without systemd they become the daemon


@pytest.fixture
def machines() -> Iterator[Lab]:
    with Lab("tour", count=3, subnet="10.77.2.0/24") as lab:
        for machine in lab:
            machine.engine.load(web_image())
        yield lab


def web_image() -> bytes:
    return image.build_image({demo.web_image(): "1"})


def commands() -> list[tuple[str, str]]:
    """Return (machine, command) for each line of the README's tour."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = [block.split("```")[0] for block in readme.split("```console")[1:]]
    return [(match[1], match[2]) for block in blocks for match in PROMPT.finditer(block)]


def test_every_line_of_the_tour_works_as_it_stands(machines: Lab) -> None:
    env = dict(os.environ, PATH=f"{BIN}:{os.environ['PATH']}", HOME=str(machines.folder))
    token, printed = "", {}
    for host, command in commands():
        line = command.replace("TOKEN", token)
        if command.startswith(HANDS_OVER):
            hand_over(machines[host], line, env)
            continue
        done = machines[host].run("sh", "-c", line, env=env, seconds=120, check=False)
        assert done.returncode == 0, f"{host}# {line}\n{done.stdout}{done.stderr}{log(machines[host])}"
        printed[command] = done.stdout
        if command.endswith("token create"):
            token = done.stdout.split()[-1]
    assert printed["swarmlet get nodes"].count(" Ready ") == 3
    assert printed["swarmlet get pods,services -o wide"].count("Running") == 3
    asked = [text for command, text in printed.items() if "http://" in command and "--server" not in command]
    assert [text.partition("-")[0] for text in asked] == ["Hello from web"] * 3
    assert "successfully rolled out" in printed["swarmlet rollout status deployment/web"]
    assert printed["kubectl --kubeconfig swarmlet.kubeconfig get pods"].count("Running") == 6


def hand_over(machine: Machine, line: str, env: dict[str, str]) -> None:
    """Start a line that becomes the daemon, and wait until the daemon says that its node is ready."""
    process = machine.spawn(["sh", "-c", f"exec {line}"], log=machine.folder / "daemon.log", env=env)

    def ready() -> bool:
        assert process.alive, f"{machine.name}# {line}\n{log(machine)}"
        probe = (
            "import urllib.request as r; print(r.urlopen('http://127.0.0.1:7601/status', timeout=2).read().decode())"
        )
        done = machine.run(sys.executable, "-c", probe, check=False)
        if done.returncode:
            return False
        # A daemon that has not caught up yet knows of no node: its own must be among those that are ready.
        ready_names = {node["name"] for node in json.loads(done.stdout)["nodes"] if node["ready"]}
        return machine.name in ready_names

    wait_until(ready, 60, f"{machine.name}# {line}", step_seconds=0.2)


def log(machine: Machine) -> str:
    path = machine.folder / "daemon.log"
    return path.read_text(encoding="utf-8", errors="replace")[-2000:] if path.exists() else ""


@pytest.fixture(autouse=True)
def _clean_up_the_kubeconfig() -> Iterator[None]:
    yield
    (ROOT / "swarmlet.kubeconfig").unlink(missing_ok=True)
    shutil.rmtree(ROOT / ".kube", ignore_errors=True)
