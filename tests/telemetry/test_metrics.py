from __future__ import annotations

from prometheus_client import Counter

from swarmlet import __version__
from swarmlet.telemetry import metrics


def test_the_build_and_the_process_are_told() -> None:
    text = metrics.render(metrics.new_registry()).decode()
    assert f'swarmlet_build_info{{version="{__version__}"}} 1.0' in text
    assert "process_resident_memory_bytes" in text


def test_two_daemons_in_one_process_count_apart() -> None:
    one, other = metrics.new_registry(), metrics.new_registry()
    Counter("swarmlet_things", "Things.", registry=one).inc()
    Counter("swarmlet_things", "Things.", registry=other)
    assert "swarmlet_things_total 1.0" in metrics.render(one).decode()
    assert "swarmlet_things_total 0.0" in metrics.render(other).decode()
