"""What `check` looks at in a whole data folder: who this machine is, and what its log and its state hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from swarmlet.config import Config
from swarmlet.consensus import recovery_check
from swarmlet.consensus.recovery_check import Finding, Report
from swarmlet.errors import ConfigError
from swarmlet.identity import authority, tls
from swarmlet.identity.state import NodeFiles


@dataclass(slots=True)
class Checked:
    """What a check of a whole data folder found."""

    log: Report
    findings: list[Finding] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return all(finding.ok for finding in self.findings)

    @property
    def last_index(self) -> int:
        return self.log.last_index

    @property
    def last_term(self) -> int:
        return self.log.last_term

    def document(self) -> dict[str, Any]:
        """Return it for programs."""
        return {
            "ok": self.ok,
            "last_index": self.last_index,
            "last_term": self.last_term,
            "commit": self.log.commit,
            "checks": [{"what": each.what, "ok": each.ok, "detail": each.detail} for each in self.findings],
        }


def check(config: Config) -> Checked:
    """Check a stopped daemon's data folder; raise `ConfigError` where the daemon runs or there is nothing."""
    files = NodeFiles(config.data_dir)
    if not files.node.exists():
        files.load()  # one clear line: this machine is no member
    log = recovery_check.examine(config.consensus_dir)
    return Checked(log, [_check_identity(files, log), *log.findings])


def _check_identity(files: NodeFiles, log: Report) -> Finding:
    try:
        state = files.load()
        tls.server_context(files)
        until = authority.expiry(files.certificate_pem())
    except (ConfigError, ValueError) as error:
        return Finding("identity", ok=False, detail=str(error))
    if log.node_id and (log.cluster_id, log.node_id) != (state.cluster_id, state.node_id):
        problem = f"node.json says {state.node_id} of {state.cluster_id}, the log {log.node_id} of {log.cluster_id}"
        return Finding("identity", ok=False, detail=problem)
    fine = f'node "{state.name}" of cluster {state.cluster_id}; certificate good until {until:%Y-%m-%d}'
    return Finding("identity", ok=True, detail=fine)
