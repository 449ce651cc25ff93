"""What keys say of each other: names that exist, values that agree, no circles. Raises with the place of the key.

Source: compose-spec/05-services.md; compose-go loader/validate.go.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from swarmlet.manifests.compose import nodes, service_checks
from swarmlet.manifests.compose.model.networking import Network
from swarmlet.manifests.compose.model.project import Project
from swarmlet.manifests.compose.model.services import Service
from swarmlet.manifests.compose.model.storage import VOLUME, FileObject, Volume
from swarmlet.manifests.compose.service_checks import Problem
from swarmlet.manifests.reading import ManifestError

SERVICES_MAX = 1000

_NAME = re.compile(r"[a-zA-Z0-9._-]+")
_PROJECT = re.compile(r"[a-z0-9][a-z0-9_-]*")


def check(project: Project, at: Callable[[str, str], ManifestError]) -> None:
    """Raise what is the matter first; `at` makes the error of a path and a message."""
    for path, message in _problems(project):
        raise at(path, message)


def _problems(project: Project) -> Iterator[Problem]:
    yield from _whole(project)
    for section, entries in _sections(project).items():
        for name in entries:
            if not _NAME.fullmatch(name):
                yield f"{section}.{name}", "a name has letters, digits, and . _ -"
    for name, service in project.services.items():
        yield from service_checks.problems(service, f"services.{name}")
        yield from _references(project, service, f"services.{name}")
    yield from _circles(project)
    for name, network in project.networks.items():
        yield from _external(network, f"networks.{name}")
    for name, volume in project.volumes.items():
        yield from _external(volume, f"volumes.{name}")
    for section, objects in (("configs", project.configs), ("secrets", project.secrets)):
        for name, file_object in objects.items():
            yield from _sources(file_object, f"{section}.{name}")


def _whole(project: Project) -> Iterator[Problem]:
    if not _PROJECT.fullmatch(project.name):
        told = "is no name of a project; it has small letters, digits, - and _, and -p gives another"
        yield "name", f"{project.name!r} {told}"
    if not project.services:
        yield "services", "there is no service here, or none of an active profile"
    if len(project.services) > SERVICES_MAX:
        yield "services", f"over {SERVICES_MAX} services"


def _sections(project: Project) -> Mapping[str, Mapping[str, object]]:
    return {
        "services": project.services,
        "networks": project.networks,
        "volumes": project.volumes,
        "configs": project.configs,
        "secrets": project.secrets,
        "models": project.models,
    }


def _references(project: Project, service: Service, path: str) -> Iterator[Problem]:
    known = _sections(project)
    for key, section, name in _names(service):
        if name not in known[section]:
            told = " (one of a profile that is not active is not there)" if section == "services" else ""
            hint = nodes.suggestion(name, known[section])
            yield f"{path}.{key}", f"there is no {section.removesuffix('s')} {name}{told}{hint}"


def _names(service: Service) -> Iterator[tuple[str, str, str]]:
    """Yield (key of the service, section of the project, name in it) of what a service names."""
    yield from ((f"networks.{name}", "networks", name) for name in service.networks)
    yield from ((f"models.{name}", "models", name) for name in service.models)
    yield from ((f"depends_on.{name}", "services", name) for name in service.depends_on)
    for number, mount in enumerate(service.volumes):
        if mount.type == VOLUME and mount.source:
            yield f"volumes[{number}]", "volumes", mount.source
    for section, grants in (("configs", service.configs), ("secrets", service.secrets)):
        for number, grant in enumerate(grants):
            yield f"{section}[{number}]", section, grant.source


def _circles(project: Project) -> Iterator[Problem]:
    done: set[str] = set()
    for name in project.services:
        trail: dict[str, Iterator[str]] = {name: iter(project.services[name].depends_on)}
        while trail and name not in done:
            last = next(reversed(trail))
            following = next(trail[last], None)
            if following is None:
                done.add(last)
                trail.pop(last)
            elif following in trail:
                circle = " -> ".join([*list(trail)[list(trail).index(following) :], following])
                yield f"services.{last}.depends_on.{following}", f"the services wait for each other: {circle}"
                return
            elif following not in done:
                trail[following] = iter(project.services[following].depends_on)


def _external(resource: Network | Volume, path: str) -> Iterator[Problem]:
    if not resource.external:
        return
    bare = type(resource)(name=resource.name, external=True, extensions=resource.extensions)
    if resource != bare:
        yield path, "is external, so that nothing but its name can be said here"


def _sources(file_object: FileObject, path: str) -> Iterator[Problem]:
    given = {
        "file": bool(file_object.file),
        "environment": bool(file_object.environment),
        "content": file_object.content is not None,
        "external": file_object.external,
        "driver": bool(file_object.driver),
    }
    count = sum(given.values())
    if count != 1:
        found = " and ".join(key for key, is_given in given.items() if is_given)
        yield path, f"needs one of file, environment, content and external{f', not {found}' if count else ''}"
