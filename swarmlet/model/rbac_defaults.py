"""What is filled in where a binding says nothing. Source: kubernetes pkg/apis/rbac/v1/defaults.go."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from swarmlet.model.rbac import GROUP, GROUP_SUBJECT, USER, ClusterRoleBinding, RoleBinding, Subject

Binding = TypeVar("Binding", RoleBinding, ClusterRoleBinding)


def binding(value: Binding) -> Binding:
    """Return a binding with the API groups of its role and of its subjects."""
    reference = value.role_ref
    if not reference.api_group:
        reference = msgspec.structs.replace(reference, api_group=GROUP)
    return msgspec.structs.replace(value, role_ref=reference, subjects=tuple(map(_subject, value.subjects)))


def _subject(value: Subject) -> Subject:
    if value.kind in (USER, GROUP_SUBJECT) and not value.api_group:
        return msgspec.structs.replace(value, api_group=GROUP)
    return value
