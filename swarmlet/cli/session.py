"""What a command that speaks to the API is given: client, namespace, clock; and the options that say which."""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, ParamSpec

import typer

from swarmlet.cli import exits, hints, spans
from swarmlet.clock import Clock, SystemClock
from swarmlet.errors import CallerError, ConfigError

if TYPE_CHECKING:
    from swarmlet.client.client import Client
    from swarmlet.client.discovery import Catalogue

P = ParamSpec("P")
PANEL = "Where and as whom"
DEFAULT_NAMESPACE = "default"


class Session:
    """One command's way to the API. Its catalogue of kinds is asked for once, when first needed."""

    def __init__(self, api: Client, *, namespace: str, clock: Clock, namespace_said: bool = False) -> None:
        self.api = api
        self.namespace = namespace
        self.namespace_said = namespace_said  # by -n, and not by the kubeconfig or nobody
        self.clock = clock
        self._catalogue: Catalogue | None = None

    async def catalogue(self) -> Catalogue:
        if self._catalogue is None:
            self._catalogue = await self.api.discover()
        return self._catalogue


def _options(
    *,
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="The namespace (default: the kubeconfig's, else `default`).")
    ] = "",
    socket: Annotated[
        Path | None, typer.Option(help="A daemon's socket on this machine.", rich_help_panel=PANEL)
    ] = None,
    server: Annotated[
        list[str] | None,
        typer.Option("--server", "-s", help="Any daemon's host[:port]; may be repeated.", rich_help_panel=PANEL),
    ] = None,
    kubeconfig: Annotated[
        Path | None, typer.Option(help="What `swarmlet kubeconfig` printed.", rich_help_panel=PANEL)
    ] = None,
    context: Annotated[
        str, typer.Option("--context", help="Which of the kubeconfig's contexts.", rich_help_panel=PANEL)
    ] = "",
    token: Annotated[str, typer.Option(help="A bearer token for the API.", rich_help_panel=PANEL)] = "",
    certificate_authority: Annotated[
        Path | None, typer.Option(help="The CA that vouches for --server (PEM).", rich_help_panel=PANEL)
    ] = None,
    as_: Annotated[str, typer.Option("--as", help="Act as this user.", rich_help_panel=PANEL)] = "",
    as_group: Annotated[
        list[str] | None, typer.Option("--as-group", help="In this group; may be repeated.", rich_help_panel=PANEL)
    ] = None,
    as_uid: Annotated[str, typer.Option("--as-uid", help="Of this uid.", rich_help_panel=PANEL)] = "",
    request_timeout: Annotated[
        str, typer.Option(help="How long one request may take, as in 10s.", rich_help_panel=PANEL)
    ] = "30s",
) -> None:
    """Bear, as parameters, the options of every command that speaks to the API."""


_PARAMETERS = tuple(inspect.signature(_options, eval_str=True).parameters.values())


def option_names() -> frozenset[str]:
    """Return the names of the options that say where to; each has a value."""
    names: set[str] = set()
    for parameter in _PARAMETERS:
        option = parameter.annotation.__metadata__[0]
        given = [option.default, *option.param_decls]  # where no default stands before, the first name does
        own = [each for each in given if isinstance(each, str) and each.startswith("-")]
        names.update(own or [f"--{parameter.name.replace('_', '-')}"])
    return frozenset(names)


def connected(command: Callable[Concatenate[Session, P], Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Make a command of a coroutine function that takes a `Session` first; add the options that say where to."""
    own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
    parameters = [*own, *_PARAMETERS]

    @functools.wraps(command)
    def run(**arguments: Any) -> None:
        where = {parameter.name: arguments.pop(parameter.name) for parameter in _PARAMETERS}
        asyncio.run(_run(functools.partial(command, **arguments), where))

    del run.__dict__["__wrapped__"]  # typer must see the whole signature, not the inner one
    run.__dict__["__signature__"] = inspect.Signature(parameters)
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


async def _run(command: Callable[[Session], Coroutine[Any, Any, None]], where: dict[str, Any]) -> None:
    from swarmlet.client import endpoints
    from swarmlet.client.client import Client
    from swarmlet.client.connection import Connection

    choice = endpoints.Choice(
        socket=where["socket"],
        servers=tuple(part for server in where["server"] or () for part in server.split(",")),
        kubeconfig=where["kubeconfig"],
        token=where["token"],
        authority=where["certificate_authority"],
        context=where["context"],
        acting_as=endpoints.Person(where["as_"], tuple(where["as_group"] or ()), where["as_uid"]),
    )
    endpoint = endpoints.choose(choice, os.environ)
    seconds = spans.seconds(where["request_timeout"], "--request-timeout")
    if not seconds:
        raise ConfigError("--request-timeout: found 0; allowed: more, such as 10s")
    clock = SystemClock()
    async with Connection(endpoint, clock=clock, warn=_warn, request_seconds=seconds) as link:
        namespace = where["namespace"] or endpoint.namespace or DEFAULT_NAMESPACE
        session = Session(Client(link), namespace=namespace, clock=clock, namespace_said=bool(where["namespace"]))
        try:
            await command(session)
        except CallerError as error:
            await hints.add(session, error)
            raise


def _warn(text: str) -> None:
    exits.say(f"Warning: {text}")
