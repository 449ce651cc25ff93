"""Who am I, and may I: `kubectl auth whoami` and `auth can-i`. What is asked is answered and kept nowhere.

The rules are those by which every request is judged (`api.authorization`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import msgspec
from aiohttp import web

from swarmlet.api import answers, bodies, queries
from swarmlet.api.access.authorization import Authorizer
from swarmlet.api.middleware import USER, Authenticator
from swarmlet.api.targets import Target
from swarmlet.api.writing import admission
from swarmlet.errors import InvalidError, UnauthorizedError
from swarmlet.identity import account_tokens
from swarmlet.identity.access import Attributes, Rule
from swarmlet.identity.account_tokens import AccountTokens
from swarmlet.identity.users import User
from swarmlet.model import objects
from swarmlet.model.account_tokens import AUDIENCE, TokenReview, TokenReviewStatus
from swarmlet.model.meta import Object
from swarmlet.model.problems import refusal
from swarmlet.model.reviews import (
    LocalSubjectAccessReview,
    NonResourceRule,
    ResourceRule,
    SelfSubjectAccessReview,
    SelfSubjectAccessReviewSpec,
    SelfSubjectReview,
    SelfSubjectReviewStatus,
    SelfSubjectRulesReview,
    SubjectAccessReview,
    SubjectAccessReviewStatus,
    SubjectRulesReviewStatus,
    UserInfo,
)


class Reviews:
    """Answers questions about who somebody is and what they may."""

    def __init__(self, *, authorizer: Authorizer, authenticator: Authenticator, tokens: AccountTokens) -> None:
        self._authorizer = authorizer
        self._authenticator = authenticator
        self._tokens = tokens

    async def create(self, request: web.Request, target: Target) -> web.Response:
        """Answer a POST of a review."""
        options = queries.write_options(request.query)
        value = admission.read(target.kind, await bodies.document(request), options, request[answers.WARNINGS])
        if isinstance(value, LocalSubjectAccessReview):
            _check_namespace(value, target.namespace)
        return answers.json(objects.to_json(self.answered(value, request[USER])), code=201)

    def answered(self, review: Object, user: User) -> Object:
        """Return a review with what it asks; raise `InvalidError` where it asks nothing or two things."""
        if isinstance(review, SelfSubjectAccessReview):
            allowed = self._authorizer.allowed(user, _asked(review.spec, review))
            return msgspec.structs.replace(review, status=SubjectAccessReviewStatus(allowed=allowed))
        if isinstance(review, SubjectAccessReview | LocalSubjectAccessReview):
            allowed = self._authorizer.allowed(_subject(review), _asked(review.spec, review))
            return msgspec.structs.replace(review, status=SubjectAccessReviewStatus(allowed=allowed))
        if isinstance(review, SelfSubjectRulesReview):
            if not review.spec.namespace:
                raise _invalid(review, "spec.namespace", "Required value: no namespace on request")
            return msgspec.structs.replace(review, status=_rules(self._authorizer.rules(user, review.spec.namespace)))
        if isinstance(review, TokenReview):
            return msgspec.structs.replace(review, status=self._identified(review))
        status = SelfSubjectReviewStatus(user_info=_info(user))
        return msgspec.structs.replace(cast("SelfSubjectReview", review), status=status)

    def _identified(self, review: TokenReview) -> TokenReviewStatus:
        """Return whose a token is. One of an account is for some; any other is for this API alone."""
        token, audiences = review.spec.token, review.spec.audiences or (AUDIENCE,)
        if not token:
            raise _invalid(review, "spec.token", "Required value")
        try:
            if account_tokens.is_one(token):
                user, meant = self._tokens.check(token, audiences)
            else:
                user, meant = self._authenticator.authenticate(None, f"Bearer {token}"), (AUDIENCE,)
        except UnauthorizedError as error:
            return TokenReviewStatus(error=str(error))
        if not set(meant) & set(audiences):
            return TokenReviewStatus(error="the token is for another audience")
        return TokenReviewStatus(authenticated=True, user=_info(user), audiences=meant)


def _check_namespace(review: LocalSubjectAccessReview, namespace: str) -> None:
    resource = review.spec.resource_attributes
    if resource is None or resource.namespace != namespace:
        raise _invalid(review, "spec.resourceAttributes.namespace", "must match metadata.namespace")


def _subject(review: SubjectAccessReview | LocalSubjectAccessReview) -> User:
    spec = review.spec
    if not spec.user and not spec.groups:
        raise _invalid(review, "spec.user", "Required value: at least one of user or group must be specified")
    return User(spec.user, spec.groups)


def _info(user: User) -> UserInfo:
    extra: dict[str, tuple[str, ...]] = {}
    for name, value in user.extra:
        extra[name] = (*extra.get(name, ()), value)
    return UserInfo(username=user.name, uid=user.uid, groups=user.groups, extra=extra)


def _asked(spec: SelfSubjectAccessReviewSpec, review: Object) -> Attributes:
    resource, other = spec.resource_attributes, spec.non_resource_attributes
    if (resource is None) == (other is None):
        why = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        raise _invalid(review, "spec.resourceAttributes", f"Invalid value: {why}")
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


def _rules(rules: Sequence[Rule]) -> SubjectRulesReviewStatus:
    return SubjectRulesReviewStatus(
        resource_rules=tuple(
            ResourceRule(
                verbs=rule.verbs, api_groups=rule.api_groups, resources=rule.resources, resource_names=rule.names
            )
            for rule in rules
            if rule.resources
        ),
        non_resource_rules=tuple(
            NonResourceRule(verbs=rule.verbs, non_resource_urls=rule.paths) for rule in rules if rule.paths
        ),
    )


def _invalid(review: Object, field: str, why: str) -> InvalidError:
    return refusal(review, [(field, why)])
