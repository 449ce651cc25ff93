"""A service's container: image, command, environment, rights, hooks."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from swarmlet.manifests.compose.conversion import health, resources
from swarmlet.manifests.compose.conversion.draft import Document, ServiceDraft, without_empty
from swarmlet.manifests.compose.model.lifecycle import Hook
from swarmlet.model import syntax
from swarmlet.model.container_options import CONTAINER_OPTIONS

PULL_POLICIES = {"": "IfNotPresent", "missing": "IfNotPresent", "if_not_present": "IfNotPresent"} | {
    "always": "Always",
    "never": "Never",
}
ID = re.compile(r"[0-9]{1,10}")
"""A user or group by its number."""
SELINUX_PARTS = ("user", "role", "type", "level")

_EXPANDED = re.compile(r"\$(?=[$(])")


def container(it: ServiceDraft, mounts: Sequence[Document], ports: Sequence[Document]) -> Document:
    """Return the container of a service, with what it mounts and the ports that it names."""
    service = it.service
    return without_empty(
        {
            "name": it.name,
            "image": _image(it),
            "imagePullPolicy": _pull_policy(it),
            **_command(it),
            "workingDir": service.working_dir,
            "env": _environment(it),
            "ports": list(ports),
            "resources": resources.resources(it),
            **health.probes(it),
            "lifecycle": _lifecycle(it),
            "securityContext": security_context(it),
            "stdin": service.stdin_open or None,
            "tty": service.tty or None,
            "volumeMounts": list(mounts),
        }
    )


def options(it: ServiceDraft) -> dict[str, str]:
    """Return the annotation with what Docker can do for a container and Kubernetes has no field for."""
    service = it.service
    ulimits = {name: {"soft": each.soft, "hard": each.hard} for name, each in service.ulimits.items()}
    user = "" if _is_numeric(service.user) else service.user
    found = without_empty(
        {"init": service.init or None, "user": user, "stopSignal": service.stop_signal, "ulimits": ulimits}
    )
    return {CONTAINER_OPTIONS: json.dumps({it.name: found}, sort_keys=True)} if found else {}


def literal(text: str) -> str:
    """Return a text so that Kubernetes, which replaces $(NAME) in commands and variables, leaves it as it is."""
    return _EXPANDED.sub("$$", text)


def _image(it: ServiceDraft) -> str:
    if it.service.build is not None and not it.service.image:
        raise it.refusal("build", "images are not built here: build and push it, and name it with image:")
    if not it.service.image:
        raise it.refusal("image", "is not set")
    if it.service.build is not None:
        it.warn("build", f"images are not built here: {it.service.image} must be where the machines can fetch it")
    return it.service.image


def _pull_policy(it: ServiceDraft) -> str:
    policy = it.service.pull_policy
    if policy == "build":
        it.warn("pull_policy", "images are not built here: it is fetched where it is missing")
    elif policy not in PULL_POLICIES:
        it.warn("pull_policy", f"{policy!r} is not known here: the image is fetched with each start")
        return "Always"
    return PULL_POLICIES.get(policy, "IfNotPresent")


def _command(it: ServiceDraft) -> Document:
    """Compose's entrypoint is Kubernetes' command, and its command Kubernetes' args."""
    entrypoint, command = it.service.entrypoint, it.service.command
    if entrypoint == () and command:
        return {"command": [literal(word) for word in command]}
    if entrypoint == ():
        it.warn("entrypoint", "cannot be emptied without a command: the image's stays")
    if command == () and not entrypoint:
        it.warn("command", "cannot be emptied without an entrypoint: the image's stays")
    return {
        "command": [literal(word) for word in entrypoint or ()],
        "args": [literal(word) for word in command or ()],
    }


def _environment(it: ServiceDraft) -> list[Document]:
    found = []
    for name, value in it.service.environment.items():
        if wrong := syntax.env_name(name):
            it.warn("environment", f"{name!r} ignored: {wrong[0]}")
        elif value is not None:
            found.append({"name": name, "value": literal(value)})
    return found


def _lifecycle(it: ServiceDraft) -> Document:
    return without_empty(
        {
            "postStart": _hook(it, "post_start", it.service.post_start),
            "preStop": _hook(it, "pre_stop", it.service.pre_stop),
        }
    )


def _hook(it: ServiceDraft, key: str, hooks: Sequence[Hook]) -> Document | None:
    """Return one handler: several commands run one after another until one fails."""
    if not hooks:
        return None
    for hook in hooks:
        for field in ("user", "privileged", "working_dir", "environment"):
            if getattr(hook, field):
                it.warn(key, f"{field} is ignored: hooks run as the container does")
    if len(hooks) == 1:
        return {"exec": {"command": list(hooks[0].command)}}
    script = " && ".join(" ".join(_quoted(word) for word in hook.command) for hook in hooks)
    return {"exec": {"command": ["/bin/sh", "-c", script]}}


def _quoted(word: str) -> str:
    return "'" + word.replace("'", "'\\''") + "'"


# Rights.


def security_context(it: ServiceDraft) -> Document:
    """Return the container's securityContext; what Kubernetes cannot say is named."""
    service = it.service
    user, group = _user(it)
    context: Document = {
        "runAsUser": user,
        "runAsGroup": group,
        "privileged": service.privileged or None,
        "readOnlyRootFilesystem": service.read_only or None,
        "capabilities": without_empty({"add": _capabilities(service.cap_add), "drop": _capabilities(service.cap_drop)}),
    }
    for option in service.security_opt:
        context |= _security_option(it, option)
    return without_empty(context)


def _user(it: ServiceDraft) -> tuple[int | None, int | None]:
    user, _, group = it.service.user.partition(":")
    if not user or not _is_numeric(it.service.user):
        return None, None
    return int(user), int(group) if group else None


def _is_numeric(user: str) -> bool:
    """Whether Kubernetes can say it: a number, or two."""
    return all(ID.fullmatch(part) for part in user.split(":"))


def _capabilities(names: Sequence[str]) -> list[str]:
    return [name.upper().removeprefix("CAP_") for name in names]


def _security_option(it: ServiceDraft, option: str) -> Document:
    key, value = _option_parts(option)
    part, _, text = value.partition(":")
    known: dict[tuple[str, str], Document] = {
        ("no-new-privileges", ""): {"allowPrivilegeEscalation": False},
        ("no-new-privileges", "true"): {"allowPrivilegeEscalation": False},
        ("no-new-privileges", "false"): {"allowPrivilegeEscalation": True},
        ("seccomp", "unconfined"): {"seccompProfile": {"type": "Unconfined"}},
        ("apparmor", "unconfined"): {"appArmorProfile": {"type": "Unconfined"}},
        ("apparmor", "docker-default"): {"appArmorProfile": {"type": "RuntimeDefault"}},
    }
    if (key, value) in known:
        return known[key, value]
    if key == "apparmor" and value:
        return {"appArmorProfile": {"type": "Localhost", "localhostProfile": value}}
    if key == "label" and part in SELINUX_PARTS:
        return {"seLinuxOptions": {part: text}}
    it.warn("security_opt", f"{option!r} ignored: Kubernetes has no word for it")
    return {}


def _option_parts(option: str) -> tuple[str, str]:
    for separator in ("=", ":"):
        key, found, value = option.partition(separator)
        if found and ":" not in key:
            return key, value
    return option, ""
