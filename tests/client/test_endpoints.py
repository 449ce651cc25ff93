from __future__ import annotations

import base64
import ssl
from pathlib import Path
from typing import Any

import pytest
import yaml

from swarmlet.client import endpoints
from swarmlet.client.endpoints import Choice
from swarmlet.errors import ConfigError
from swarmlet.identity.authority import Authority
from tests.identity.conftest import CLUSTER
from tests.identity.times import NOW


def kubeconfig(folder: Path, **cluster: Any) -> Path:
    document = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u", "namespace": "blue"}}],
        "clusters": [{"name": "k", "cluster": {"server": "https://h1:7600", **cluster}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def test_what_is_said_goes_before_what_is_around(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path)
    around = {"SWARMLET_SOCKET": "/a.sock", "KUBECONFIG": str(path)}
    assert endpoints.choose(Choice(), around).socket == Path("/a.sock")
    assert endpoints.choose(Choice(socket=Path("/b.sock")), around).socket == Path("/b.sock")
    assert endpoints.choose(Choice(kubeconfig=path), around).urls == ("https://h1:7600",)
    assert endpoints.choose(Choice(servers=("h2",)), around).urls == ("https://h2:7600",)
    assert endpoints.choose(Choice(), {}).socket == endpoints.DEFAULT_SOCKET


def test_a_kubeconfig_tells_server_credentials_and_namespace(tmp_path: Path) -> None:
    ca = Authority.create(CLUSTER, NOW).certificate_pem
    data = base64.b64encode(ca.encode()).decode()
    path = kubeconfig(tmp_path, **{"certificate-authority-data": data, "tls-server-name": "localhost"})
    found = endpoints.remote(kubeconfig=path)
    assert (found.token, found.namespace, found.tls_server_name) == ("t", "blue", "localhost")
    assert found.tls is not None
    assert (found.tls.minimum_version, found.tls.verify_mode) == (ssl.TLSVersion.TLSv1_3, ssl.CERT_REQUIRED)
    assert len(found.tls.get_ca_certs()) == 1


@pytest.mark.parametrize(
    ("server", "url"),
    [
        ("h1", "https://h1:7600"),
        ("h1:8000", "https://h1:8000"),
        ("http://h1:1/", "http://h1:1"),
        ("[::1]:5", "https://[::1]:5"),
    ],
)
def test_servers_may_be_named_shortly(server: str, url: str) -> None:
    assert endpoints.remote(servers=[server]).urls == (url,)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "No such file"),
        ("a: [", "not YAML"),
        ("[]", "not a kubeconfig"),
        ("current-context: c", 'contexts: no entry "c"'),
    ],
)
def test_an_unusable_kubeconfig_is_told_by_name(tmp_path: Path, text: str | None, told: str) -> None:
    path = tmp_path / "kubeconfig"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as raised:
        endpoints.remote(kubeconfig=path)
    assert str(raised.value).startswith(f"{path}: ")
    assert told in str(raised.value)


def test_a_certificate_that_is_none_is_told_by_file(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path, **{"certificate-authority-data": "%%%"})
    with pytest.raises(ConfigError, match="certificate-authority-data is not base64"):
        endpoints.remote(kubeconfig=path)


def test_a_context_is_chosen_and_somebody_is_acted_as(tmp_path: Path) -> None:
    path = tmp_path / "config"
    entry = "{name: %s, cluster: {server: 'https://%s:1'}}"
    path.write_text(
        "current-context: a\nusers: [{name: u, user: {token: t}}]\n"
        f"clusters: [{entry % ('a', 'a')}, {entry % ('b', 'b')}]\n"
        "contexts: [{name: a, context: {cluster: a, user: u}}, {name: b, context: {cluster: b, user: u}}]\n",
        encoding="utf-8",
    )
    ann = endpoints.Person("ann", ("g",), "7")
    found = endpoints.choose(Choice(kubeconfig=path, context="b", acting_as=ann), {})
    assert found.urls == ("https://b:1",)
    assert found.acting_as.headers() == [
        ("Impersonate-User", "ann"),
        ("Impersonate-Group", "g"),
        ("Impersonate-Uid", "7"),
    ]
    with pytest.raises(ConfigError, match='no entry "c"; there are: a, b'):
        endpoints.choose(Choice(kubeconfig=path, context="c"), {})
    with pytest.raises(ConfigError, match="go with --as"):
        endpoints.Person(groups=("g",)).headers()
