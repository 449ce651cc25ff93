"""Troubles of nodes, claims, Services, autoscalers, budgets, quotas and namespaces."""

from __future__ import annotations

from datetime import timedelta

from tests.explain.board import NOW, Board, ago, container, unready, unscheduled


def test_a_node_that_is_silent(board: Board) -> None:
    board.node("h3", ready="Unknown", reason="NodeStatusUnknown", message="The node stopped sending heartbeats.")
    board.heartbeats["h3"] = NOW - timedelta(seconds=50)
    assert board.why("nodes", "h3") == [
        "✗ node h3 is not ready, since 11:59:15 (45 s ago)",
        "  ✗ The node stopped sending heartbeats; the leader last heard of it 50 s ago, since 11:59:15 (45 s ago)",
        "    -> see whether machine h3 is on and reached, and its daemon runs",
        "it has 0 Pods, asking for 0 % of its CPU and 0 % of its memory",
    ]


def test_a_node_whose_engine_is_down(board: Board) -> None:
    board.node("h3", ready="False", reason="KubeletNotReady", message="the Engine does not answer")
    assert board.why("nodes", "h3")[1] == "  ✗ the Engine does not answer, since 11:59:15 (45 s ago)"


def test_a_node_that_is_cordoned_and_tainted(board: Board) -> None:
    taint = {"key": "gpu", "value": "yes", "effect": "NoExecute", "timeAdded": ago(30)}
    board.node("h3", spec={"unschedulable": True, "taints": [taint]})
    board.event("Node/h3", "NodeNotSchedulable", "Node h3 status is now: NodeNotSchedulable", at=120, type="Normal")
    assert board.why("nodes", "h3")[:5] == [
        "! node h3 is ready and cordoned: no new Pods go there, since 11:59:15 (45 s ago)",
        "  ! it was cordoned: only Pods that tolerate that go there, 11:58:00 (2 min ago)",
        "    -> swarmlet uncordon h3",
        "  ! its taint gpu=yes:NoExecute drives away Pods that do not tolerate it, since 11:59:30 (30 s ago)",
        "    -> kubectl taint node h3 gpu- takes it off",
    ]


def test_who_cordoned_a_node_is_told_where_the_history_knows(board: Board) -> None:
    board.node("h3", by="ann")
    board.node("h3", spec={"unschedulable": True}, by="bob")
    board.node("h3", spec={"unschedulable": True}, meta={"labels": {"zone": "a"}}, by="carl")
    assert board.why("nodes", "h3")[1].startswith("  ! it was cordoned by bob from 10.0.0.7 (revision ")
    assert board.why("nodes", "h3")[1].endswith("): only Pods that tolerate that go there, 11:59:00 (60 s ago)")


def test_a_node_under_pressure(board: Board) -> None:
    held = {"type": "DiskPressure", "status": "True", "reason": "KubeletHasDiskPressure", "lastTransitionTime": ago(20)}
    board.node("h3", conditions=[held])
    assert "it runs out of disk space (KubeletHasDiskPressure)" in board.why("nodes", "h3")[1]


def test_a_claim_that_waits_for_its_first_pod(board: Board) -> None:
    board.put(
        "storage.k8s.io/v1",
        "StorageClass",
        "local",
        provisioner="swarmlet.io/local",
        volumeBindingMode="WaitForFirstConsumer",
    )
    board.put("v1", "PersistentVolumeClaim", "data", spec={"storageClassName": "local"}, status={"phase": "Pending"})
    assert board.why("persistentvolumeclaims", "data") == [
        "! claim data is Pending, since 11:50:00 (10 min ago)",
        "  ! it waits for the first Pod that mounts it (StorageClass local: WaitForFirstConsumer)",
        "no Pod mounts it",
    ]


def test_a_claim_of_a_class_that_is_not_there(board: Board) -> None:
    board.put("storage.k8s.io/v1", "StorageClass", "local", provisioner="swarmlet.io/local")
    board.put("v1", "PersistentVolumeClaim", "data", spec={"storageClassName": "fast"}, status={"phase": "Pending"})
    assert board.why("persistentvolumeclaims", "data")[1:3] == [
        "  ✗ its StorageClass fast does not exist",
        "    -> make the StorageClass fast, or name one that there is: local",
    ]


def test_a_volume_whose_node_is_down(board: Board) -> None:
    board.node("h3", ready="Unknown", reason="NodeStatusUnknown", message="silent")
    term = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["h3"]}]}
    affinity = {"required": {"nodeSelectorTerms": [term]}}
    board.put("v1", "PersistentVolume", "pv-1", spec={"nodeAffinity": affinity}, status={"phase": "Bound"})
    meta = {"annotations": {"pv.kubernetes.io/bind-completed": "yes"}}
    board.put("v1", "PersistentVolumeClaim", "data", meta=meta, spec={"volumeName": "pv-1"}, status={"phase": "Bound"})
    assert board.why("persistentvolumeclaims", "data")[:2] == [
        "✗ claim data is Bound to volume pv-1",
        "  ✗ volume pv-1 lies on node h3, which is not ready, since 11:59:15 (45 s ago)",
    ]


def test_a_service_that_selects_no_pods(board: Board) -> None:
    board.pod("web-1")
    board.put("v1", "Service", "web", spec={"selector": {"app": "wep"}, "ports": [{"port": 80}]})
    assert board.why("services", "web") == [
        "✗ Service web has no ready endpoint",
        "  ✗ its selector app=wep matches no Pod of namespace default, which has 1 Pod; there is app=web",
        "    -> let spec.selector and the labels of the Pods' template be the same",
    ]


def test_a_service_whose_pods_are_not_ready(board: Board) -> None:
    board.pod("web-1", status=unready(container(waiting="ErrImagePull", message="manifest unknown"), phase="Pending"))
    board.put("v1", "Service", "web", spec={"selector": {"app": "web"}, "ports": [{"port": 80}]})
    assert board.why("services", "web")[1:4] == [
        "  ✗ its selector finds 1 Pod, of which none is ready",
        "    ✗ Pod web-1 on h1",
        '      ✗ container main has no image "web:1": manifest unknown, since 11:58:58 (62 s ago)',
    ]


def test_a_service_that_leads_to_a_port_of_no_name(board: Board) -> None:
    board.pod("web-1", container={"ports": [{"name": "http", "containerPort": 80}]})
    spec = {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "web"}]}
    board.put("v1", "Service", "web", spec=spec)
    assert board.why("services", "web")[1] == (
        "  ✗ its port 80 leads to a container port named web, which no Pod has; there: http"
    )


def test_a_service_that_serves(board: Board) -> None:
    board.pod("web-1")
    board.put("v1", "Service", "web", spec={"selector": {"app": "web"}, "ports": [{"port": 80}]})
    board.put(
        "discovery.k8s.io/v1",
        "EndpointSlice",
        "web-x",
        meta={"labels": {"kubernetes.io/service-name": "web"}},
        addressType="IPv4",
        endpoints=[{"addresses": ["10.0.0.1"], "conditions": {"ready": True}}],
    )
    assert board.why("services", "web") == ["Service web has 1 ready endpoint"]


def test_an_endpoint_is_a_pod_whatever_its_addresses_are(board: Board) -> None:
    """Pods on different machines may have the same address of the default bridge, and one Pod may have two."""
    board.put("v1", "Service", "web", spec={"selector": {"app": "web"}, "ports": [{"port": 80}]})
    told = {"web-4": ("IPv4", ["10.0.0.2", "10.0.0.2"]), "web-6": ("IPv6", ["fd::1", "fd::2"])}
    for name, (family, addresses) in told.items():
        endpoints = []
        for number, address in enumerate(addresses, 1):
            pod = board.pod(f"web-{number}")["metadata"]
            refers = {"kind": "Pod", "namespace": "default", "name": pod["name"], "uid": pod["uid"]}
            endpoints.append({"addresses": [address], "conditions": {"ready": True}, "targetRef": refers})
        labels = {"kubernetes.io/service-name": "web"}
        board.put(
            "discovery.k8s.io/v1",
            "EndpointSlice",
            name,
            meta={"labels": labels},
            addressType=family,
            endpoints=endpoints,
        )
    assert board.why("services", "web") == ["Service web has 2 ready endpoints"]


def test_an_autoscaler_whose_pods_ask_for_nothing(board: Board) -> None:
    message = "the HPA was unable to compute the replica count: failed to get cpu utilization: missing request for cpu"
    held = {"type": "ScalingActive", "status": "False", "reason": "FailedGetResourceMetric", "message": message}
    spec = {"scaleTargetRef": {"kind": "Deployment", "name": "web"}, "maxReplicas": 5}
    status = {"conditions": [held | {"lastTransitionTime": ago(90)}], "currentReplicas": 1, "desiredReplicas": 0}
    board.put("autoscaling/v2", "HorizontalPodAutoscaler", "web", spec=spec, status=status)
    assert board.why("horizontalpodautoscalers.autoscaling", "web") == [
        "✗ autoscaler web: Deployment web has 1 replica, 0 are wanted (of 1 to 5)",
        f"  ✗ {message} (FailedGetResourceMetric), since 11:58:30 (90 s ago)",
        "    -> let the Pods' template ask for the resource in resources.requests",
    ]


def test_a_budget_that_lets_nothing_go(board: Board) -> None:
    board.pod("web-1")
    status = {"disruptionsAllowed": 0, "currentHealthy": 1, "desiredHealthy": 1, "expectedPods": 1}
    selector = {"matchLabels": {"app": "web"}}
    board.put("policy/v1", "PodDisruptionBudget", "web", spec={"selector": selector, "minAvailable": 1}, status=status)
    assert board.why("poddisruptionbudgets.policy", "web") == [
        "! budget web allows no eviction now: of 1 Pod 1 is healthy, and 1 must be",
        "  ✗ it asks for 1 of 1 Pod, so none may ever go, and a drain waits for ever",
        "    -> have more replicas, or let spec.minAvailable be lower (or spec.maxUnavailable at least 1)",
    ]


def test_a_quota_with_and_without_room(board: Board) -> None:
    hard, used = {"pods": "2", "requests.memory": "1Gi"}, {"pods": "2", "requests.memory": "128Mi"}
    board.put("v1", "ResourceQuota", "q", spec={"hard": hard}, status={"hard": hard, "used": used})
    assert board.why("resourcequotas", "q") == [
        "! quota q of namespace default is used up for pods",
        "  ✗ pods: 2 of 2 are used: nothing more is made that counts here",
        "  - requests.memory: 128Mi of 1Gi are used",
    ]


def test_a_namespace_that_does_not_go(board: Board) -> None:
    held = {
        "type": "NamespaceContentRemaining",
        "status": "True",
        "reason": "SomeResourcesRemain",
        "message": "Some resources are remaining: configmaps. has 1 resource instances",
        "lastTransitionTime": ago(30),
    }
    meta = {"deletionTimestamp": ago(40)}
    board.put("v1", "Namespace", "old", meta=meta, status={"phase": "Terminating", "conditions": [held]})
    board.put(
        "v1",
        "ConfigMap",
        "held",
        meta={"namespace": "old", "finalizers": ["example.com/hold"], "deletionTimestamp": ago(40)},
    )
    assert board.why("namespaces", "old") == [
        "✗ namespace old is being deleted, since 11:59:20 (40 s ago)",
        "  ✗ held by finalizers: configmap/held",
        "    -> whoever set a finalizer takes it off when its work is done",
        "  ! Some resources are remaining: configmaps. has 1 resource instances, since 11:59:30 (30 s ago)",
    ]


def test_a_claim_and_the_pod_that_waits_with_it(board: Board) -> None:
    rest = {"provisioner": "swarmlet.io/local", "volumeBindingMode": "WaitForFirstConsumer"}
    default = {"annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}
    board.put("storage.k8s.io/v1", "StorageClass", "local", meta=default, **rest)
    claim = board.put("v1", "PersistentVolumeClaim", "data", status={"phase": "Pending"})
    board.event(claim, "ProvisioningFailed", "no room for it on h1")
    mounts = {"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]}
    board.pod("db", node="", spec=mounts, status=unscheduled("0/2 nodes are available: 2 cordoned."))
    assert board.why("persistentvolumeclaims", "data") == [
        "! claim data is Pending, since 11:50:00 (10 min ago)",
        "  ! no room for it on h1, 11:59:50 (10 s ago)",
        "  - its volume is made where Pod db goes (StorageClass local: WaitForFirstConsumer)",
        "mounted by db",
    ]
    assert "  ! its claim data is not ready" in board.why("pods", "db")


def test_a_claim_that_is_lost_and_one_of_no_class(board: Board) -> None:
    board.put("v1", "PersistentVolumeClaim", "lost", spec={"volumeName": "pv-9"}, status={"phase": "Lost"})
    assert "the data are lost" in board.why("persistentvolumeclaims", "lost")[1]
    board.put("v1", "PersistentVolumeClaim", "bare", spec={"storageClassName": ""}, status={"phase": "Pending"})
    assert "has no StorageClass" in board.why("persistentvolumeclaims", "bare")[1]


def test_a_volume_whose_claim_is_gone(board: Board) -> None:
    spec = {"persistentVolumeReclaimPolicy": "Retain", "claimRef": {"namespace": "default", "name": "data"}}
    meta = {"deletionTimestamp": ago(5), "finalizers": ["kubernetes.io/pv-protection"]}
    status = {"phase": "Released", "message": "could not be removed"}
    board.put("v1", "PersistentVolume", "pv-1", meta=meta, spec=spec, status=status)
    assert board.why("persistentvolumes", "pv-1") == [
        "✗ volume pv-1 is Released, kept for claim default/data; its claim is gone and its reclaim policy is Retain",
        "  ✗ could not be removed",
        "  ! it is being deleted, and held by kubernetes.io/pv-protection, since 11:59:55 (5 s ago)",
    ]


def test_an_autoscaler_that_is_held_by_its_bounds_and_what_it_measures(board: Board) -> None:
    target = {"type": "Utilization", "averageUtilization": 50}
    spec = {
        "scaleTargetRef": {"kind": "Deployment", "name": "web"},
        "maxReplicas": 3,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
    }
    limited = {
        "type": "ScalingLimited",
        "status": "True",
        "reason": "TooManyReplicas",
        "message": "the desired replica count is more than the maximum replica count",
        "lastTransitionTime": ago(20),
    }
    measured = {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 90}}}
    status = {"conditions": [limited], "currentReplicas": 3, "desiredReplicas": 3, "currentMetrics": [measured]}
    made = board.put("autoscaling/v2", "HorizontalPodAutoscaler", "web", spec=spec, status=status)
    board.event(made, "SuccessfulRescale", "New size: 3; reason: cpu resource utilization above target", type="Normal")
    assert board.why("horizontalpodautoscalers.autoscaling", "web") == [
        "! autoscaler web: Deployment web has 3 replicas, 3 are wanted (of 1 to 3)",
        (
            "  ! the desired replica count is more than the maximum replica count (TooManyReplicas), "
            "since 11:59:40 (20 s ago)"
        ),
        "  - cpu is used to 90 %, the target is 50 %",
        "its last step: New size: 3; reason: cpu resource utilization above target, 11:59:50 (10 s ago)",
    ]


def test_an_autoscaler_of_nothing(board: Board) -> None:
    able = {"type": "AbleToScale", "status": "False", "reason": "FailedGetScale", "message": "not found"}
    spec = {"scaleTargetRef": {"kind": "Deployment", "name": "web"}, "maxReplicas": 3}
    status = {"conditions": [able | {"lastTransitionTime": ago(20)}]}
    board.put("autoscaling/v2", "HorizontalPodAutoscaler", "web", spec=spec, status=status)
    assert "    -> correct spec.scaleTargetRef, or make what it names" in board.why(
        "horizontalpodautoscalers.autoscaling", "web"
    )


def test_a_budget_of_no_pods_and_one_whose_pods_are_ill(board: Board) -> None:
    nobody = {"matchLabels": {"app": "nobody"}}
    board.put("policy/v1", "PodDisruptionBudget", "none", spec={"selector": nobody, "minAvailable": 1})
    assert "  ! its selector matches no Pods" in board.why("poddisruptionbudgets.policy", "none")
    board.pod("web-1", status=unready(container(waiting="ErrImagePull", message="manifest unknown"), phase="Pending"))
    status = {"disruptionsAllowed": 0, "currentHealthy": 1, "desiredHealthy": 1, "expectedPods": 2}
    selector = {"matchLabels": {"app": "web"}}
    board.put("policy/v1", "PodDisruptionBudget", "web", spec={"selector": selector, "minAvailable": 1}, status=status)
    assert board.why("poddisruptionbudgets.policy", "web")[1] == "  ✗ Pod web-1 on h1"


def test_services_that_lead_elsewhere(board: Board) -> None:
    board.put("v1", "Service", "mail", spec={"type": "ExternalName", "externalName": "mail.example.com"})
    assert "another name of mail.example.com" in board.why("services", "mail")[0]
    board.put("v1", "Service", "own", spec={"ports": [{"port": 80}]})
    assert board.why("services", "own")[1].startswith("  - it has no selector")
    board.pod("web-1")
    board.put("v1", "Service", "new", spec={"selector": {"app": "web"}, "ports": [{"port": 80}]})
    assert "its EndpointSlices do not tell of them yet" in board.why("services", "new")[1]


def test_an_autoscaler_whose_target_has_no_replicas(board: Board) -> None:
    message = "scaling is disabled since the replica count of the target is zero"
    active = {"type": "ScalingActive", "status": "False", "reason": "ScalingDisabled", "message": message}
    spec = {"scaleTargetRef": {"kind": "Deployment", "name": "web"}, "maxReplicas": 3}
    status = {"conditions": [active | {"lastTransitionTime": ago(20)}]}
    board.put("autoscaling/v2", "HorizontalPodAutoscaler", "web", spec=spec, status=status)
    assert "    -> scale the target to at least 1" in board.why("horizontalpodautoscalers.autoscaling", "web")


def test_an_autoscaler_that_waits_before_it_scales_down(board: Board) -> None:
    message = "recent recommendations were higher than current one, applying the highest recent recommendation"
    able = {"type": "AbleToScale", "status": "True", "reason": "ScaleDownStabilized", "message": message}
    spec = {"scaleTargetRef": {"kind": "Deployment", "name": "web"}, "maxReplicas": 3}
    status = {"conditions": [able | {"lastTransitionTime": ago(20)}]}
    board.put("autoscaling/v2", "HorizontalPodAutoscaler", "web", spec=spec, status=status)
    told = board.why("horizontalpodautoscalers.autoscaling", "web")
    assert told[1] == f"  - {message} (ScaleDownStabilized), since 11:59:40 (20 s ago)"


def test_a_budget_whose_pods_cannot_be_counted(board: Board) -> None:
    board.pod("web-1")
    failed = {"type": "DisruptionAllowed", "status": "False", "reason": "SyncFailed", "message": "found no controller"}
    status = {"expectedPods": 1, "conditions": [failed | {"lastTransitionTime": ago(20)}]}
    spec = {"selector": {"matchLabels": {"app": "web"}}, "minAvailable": "50%"}
    board.put("policy/v1", "PodDisruptionBudget", "web", spec=spec, status=status)
    assert board.why("poddisruptionbudgets.policy", "web")[1] == (
        "  ✗ its Pods cannot be counted: found no controller, since 11:59:40 (20 s ago)"
    )
