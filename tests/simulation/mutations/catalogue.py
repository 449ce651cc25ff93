"""All mutations, and the first seed that finds each."""

from __future__ import annotations

import json
from pathlib import Path

from tests.simulation.mutations.core_mutations import CORE

ALL = CORE
SEEDS = Path(__file__).with_name("seeds.json")


def read_seeds() -> dict[str, int]:
    """Return, by a mutation's name, the seed that was the first to find it."""
    return json.loads(SEEDS.read_text(encoding="utf-8")) if SEEDS.exists() else {}


def write_seeds(seeds: dict[str, int]) -> None:
    SEEDS.write_text(json.dumps(dict(sorted(seeds.items())), indent=1) + "\n", encoding="utf-8")
