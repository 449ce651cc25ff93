"""Several machines on one: what the end-to-end tests and the benchmark run swarmlet on.

A machine is a network namespace with an address of its own on a switch (a bridge in a namespace of its own), and a
PID, mount, UTS and IPC namespace under a tiny init, with a Docker daemon of its own. SIGKILL of that init is the
machine losing power: the kernel takes the Docker daemon, the containers and everything else that ran there with it.

    with Lab("demo", count=3) as lab:
        lab["h1"].spawn(["swarmlet", "run", ...], log=path)
        lab.isolate("h1"); lab.heal()
        lab["h1"].power_off(); lab["h1"].power_on()

Needs root, and Debian's docker.io, iproute2, iptables (ebtables) and busybox-static. The box itself is plugged into
the switch at the address `.1`, as a client. Everything a lab made is gone after `down()`.
"""

from tools.lab.lab import Lab, LabError
from tools.lab.machine import Machine

__all__ = ["Lab", "LabError", "Machine"]
