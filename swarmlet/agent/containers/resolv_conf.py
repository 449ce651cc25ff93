"""A Pod's own resolv.conf, as a file of this machine that its containers see at its place.

On a network that is not its default one a Docker Engine puts itself between containers and their name servers, and
answers the names of containers of its own accord; a file that is mounted keeps it out of that, so that names resolve
whatever the Engine is at. Source: resolv.conf(5); libnetwork's embedded DNS server.
"""

from __future__ import annotations

from pathlib import Path

from swarmlet.runtime.isolation import NameServers

TARGET = "/etc/resolv.conf"
FOLDER = "_network"
"""Among a Pod's volumes, where no volume can have its name."""


def text(servers: NameServers) -> str:
    """Return the file that says the same."""
    lines = [f"search {' '.join(servers.searches)}"] if servers.searches else []
    lines += [f"nameserver {each}" for each in servers.addresses]
    lines += [f"options {' '.join(servers.options)}"] if servers.options else []
    return "".join(f"{line}\n" for line in lines)


def write(folder: Path, servers: NameServers) -> Path:
    """Write the file of the Pod whose volumes are in `folder`, in place: its containers keep what they have mounted."""
    path = folder / FOLDER / "resolv.conf"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.write_text(text(servers), encoding="utf-8")
    path.chmod(0o644)  # whoever the container runs as
    return path
