"""`swarmlet backup`, `restore`, `recover` and `check`: for the night in which something is gone for good."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from swarmlet.cli import exits, session
from swarmlet.cli.daemon import (
    AdvertiseOption,
    ConfigOption,
    DataDirOption,
    ListenOption,
    NameOption,
    how_to_start,
    load_config,
)
from swarmlet.cli.session import Session
from swarmlet.errors import ConfigError

if TYPE_CHECKING:
    from swarmlet.cli.recovery.steps import Outlook
    from swarmlet.store.backup import Manifest, Reader

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The backup.")]
PassphraseFileOption = Annotated[
    Path | None,
    typer.Option("--passphrase-file", help='A file with the passphrase; "-": stdin (default: ask for it).'),
]
RecipientOption = Annotated[
    list[str] | None, typer.Option("--recipient", "-r", help="age1...: who can open it; may be repeated.")
]
IdentityOption = Annotated[
    Path | None, typer.Option("--identity", "-i", help="An age identity file, for a backup made with --recipient.")
]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace a file that exists.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only show what is in it.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
ForceNewOption = Annotated[bool, typer.Option("--force-new-cluster", help="Yes: the other machines are gone for good.")]
JsonOption = Annotated[bool, typer.Option("--json", help="As JSON, for programs.")]
WhatArgument = Annotated[
    Path | None, typer.Argument(metavar="[FILE]", help="A backup to check (default: this machine's data folder).")
]


def register(app: typer.Typer) -> None:
    """Add the commands to the root app."""
    app.command("backup")(session.connected(backup))
    app.command("restore")(restore)
    app.command("recover")(recover)
    app.command("check")(check)


async def backup(
    link: Session,
    file: FileArgument,
    passphrase_file: PassphraseFileOption = None,
    recipient: RecipientOption = None,
    force: ForceOption = False,
) -> None:
    """Write the whole cluster's state to one encrypted file, and read it back; nothing stops meanwhile."""
    from swarmlet.cli.recovery import backup_file as recovery_file
    from swarmlet.cli.recovery import keys as recovery_keys
    from swarmlet.client.connection import Request
    from swarmlet.identity.access import BACKUP_PATH

    recovery_file.check_free(file, force=force)
    key = recovery_keys.locking(passphrase_file, recipient or ())
    request = Request(method="GET", path=BACKUP_PATH, accept="application/octet-stream")
    async with link.api.connection.stream(request, quiet_seconds=QUIET_SECONDS_MAX) as pieces:
        written = await recovery_file.write(file, pieces, key, force=force)
    print(f"{file}: {_kinds(written.counts)}")
    print(f"of cluster {written.manifest.cluster_id} at revision {written.manifest.revision}, read back and whole.")
    print(f"{written.size} bytes, SHA-256 {written.sha256}")


QUIET_SECONDS_MAX = 30.0
"""How long a daemon may send nothing of a backup before it is given up."""


def restore(
    file: FileArgument,
    passphrase_file: PassphraseFileOption = None,
    identity: IdentityOption = None,
    dry_run: DryRunOption = False,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    name: NameOption = None,
    advertise: AdvertiseOption = None,
    listen: ListenOption = None,
) -> None:
    """Make a new cluster of this one machine from a backup; the others join it as they would any."""
    from swarmlet.cli.recovery import keys as recovery_keys
    from swarmlet.cli.recovery import steps as recovery_steps

    loaded = load_config(config, data_dir=data_dir, node_name=name, advertise=advertise, listen=listen)
    if not dry_run:
        recovery_steps.check_empty(loaded)
    reader = _opened(file, recovery_keys.opening(passphrase_file, identity), keeps_chunks=not dry_run)
    _tell_backup(file, reader)
    if dry_run:
        return
    founded = asyncio.run(recovery_steps.restore(loaded, reader))
    state = founded.state
    print(f'\nThis machine is now the cluster\'s only node, "{state.name}" at {state.advertise}.')
    print("Machines of before are refused; to add one, empty its data folder and run there:\n")
    print(f"    swarmlet join {state.advertise} --token {founded.token}\n")
    print("Clients keep their credentials, and must reach this machine's address.")
    print(f"Start the daemon with `{how_to_start(loaded, config)}`.")


def recover(
    force_new_cluster: ForceNewOption = False,
    yes: YesOption = False,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Make this machine a cluster of its own, with the state that it holds, after the majority is gone for good."""
    from swarmlet.cli.recovery import steps as recovery_steps

    loaded = load_config(config, data_dir=data_dir)

    def agreed(outlook: Outlook) -> bool:
        _tell_outlook(outlook)
        if not force_new_cluster:
            exits.say("\nNothing was changed. To go on, add --force-new-cluster.")
            return False
        return yes or _confirmed(outlook.name)

    done = asyncio.run(recovery_steps.recover(loaded, agreed))
    if done is None:
        raise typer.Exit(exits.FAILED)
    print(f"\nThis machine is now a cluster of one. Its data of before is kept in {done}.")
    print(f"Start the daemon with `{how_to_start(loaded, config)}`; `swarmlet token create` invites machines.")
    print("Keep those that were cut off from starting, or let them: they find out, set their data aside and stop.")


def check(
    file: WhatArgument = None,
    as_json: JsonOption = False,
    passphrase_file: PassphraseFileOption = None,
    identity: IdentityOption = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Verify this machine's data while its daemon is stopped, or a backup; changes nothing."""
    if file is not None:
        from swarmlet.cli.recovery import keys as recovery_keys

        _tell_backup(file, _opened(file, recovery_keys.opening(passphrase_file, identity)), as_json=as_json)
        return
    from swarmlet.cli.recovery import checks as recovery_checks

    report = recovery_checks.check(load_config(config, data_dir=data_dir))
    if as_json:
        print(json.dumps(report.document(), indent=2))
    else:
        for finding in report.findings:
            print(f"{'ok ' if finding.ok else 'BAD'}  {finding.what:<12} {finding.detail}")
        print(f"\nThis machine's log ends at index {report.last_index} of term {report.last_term}.")
        if not report.ok:
            exits.say('Do not start this machine as it is: docs/recovery.md, "A damaged disk".')
    if not report.ok:
        raise typer.Exit(exits.FAILED)


def _opened(file: Path, key: object, *, keeps_chunks: bool = False) -> Reader:
    from swarmlet.cli.recovery import backup_file as recovery_file
    from swarmlet.cli.recovery.keys import Key

    assert isinstance(key, Key)
    return recovery_file.read(file, key, keeps_chunks=keeps_chunks)


def _tell_backup(file: Path, reader: Reader, *, as_json: bool = False) -> None:
    manifest = reader.finish()
    if as_json:
        print(json.dumps(_document(manifest, reader.counts), indent=2))
        return
    print(f"{file}: whole. {_kinds(reader.counts)}")
    print(f"of cluster {manifest.cluster_id} at revision {manifest.revision},")
    print(f'taken {manifest.taken:%Y-%m-%d %H:%M:%S} UTC on node "{manifest.node}" by swarmlet {manifest.version}.')


def _document(manifest: Manifest, counts: Mapping[str, int]) -> dict[str, object]:
    return {
        "cluster": manifest.cluster_id,
        "revision": manifest.revision,
        "taken": manifest.taken.isoformat(),
        "node": manifest.node,
        "version": manifest.version,
        "objects": dict(sorted(counts.items())),
    }


def _kinds(counts: Mapping[str, int]) -> str:
    """Return "12 objects (3 nodes, 9 pods)"."""
    listed = ", ".join(f"{count} {resource.partition('.')[0]}" for resource, count in sorted(counts.items()))
    total = sum(counts.values())
    return f"{total} object{'' if total == 1 else 's'} ({listed})"


def _tell_outlook(outlook: Outlook) -> None:
    kept = outlook.last_index - outlook.commit
    uncertain = f"; the {kept} after it are kept, for they may have been acknowledged" if kept else ""
    print(f'This machine is node "{outlook.name}" of cluster {outlook.cluster_id}, {outlook.role}.')
    print(f"  its log ends at   index {outlook.last_index} of term {outlook.last_term}")
    print(f"  known committed   index {outlook.commit}{uncertain}")
    if outlook.last_written:
        print(f"  last written      {outlook.last_written:%Y-%m-%d %H:%M:%S} UTC")
    print(f"  its state         {_kinds(outlook.counts)}, revision {outlook.revision}")
    if outlook.damage:
        print(f"  DAMAGED           {outlook.damage}")
    print("\nWhat the others acknowledged and this machine never received is lost. Of several survivors, recover")
    print("the one whose log ends at the highest term and, in that, index: `swarmlet check` on each.")
    print("Cut off for good, and refused from then on:")
    for other in outlook.others:
        print(f"  {other.name:<20} {other.address:<24} {other.role}")
    if not outlook.others:
        print("  nobody: it is the only member")


def _confirmed(name: str) -> bool:
    if not sys.stdin.isatty():
        raise ConfigError("there is no terminal to ask on; nothing was changed. --yes goes on without asking")
    if input(f"\nType this node's name ({name}) to go on: ").strip() == name:
        return True
    exits.say("That is not its name; nothing was changed.")
    return False
