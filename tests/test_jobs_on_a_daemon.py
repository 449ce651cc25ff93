"""Jobs and CronJobs on one whole daemon that runs plain processes, through the official kubectl."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from swarmlet.config import Config
from tests import test_node

pytestmark = pytest.mark.slow
BIN = Path(sys.executable).parent
SECONDS_MAX = 30

config = test_node.config


class Shell:
    """Runs the programs of this environment against the daemon, as its administrator."""

    def __init__(self, config: Config, home: Path) -> None:
        self._env = {
            "HOME": str(home),
            "PATH": os.environ["PATH"],
            "SWARMLET_SOCKET": str(config.socket),
            "KUBECONFIG": str(home / "kubeconfig"),
        }

    async def __call__(self, program: str, *words: str, stdin: Any = None) -> str:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            BIN / program, *words, stdin=pipe, stdout=pipe, stderr=pipe, env=self._env
        )
        async with asyncio.timeout(SECONDS_MAX):
            out, err = await process.communicate(None if stdin is None else json.dumps(stdin).encode())
        assert process.returncode == 0, (words, out, err)
        return out.decode()

    async def log_in(self) -> None:
        self._keep(await self("swarmlet", "kubeconfig"))

    def _keep(self, kubeconfig: str) -> None:
        Path(self._env["KUBECONFIG"]).write_text(kubeconfig, encoding="utf-8")

    async def kubectl(self, *words: str, stdin: Any = None) -> str:
        return await self("kubectl", *words, stdin=stdin)


def job_spec(command: str, policy: str = "Never", **spec: Any) -> dict[str, Any]:
    container = {"name": "main", "image": "busybox", "command": ["sh", "-c", command]}
    return spec | {"template": {"spec": {"restartPolicy": policy, "containers": [container]}}}


def manifest(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "batch/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


async def test_jobs_run_fail_and_go_as_kubectl_expects(config: Config, tmp_path: Path) -> None:
    await test_node.found(config)
    async with test_node.running(config):
        shell = Shell(config, tmp_path)
        await shell.log_in()
        indexed = job_spec("echo index $JOB_COMPLETION_INDEX", completions=2, parallelism=2, completionMode="Indexed")
        await shell.kubectl("create", "-f", "-", stdin=manifest("Job", "sum", indexed))
        await shell.kubectl("wait", "--for=condition=complete", "job/sum", "--timeout=20s")
        assert (await shell.kubectl("get", "jobs")).splitlines()[1].split()[:3] == ["sum", "Complete", "2/2"]
        assert await shell.kubectl("logs", "-l", "job-name=sum", "--prefix=false") in (
            "index 0\nindex 1\n",
            "index 1\nindex 0\n",
        )
        described = await shell.kubectl("describe", "job", "sum")
        assert "0 Active (0 Ready) / 2 Succeeded / 0 Failed" in described
        assert "Job completed" in described

        bad = manifest("Job", "bad", job_spec("exit 3", backoffLimit=0))
        await shell.kubectl("create", "-f", "-", stdin=bad)
        await shell.kubectl("wait", "--for=condition=failed", "job/bad", "--timeout=20s")

        again = manifest("Job", "again", job_spec("exit 1", "OnFailure", backoffLimit=1))
        await shell.kubectl("create", "-f", "-", stdin=again)
        await shell.kubectl("wait", "--for=condition=failed", "job/again", "--timeout=25s")
        assert "BackoffLimitExceeded" in await shell.kubectl("get", "job", "again", "-o", "yaml")

        await shell.kubectl("delete", "job", "sum", "bad", "again", "--cascade=foreground")
        assert await shell.kubectl("get", "jobs,pods") == ""


async def test_a_cron_jobs_job_can_be_run_by_hand(config: Config, tmp_path: Path) -> None:
    await test_node.found(config)
    async with test_node.running(config):
        shell = Shell(config, tmp_path)
        await shell.log_in()
        spec = {"schedule": "0 3 29 2 *", "timeZone": "Europe/Riga", "jobTemplate": {"spec": job_spec("echo by hand")}}
        await shell.kubectl("apply", "-f", "-", stdin=manifest("CronJob", "tick", spec))
        listed = (await shell.kubectl("get", "cj")).splitlines()
        assert listed[0].split() == ["NAME", "SCHEDULE", "TIMEZONE", "SUSPEND", "ACTIVE", "LAST", "SCHEDULE", "AGE"]
        assert listed[1].split()[:8] == ["tick", "0", "3", "29", "2", "*", "Europe/Riga", "False"]
        dry = await shell.kubectl("create", "job", "now", "--from=cronjob/tick", "--dry-run=client", "-o", "json")
        await shell.kubectl("create", "-f", "-", stdin=json.loads(dry))
        await shell.kubectl("wait", "--for=condition=complete", "job/now", "--timeout=20s")
        assert await shell.kubectl("logs", "job/now") == "by hand\n"
        assert "Time Zone:" in await shell("swarmlet", "describe", "cronjob", "tick")
        await shell.kubectl("delete", "cj", "tick")
        async with asyncio.timeout(SECONDS_MAX):
            while await shell.kubectl("get", "jobs,pods"):  # noqa: ASYNC110  another process is asked
                await asyncio.sleep(0.1)
