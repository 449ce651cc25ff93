"""Acting as somebody else, for one request: the headers `Impersonate-*`, which `kubectl --as` sends.

Who asks must be allowed the verb `impersonate` on each that is named: a user or ServiceAccount, groups, a uid, extras.
What follows is judged as theirs alone. Source: kubernetes apiserver/pkg/endpoints/filters/impersonation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from urllib.parse import unquote

from aiohttp import web

from swarmlet.errors import CallerError
from swarmlet.identity.access import Attributes
from swarmlet.identity.account_tokens import ACCOUNTS_GROUP, USER_PREFIX
from swarmlet.identity.users import ANONYMOUS, AUTHENTICATED, UNAUTHENTICATED, User

USER_HEADER = "Impersonate-User"
GROUP_HEADER = "Impersonate-Group"
UID_HEADER = "Impersonate-Uid"
EXTRA_PREFIX = "impersonate-extra-"
ASKED_MAX = 64
"""Groups and extras of one request; each is judged by itself."""

_VERB = "impersonate"
_GROUP = "authentication.k8s.io"


def impersonated(request: web.Request, user: User, authorize: Callable[[User, Attributes], None]) -> User:
    """Return the user as whom a request is to be judged: whom its headers name, else `user`, who sends it.

    Raises `CallerError` where they name parts of a user and no user, `ForbiddenError` where `user` may not.
    """
    headers = request.headers
    name, uid = headers.get(USER_HEADER, ""), headers.get(UID_HEADER, "")
    groups = tuple(headers.getall(GROUP_HEADER, ()))
    extra = tuple(_extras(headers.items()))
    if not (name or uid or groups or extra):
        return user
    if not name:
        raise CallerError(f"requested impersonation of a uid, groups or extras without {USER_HEADER}")
    if len(groups) + len(extra) > ASKED_MAX:
        raise CallerError(f"over {ASKED_MAX} groups and extras are impersonated in one request")
    for asked in _asked(name, uid, groups, extra):
        authorize(user, asked)
    return User(name, _groups(name, groups), uid=uid, extra=extra, impersonated_by=user.name)


def _extras(headers: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for header, value in headers:
        if header.lower().startswith(EXTRA_PREFIX):
            yield unquote(header.lower().removeprefix(EXTRA_PREFIX)), value


def _asked(name: str, uid: str, groups: Iterable[str], extra: Iterable[tuple[str, str]]) -> Iterator[Attributes]:
    """Yield what must be allowed."""
    account = _account(name)
    if account:
        yield Attributes(verb=_VERB, resource="serviceaccounts", namespace=account[0], name=account[1])
    else:
        yield Attributes(verb=_VERB, resource="users", name=name)
    for group in groups:
        yield Attributes(verb=_VERB, resource="groups", name=group)
    if uid:
        yield Attributes(verb=_VERB, api_group=_GROUP, resource="uids", name=uid)
    for key, value in extra:
        yield Attributes(verb=_VERB, api_group=_GROUP, resource=f"userextras/{key}", name=value)


def _groups(name: str, named: tuple[str, ...]) -> tuple[str, ...]:
    """Return the groups of who is impersonated: those that are named, and those that nobody can be without."""
    account = _account(name)
    if account and not named:
        named = (ACCOUNTS_GROUP, f"{ACCOUNTS_GROUP}:{account[0]}")
    always = UNAUTHENTICATED if name == ANONYMOUS.name else AUTHENTICATED
    if always in named or UNAUTHENTICATED in named:
        return named
    return (*named, always)


def _account(name: str) -> tuple[str, str] | None:
    """Return (namespace, name) of the ServiceAccount that a user's name stands for; None for any other user."""
    namespace, _, account = name.removeprefix(USER_PREFIX).partition(":")
    return (namespace, account) if name.startswith(USER_PREFIX) and namespace and account else None
