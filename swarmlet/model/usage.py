"""What an object uses of a ResourceQuota, and which objects a quota counts.

Source: kubernetes pkg/quota/v1/evaluator/core (pods.go, persistent_volume_claims.go, services.go) and
k8s.io/apiserver's generic object count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from swarmlet.model import amounts, kinds, pods, quantity, quotas, services
from swarmlet.model.amounts import Amounts
from swarmlet.model.container import Container, ResourceRequirements
from swarmlet.model.meta import Object
from swarmlet.model.pod import Pod, PodSpec
from swarmlet.model.quantity import Quantity
from swarmlet.model.quotas import ResourceQuotaSpec, ScopedResourceSelectorRequirement
from swarmlet.model.services import Service
from swarmlet.model.storage import PersistentVolumeClaim

PODS = kinds.POD.resource
COUNT = "count/"
COUNTED_BY_NAME = frozenset(
    {"configmaps", "secrets", "services", "persistentvolumeclaims", "replicationcontrollers", "resourcequotas"}
)
"""The resources whose objects are counted under their bare names too."""
UNCOUNTED = frozenset({kinds.EVENT.resource})
"""Made by the cluster itself, in any number."""
OF_CLASS = ".storageclass.storage.k8s.io/"
COMPUTE = ("cpu", "memory", "ephemeral-storage")
MUST_BE_SPECIFIED = frozenset({"cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"})
"""Of these each container must say its part where a quota limits them."""
ONE = amounts.whole(1)


def resource_of(name: str) -> str:
    """Return the resource whose objects a name of `hard` counts: "pods" for "requests.cpu"."""
    if name.startswith(COUNT):
        return name.removeprefix(COUNT)
    if name in COUNTED_BY_NAME:
        return name
    if name.startswith("services."):
        return "services"
    if name == "requests.storage" or OF_CLASS in name:
        return "persistentvolumeclaims"
    return PODS


def of(resource: str, value: Object) -> dict[str, Quantity]:
    """Return all that an object uses, by the names that a quota's `hard` may have."""
    if resource in UNCOUNTED:
        return {}
    counts = {COUNT + resource: ONE}
    if resource in COUNTED_BY_NAME:
        counts[resource] = ONE
    if isinstance(value, Pod) and not pods.is_finished(value):
        counts |= _of_pod(value)
    if isinstance(value, PersistentVolumeClaim):
        counts |= _of_claim(value)
    if isinstance(value, Service):
        counts |= _of_service(value)
    return counts


def counted(spec: ResourceQuotaSpec, resource: str, value: Object) -> dict[str, Quantity]:
    """Return what an object uses of one quota: nothing where the quota's scopes leave it out."""
    return amounts.chosen(of(resource, value), spec.hard) if matches(spec, value) else {}


def matches(spec: ResourceQuotaSpec, value: Object) -> bool:
    """Whether a quota's scopes take an object in; one with scopes takes in Pods only."""
    wanted = tuple(_requirements(spec))
    return not wanted or (isinstance(value, Pod) and all(_in_scope(each, value) for each in wanted))


def unspecified(spec: ResourceQuotaSpec, value: Object) -> str:
    """Return what a Pod's containers must say and do not, in Kubernetes' words; "" where nothing is missing."""
    if not isinstance(value, Pod):
        return ""
    missing: dict[str, set[str]] = {}
    for container in _containers(value.spec):
        said = _asked(amounts.parsed(container.resources.requests), amounts.parsed(container.resources.limits))
        for name in MUST_BE_SPECIFIED.intersection(spec.hard).difference(said):
            missing.setdefault(name, set()).add(container.name)
    return "; ".join(f"{name} for: {','.join(sorted(missing[name]))}" for name in sorted(missing))


def pod_resources(spec: PodSpec) -> tuple[dict[str, Quantity], dict[str, Quantity]]:
    """Return the requests and the limits of a whole Pod, as `pods.effective_requests` adds them up."""
    requests, limits = _together(spec, lambda each: each.requests), _together(spec, lambda each: each.limits)
    overhead = amounts.parsed(spec.overhead)
    return amounts.added(requests, overhead), amounts.added(limits, amounts.chosen(overhead, limits))


def _together(spec: PodSpec, of_resources: Callable[[ResourceRequirements], Mapping[str, str]]) -> dict[str, Quantity]:
    sidecars: dict[str, Quantity] = {}
    most: dict[str, Quantity] = {}
    for container in spec.init_containers:
        asked = amounts.added(sidecars, amounts.parsed(of_resources(container.resources)))
        if pods.is_sidecar(container):
            sidecars = asked
        most = amounts.larger(most, asked)
    for container in spec.containers:
        sidecars = amounts.added(sidecars, amounts.parsed(of_resources(container.resources)))
    return amounts.larger(sidecars, most)


def _of_pod(pod: Pod) -> dict[str, Quantity]:
    return {PODS: ONE} | _asked(*pod_resources(pod.spec))


def _of_claim(claim: PersistentVolumeClaim) -> dict[str, Quantity]:
    class_name = claim.spec.storage_class_name
    used = {"persistentvolumeclaims": ONE}
    text = claim.spec.resources.requests.get("storage")
    if text:
        used["requests.storage"] = quantity.parse(text)
    of_class = {f"{class_name}{OF_CLASS}{name}": amount for name, amount in used.items()} if class_name else {}
    return used | of_class


def _of_service(service: Service) -> dict[str, Quantity]:
    spec = service.spec
    every = spec.ports if services.wants_node_ports(spec) else [each for each in spec.ports if each.node_port]
    used = {"services.nodeports": amounts.whole(len(every))} if every else {}
    return used | ({"services.loadbalancers": ONE} if spec.type == services.LOAD_BALANCER else {})


def _asked(requests: Amounts, limits: Amounts) -> dict[str, Quantity]:
    """Return requests and limits by the names that quotas know."""
    found: dict[str, Quantity] = {}
    for name, amount in requests.items():
        if name in COMPUTE or name.startswith("hugepages-"):
            found[name] = amount
        found[f"requests.{name}"] = amount
    return found | {f"limits.{name}": amount for name, amount in limits.items() if name in COMPUTE}


def _containers(spec: PodSpec) -> tuple[Container, ...]:
    return (*spec.containers, *spec.init_containers)


def _requirements(spec: ResourceQuotaSpec) -> Iterable[ScopedResourceSelectorRequirement]:
    for scope in spec.scopes:
        yield ScopedResourceSelectorRequirement(scope_name=scope, operator="Exists")
    if spec.scope_selector:
        yield from spec.scope_selector.match_expressions


def _in_scope(wanted: ScopedResourceSelectorRequirement, pod: Pod) -> bool:
    scope = wanted.scope_name
    if scope in (quotas.TERMINATING, quotas.NOT_TERMINATING):
        return (pod.spec.active_deadline_seconds is not None) == (scope == quotas.TERMINATING)
    if scope in (quotas.BEST_EFFORT, quotas.NOT_BEST_EFFORT):
        return (pods.qos_class(pod.spec) == "BestEffort") == (scope == quotas.BEST_EFFORT)
    return _has_class(wanted, pod.spec.priority_class_name)


def _has_class(wanted: ScopedResourceSelectorRequirement, name: str) -> bool:
    """Whether a Pod of a PriorityClass, "" for none, is in the scope."""
    if wanted.operator in ("Exists", "DoesNotExist"):
        return bool(name) == (wanted.operator == "Exists")
    return (bool(name) and name in wanted.values) == (wanted.operator == "In")
