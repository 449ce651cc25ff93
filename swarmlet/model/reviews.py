"""authorization.k8s.io/v1 and authentication.k8s.io/v1: who am I, and may I. Asked and answered, never stored.

Source: k8s.io/api/authorization/v1/types.go, k8s.io/api/authentication/v1/types.go.
"""

from __future__ import annotations

import msgspec

from swarmlet.model.base import ApiStruct, always
from swarmlet.model.meta import Object


class ResourceAttributes(ApiStruct, frozen=True, kw_only=True):
    namespace: str = ""
    verb: str = ""
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    name: str = ""


class NonResourceAttributes(ApiStruct, frozen=True, kw_only=True):
    path: str = ""
    verb: str = ""


class SelfSubjectAccessReviewSpec(ApiStruct, frozen=True, kw_only=True):
    """One of the two is set."""

    resource_attributes: ResourceAttributes | None = None
    non_resource_attributes: NonResourceAttributes | None = None


class SubjectAccessReviewStatus(ApiStruct, frozen=True, kw_only=True):
    """`allowed` is on the wire also where it is false."""

    allowed: bool = msgspec.field(default_factory=bool)
    reason: str = ""


class SubjectAccessReviewSpec(SelfSubjectAccessReviewSpec, frozen=True, kw_only=True):
    """The same question about somebody: a user, groups, or both."""

    user: str = ""
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: dict[str, tuple[str, ...]] = {}


class SubjectAccessReview(Object, frozen=True, kw_only=True):
    api_version: str = always("authorization.k8s.io/v1")
    kind: str = always("SubjectAccessReview")
    spec: SubjectAccessReviewSpec = SubjectAccessReviewSpec()
    status: SubjectAccessReviewStatus = msgspec.field(default_factory=SubjectAccessReviewStatus)


class LocalSubjectAccessReview(Object, frozen=True, kw_only=True):
    """`SubjectAccessReview` for those who may ask about one namespace only."""

    api_version: str = always("authorization.k8s.io/v1")
    kind: str = always("LocalSubjectAccessReview")
    spec: SubjectAccessReviewSpec = SubjectAccessReviewSpec()
    status: SubjectAccessReviewStatus = msgspec.field(default_factory=SubjectAccessReviewStatus)


class SelfSubjectAccessReview(Object, frozen=True, kw_only=True):
    api_version: str = always("authorization.k8s.io/v1")
    kind: str = always("SelfSubjectAccessReview")
    spec: SelfSubjectAccessReviewSpec = SelfSubjectAccessReviewSpec()
    status: SubjectAccessReviewStatus = msgspec.field(default_factory=SubjectAccessReviewStatus)


class SelfSubjectRulesReviewSpec(ApiStruct, frozen=True, kw_only=True):
    namespace: str = ""


class ResourceRule(ApiStruct, frozen=True, kw_only=True):
    verbs: tuple[str, ...]
    api_groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    resource_names: tuple[str, ...] = ()


class NonResourceRule(ApiStruct, frozen=True, kw_only=True):
    verbs: tuple[str, ...]
    non_resource_urls: tuple[str, ...] = msgspec.field(default=(), name="nonResourceURLs")


class SubjectRulesReviewStatus(ApiStruct, frozen=True, kw_only=True):
    resource_rules: tuple[ResourceRule, ...]
    non_resource_rules: tuple[NonResourceRule, ...]
    incomplete: bool = msgspec.field(default_factory=bool)


class SelfSubjectRulesReview(Object, frozen=True, kw_only=True):
    api_version: str = always("authorization.k8s.io/v1")
    kind: str = always("SelfSubjectRulesReview")
    spec: SelfSubjectRulesReviewSpec = SelfSubjectRulesReviewSpec()
    status: SubjectRulesReviewStatus | None = None


class UserInfo(ApiStruct, frozen=True, kw_only=True):
    username: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: dict[str, tuple[str, ...]] = {}


class SelfSubjectReviewStatus(ApiStruct, frozen=True, kw_only=True):
    user_info: UserInfo = UserInfo()


class SelfSubjectReview(Object, frozen=True, kw_only=True):
    api_version: str = always("authentication.k8s.io/v1")
    kind: str = always("SelfSubjectReview")
    status: SelfSubjectReviewStatus = SelfSubjectReviewStatus()
