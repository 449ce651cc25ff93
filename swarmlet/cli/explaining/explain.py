"""`swarmlet explain`: the fields of a kind, as the server describes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from swarmlet.cli import exits, parsing
from swarmlet.cli.session import Session, connected
from swarmlet.errors import CallerError, NotFoundError

if TYPE_CHECKING:
    from swarmlet.client.discovery import Catalogue, Resource

FORMS = ("plaintext",)
KINDS = "x-kubernetes-group-version-kind"

What = Annotated[str, typer.Argument(metavar="TYPE[.FIELD...]", help="As in `pods`, `deploy.spec.strategy`.")]


def register(app: typer.Typer) -> None:
    """Add the command to the root app."""
    app.command("explain", cls=parsing.Command)(explain)


@connected
async def explain(
    session: Session,
    what: What,
    recursive: Annotated[bool, typer.Option("--recursive", "-R", help="The fields of fields, by name.")] = False,
    max_depth: Annotated[int, typer.Option("--max-depth", min=0, help="With --recursive: so deep; 0: all.")] = 0,
    api_version: Annotated[str, typer.Option("--api-version", help="Of this version, as in apps/v1.")] = "",
    output: Annotated[str, typer.Option("--output", "-o", help="plaintext.")] = "plaintext",
) -> None:
    """Tell what fields a kind has, and what each means.

    `explain pods`, `explain deploy.spec.strategy`, `explain pod.spec --recursive`
    """
    from swarmlet.cli.explaining import schemas

    if output not in FORMS:
        raise exits.UsageError(f"-o {output}: unknown; allowed: {', '.join(FORMS)}")
    if max_depth and not recursive:
        raise exits.UsageError("--max-depth goes with --recursive")
    resource, path = find(await session.catalogue(), what, api_version)
    document = await _document(session, resource)
    schema, explanation = _schema(document, resource), schemas.Explanation(document)
    for line in explanation.lines(schema, resource, path, recursive=recursive, depth_max=max_depth):
        print(line)


def find(catalogue: Catalogue, what: str, api_version: str) -> tuple[Resource, list[str]]:
    """Return the kind and the path in it that "deploy.spec" or "deployments.apps.spec" stands for."""
    name, *path = what.split(".")
    resource = catalogue.find(name)
    if api_version:
        versions = [each for each in catalogue.resources if each.plural == resource.plural]
        found = next((each for each in versions if each.api_version == api_version), None)
        if found is None:
            known = ", ".join(each.api_version for each in versions)
            raise CallerError(f"{resource.plural} are not of {api_version}; they are of: {known}")
        resource = found
    group = resource.group.split(".") if resource.group else []
    if group and path[: len(group)] == group:
        path = path[len(group) :]
    return resource, path


async def _document(session: Session, resource: Resource) -> dict[str, Any]:
    root = "apis" if resource.group else "api"
    try:
        return await session.api.raw(f"/openapi/v3/{root}/{resource.api_version}")
    except NotFoundError as error:
        raise CallerError(f"the server does not describe {resource.full_plural}") from error


def _schema(document: dict[str, Any], resource: Resource) -> dict[str, Any]:
    wanted = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    schemas: dict[str, dict[str, Any]] = (document.get("components") or {}).get("schemas") or {}
    for each in schemas.values():
        if wanted in (each.get(KINDS) or ()):
            return each
    raise CallerError(f"the server does not describe {resource.full_plural}")
