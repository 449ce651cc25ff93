"""What a Pod's containers find of their account: token, authority, namespace, and where the API is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest

from swarmlet.agent.containers import api_variables
from swarmlet.agent.volumes import token_volume
from swarmlet.agent.volumes.errors import VolumeError
from swarmlet.agent.volumes.pod_tokens import PodTokens
from swarmlet.agent.volumes.pod_volumes import Volumes
from swarmlet.identity.authority import Authority
from swarmlet.model import kinds, pod_volumes
from swarmlet.model.cluster import THE_CLUSTER, ClusterIdentity
from swarmlet.model.container import Container, VolumeMount
from swarmlet.model.core import ConfigMap
from swarmlet.model.meta import Object, ObjectMeta
from swarmlet.model.pod import Pod, PodSpec
from swarmlet.model.pod_volumes import EmptyDirVolumeSource, ProjectedVolumeSource, Volume, VolumeProjection
from swarmlet.model.service_accounts import FOLDER, ServiceAccount
from swarmlet.model.services import Service, ServicePort, ServiceSpec
from swarmlet.store.commands import Key

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.time.timestamp()

    async def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


class Place:
    """One node's volumes, and the store that they show."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.tokens = PodTokens(self.clock)
        self.volumes = Volumes(disk=folder / "disk", memory=folder / "memory", tokens=self.tokens)
        authority = Authority.create("0123456789abcdef", NOW)
        self.objects: dict[Key, Object] = {
            Key(kinds.SERVICE_ACCOUNT.resource, "shop", "web"): ServiceAccount(
                metadata=ObjectMeta(name="web", namespace="shop", uid="account")
            ),
            Key(kinds.CONFIG_MAP.resource, "shop", "kube-root-ca.crt"): ConfigMap(data={"ca.crt": "authority"}),
            Key(kinds.CLUSTER_IDENTITY.resource, "", THE_CLUSTER): ClusterIdentity(ca_key=authority.key_pem),
        }

    def make(self, pod: Pod) -> dict[str, str]:
        """Return the files of a Pod's last volume."""
        self.volumes.refresh(pod, self.objects.get)
        path = self.volumes.place(pod, pod.spec.volumes[-1].name, self.objects.get)
        return {each.name: each.read_text() for each in path.iterdir() if not each.name.startswith("..")}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def new_pod(**spec: Any) -> Pod:
    metadata = ObjectMeta(name="web-1", namespace="shop", uid="pod")
    return Pod(metadata=metadata, spec=PodSpec(**{"service_account_name": "web", **spec}))


def mounts(container: Container) -> list[tuple[str, str]]:
    return [(each.name, each.mount_path) for each in container.volume_mounts]


def test_containers_find_token_authority_and_namespace(place: Place) -> None:
    pod = place.volumes.equipped(new_pod())
    files = place.make(pod)
    assert (files["ca.crt"], files["namespace"]) == ("authority", "shop")
    claims = jwt.decode(files["token"], options={"verify_signature": False})
    assert claims["sub"] == "system:serviceaccount:shop:web"
    assert claims["kubernetes.io"]["pod"] == {"name": "web-1", "uid": "pod"}
    assert claims["exp"] - claims["iat"] == 3607


def test_each_container_has_it_where_nothing_else_is() -> None:
    own = VolumeMount(name="own", mount_path=FOLDER + "/")
    pod = new_pod(
        containers=(Container(name="a"), Container(name="b", volume_mounts=(own,))),
        init_containers=(Container(name="c"),),
        volumes=(Volume(name="kube-api-access", empty_dir=EmptyDirVolumeSource()),),
    )
    added = token_volume.added(pod)
    (name,) = {volume.name for volume in added.spec.volumes} - {"kube-api-access"}
    assert mounts(added.spec.containers[0]) == [(name, FOLDER)]
    assert mounts(added.spec.containers[1]) == [("own", FOLDER + "/")]
    assert mounts(added.spec.init_containers[0]) == [(name, FOLDER)]


@pytest.mark.parametrize("spec", [{"automount_service_account_token": False}, {"service_account_name": ""}])
def test_who_wants_none_or_has_no_account_gets_none(place: Place, spec: dict[str, Any]) -> None:
    pod = new_pod(containers=(Container(name="a"),), **spec)
    assert place.volumes.equipped(pod) == pod


def test_a_token_is_renewed_after_four_fifths_of_its_life(place: Place) -> None:
    pod = place.volumes.equipped(new_pod())
    first = place.make(pod)["token"]
    place.clock.time += timedelta(seconds=2885)
    assert place.tokens.due({"pod"}) == set()
    assert place.make(pod)["token"] == first
    place.clock.time += timedelta(seconds=1)
    assert place.tokens.due({"pod"}) == {"pod"}
    assert place.make(pod)["token"] != first
    assert place.tokens.due({"pod"}) == set()


def test_tokens_of_pods_that_are_gone_are_forgotten(place: Place) -> None:
    pod = place.volumes.equipped(new_pod())
    place.make(pod)
    place.clock.time += timedelta(hours=1)
    assert place.tokens.due(set()) == set()
    assert place.tokens.due({"pod"}) == set()


def test_a_volume_may_ask_for_another_audience(place: Place) -> None:
    asked = pod_volumes.ServiceAccountTokenProjection(path="vault", audience="vault", expiration_seconds=600)
    source = ProjectedVolumeSource(sources=(VolumeProjection(service_account_token=asked),), default_mode=0o600)
    files = place.make(new_pod(volumes=(Volume(name="v", projected=source),)))
    claims = jwt.decode(files["vault"], options={"verify_signature": False})
    assert (claims["aud"], claims["exp"] - claims["iat"]) == (["vault"], 600)


def test_without_its_account_a_pod_waits(place: Place) -> None:
    pod = place.volumes.equipped(new_pod(service_account_name="none"))
    with pytest.raises(VolumeError, match='serviceaccounts "none" not found'):
        place.make(pod)


def test_containers_are_told_where_the_api_is() -> None:
    port = ServicePort(name="https", port=443)
    service = Service(spec=ServiceSpec(type="ClusterIP", cluster_ip="10.43.0.1", ports=(port,)))
    objects: dict[Key, Object] = {api_variables.SERVICE: service}
    assert api_variables.of(objects.get) == {
        "KUBERNETES_SERVICE_HOST": "10.43.0.1",
        "KUBERNETES_SERVICE_PORT": "443",
        "KUBERNETES_SERVICE_PORT_HTTPS": "443",
    }
    assert api_variables.of({}.get) == {}
