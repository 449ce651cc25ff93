"""`healthcheck` as probes: whether a Pod may serve, whether it is to be started again, and how long it may begin.

Docker's check has one state; here it becomes three probes of the same command. While it begins it is asked often, so
that what waits for it need not wait for a whole interval; afterwards at the interval. Docker Compose leaves an
unhealthy container running; Swarm starts it again, and so do we.
"""

from __future__ import annotations

import math
from datetime import timedelta

from swarmlet.manifests.compose.conversion import amounts
from swarmlet.manifests.compose.conversion.draft import Document, ServiceDraft

INTERVAL = timedelta(seconds=30)
TIMEOUT = timedelta(seconds=30)
START_INTERVAL = timedelta(seconds=5)
RETRIES = 3
"""Docker's defaults."""


def probes(it: ServiceDraft) -> Document:
    """Return the container's probes; none where the check is off, or is the image's, which is not known here."""
    check = it.service.healthcheck
    if check is None or check.disable:
        return {}
    if not check.test:
        it.warn("healthcheck", "has no test: a check of the image's is not known to Kubernetes; write test: here")
        return {}
    interval = amounts.seconds(check.interval or INTERVAL, least=1)
    timeout = amounts.seconds(check.timeout or TIMEOUT, least=1)
    retries = check.retries or RETRIES
    first = min(interval, amounts.seconds(check.start_interval or START_INTERVAL, least=1))
    allowed = amounts.seconds(check.start_period) + retries * interval

    def probe(period: int, failures: int) -> Document:
        told = {"timeoutSeconds": timeout, "periodSeconds": period, "failureThreshold": failures}
        return {"exec": {"command": _command(check.test)}, **told}

    return {
        "startupProbe": probe(first, max(1, math.ceil(allowed / first))),
        "readinessProbe": probe(interval, retries),
        "livenessProbe": probe(interval, retries),
    }


def _command(test: tuple[str, ...]) -> list[str]:
    if test[0] == "CMD-SHELL":
        return ["/bin/sh", "-c", " ".join(test[1:])]
    return list(test[1:]) if test[0] == "CMD" else list(test)
