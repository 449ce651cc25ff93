"""Services in the kernels of three machines: each of their addresses answers on every node, and from Pods.

That they do so through each fault is in test_network_faults.py.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e import spaces
from tests.e2e.spaces import Space, container
from tools.lab.cluster import Cluster, eventually

NODES = ("h1", "h2", "h3")
PORT, NODE_PORT = 8070, 30_070

WEB = """
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: main
        image: busybox:lab
        imagePullPolicy: IfNotPresent
        command: [sh, -c, "trap exit TERM; mkdir -p /w; echo $NODE > /w/index.html; httpd -f -p 8080 -h /w & wait"]
        env: [{name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}]
        ports: [{name: http, containerPort: 8080}]
        readinessProbe: {tcpSocket: {port: http}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  type: LoadBalancer
  selector: {app: web}
  ports: [{port: 8070, targetPort: http, nodePort: 30070}]
"""


@pytest.fixture(scope="module")
def net(three_machines: Cluster) -> Iterator[Space]:
    """A Service with a Pod on each machine."""
    with spaces.space(three_machines, "balanced") as space:
        space.apply(WEB)
        space.wait_running("web", 3)
        yield space


def doors(net: Space) -> list[str]:
    """Return each address at which the Service answers."""
    published = [net.cluster[each].machine.address for each in NODES]
    ports = [f"{address}:{port}" for address in published for port in (PORT, NODE_PORT)]
    own = net.get("service", "web")["spec"]["clusterIP"]
    return [f"http://{each}/" for each in (f"{own}:{PORT}", *ports)]


def all_answer(net: Space) -> bool:
    """Whether every Pod and every machine is answered at every address, by Pods of all nodes together."""
    urls, found = doors(net), set[str]()
    for pod in net.running("web"):
        for inside in ("", container(pod)):
            answers = set(net.fetched(pod["spec"]["nodeName"], urls, times=2, inside=inside))
            if not answers <= set(NODES):
                return False
            found |= answers
    return found == set(NODES)


def wait_for_all(net: Space) -> None:
    eventually(lambda: all_answer(net), 40, "the Service answers at every address, from everywhere")


def test_every_address_answers_everywhere_and_the_status_tells_which(cluster: Cluster, net: Space) -> None:
    wait_for_all(net)
    addresses = [cluster[each].machine.address for each in NODES]
    assert [each["ip"] for each in net.get("service", "web")["status"]["loadBalancer"]["ingress"]] == addresses
    assert "EnsuredLoadBalancer" in net.kubectl("describe", "service", "web")
    assert addresses[0] in cluster["h1"].swarmlet("get", "services", "-n", net.name, "-o", "wide")


def test_a_service_is_written_without_a_warning(net: Space) -> None:
    manifest = net.kubectl("create", "service", "clusterip", "quiet", "--tcp=80", "--dry-run=client", "-o", "yaml")
    assert "Warning" not in net.kubectl("apply", "-f", "-", stdin=manifest, check=False)


def test_without_any_endpoint_who_comes_is_refused_at_once(net: Space) -> None:
    net.kubectl("patch", "service", "web", "-p", '{"spec": {"selector": {"app": "nothing"}}}')
    url = doors(net)[0]
    eventually(lambda: "refused" in net.fetched("h1", [url])[0], 5, "connections are refused")
    net.kubectl("patch", "service", "web", "-p", '{"spec": {"selector": {"app": "web"}}}')
    wait_for_all(net)
