"""`swarmlet create`: objects from flags, as in `create deployment web --image=...`, and objects of files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from swarmlet.cli import exits, options, parsing
from swarmlet.cli.changes.outcomes import DryRun, Form, Manager, Outcome
from swarmlet.cli.creating import access, making, policies, run, services
from swarmlet.cli.creating.making import MANAGER, Name
from swarmlet.cli.session import Session, connected

OF_FILES = "files"

Command = Annotated[list[str] | None, typer.Argument(metavar="[-- COMMAND...]", help="What its container runs.")]
Literals = Annotated[list[str] | None, typer.Option("--from-literal", help="KEY=VALUE; may be repeated.")]
FromFiles = Annotated[
    list[str] | None, typer.Option("--from-file", help="A file, KEY=FILE, or a folder's files; may be repeated.")
]
EnvFiles = Annotated[list[str] | None, typer.Option("--from-env-file", help="A file of KEY=VALUE lines.")]
Image = Annotated[str, typer.Option("--image", help="The image of its container.")]


class _Group(TyperGroup):
    """`create -f FILE` has no name of a type: it is a command of its own."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        by_file = any(each.startswith(("-f", "--filename")) for each in args)
        named = any(each in self.commands for each in args)
        return super().parse_args(ctx, [OF_FILES, *args] if by_file and not named else args)


def register(app: typer.Typer) -> None:
    """Add the group to the root app."""
    group = typer.Typer(
        name="create", cls=_Group, help="Create objects from flags, or from files with -f.", no_args_is_help=True
    )
    for name, command in (
        ("deployment", deployment),
        ("job", job),
        ("cronjob", cron_job),
        ("configmap", config_map),
        ("namespace", namespace),
    ):
        group.command(name, cls=parsing.Command)(command)
    group.command("deploy", cls=parsing.Command, hidden=True)(deployment)
    group.command("cm", cls=parsing.Command, hidden=True)(config_map)
    group.command("ns", cls=parsing.Command, hidden=True)(namespace)
    group.command(OF_FILES, cls=parsing.Command, hidden=True)(files)
    for module in (access, policies, run, services):
        module.register(group)
    secrets = typer.Typer(name="secret", help="Create a Secret.", no_args_is_help=True)
    secrets.command("generic", cls=parsing.Command)(secret_generic)
    secrets.command("tls", cls=parsing.Command)(secret_tls)
    secrets.command("docker-registry", cls=parsing.Command)(secret_docker_registry)
    group.add_typer(secrets)
    app.add_typer(group)


@connected
async def files(
    session: Session,
    filename: options.Files = None,
    recursive: options.Recursive = False,
    dry_run: DryRun = "none",
    output: Form = "",
    field_manager: Manager = MANAGER,
) -> None:
    """Create the objects of files; what is there already is refused."""
    from swarmlet.cli import files as sources
    from swarmlet.manifests import documents

    outcome = Outcome(dry_run, output, field_manager)
    manifests = sources.manifests(filename, recursive=recursive)
    documents.check_kinds(manifests, [(each.api_version, each.kind) for each in (await session.catalogue()).resources])
    for manifest in documents.in_apply_order(manifests):
        await making.make(session, manifest.document, outcome)


@connected
async def deployment(
    session: Session,
    name: Name,
    image: Annotated[list[str], typer.Option("--image", help="The image of its container; may be repeated.")],
    command: Command = None,
    replicas: Annotated[int, typer.Option("--replicas", "-r", min=0, help="How many Pods.")] = 1,
    port: Annotated[int | None, typer.Option("--port", help="The port that its container listens on.")] = None,
    dry_run: DryRun = "none",
    output: Form = "",
    field_manager: Manager = MANAGER,
) -> None:
    """Create a Deployment.

    `create deployment web --image=nginx:1.27 --replicas=3`
    """
    from swarmlet.cli.creating import generators

    made = generators.deployment(name, image, replicas=replicas, port=port, command=command or ())
    await making.make(session, made, Outcome(dry_run, output, field_manager))


@connected
async def job(
    session: Session,
    name: Name,
    command: Command = None,
    image: Image = "",
    from_: Annotated[str, typer.Option("--from", help="As a CronJob starts it: cronjob/NAME.")] = "",
    dry_run: DryRun = "none",
    output: Form = "",
    field_manager: Manager = MANAGER,
) -> None:
    """Create a Job.

    `create job once --image=busybox -- date`, `create job now --from=cronjob/nightly`
    """
    from swarmlet.cli import selection
    from swarmlet.cli.creating import generators

    if bool(image) == bool(from_):
        raise exits.UsageError("either --image or --from must be specified")
    if from_:
        source = selection.one([from_], await session.catalogue())
        if source.resource.kind != "CronJob" or command:
            raise exits.UsageError("--from takes a CronJob, as in cronjob/nightly, and no command")
        whole = await session.api.get(source.resource, source.name, namespace=session.namespace)
        made = generators.job_of(name, whole)
    else:
        made = generators.job(name, image, command or ())
    await making.make(session, made, Outcome(dry_run, output, field_manager))


@connected
async def cron_job(
    session: Session,
    name: Name,
    image: Image,
    schedule: Annotated[str, typer.Option("--schedule", help='When, as in "0 3 * * *".')],
    command: Command = None,
    restart: Annotated[str, typer.Option("--restart", help="OnFailure or Never.")] = "OnFailure",
    dry_run: DryRun = "none",
    output: Form = "",
    field_manager: Manager = MANAGER,
) -> None:
    """Create a CronJob.

    `create cronjob nightly --image=busybox --schedule="0 3 * * *" -- date`
    """
    from swarmlet.cli.creating import generators

    made = generators.cron_job(name, image, schedule, restart, command or ())
    await making.make(session, made, Outcome(dry_run, output, field_manager))


@connected
async def namespace(
    session: Session, name: Name, dry_run: DryRun = "none", output: Form = "", field_manager: Manager = MANAGER
) -> None:
    """Create a namespace."""
    from swarmlet.cli.creating import generators

    await making.make(session, generators.namespace(name), Outcome(dry_run, output, field_manager))


@connected
async def config_map(
    session: Session,
    name: Name,
    from_literal: Literals = None,
    from_file: FromFiles = None,
    from_env_file: EnvFiles = None,
    dry_run: DryRun = "none",
    output: Form = "",
    field_manager: Manager = MANAGER,
) -> None:
    """Create a ConfigMap.

    `create configmap web --from-literal=colour=blue --from-file=app.ini`
    """
    from swarmlet.cli.creating import content, generators

    found = content.read(from_literal or (), from_file or (), from_env_file or ())
    await making.make(session, generators.config_map(name, found), Outcome(dry_run, output, field_manager))


@connected
async def secret_generic(
    session: Session,
    name: Name,
    from_literal: Literals = None,
    from_file: FromFiles = None,
    from_env_file: EnvFiles = None,
    type_: Annotated[str, typer.Option("--type", help="The type of the Secret (default: Opaque).")] = "",
    dry_run: DryRun = "none",
    output: Form = "",
    field_manager: Manager = MANAGER,
) -> None:
    """Create a Secret of pairs.

    `create secret generic db --from-file=password=./password.txt`
    """
    from swarmlet.cli.creating import content, generators

    found = content.read(from_literal or (), from_file or (), from_env_file or ())
    await making.make(session, generators.secret(name, found, type_), Outcome(dry_run, output, field_manager))


@connected
async def secret_tls(
    session: Session,
    name: Name,
    cert: Annotated[Path, typer.Option("--cert", help="The certificate (PEM).")],
    key: Annotated[Path, typer.Option("--key", help="Its private key (PEM).")],
    dry_run: DryRun = "none",
    output: Form = "",
    field_manager: Manager = MANAGER,
) -> None:
    """Create a Secret of a certificate and its key."""
    from swarmlet.cli.creating import content, generators

    found = {"tls.crt": content.file_bytes(cert), "tls.key": content.file_bytes(key)}
    made = generators.secret(name, found, "kubernetes.io/tls")
    await making.make(session, made, Outcome(dry_run, output, field_manager))


@connected
async def secret_docker_registry(
    session: Session,
    name: Name,
    docker_username: Annotated[str, typer.Option("--docker-username", help="Who logs in.")],
    docker_password: Annotated[str, typer.Option("--docker-password", help="With which password.")],
    docker_server: Annotated[str, typer.Option("--docker-server", help="Where (default: Docker Hub).")] = "",
    docker_email: Annotated[str, typer.Option("--docker-email", help="An e-mail address.")] = "",
    dry_run: DryRun = "none",
    output: Form = "",
    field_manager: Manager = MANAGER,
) -> None:
    """Create a Secret of a registry's credentials, for imagePullSecrets."""
    from swarmlet.cli.creating import generators

    server = docker_server or generators.DOCKER_HUB
    config = generators.docker_config(server, docker_username, docker_password, docker_email)
    made = generators.secret(name, {".dockerconfigjson": config}, "kubernetes.io/dockerconfigjson")
    await making.make(session, made, Outcome(dry_run, output, field_manager))
