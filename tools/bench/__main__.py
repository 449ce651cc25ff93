"""Run all measurements on a lab of three machines and print them beside peer, floor and target."""

from __future__ import annotations

import asyncio
import statistics
import sys

from rich.console import Console
from rich.table import Table

from tools.bench import failover, footprint, startup, writes
from tools.lab import Lab, LabError
from tools.lab.cluster import Cluster

START_RATIO_MAX = 1.15
FAILOVER_SECONDS_MAX = 1.0
IDLE_MEMORY_MIB_MAX = 90
IDLE_CPU_PERCENT_MAX = 2


def main() -> int:
    """Measure and print; exit 1 where a target is missed."""
    table = Table("measured", "ours", "beside", "ratio", "target", box=None, pad_edge=False)
    try:
        with Lab("bench", count=3, subnet="10.77.9.0/24") as lab:
            cluster = Cluster(lab)
            cluster.form()
            met = [*asyncio.run(_measure(cluster, table))]
    except LabError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    Console(width=120).print(table)
    return 0 if all(met) else 1


async def _measure(cluster: Cluster, table: Table) -> list[bool]:
    print("bench: footprint", flush=True)
    prints = await footprint.measure(cluster)
    for name, cost in prints.items():
        idle = name == "idle"
        table.add_row(f"daemon's memory, {name}", f"{cost.memory_mib:.0f} MiB", "", "", f"< {IDLE_MEMORY_MIB_MAX} MiB")
        cpu_target = f"< {IDLE_CPU_PERCENT_MAX} %" if idle else ""
        table.add_row(f"daemon's CPU, {name}", f"{cost.cpu_percent:.1f} % of a core", "", "", cpu_target)
    met = [prints["idle"].memory_mib < IDLE_MEMORY_MIB_MAX, prints["idle"].cpu_percent < IDLE_CPU_PERCENT_MAX]
    print("bench: apply to ready", flush=True)
    for size, (ours, bare, concurrency) in (await startup.measure(cluster)).items():
        beside = f"{bare:.2f} s bare Docker API ({concurrency} an Engine)"
        table.add_row(
            f"apply -> {size} Pods ready", f"{ours:.2f} s", beside, f"{ours / bare:.2f}", f"<= {START_RATIO_MAX}"
        )
        met.append(ours / bare <= START_RATIO_MAX)
    print("bench: writes", flush=True)
    fsync = writes.fsync_ms()
    for clients, rate in (await writes.measure(cluster)).items():
        ours_text = f"{rate.per_second:.0f}/s, p50 {rate.p50_ms:.1f} ms, p99 {rate.p99_ms:.1f} ms"
        table.add_row(
            f"API writes, {clients} clients", ours_text, f"fsync p50 {fsync:.2f} ms", f"{rate.p50_ms / fsync:.1f}", ""
        )
    print("bench: fail-over", flush=True)
    seconds = await failover.measure(cluster)
    median = statistics.median(seconds)
    spread = f"{min(seconds):.2f}-{max(seconds):.2f} s"
    table.add_row("leader killed -> write", f"{median:.2f} s", spread, "", f"<= {FAILOVER_SECONDS_MAX:g} s")
    return [*met, median <= FAILOVER_SECONDS_MAX]


if __name__ == "__main__":
    sys.exit(main())
