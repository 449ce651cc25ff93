"""What a project says without writing it: which services are in it, the default network, names, implied dependencies.

Source: compose-spec/15-profiles.md, 06-networks.md, 04-version-and-name.md.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import TypeVar

import msgspec

from swarmlet.manifests.compose.model.lifecycle import Dependency
from swarmlet.manifests.compose.model.networking import Attachment, Network
from swarmlet.manifests.compose.model.project import Project
from swarmlet.manifests.compose.model.services import Service
from swarmlet.manifests.compose.model.storage import VOLUME, FileObject, Volume

DEFAULT_NETWORK = "default"
ALL_PROFILES = "*"
DOCKERFILE = "Dockerfile"

Named = TypeVar("Named", Network, Volume, FileObject)

_NOT_OF_A_NAME = re.compile(r"[^a-z0-9_-]+")
_SHARING = re.compile(r"service:(.+)")


def project_name(text: str) -> str:
    """Return a folder's name as a project's: small letters, digits, - and _, beginning with a letter or digit."""
    return _NOT_OF_A_NAME.sub("", text.lower()).lstrip("_-")


def is_active(service_profiles: Collection[str], active: Collection[str]) -> bool:
    """Return whether a service of these profiles is in a project whose active profiles are those."""
    return not service_profiles or ALL_PROFILES in active or not set(service_profiles).isdisjoint(active)


def normalised(project: Project, profiles: Collection[str]) -> Project:
    """Return the project of the active profiles, with all that goes without saying said."""
    services = {
        name: _service(service) for name, service in project.services.items() if is_active(service.profiles, profiles)
    }
    services = {name: _without_missing(service, services) for name, service in services.items()}
    networks = dict(project.networks)
    if any(DEFAULT_NETWORK in service.networks for service in services.values()):
        networks.setdefault(DEFAULT_NETWORK, Network())
    return msgspec.structs.replace(
        project,
        services=services,
        networks=_named(project.name, networks),
        volumes=_named(project.name, project.volumes),
        configs=_named(project.name, project.configs),
        secrets=_named(project.name, project.secrets),
    )


def with_what_is_used(project: Project) -> Project:
    """Return a project without the networks, volumes, configs, secrets and models that no service of it names."""
    services = project.services.values()
    builds = [service.build for service in services if service.build]
    secrets = [grant for service in services for grant in service.secrets]
    secrets += [grant for build in builds for grant in build.secrets]
    return msgspec.structs.replace(
        project,
        networks=_only(project.networks, {name for service in services for name in service.networks}),
        volumes=_only(
            project.volumes,
            {mount.source for service in services for mount in service.volumes if mount.type == VOLUME},
        ),
        configs=_only(project.configs, {grant.source for service in services for grant in service.configs}),
        secrets=_only(project.secrets, {grant.source for grant in secrets}),
        models=_only(project.models, {name for service in services for name in service.models}),
    )


def _service(service: Service) -> Service:
    build = service.build
    if build and not build.dockerfile and not build.dockerfile_inline:
        build = msgspec.structs.replace(build, dockerfile=DOCKERFILE)
    networks = service.networks
    if not networks and not service.network_mode:
        networks = {DEFAULT_NETWORK: Attachment()}
    implied = {name: Dependency(restart=True) for name in _implied(service)}
    return msgspec.structs.replace(
        service, build=build, networks=networks, depends_on={**implied, **service.depends_on}
    )


def _implied(service: Service) -> list[str]:
    """Return the services that others of a service's keys need to be there."""
    shared = [_SHARING.fullmatch(mode) for mode in (service.network_mode, service.ipc, service.pid)]
    volumes = [source for source in service.volumes_from if not source.startswith("container:")]
    return [
        *(found[1] for found in shared if found),
        *(source.partition(":")[0] for source in volumes),
        *(link.partition(":")[0] for link in service.links),
    ]


def _without_missing(service: Service, known: Mapping[str, Service]) -> Service:
    """Return a service without the dependencies that are not there and need not be."""
    kept = {name: each for name, each in service.depends_on.items() if each.required or name in known}
    return msgspec.structs.replace(service, depends_on=kept)


def _named(project: str, resources: Mapping[str, Named]) -> dict[str, Named]:
    return {
        key: each if each.name else msgspec.structs.replace(each, name=key if each.external else f"{project}_{key}")
        for key, each in resources.items()
    }


T = TypeVar("T")


def _only(resources: Mapping[str, T], used: Collection[str]) -> dict[str, T]:
    return {key: each for key, each in resources.items() if key in used}
