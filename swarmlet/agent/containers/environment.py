"""A container's environment: from ConfigMaps, Secrets, the Pod itself, and `$(NAME)` expanded. Pure.

Source: kubernetes pkg/kubelet/kubelet_pods.go (makeEnvironmentVariables), third_party/forked/golang/expansion.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping

from swarmlet.agent.containers import downward
from swarmlet.agent.containers.downward import Facts, Find
from swarmlet.errors import SwarmletError
from swarmlet.model import core, kinds
from swarmlet.model.container import Container
from swarmlet.model.environment import (
    ConfigMapKeySelector,
    EnvFromSource,
    EnvVar,
    EnvVarSource,
    SecretKeySelector,
)
from swarmlet.model.pod import Pod
from swarmlet.store.commands import Key

POD_IP_FIELDS = ("status.podIP", "status.podIPs")

EXPANDED_CHARACTERS_MAX = 128 * 1024
"""No single word that a program is started with may be longer: execve(2), MAX_ARG_STRLEN."""

ENVIRONMENT_CHARACTERS_MAX = 6 * 1024 * 1024
"""All of them together: no program can be started with more, whatever its stack may be (execve(2))."""

_REFERENCE = re.compile(r"\$(?:\$|\(([^)]*)\))")


class SourceMissingError(SwarmletError):
    """What a variable is filled from is not there (yet), or is no text. It never tells a value."""

    retryable = True


class ExpansionError(SwarmletError):
    """What variables stand for has grown beyond use."""


def make(container: Container, known: Facts, find: Find) -> dict[str, str]:
    """Return the container's variables, in the order in which they are declared; later ones may refer to earlier ones.

    Raises `SourceMissingError` in Kubernetes' words where a ConfigMap, a Secret or a key is needed and not there, and
    `ExpansionError`.
    """
    given: dict[str, str] = {}
    for source in container.env_from:
        given |= _whole_source(source, known.pod.metadata.namespace, find)
    declared: dict[str, str] = {}
    left = ENVIRONMENT_CHARACTERS_MAX
    for variable in container.env:
        value = _value(variable, container, known, find, given)
        if value is not None:
            left -= len(value)
            if left < 0:
                raise ExpansionError(f"the variables exceed {ENVIRONMENT_CHARACTERS_MAX} characters")
            given[variable.name] = declared[variable.name] = value
    return declared | {name: value for name, value in given.items() if name not in declared}


def expand(text: str, env: Mapping[str, str]) -> str:
    """Replace `$(NAME)` by the variable's value; an unknown one stays as it is, and `$$` is a dollar sign."""
    return expand_with(text, env.get)


def expand_with(text: str, value_of: Callable[[str, str], str]) -> str:
    """Replace each `$(NAME)` by `value_of(NAME, "$(NAME)")`, and `$$` by a dollar sign.

    Raises `ExpansionError` where that becomes too long: each variable may double the one before it.
    """
    left = EXPANDED_CHARACTERS_MAX

    def replaced(match: re.Match[str]) -> str:
        nonlocal left
        value = "$" if match[1] is None else value_of(match[1], match[0])
        left -= len(value)
        if left < 0:
            raise ExpansionError(f"what $(NAME) stands for exceeds {EXPANDED_CHARACTERS_MAX} characters")
        return value

    return _REFERENCE.sub(replaced, text)


def tells_pod_ip(pod: Pod) -> bool:
    """Whether a container is told the Pod's address: there has to be one before the container starts."""
    return any(
        variable.value_from is not None
        and variable.value_from.field_ref is not None
        and variable.value_from.field_ref.field_path in POD_IP_FIELDS
        for container in (*pod.spec.containers, *pod.spec.init_containers)
        for variable in container.env
    )


def _value(variable: EnvVar, container: Container, known: Facts, find: Find, given: Mapping[str, str]) -> str | None:
    """Return a variable's value; None where it is optional and its source is not there."""
    source, namespace = variable.value_from, known.pod.metadata.namespace
    if variable.value or source is None:
        return expand(variable.value, given)
    if source.config_map_key_ref is not None:
        return _config_map_key(source.config_map_key_ref, namespace, find)
    if source.secret_key_ref is not None:
        return _secret_key(source.secret_key_ref, namespace, find)
    return _own_value(source, container, known)


def _own_value(source: EnvVarSource, container: Container, known: Facts) -> str:
    if source.field_ref is not None:
        return downward.field_value(source.field_ref, known)
    reference = source.resource_field_ref
    if reference is None:
        return ""
    if reference.container_name:
        return downward.resource_value_of(reference, known)
    return downward.resource_value(reference, container, known)


def _config_map_key(selector: ConfigMapKeySelector, namespace: str, find: Find) -> str | None:
    found = _config_map(selector.name, namespace, find, optional=bool(selector.optional))
    if found is None or selector.key in found:
        return None if found is None else found[selector.key]
    if selector.optional:
        return None
    raise SourceMissingError(f"couldn't find key {selector.key} in ConfigMap {namespace}/{selector.name}")


def _secret_key(selector: SecretKeySelector, namespace: str, find: Find) -> str | None:
    found = _secret(selector.name, namespace, find, optional=bool(selector.optional))
    if found is None or selector.key in found:
        return None if found is None else _decoded(found[selector.key], f"{namespace}/{selector.name}", selector.key)
    if selector.optional:
        return None
    raise SourceMissingError(f"couldn't find key {selector.key} in Secret {namespace}/{selector.name}")


def _whole_source(source: EnvFromSource, namespace: str, find: Find) -> dict[str, str]:
    if source.config_map_ref is not None:
        reference = source.config_map_ref
        found = _config_map(reference.name, namespace, find, optional=bool(reference.optional)) or {}
        return {source.prefix + key: text for key, text in sorted(found.items())}
    if source.secret_ref is not None:
        name = source.secret_ref.name
        sealed = _secret(name, namespace, find, optional=bool(source.secret_ref.optional)) or {}
        return {source.prefix + key: _decoded(sealed[key], f"{namespace}/{name}", key) for key in sorted(sealed)}
    return {}


def _config_map(name: str, namespace: str, find: Find, *, optional: bool) -> Mapping[str, str] | None:
    found = find(Key(kinds.CONFIG_MAP.resource, namespace, name))
    if isinstance(found, core.ConfigMap):
        return found.data
    if optional:
        return None
    raise SourceMissingError(f'configmap "{name}" not found')


def _secret(name: str, namespace: str, find: Find, *, optional: bool) -> Mapping[str, str] | None:
    """Return what a Secret holds, as base64."""
    found = find(Key(kinds.SECRET.resource, namespace, name))
    if isinstance(found, core.Secret):
        return found.data
    if optional:
        return None
    raise SourceMissingError(f'secret "{name}" not found')


def _decoded(text: str, secret: str, key: str) -> str:
    """Return a Secret's value as text: a variable can hold no other bytes."""
    try:
        value: str | None = base64.b64decode(text).decode()
    except ValueError:  # it is no base64, or no UTF-8
        value = None
    if value is None or "\0" in value:
        raise SourceMissingError(f"key {key} in Secret {secret} is no text, and a variable can hold nothing else")
    return value
