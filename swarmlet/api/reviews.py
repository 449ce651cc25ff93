"""Who am I, and may I: `kubectl auth whoami` and `auth can-i`. What is asked is answered and kept nowhere.

The rules are those by which every request is judged (`identity.access`).
"""

from __future__ import annotations

from typing import cast

import msgspec
from aiohttp import web

from swarmlet.api import admission, answers, bodies, queries
from swarmlet.api.middleware import USER
from swarmlet.api.targets import Target
from swarmlet.errors import InvalidError
from swarmlet.identity import access
from swarmlet.identity.access import Attributes
from swarmlet.identity.users import User
from swarmlet.model import kinds, objects
from swarmlet.model.meta import Object
from swarmlet.model.reviews import (
    NonResourceRule,
    ResourceRule,
    SelfSubjectAccessReview,
    SelfSubjectAccessReviewSpec,
    SelfSubjectReview,
    SelfSubjectReviewStatus,
    SelfSubjectRulesReview,
    SubjectAccessReviewStatus,
    SubjectRulesReviewStatus,
    UserInfo,
)


async def create(request: web.Request, target: Target) -> web.Response:
    """Answer a POST of a review."""
    options = queries.write_options(request.query)
    value = admission.read(target.kind, await bodies.document(request), options, request[answers.WARNINGS])
    return answers.json(objects.to_json(answered(value, request[USER])), code=201)


def answered(review: Object, user: User) -> Object:
    """Return a review with what it asks about the user; raise `InvalidError` where it asks nothing or two things."""
    if isinstance(review, SelfSubjectAccessReview):
        allowed = access.allowed(user, _asked(review.spec))
        return msgspec.structs.replace(review, status=SubjectAccessReviewStatus(allowed=allowed))
    if isinstance(review, SelfSubjectRulesReview):
        if not review.spec.namespace:
            raise _invalid(kinds.SELF_SUBJECT_RULES_REVIEW, "spec.namespace", "Required value: no namespace on request")
        return msgspec.structs.replace(review, status=_rules(user))
    who = UserInfo(username=user.name, groups=user.groups)
    return msgspec.structs.replace(cast("SelfSubjectReview", review), status=SelfSubjectReviewStatus(user_info=who))


def _asked(spec: SelfSubjectAccessReviewSpec) -> Attributes:
    resource, other = spec.resource_attributes, spec.non_resource_attributes
    if (resource is None) == (other is None):
        why = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        raise _invalid(kinds.SELF_SUBJECT_ACCESS_REVIEW, "spec.resourceAttributes", f"Invalid value: {why}")
    if other is not None:
        return Attributes(verb=other.verb.lower(), path=other.path)
    assert resource is not None, "one of them is set"
    return Attributes(
        verb=resource.verb,
        resource=f"{resource.resource}/{resource.subresource}" if resource.subresource else resource.resource,
        api_group=resource.group,
        namespace=resource.namespace,
        name=resource.name,
    )


def _rules(user: User) -> SubjectRulesReviewStatus:
    rules = [rule for group in user.groups for rule in access.RULES.get(group, ())]
    return SubjectRulesReviewStatus(
        resource_rules=tuple(
            ResourceRule(verbs=rule.verbs, api_groups=rule.api_groups, resources=rule.resources)
            for rule in rules
            if rule.resources
        ),
        non_resource_rules=tuple(
            NonResourceRule(verbs=rule.verbs, non_resource_urls=rule.paths) for rule in rules if rule.paths
        ),
    )


def _invalid(kind: kinds.Kind, field: str, why: str) -> InvalidError:
    return InvalidError(f'{kind.kind}.{kind.group} "" is invalid: {field}: {why}', ((field, why),))
