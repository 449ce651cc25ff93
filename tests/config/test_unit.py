from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from swarmlet import config

UNIT = Path(__file__).parents[2] / "systemd" / "swarmlet.service"


def setting(section: str, key: str) -> str:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # systemd's keys are case-sensitive
    parser.read(UNIT)
    return parser[section][key]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    """The path of the program is this Python's: the real one exists only where swarmlet is installed."""
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace("/usr/local/bin/swarmlet run", f"{sys.executable} -m swarmlet run"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(copy)], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_unit_runs_only_on_a_machine_that_is_a_member() -> None:
    assert setting("Unit", "ConditionPathExists") == f"{config.DEFAULT_DATA_DIR}/node.json"


def test_stopping_the_unit_leaves_pods_running() -> None:
    assert setting("Service", "KillMode") == "process"


def test_the_units_folders_are_the_defaults() -> None:
    assert Path("/var/lib") / setting("Service", "StateDirectory") == config.DEFAULT_DATA_DIR
    assert Path("/run") / setting("Service", "RuntimeDirectory") == config.DEFAULT_SOCKET.parent
    assert Path("/etc") / setting("Service", "ConfigurationDirectory") == config.DEFAULT_PATH.parent


def test_the_daemon_may_do_what_the_network_needs_and_load_no_modules() -> None:
    allowed = set(setting("Service", "CapabilityBoundingSet").split())
    assert {"CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_NET_BIND_SERVICE"} <= allowed
    assert not {"CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_BOOT", "CAP_SYS_TIME"} & allowed
    assert "AF_NETLINK" in setting("Service", "RestrictAddressFamilies").split()
    assert setting("Service", "ExecStartPre").startswith("-+/sbin/modprobe")
