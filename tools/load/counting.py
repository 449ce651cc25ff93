"""What a load generator counts."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Self

FAILURES_TOLD_MAX = 20
READY = "sending"
"""What a generator prints when it begins."""


@dataclass
class Count:
    """`failed` requests got no answer of 200 with its body whole. `failures` tells the first of them.

    `served` are answers by the Pod that gave them. `idle_seconds`: how long no Pod was ready anywhere in the cluster,
    after the first one was.
    """

    requests: int = 0
    failed: int = 0
    failures: list[str] = field(default_factory=list)
    served: dict[str, int] = field(default_factory=dict)
    idle_seconds: float = 0.0
    milliseconds_max: float = 0.0

    def succeed(self, pod: str, milliseconds: float) -> None:
        self.requests += 1
        self.served[pod] = self.served.get(pod, 0) + 1
        self.milliseconds_max = max(self.milliseconds_max, milliseconds)

    def fail(self, pod: str, why: str) -> None:
        self.requests += 1
        self.failed += 1
        if len(self.failures) < FAILURES_TOLD_MAX:
            self.failures.append(f"{pod}: {why}")

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        return cls(**json.loads(text))

    @classmethod
    def total(cls, counts: Iterable[Count]) -> Self:
        """Add up what several generators counted at the same time."""
        whole = cls()
        for each in counts:
            whole.requests += each.requests
            whole.failed += each.failed
            whole.failures = [*whole.failures, *each.failures][:FAILURES_TOLD_MAX]
            for pod, answers in each.served.items():
                whole.served[pod] = whole.served.get(pod, 0) + answers
            whole.idle_seconds = max(whole.idle_seconds, each.idle_seconds)
            whole.milliseconds_max = max(whole.milliseconds_max, each.milliseconds_max)
        return whole
