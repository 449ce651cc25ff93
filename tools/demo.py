"""`make demo`: three daemons on this machine, a Deployment, a killed container, a killed leader, and the times."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from rich.console import Console

from swarmlet.model import thresholds
from swarmlet.model.node_subnets import SERVICE_CIDR
from swarmlet.network.proxy import addresses
from tools.engine import Engine, docker_host
from tools.lab import image
from tools.lab.cluster import is_ready

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".demo"
BIN = Path(sys.executable).parent
MANIFEST = ROOT / "config" / "examples" / "web.yaml"
SELECTOR = "app=web"
SERVICE_PORT = 30_080
SERVICE_URL = f"http://127.0.0.1:{SERVICE_PORT}/"
REPLICAS = 3
T = TypeVar("T")

console = Console(highlight=False, soft_wrap=True)


class DemoError(Exception):
    """Something did not come about; the message says what and where to look."""


def wait_for(condition: Callable[[], T], seconds: float, what: str) -> T:
    """Return the first true value of a condition; raise DemoError after `seconds`."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise DemoError(f"{what}: not within {seconds:g} s; the daemons' logs are in {FOLDER}")
        time.sleep(0.05)
    return value


def earlier_daemons() -> list[int]:
    """Return the pids of daemons that an earlier demo left running."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                command = (entry / "cmdline").read_bytes().split(b"\0")
                if any(word.startswith(str(FOLDER).encode() + b"/node-") for word in command) and b"run" in command:
                    found.append(int(entry.name))
    return found


def free_port() -> int:
    """Return a TCP port of the loopback address that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@dataclass
class Daemon:
    """One of the three: a folder, a configuration, a process."""

    name: str
    runtime: str
    port: int
    status_port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def folder(self) -> Path:
        return FOLDER / self.name

    @property
    def config(self) -> Path:
        return FOLDER / f"{self.name}.yaml"

    def configure(self) -> None:
        """Write the daemon's configuration."""
        document = {
            "data_dir": str(self.folder),
            "node_name": self.name,
            "listen": f"127.0.0.1:{self.port}",
            "advertise": f"127.0.0.1:{self.port}",
            "status_listen": f"127.0.0.1:{self.status_port}",
            "runtime": self.runtime,
            "eviction": {"hard": dict.fromkeys(thresholds.SIGNALS, "0")},  # how full this machine is shall not matter
            # Three daemons share this machine's kernel, which is its user's: none of them changes links or rules.
            "network": {"mode": "none", "services": "userspace", "dns": False, "policies": False},
        }
        if self.runtime == "docker":
            document["docker_host"] = docker_host()
        self.config.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")

    def swarmlet(self, *arguments: str, token: str = "", check: bool = True) -> str:
        """Run the command line against this daemon and return what it printed."""
        env = dict(os.environ, SWARMLET_SOCKET=str(self.folder / "swarmlet.sock"))
        if token:
            env["SWARMLET_TOKEN"] = token
        argv = [str(BIN / "swarmlet"), *arguments]
        done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=120)
        if check and done.returncode:
            raise DemoError(f"swarmlet {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def start(self) -> None:
        """Start the daemon in the background; it outlives the demo when kept."""
        with (FOLDER / f"{self.name}.log").open("ab") as log:
            argv = [str(BIN / "swarmlet"), "run", "--config", str(self.config)]
            self.process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Send a signal and wait for the end."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(5)

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def status(self) -> dict[str, Any]:
        """Return `GET /status`; {} where nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.status_port}/status", timeout=2) as answer:
                return dict(json.load(answer))
        except (OSError, ValueError):
            return {}


class Demo:
    """The story, step by step; each step says what it does and what it saw."""

    def __init__(self, runtime: str) -> None:
        self.runtime = runtime
        self.daemons = [Daemon(f"node-{n}", runtime, free_port(), free_port()) for n in (1, 2, 3)]
        self.measured: dict[str, str] = {}

    def run(self) -> None:
        """Tell the whole story."""
        self.form_cluster()
        self.apply()
        self.ask_service()
        self.kill_container()
        self.kill_leader()
        self.summarise()

    def form_cluster(self) -> None:
        """Initialise on the first, join the others."""
        step("Three daemons on this machine, joined over mutual TLS")
        start = time.monotonic()
        first, *others = self.daemons
        for daemon in self.daemons:
            daemon.configure()
        first.swarmlet("init", "--config", str(first.config), "--no-start")
        first.start()
        self.wait_ready(1)
        for other in others:
            token = first.swarmlet("token", "create").split()[-1]
            other.swarmlet("join", f"127.0.0.1:{first.port}", "--config", str(other.config), "--no-start", token=token)
            other.start()
        self.wait_ready(3)
        self.measured["from nothing to three ready voters"] = f"{time.monotonic() - start:.1f} s"
        show(first.swarmlet("status"))

    def wait_ready(self, count: int) -> None:
        """Wait until `count` nodes vote and are ready."""

        def ready() -> bool:
            nodes = self.living().status().get("nodes", [])
            return sum(1 for node in nodes if node["ready"] and node["role"] in ("leader", "voter")) >= count

        wait_for(ready, 60, f"{count} ready voters")

    def living(self) -> Daemon:
        """Return a daemon that runs."""
        return next(daemon for daemon in self.daemons if daemon.running)

    def apply(self) -> None:
        """Apply the example and wait for its Pods."""
        step(f"swarmlet apply --wait -f {MANIFEST.relative_to(ROOT)}")
        start = time.monotonic()
        show(self.living().swarmlet("apply", "--wait", "-f", str(MANIFEST)))
        self.measured[f"apply to {REPLICAS} Pods ready"] = f"{time.monotonic() - start:.1f} s"
        show(self.living().swarmlet("get", "pods", "-o", "wide"))

    def ask_service(self) -> None:
        """Ask the example's Service, as often as it has Pods: they take turns."""
        step(f"curl {SERVICE_URL}: the Service's Pods take turns")
        wait_for(lambda: fetched(SERVICE_PORT), 20, f"an answer at {SERVICE_URL}")
        show("\n".join(fetched(SERVICE_PORT) for _ in range(REPLICAS)))

    def pods(self) -> list[dict[str, Any]]:
        """Return the example's Pods."""
        try:
            printed = self.living().swarmlet("get", "pods", "-l", SELECTOR, "-o", "json")
        except DemoError:  # while the next leader is elected
            return []
        return list(json.loads(printed)["items"])

    def ready_pods(self) -> list[dict[str, Any]]:
        """Return those that are ready and stay."""
        return [pod for pod in self.pods() if is_ready(pod) and not pod["metadata"].get("deletionTimestamp")]

    def kill_container(self) -> None:
        """Kill one container behind the daemons' back."""
        victim = self.ready_pods()[0]
        status = victim["status"]["containerStatuses"][0]
        step(f"A container of {victim['metadata']['name']} is killed by hand")
        start = time.monotonic()
        kill_container(status["containerID"])

        def replaced() -> bool:
            pods = {pod["metadata"]["name"]: pod for pod in self.ready_pods()}
            pod = pods.get(victim["metadata"]["name"])
            return pod is not None and pod["status"]["containerStatuses"][0]["restartCount"] > status["restartCount"]

        wait_for(replaced, 30, "the container is replaced")
        self.measured["container killed to its replacement ready"] = f"{time.monotonic() - start:.1f} s"
        show(self.living().swarmlet("get", "pods", "-o", "wide"))

    def kill_leader(self) -> None:
        """SIGKILL the leader's daemon; the cluster answers, and heals."""
        name = wait_for(lambda: self.living().status().get("leader_name"), 15, "a leader")
        leader = next(daemon for daemon in self.daemons if daemon.name == name)
        step(f"The leader, {name}, is killed with SIGKILL")
        start = time.monotonic()
        leader.stop(signal.SIGKILL)
        write = ("scale", "deployment/web", f"--replicas={REPLICAS + 1}")
        wait_for(lambda: "scaled" in self.living().swarmlet(*write, check=False), 30, "a write is acknowledged")
        self.measured["leader killed to the next acknowledged write"] = f"{time.monotonic() - start:.1f} s"
        wait_for(lambda: self._elsewhere(name) == REPLICAS + 1, 60, "its Pods run elsewhere")
        self.measured["leader killed to all Pods running elsewhere"] = f"{time.monotonic() - start:.1f} s"
        show(self.living().swarmlet("status"))
        show(self.living().swarmlet("get", "pods", "-o", "wide"))
        step(f"{name} comes back")
        leader.start()
        self.wait_ready(3)
        wait_for(lambda: len(self.pods()) == REPLICAS + 1, 60, "what was replaced is cleaned up")
        show(self.living().swarmlet("get", "pods,nodes", "-o", "wide"))

    def _elsewhere(self, name: str) -> int:
        return sum(1 for pod in self.ready_pods() if pod["spec"]["nodeName"] != name)

    def summarise(self) -> None:
        """Print what was measured."""
        step("Measured")
        width = max(map(len, self.measured))
        for what, value in self.measured.items():
            console.print(f"  {what:<{width}}  [bold]{value}[/bold]")

    def stop(self) -> None:
        """Remove the Pods, stop the daemons, remove their folder."""
        running = [daemon for daemon in self.daemons if daemon.running]
        if running:
            with contextlib.suppress(DemoError, subprocess.TimeoutExpired):
                running[0].swarmlet("delete", "-f", str(MANIFEST), "--ignore-not-found", check=False)
                wait_for(lambda: not self.pods(), 30, "the Pods are gone")
        for daemon in self.daemons:
            daemon.stop()
        addresses.release(SERVICE_CIDR)  # the way to cluster IPs, which the daemons of root have made
        shutil.rmtree(FOLDER, ignore_errors=True)

    def say_how_to_go_on(self) -> None:
        """Print how to use what runs, and how to end it."""
        first = self.daemons[0]
        pids = " ".join(str(daemon.process.pid) for daemon in self.daemons if daemon.process)
        step("Left running")
        console.print(f"  export SWARMLET_SOCKET={first.folder / 'swarmlet.sock'}")
        console.print(f"  {BIN / 'swarmlet'} get pods,nodes -o wide")
        console.print(f"  {BIN / 'swarmlet'} delete -f {MANIFEST.relative_to(ROOT)}   # then end it: kill {pids}")


def fetched(port: int) -> str:
    """Return what is answered there, "" where nothing is."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2) as answer:
            return str(answer.read().decode().strip())
    except OSError:
        return ""


def kill_container(container_id: str) -> None:
    """Kill a container of the Engine, or the process that stands for one."""
    runtime, _, name = container_id.partition("://")
    if runtime == "docker":
        Engine(docker_host()).json("POST", f"/containers/{name}/kill")
    else:
        os.kill(process_of(name), signal.SIGKILL)


def process_of(container_id: str) -> int:
    """Return the pid of what the process runtime runs under this id."""
    for state in FOLDER.glob(f"*/processes/{container_id}/state.json"):
        return int(json.loads(state.read_text(encoding="utf-8"))["pid"])
    raise DemoError(f"no process of {container_id}")


def choose_runtime() -> str:
    """Return "docker" where an Engine answers, else "process"; say which in one line, and see to the image."""
    engine = Engine(docker_host())
    if not engine.answers():
        console.print(f"No Docker Engine answers at {engine.host}: Pods run as plain processes, without isolation.")
        return "process"
    console.print(f"Containers run on the Docker Engine at {engine.host}.")
    name = web_image()
    if not engine.has_image(name) and not engine.pull(name):
        console.print(f"The image {name} cannot be pulled: building it from this machine's static busybox.")
        try:
            engine.load(image.build_image({name: "1"}))
        except FileNotFoundError as error:
            raise DemoError(f"cannot build {name}: {error}") from error
    return "docker"


def web_image() -> str:
    """Return the image of the example's first container."""
    documents = yaml.safe_load_all(MANIFEST.read_text(encoding="utf-8"))
    web = next(document for document in documents if document and document["kind"] == "Deployment")
    return str(web["spec"]["template"]["spec"]["containers"][0]["image"])


def step(title: str) -> None:
    """Print the title of a step."""
    console.print(f"\n[bold cyan]==> {title}[/bold cyan]")


def show(text: str) -> None:
    """Print what a command printed, as it is."""
    console.print(text.rstrip(), markup=False)


def main() -> int:
    """Run the demo; exit 1 where a promise was not kept."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the cluster running (make demo KEEP=1)")
    keep = parser.parse_args().keep
    if earlier := earlier_daemons():
        console.print(f"[red]error:[/red] an earlier demo still runs; end it first: kill {' '.join(map(str, earlier))}")
        return 1
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    demo = None
    try:
        demo = Demo(choose_runtime())
        demo.run()
    except (DemoError, subprocess.TimeoutExpired) as error:
        console.print(f"[red]error:[/red] {error}", soft_wrap=True)
        keep = False
        shutil.copytree(
            FOLDER, FOLDER.with_suffix(".failed"), dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.sock")
        )
        return 1
    finally:
        if demo is not None and not keep:
            demo.stop()
    if keep:
        demo.say_how_to_go_on()
    return 0


if __name__ == "__main__":
    sys.exit(main())
