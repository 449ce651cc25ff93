from __future__ import annotations

import dataclasses
import re
import socket
from pathlib import Path

import pytest
import yaml

from swarmlet import config, config_file
from swarmlet.addresses import join_address, split_address
from swarmlet.config import Autoscaling, Config, Consensus, Log, NodeLifecycle, Reserved
from swarmlet.errors import ConfigError
from swarmlet.model import thresholds
from swarmlet.model.device_classes import DeviceClass

EXAMPLE = Path(__file__).parents[2] / "config" / "swarmlet.yaml"


def written(folder: Path, text: str) -> Path:
    file = folder / "config.yaml"
    file.write_text(text)
    return file


def test_an_empty_file_means_all_defaults(tmp_path: Path) -> None:
    assert config.load(written(tmp_path, "")) == Config(node_name=socket.gethostname().lower())


def test_without_the_default_file_all_keys_have_their_defaults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(config, "DEFAULT_PATH", tmp_path / "none.yaml")
    assert config.load().listen == "0.0.0.0:7600"


def test_a_file_that_is_named_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: No such file.*--config"):
        config.load(tmp_path / "none.yaml")


def test_the_example_is_the_defaults() -> None:
    assert config.load(EXAMPLE) == Config(node_name=socket.gethostname().lower())


def test_the_example_shows_every_key() -> None:
    text = EXAMPLE.read_text()
    sections = {
        "reserved": Reserved,
        "consensus": Consensus,
        "node_lifecycle": NodeLifecycle,
        "autoscaling": Autoscaling,
        "log": Log,
    }
    for key in dataclasses.fields(Config):
        assert re.search(rf"^(# )?{key.name}:", text, re.MULTILINE), key.name
    for section, schema in sections.items():
        assert set(yaml.safe_load(text)[section]) == {key.name for key in dataclasses.fields(schema)}


def test_the_commented_keys_of_the_example_are_right_too(tmp_path: Path) -> None:
    commented = "node_name|advertise|socket|docker_host|seccomp_dir|registry_credentials"
    text = re.sub(rf"^# ({commented}):", r"\1:", EXAMPLE.read_text(), flags=re.MULTILINE)
    text = re.sub(r"^(labels|devices): {}$", r"\1:", text, flags=re.MULTILINE)
    text = re.sub(r"^#  (topology|disk|example|nvidia)", r"  \1", text, flags=re.MULTILINE)
    loaded = config.load(written(tmp_path, text))
    assert [len(each.each or each.ids) or each.count for each in loaded.devices.values()] == [4, 2, 2]
    assert (loaded.node_name, loaded.advertise, loaded.labels["disk"]) == ("alpha", "10.0.0.5:7600", "ssd")


@pytest.mark.parametrize(
    ("written_devices", "allowed"),
    [
        ("[]", "resource names"),
        ("{fuse: {paths: [/dev/fuse]}}", "example.com/fuse"),
        ("{kubernetes.io/fuse: {paths: [/dev/fuse]}}", "example.com/fuse"),
        ("{example.com/a: {}}", "one of paths, each and driver"),
        ("{example.com/a: {paths: [/dev/a], each: [/dev/b]}}", "one of paths, each and driver"),
        ("{example.com/a: {driver: nvidia}}", "driver and ids together"),
        ("{example.com/a: {paths: [/etc/shadow]}}", "below /dev"),
        ("{example.com/a: {paths: [/dev/../etc/shadow]}}", "below /dev"),
        ("{example.com/a: {paths: /dev/a}}", "paths is a list"),
        ("{example.com/a: {paths: [/dev/a], count: 0}}", "count is a whole number"),
        ("{example.com/a: {paths: [/dev/a], permissions: rx}}", "permissions of the letters"),
        ("{example.com/a: {path: [/dev/a]}}", "the keys paths, each"),
    ],
)
def test_devices_are_checked(tmp_path: Path, written_devices: str, allowed: str) -> None:
    with pytest.raises(ConfigError, match=f"devices: found .*{allowed}"):
        config.load(written(tmp_path, f"devices: {written_devices}\n"))


def test_every_key_is_taken_from_the_file(tmp_path: Path) -> None:
    loaded = config.load(
        written(
            tmp_path,
            "data_dir: /srv/s\nnode_name: n1\nlisten: 10.0.0.5\nadvertise: h1\nruntime: process\n"
            "api_names: [api.example.com, '::1']\n"
            "labels: {zone: a}\nreserved: {cpu: 1}\nvoters_max: 3\nconsensus: {tick_seconds: 0.05}\n"
            "node_lifecycle: {evict_after_seconds: 30}\nlog: {level: debug}\n"
            "usage_seconds: 5\nautoscaling: {sync_seconds: 5}\n"
            "devices: {example.com/fuse: {paths: [/dev/fuse], count: 4}}\nregistry_credentials: /root/config.json\n"
            "seccomp_dir: /srv/profiles\nresolv_conf: /srv/resolv.conf\n",
        )
    )
    assert loaded == Config(
        data_dir=Path("/srv/s"),
        node_name="n1",
        listen="10.0.0.5:7600",
        advertise="h1:7600",
        api_names=("api.example.com", "::1"),
        socket=Path("/srv/s/swarmlet.sock"),
        devices={"example.com/fuse": DeviceClass(paths=("/dev/fuse",), count=4)},
        registry_credentials=Path("/root/config.json"),
        seccomp_dir=Path("/srv/profiles"),
        resolv_conf=Path("/srv/resolv.conf"),
        runtime="process",
        labels={"zone": "a"},
        reserved=Reserved(cpu="1"),
        voters_max=3,
        consensus=Consensus(tick_seconds=0.05),
        node_lifecycle=NodeLifecycle(evict_after_seconds=30.0),
        log=Log(level="debug"),
        usage_seconds=5.0,
        autoscaling=Autoscaling(sync_seconds=5.0),
    )


def test_a_flag_wins_over_the_file(tmp_path: Path) -> None:
    loaded = config.load(written(tmp_path, "node_name: n1\nlisten: 127.0.0.1:7\n"), {"node_name": "n2", "listen": None})
    assert (loaded.node_name, loaded.listen) == ("n2", "127.0.0.1:7")


def test_a_wrong_flag_is_named_as_a_flag() -> None:
    with pytest.raises(ConfigError, match=r"^--name: found 'A B'; allowed: lower-case"):
        config.load(EXAMPLE, {"node_name": "A B"})


def test_a_host_name_that_cannot_name_a_node_is_explained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "my_laptop")
    with pytest.raises(ConfigError, match=r"--name.*found 'my_laptop'"):
        config.load(written(tmp_path, ""))


def test_an_advertised_host_without_a_port_has_the_one_that_is_listened_on(tmp_path: Path) -> None:
    assert config.load(written(tmp_path, "listen: 0.0.0.0:7000\nadvertise: h1\n")).advertise == "h1:7000"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("node_nam: a", "node_nam: unknown key; did you mean node_name?"),
        ("colour: red", "colour: unknown key; known are advertise, "),
        ("log: {levle: info}", "log.levle: unknown key; did you mean level?"),
        ("log: info", "log: found 'info'; allowed: keys with values"),
        ("- a", "found ['a']; allowed: keys with values"),
        ("a: [", "not YAML"),
        ("log: {level: loud}", "log.level: found 'loud'; allowed: one of debug, info, warning, error"),
        ("data_dir: state", "data_dir: found 'state'; allowed: an absolute path"),
        ("data_dir: 7", "data_dir: found 7; allowed: an absolute path"),
        ("socket: /" + "s" * 108, "allowed: an absolute path of at most 107 bytes"),
        ("node_name: My Laptop", "node_name: found 'My Laptop'; allowed: lower-case letters"),
        ("node_name: -a", "node_name: found '-a'"),
        ("node_name: " + "a" * 64, "at most 63 characters"),
        ("listen: 7600", "listen: found 7600; allowed: text such as"),
        ("listen: h1:99999", "the port is 0 to 65535"),
        ("listen: h1:x", "listen: found 'h1:x'; allowed: host, host:port or [IPv6 address]:port"),
        ("listen: '[zz::1]:1'", "listen: found '[zz::1]:1'"),
        ("listen: a:b:c", "listen: found 'a:b:c'"),
        ("advertise: ''", "advertise: found ''"),
        ("api_names: [Not_A_Name]", "api_names: found ['Not_A_Name']; allowed: a list of at most 32 DNS names"),
        ("api_names: api.example.com", "api_names: found 'api.example.com'; allowed: a list"),
        ("api_names: [7]", "api_names: found [7]"),
        ("runtime: podman", "runtime: found 'podman'; allowed: one of auto, docker, process"),
        ("docker_host: /var/run/docker.sock", "docker_host: found '/var/run/docker.sock'; allowed: unix:///path"),
        ("labels: {zone: 1}", "labels: found {'zone': 1}; allowed: a map of Kubernetes labels"),
        ("labels: {-x: a}", "labels: found"),
        ("reserved: {cpu: lots}", "reserved.cpu: found 'lots'; allowed: a quantity such as \"500m\""),
        ("voters_max: 4", "voters_max: found 4; allowed: an odd number from 1 to 9"),
        ("voters_max: true", "voters_max: found True"),
        ("consensus: {heartbeat_ticks: 1.5}", "consensus.heartbeat_ticks: found 1.5; allowed: a whole number"),
        ("consensus: {election_ticks: 2}", "consensus.election_ticks: found 2; allowed: more than heartbeat_ticks"),
        ("eviction: {hard: {memory.available: lots}}", "allowed: memory.available: a quantity such as"),
        ("eviction: {hard: {memory.available: -1}}", "allowed: memory.available: a quantity such as"),
        ("eviction: {hard: {nodefs.available: 101%}}", "allowed: nodefs.available: a quantity such as"),
        ("eviction: {hard: {memory: 1Gi}}", "allowed: the signals memory.available, nodefs.available"),
        ("eviction: {hard: 5}", "eviction.hard: found 5; allowed: a map such as"),
        ("image_collection: {low_threshold_percent: 85}", "found 85; allowed: less than high_threshold_percent"),
        ("node_lifecycle: {not_ready_seconds: 5s}", "found '5s'; allowed: a number of seconds from 1 to 86400"),
        ("node_lifecycle: {not_ready_seconds: .nan}", "found nan; allowed: a number of seconds"),
    ],
)
def test_a_wrong_key_is_one_clear_line(tmp_path: Path, text: str, message: str) -> None:
    file = written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        config.load(file)
    assert str(caught.value).startswith(str(file))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_eviction_signal_that_is_not_named_keeps_its_default(tmp_path: Path) -> None:
    hard = config.load(written(tmp_path, "eviction: {hard: {memory.available: 1Gi, pid.available: 0}}")).eviction.hard
    assert (hard["memory.available"], hard["nodefs.available"]) == ("1Gi", "10%")
    assert [each.signal for each in thresholds.read(hard) if each.signal == "pid.available"] == [], "0 switches it off"


def test_a_folder_is_no_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Is a directory"):
        config.load(tmp_path)


def test_a_huge_file_is_no_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="over"):
        config.load(written(tmp_path, "#" * (config_file.FILE_BYTES_MAX + 1)))


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("h1", ("h1", 7600)),
        ("h1:1", ("h1", 1)),
        ("10.0.0.5:65535", ("10.0.0.5", 65535)),
        ("fd00::1", ("fd00::1", 7600)),
        ("[fd00::1]", ("fd00::1", 7600)),
        ("[fd00::1]:8", ("fd00::1", 8)),
    ],
)
def test_an_address_is_split_and_joined(text: str, address: tuple[str, int]) -> None:
    assert split_address(text) == address
    assert split_address(join_address(*address)) == address
