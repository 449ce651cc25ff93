"""`python -m tools.load`: see the package."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from swarmlet.client import endpoints
from swarmlet.client.client import Client, Scope
from swarmlet.client.connection import Connection
from swarmlet.clock import SystemClock
from tools.load.counting import READY, Count
from tools.load.generator import Generator
from tools.load.targets import Targets


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.load", description=__doc__)
    parser.add_argument("--socket", type=Path, required=True, help="the socket of a daemon")
    parser.add_argument("--namespace", default="default")
    parser.add_argument("--selector", required=True, help="labels of the Pods")
    parser.add_argument("--node", required=True, help="whose Pods are sent to")
    parser.add_argument("--port", type=int, default=80)
    parser.add_argument("--rate", type=float, default=50.0, help="requests a second")
    parser.add_argument("--while", dest="file", type=Path, required=True, help="go on as long as this file is there")
    print(asyncio.run(_run(parser.parse_args())).to_json(), flush=True)


async def _run(asked: argparse.Namespace) -> Count:
    targets = Targets(asked.node)
    generator = Generator(targets, port=asked.port, rate=asked.rate)
    async with Connection(endpoints.local(asked.socket), clock=SystemClock(), warn=lambda _text: None) as connection:
        scope = Scope(namespace=asked.namespace, labels=asked.selector)
        following = asyncio.create_task(targets.follow(Client(connection), scope))
        try:
            await targets.known.wait()
            print(READY, flush=True)
            return await generator.run(asked.file.exists)
        finally:
            following.cancel()


if __name__ == "__main__":
    main()
