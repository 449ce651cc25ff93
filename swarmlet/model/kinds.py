"""The catalogue of kinds: one `Kind` for each resource the API serves, and the few that only daemons see."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from swarmlet.model import (
    account_tokens,
    apiextensions,
    apps,
    apps_sets,
    autoscaling,
    batch,
    cluster,
    core,
    metrics,
    network_policy,
    node_subnets,
    placements,
    pod,
    policy,
    quotas,
    rbac,
    reviews,
    runtime_classes,
    scheduling,
    service_accounts,
    services,
    storage,
)
from swarmlet.model.kept_plans import KeptPlan
from swarmlet.model.meta import Object
from swarmlet.model.versions import autoscaling_v1, events_v1


@functools.cache
def _api_version(of: type[Object]) -> str:
    """Return what every object of a type says; asked for with each object that is written."""
    return of().api_version


@dataclass(frozen=True, slots=True)
class Kind:
    """What discovery, the store, the CLI and the controllers need to know of a kind.

    `resource` names the collection in the store and in `Key`: the plural, and for a group other than core a dot
    and the group ("pods", "deployments.apps"), as kubectl writes it.

    `stored_as` is the kind as the store keeps it, where that is in another version (`model.versions`).
    """

    type: type[Object]
    plural: str
    singular: str
    short_names: tuple[str, ...] = ()
    namespaced: bool = True
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    stored_as: Kind | None = None

    @property
    def kind(self) -> str:
        return self.type.__name__

    @property
    def api_version(self) -> str:
        return _api_version(self.type)

    @property
    def own_definition(self) -> str:
        """The name of its type in `model.schema` where the kind brings that itself, else ""."""
        return ""

    @property
    def list_name(self) -> str:
        """The kind of a list of its objects."""
        return f"{self.kind}List"

    @property
    def group(self) -> str:
        return self.api_version.rpartition("/")[0]

    @property
    def version(self) -> str:
        return self.api_version.rpartition("/")[2]

    @property
    def stored(self) -> Kind:
        """The kind as the store keeps it."""
        return self.stored_as or self

    @property
    def resource(self) -> str:
        if self.stored_as:
            return self.stored_as.resource
        return f"{self.plural}.{self.group}" if self.group else self.plural


NAMESPACE = Kind(
    core.Namespace, "namespaces", "namespace", ("ns",), namespaced=False, subresources=("status", "finalize")
)
NODE = Kind(core.Node, "nodes", "node", ("no",), namespaced=False, subresources=("status",))
POD = Kind(
    pod.Pod,
    "pods",
    "pod",
    ("po",),
    categories=("all",),
    subresources=("status", "log", "binding", "eviction", "exec", "attach", "portforward"),
)
CONFIG_MAP = Kind(core.ConfigMap, "configmaps", "configmap", ("cm",))
SECRET = Kind(core.Secret, "secrets", "secret")
SERVICE_ACCOUNT = Kind(
    service_accounts.ServiceAccount, "serviceaccounts", "serviceaccount", ("sa",), subresources=("token",)
)
RESOURCE_QUOTA = Kind(quotas.ResourceQuota, "resourcequotas", "resourcequota", ("quota",), subresources=("status",))
LIMIT_RANGE = Kind(quotas.LimitRange, "limitranges", "limitrange", ("limits",))
PERSISTENT_VOLUME_CLAIM = Kind(
    storage.PersistentVolumeClaim,
    "persistentvolumeclaims",
    "persistentvolumeclaim",
    ("pvc",),
    subresources=("status",),
)
PERSISTENT_VOLUME = Kind(
    storage.PersistentVolume,
    "persistentvolumes",
    "persistentvolume",
    ("pv",),
    namespaced=False,
    subresources=("status",),
)
EVENT = Kind(core.Event, "events", "event", ("ev",))
LEASE = Kind(core.Lease, "leases", "lease")
DEPLOYMENT = Kind(
    apps.Deployment, "deployments", "deployment", ("deploy",), categories=("all",), subresources=("status", "scale")
)
REPLICA_SET = Kind(
    apps.ReplicaSet, "replicasets", "replicaset", ("rs",), categories=("all",), subresources=("status", "scale")
)
STATEFUL_SET = Kind(
    apps_sets.StatefulSet,
    "statefulsets",
    "statefulset",
    ("sts",),
    categories=("all",),
    subresources=("status", "scale"),
)
DAEMON_SET = Kind(
    apps_sets.DaemonSet, "daemonsets", "daemonset", ("ds",), categories=("all",), subresources=("status",)
)
CONTROLLER_REVISION = Kind(apps_sets.ControllerRevision, "controllerrevisions", "controllerrevision")
JOB = Kind(batch.Job, "jobs", "job", categories=("all",), subresources=("status",))
CRON_JOB = Kind(batch.CronJob, "cronjobs", "cronjob", ("cj",), categories=("all",), subresources=("status",))
HORIZONTAL_POD_AUTOSCALER = Kind(
    autoscaling.HorizontalPodAutoscaler,
    "horizontalpodautoscalers",
    "horizontalpodautoscaler",
    ("hpa",),
    categories=("all",),
    subresources=("status",),
)
POD_DISRUPTION_BUDGET = Kind(
    policy.PodDisruptionBudget, "poddisruptionbudgets", "poddisruptionbudget", ("pdb",), subresources=("status",)
)
SERVICE = Kind(services.Service, "services", "service", ("svc",), categories=("all",), subresources=("status",))
ENDPOINT_SLICE = Kind(services.EndpointSlice, "endpointslices", "endpointslice")
NETWORK_POLICY = Kind(network_policy.NetworkPolicy, "networkpolicies", "networkpolicy", ("netpol",))
PRIORITY_CLASS = Kind(scheduling.PriorityClass, "priorityclasses", "priorityclass", ("pc",), namespaced=False)
RUNTIME_CLASS = Kind(runtime_classes.RuntimeClass, "runtimeclasses", "runtimeclass", namespaced=False)
STORAGE_CLASS = Kind(storage.StorageClass, "storageclasses", "storageclass", ("sc",), namespaced=False)
ROLE = Kind(rbac.Role, "roles", "role")
ROLE_BINDING = Kind(rbac.RoleBinding, "rolebindings", "rolebinding")
CLUSTER_ROLE = Kind(rbac.ClusterRole, "clusterroles", "clusterrole", namespaced=False)
CLUSTER_ROLE_BINDING = Kind(rbac.ClusterRoleBinding, "clusterrolebindings", "clusterrolebinding", namespaced=False)
CUSTOM_RESOURCE_DEFINITION = Kind(
    apiextensions.CustomResourceDefinition,
    "customresourcedefinitions",
    "customresourcedefinition",
    ("crd", "crds"),
    namespaced=False,
    categories=("api-extensions",),
    subresources=("status",),
)

SERVED = (
    NAMESPACE,
    NODE,
    POD,
    CONFIG_MAP,
    SECRET,
    SERVICE_ACCOUNT,
    RESOURCE_QUOTA,
    LIMIT_RANGE,
    PERSISTENT_VOLUME_CLAIM,
    PERSISTENT_VOLUME,
    SERVICE,
    EVENT,
    LEASE,
    DEPLOYMENT,
    REPLICA_SET,
    STATEFUL_SET,
    DAEMON_SET,
    CONTROLLER_REVISION,
    JOB,
    CRON_JOB,
    HORIZONTAL_POD_AUTOSCALER,
    NETWORK_POLICY,
    POD_DISRUPTION_BUDGET,
    PRIORITY_CLASS,
    RUNTIME_CLASS,
    STORAGE_CLASS,
    ENDPOINT_SLICE,
    ROLE,
    ROLE_BINDING,
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    CUSTOM_RESOURCE_DEFINITION,
)
"""In the order that discovery lists them."""

HORIZONTAL_POD_AUTOSCALER_V1 = Kind(
    autoscaling_v1.HorizontalPodAutoscaler,
    "horizontalpodautoscalers",
    "horizontalpodautoscaler",
    ("hpa",),
    categories=("all",),
    subresources=("status",),
    stored_as=HORIZONTAL_POD_AUTOSCALER,
)
EVENT_V1 = Kind(events_v1.Event, "events", "event", ("ev",), stored_as=EVENT)

OTHER_VERSIONS = (HORIZONTAL_POD_AUTOSCALER_V1, EVENT_V1)
"""In the API, and in the store in another version, which discovery prefers."""

NODE_METRICS = Kind(metrics.NodeMetrics, "nodes", "", namespaced=False)
POD_METRICS = Kind(metrics.PodMetrics, "pods", "")

VIRTUAL = (NODE_METRICS, POD_METRICS)
"""In the API, to be read only; never in the store."""

SELF_SUBJECT_REVIEW = Kind(reviews.SelfSubjectReview, "selfsubjectreviews", "selfsubjectreview", namespaced=False)
SELF_SUBJECT_ACCESS_REVIEW = Kind(
    reviews.SelfSubjectAccessReview, "selfsubjectaccessreviews", "selfsubjectaccessreview", namespaced=False
)
SELF_SUBJECT_RULES_REVIEW = Kind(
    reviews.SelfSubjectRulesReview, "selfsubjectrulesreviews", "selfsubjectrulesreview", namespaced=False
)
SUBJECT_ACCESS_REVIEW = Kind(
    reviews.SubjectAccessReview, "subjectaccessreviews", "subjectaccessreview", namespaced=False
)
LOCAL_SUBJECT_ACCESS_REVIEW = Kind(
    reviews.LocalSubjectAccessReview, "localsubjectaccessreviews", "localsubjectaccessreview"
)
TOKEN_REVIEW = Kind(account_tokens.TokenReview, "tokenreviews", "tokenreview", namespaced=False)

REVIEWS = (
    SELF_SUBJECT_REVIEW,
    SELF_SUBJECT_ACCESS_REVIEW,
    SELF_SUBJECT_RULES_REVIEW,
    SUBJECT_ACCESS_REVIEW,
    LOCAL_SUBJECT_ACCESS_REVIEW,
    TOKEN_REVIEW,
)
"""In the API, to be asked and answered; never in the store."""

SCALE = Kind(apps.Scale, "scales", "scale")
"""Of a subresource, in no collection."""

IN_API = SERVED + OTHER_VERSIONS + VIRTUAL + REVIEWS

CLUSTER_IDENTITY = Kind(cluster.ClusterIdentity, "clusteridentities", "clusteridentity", namespaced=False)
TOKEN = Kind(cluster.Token, "tokens", "token", namespaced=False)
KEPT_PLAN = Kind(KeptPlan, "keptplans", "keptplan", namespaced=False)
PLACEMENT_RECORD = Kind(placements.PlacementRecord, "placementrecords", "placementrecord", namespaced=False)
ADDRESS_CLAIM = Kind(services.AddressClaim, "addressclaims", "addressclaim", namespaced=False)

CLUSTER_NETWORK = Kind(node_subnets.ClusterNetwork, "clusternetworks", "clusternetwork", namespaced=False)
SUBNET_CLAIM = Kind(node_subnets.SubnetClaim, "subnetclaims", "subnetclaim", namespaced=False)

REBALANCING = Kind(cluster.Rebalancing, "rebalancings", "rebalancing", namespaced=False)

INTERNAL_GROUP = ".internal.swarmlet.io"
"""The end of the names of collections that only daemons see."""

INTERNAL = (
    REBALANCING,
    CLUSTER_IDENTITY,
    TOKEN,
    KEPT_PLAN,
    PLACEMENT_RECORD,
    ADDRESS_CLAIM,
    CLUSTER_NETWORK,
    SUBNET_CLAIM,
)
"""In the store, never in the API."""

BY_RESOURCE = {kind.resource: kind for kind in SERVED + INTERNAL}
BY_GVK = {(kind.api_version, kind.kind): kind for kind in SERVED + OTHER_VERSIONS}
