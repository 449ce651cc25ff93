"""Requests that schemathesis makes of our own OpenAPI, to a real daemon: each answer is whole, and none is a 5xx."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case
from schemathesis.specs.openapi.checks import response_schema_conformance

from swarmlet.api.discovery import openapi
from swarmlet.model import kinds
from tests.api import documents, hostile
from tests.api.lone_daemon import LoneDaemon, lone_daemon
from tests.poison import chance, samples

pytestmark = pytest.mark.slow

SHORT = {"list": 1, "post": 1, "patch": 1}
"""How many examples of an operation the short form takes, by what it does."""
AT_LENGTH = {"get": 3, "list": 5, "post": 12, "put": 12, "patch": 12, "delete": 3}
SECONDS_MAX = 20.0
MEMORY_BYTES_MAX = 512 * 1024 * 1024
"""That the daemon may hold at any moment of it."""
HOLD_SECONDS_MAX = 5.0
"""For one request, on a machine that has more to do."""
PLACE = {"namespace": "default", "name": "web"}
NOT_MADE = (kinds.NODE, kinds.JOB, kinds.CRON_JOB)
"""What is on a node that does not live, or is to be tried again, is long in going."""
NOT_RUN = {"key": "example.com/fuzzed", "effect": "NoExecute"}
"""A taint of the one node: what is made here by chance is run by nobody."""


SETTINGS = settings(
    deadline=None, database=None, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)


class Fuzzed:
    """A daemon, and how its API is asked."""

    def __init__(self, daemon: LoneDaemon) -> None:
        self.daemon = daemon
        self.session = requests.Session()
        self.session.trust_env = False  # a bundle or proxy of this machine is not the cluster's
        kubeconfig = yaml.safe_load((daemon.folder / "kubeconfig").read_text())
        cluster, user = kubeconfig["clusters"][0]["cluster"], kubeconfig["users"][0]["user"]
        self.url = cluster["server"]
        self.session.verify = self._file("ca", cluster["certificate-authority-data"])
        certificate, key = user["client-certificate-data"], user["client-key-data"]
        self.session.cert = (self._file("crt", certificate), self._file("key", key))

    def _file(self, name: str, data: str) -> str:
        path = self.daemon.folder / name
        path.write_bytes(base64.b64decode(data))
        return str(path)

    def read(self, method: str, path: str, **keywords: Any) -> Any:
        return self.session.request(method, self.url + path, timeout=SECONDS_MAX, **keywords).json()

    def raw(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        """Make a request as it is written: no client puts its path or headers right."""
        context = ssl.create_default_context(cafile=str(self.session.verify))
        context.load_cert_chain(*self.session.cert)
        host = self.url.removeprefix("https://")
        with contextlib.closing(http.client.HTTPSConnection(host, context=context, timeout=SECONDS_MAX)) as connection:
            connection.putrequest(method, path, skip_accept_encoding=True)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            response = connection.getresponse()
            return response.status, response.read()

    def renew(self, found: Any) -> None:
        """See that there is an object under the name that requests of an operation are about."""
        gvk = found.definition.raw["x-kubernetes-group-version-kind"]
        kind = next(each for each in openapi.PUBLISHED if (each.api_version, each.kind) == (_version(gvk), gvk["kind"]))
        is_stored = kind.kind in samples.BODIES and kind == kinds.BY_RESOURCE.get(kind.resource)
        if found.path.endswith("/{name}") and is_stored and kind not in NOT_MADE:
            document = chance.named(samples.sample(kind), PLACE["name"], PLACE["namespace"] if kind.namespaced else "")
            self.read("POST", found.path.removesuffix("/{name}").format(**PLACE), json=document)

    def ask(self, case: Case) -> None:
        """Make one request, and check its answer."""
        case.path_parameters = {name: PLACE[name] for name in case.path_parameters or ()}
        case.query = {name: value for name, value in (case.query or {}).items() if name != "watch"}
        words = case.as_transport_kwargs(base_url=self.url)
        response = self.session.request(**words, timeout=SECONDS_MAX)
        sent = f"{case.method} {response.request.url} {response.request.body!r}"
        told = f"{sent[:3_000]}: {response.status_code} {response.text[:500]}"
        assert response.status_code < 500, told
        assert response.headers["Content-Type"] == "application/json", told
        answer = response.json()
        if response.status_code >= 400:
            assert (answer["kind"], answer["status"], answer["code"]) == ("Status", "Failure", response.status_code), (
                told
            )
            assert answer["message"], told
        elif case.method != "DELETE" and not case.path.startswith("/apis/events.k8s.io"):
            # A DELETE answers a Status, or the object while something holds it; an Event of the core has no eventTime.
            case.validate_response(response, checks=[response_schema_conformance])

    @property
    def memory_bytes(self) -> int:
        """The most that the daemon ever held."""
        status = Path(f"/proc/{self.daemon.process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def _version(gvk: dict[str, str]) -> str:
    return f"{gvk['group']}/{gvk['version']}" if gvk["group"] else gvk["version"]


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzed]:
    with lone_daemon(tmp_path_factory.mktemp("fuzzed")) as daemon:
        fuzzed = Fuzzed(daemon)
        fuzzed.read(
            "PATCH",
            "/api/v1/nodes/alpha",
            data=json.dumps({"spec": {"taints": [NOT_RUN]}}),
            headers={"Content-Type": "application/merge-patch+json"},
        )
        yield fuzzed
        log = (daemon.folder / "log").read_text().splitlines()
        failures = [line for line in log if "Traceback" in line and "Can not decode content-encoding" not in line]
        assert failures == []  # of a body that is not packed as it says, aiohttp tells itself
        assert daemon.process.poll() is None
        assert fuzzed.memory_bytes < MEMORY_BYTES_MAX


def attack(fuzzed: Fuzzed, examples: dict[str, int]) -> int:
    """Make requests of every operation, so many of each sort; return how many."""
    asked = 0

    def ask(case: Case) -> None:
        nonlocal asked
        asked += 1
        fuzzed.ask(case)

    for version in dict.fromkeys(kind.api_version for kind in openapi.PUBLISHED):
        document = fuzzed.read("GET", f"/openapi/v3/{'apis' if '/' in version else 'api'}/{version}")
        for found in schemathesis.openapi.from_dict(document).get_all_operations():
            count = examples.get(found.ok().definition.raw["x-kubernetes-action"])
            if count:
                fuzzed.renew(found.ok())
                settings(SETTINGS, max_examples=count)(given(case=found.ok().as_strategy())(ask))()
    return asked


def test_no_request_of_our_own_openapi_is_worth_a_5xx(fuzzed: Fuzzed) -> None:
    assert attack(fuzzed, SHORT) > 100


@pytest.mark.long_clients
@pytest.mark.timeout(1_200)
def test_no_request_of_our_own_openapi_is_worth_a_5xx_at_length(fuzzed: Fuzzed) -> None:
    assert attack(fuzzed, AT_LENGTH) > 1_500


def test_no_hostile_request_is_worth_a_5xx_or_holds_the_daemon_up(fuzzed: Fuzzed) -> None:
    fuzzed.read("POST", documents.CONFIG_MAPS, json=documents.config_map("web", a="1"))
    slow, asked = {}, 0
    for method, path, headers, body in hostile.requests():
        began, asked = time.monotonic(), asked + 1
        status, answer = fuzzed.raw(method, path, headers, body)
        told = f"{method} {path[:200]} {headers} {body[:200]!r}: {status} {answer[:300]!r}"
        assert status < 500 or status == 504, told
        if status >= 400 and answer:
            assert json.loads(answer)["kind"] == "Status", told
        if (seconds := time.monotonic() - began) > HOLD_SECONDS_MAX:
            slow[told] = seconds
    assert asked > 300
    assert slow == {}
