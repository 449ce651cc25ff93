"""What is compared: the server that answers, and the proxies before it, each on the machine that it is for."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import subprocess
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

from swarmlet.clock import SystemClock
from swarmlet.network.proxy.places import Places
from swarmlet.network.proxy.poll import Poll
from swarmlet.network.proxy.site import Site
from swarmlet.network.proxy.targets import Target
from swarmlet.network.proxy.tcp import TcpFront
from swarmlet.network.services.desired import Endpoint, Port, Service
from swarmlet.store.commands import Key
from tools.bench.network_ground import Namespace

PAGE = "x" * 512
READY_SECONDS_MAX = 10.0


@contextlib.contextmanager
def nginx(where: Namespace, folder: Path, name: str) -> Iterator[None]:
    """Answer the page at port 80 of all addresses; at /who, the address that was asked. One process."""
    own = folder / name
    own.mkdir()
    temporary = " ".join(f"{each}_temp_path {own};" for each in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    file = own / "nginx.conf"
    file.write_text(
        textwrap.dedent(
            f"""
            daemon off; master_process off; pid {own}/pid; error_log {own}/error.log;
            events {{ worker_connections 1024; }}
            http {{
                access_log off; keepalive_requests 1000000000; {temporary}
                server {{
                    listen 80 default_server backlog=1024;
                    location = /who {{ return 200 "$server_addr"; }}
                    location / {{ return 200 "{PAGE}"; }}
                }}
            }}
            """
        ),
        encoding="utf-8",
    )
    with _program(where, "nginx", "-p", str(own), "-c", str(file), "-e", f"{own}/error.log"):
        yield


@contextlib.contextmanager
def haproxy(where: Namespace, folder: Path, here: tuple[str, int], there: tuple[str, int]) -> Iterator[None]:
    """Pass connections on in TCP mode, with one thread, as ours has one."""
    text = f"""
        global
            nbthread 1
            maxconn 1000
        defaults
            mode tcp
            timeout connect 5s
            timeout client 60s
            timeout server 60s
        listen web
            bind {here[0]}:{here[1]}
            server one {there[0]}:{there[1]}
    """
    file = folder / "haproxy.cfg"
    file.write_text(textwrap.dedent(text), encoding="utf-8")
    with _program(where, "haproxy", "-q", "-db", "-f", str(file)):
        yield


@contextlib.contextmanager
def docker_proxy(where: Namespace, here: tuple[str, int], there: tuple[str, int]) -> Iterator[None]:
    """Run the proxy that Docker publishes ports with; it says on file 3 that it listens."""
    report, ready = os.pipe()
    ours = ("-proto", "tcp", "-host-ip", here[0], "-host-port", str(here[1]))
    theirs = ("-container-ip", there[0], "-container-port", str(there[1]))
    with _program(where, "docker-proxy", *ours, *theirs, ready=ready):
        yield
    os.close(report)
    os.close(ready)


@contextlib.contextmanager
def our_proxy(where: Namespace, here: tuple[str, int], there: tuple[str, int]) -> Iterator[None]:
    """Run our own, in a process of its own."""
    with where.process(_our_proxy, *here, *there):
        yield


def _our_proxy(address: str, port: int, endpoint: str, endpoint_port: int) -> None:
    async def serve() -> None:
        target = Target(random.Random())  # noqa: S311  whose turn it is
        web = (Endpoint(endpoint, endpoint_port),)
        told = Port("http", "TCP", port, 0, web, web, web)
        target.update(Service(Key("services", "bench", "web"), address, ports=(told,)), told)
        loop = asyncio.get_running_loop()
        site = Site(loop, Poll(loop), SystemClock(), Places())
        TcpFront(site, address, port, target, lambda: target.internal)
        await asyncio.Event().wait()

    asyncio.run(serve())


def fetch(where: Namespace, url: str) -> str:
    """Return what is there; raise `TimeoutError` where nobody answers in time."""
    end = time.monotonic() + READY_SECONDS_MAX
    while time.monotonic() < end:
        argv = [*where.enter, "busybox", "wget", "-q", "-O", "-", url]
        with contextlib.suppress(subprocess.TimeoutExpired):
            done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=1)
            if done.returncode == 0:
                return done.stdout
        time.sleep(0.05)
    raise TimeoutError(f"nobody answers at {url}")


def missing() -> list[str]:
    """Return the programs that are not here."""
    needed = ("wrk", "nginx", "haproxy", "docker-proxy", "nft", "iptables-restore", "busybox", "nsenter")
    return [each for each in needed if shutil.which(each) is None]


@contextlib.contextmanager
def _program(where: Namespace, *argv: str, ready: int = -1) -> Iterator[None]:
    """Run a program; `ready` becomes its file 3."""
    process = subprocess.Popen(
        [*where.enter, *argv],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        close_fds=False,
        preexec_fn=(lambda: os.dup2(ready, 3)) if ready >= 0 else None,  # noqa: PLW1509  no threads here
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait()
