"""`describe` of every kind that people have: its own words in the right places, and never "<unknown>"."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from tests.clients.kubectl.programs import Kubectl
from tools.lab.cluster import eventually

EVENTS_SECONDS_MAX = 20.0
MANIFEST = """
apiVersion: v1
kind: ServiceAccount
metadata: {{name: app}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: settings}}
data: {{level: high}}
---
apiVersion: v1
kind: Secret
metadata: {{name: hidden}}
stringData: {{password: never-shown}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: disk}}
spec: {{accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 10Mi}}}}}}
---
apiVersion: v1
kind: LimitRange
metadata: {{name: bounds}}
spec: {{limits: [{{type: Container, max: {{memory: 1Gi}}}}]}}
---
apiVersion: v1
kind: ResourceQuota
metadata: {{name: few}}
spec: {{hard: {{pods: "20"}}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  replicas: 1
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      serviceAccountName: app
      terminationGracePeriodSeconds: 1
      volumes: [{{name: disk, persistentVolumeClaim: {{claimName: disk}}}}]
      containers:
      - name: main
        image: busybox:lab
        command: [hold]
        resources: {{limits: {{memory: 64Mi}}}}
        env: [{{name: LEVEL, valueFrom: {{configMapKeyRef: {{name: settings, key: level}}}}}}]
        readinessProbe: {{exec: {{command: ["true"]}}, periodSeconds: 5}}
        volumeMounts: [{{name: disk, mountPath: /disk}}]
---
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec: {{selector: {{app: web}}, ports: [{{name: http, port: 80, targetPort: 8080}}]}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {{name: web}}
spec:
  scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: web}}
  maxReplicas: 3
  metrics: [{{type: Resource, resource: {{name: cpu, target: {{type: Utilization, averageUtilization: 70}}}}}}]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {{name: web}}
spec: {{maxUnavailable: 1, selector: {{matchLabels: {{app: web}}}}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: web}}
spec: {{podSelector: {{matchLabels: {{app: web}}}}, ingress: [{{ports: [{{port: 8080}}]}}]}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: db}}
spec:
  serviceName: db
  selector: {{matchLabels: {{app: db}}}}
  template:
    metadata: {{labels: {{app: db}}}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{{name: main, image: "busybox:lab", command: [hold]}}]
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {{name: each}}
spec:
  selector: {{matchLabels: {{app: each}}}}
  template:
    metadata: {{labels: {{app: each}}}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{{name: main, image: "busybox:lab", command: [hold]}}]
---
apiVersion: batch/v1
kind: Job
metadata: {{name: once}}
spec:
  template: {{spec: {{restartPolicy: Never, containers: [{{name: main, image: "busybox:lab", command: ["true"]}}]}}}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {{name: yearly}}
spec:
  schedule: 0 0 1 1 *
  jobTemplate:
    spec:
      template:
        spec: {{restartPolicy: Never, containers: [{{name: main, image: "busybox:lab", command: ["true"]}}]}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: reader}}
rules: [{{apiGroups: [""], resources: [pods], verbs: [get]}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: reader}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}}
subjects: [{{kind: ServiceAccount, name: app, namespace: {namespace}}}]
---
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata: {{name: leader}}
spec: {{holderIdentity: me, leaseDurationSeconds: 15}}
"""
ROLLED = ("deployment/web", "statefulset/db", "daemonset/each")

TOLD = {
    "deployment web": [
        r"Replicas: +1 desired \| 1 updated \| 1 total \| 1 available",
        r"NewReplicaSet: +web-\w+ \(1/1 replicas created\)",
    ],
    "replicaset -l app=web": [r"Controlled By: +Deployment/web", r"Replicas: +1 current / 1 desired"],
    "pod -l app=web": [
        r"Status: +Running",
        r"Service Account: +app",
        r"LEVEL: +<set to the key 'level' of config map 'settings'>",
        r"Readiness: +exec \[true\] delay=0s timeout=1s period=5s (#success|successThreshold)=1",
        r"ClaimName: +disk",
        r"Limits:\n +memory: +64Mi",
    ],
    "statefulset db": [r"Pods Status: +1 Running / 0 Waiting / 0 Succeeded / 0 Failed"],
    "daemonset each": [r"Desired Number of Nodes Scheduled: 3", r"Number of Nodes Scheduled with Available Pods: 3"],
    "job once": [r"Pods Statuses: +0 Active \(0 Ready\) / 1 Succeeded / 0 Failed", r"Completions: +1"],
    "cronjob yearly": [r"Schedule: +0 0 1 1 \*", r"Concurrency Policy: +Allow"],
    "service web": [r"TargetPort: +8080/TCP", r"Endpoints: +[0-9.]+:8080"],
    "endpointslices -l kubernetes.io/service-name=web": [r"http +8080 +TCP", r"TargetRef: +Pod/web-"],
    "hpa web": [r"Reference: +Deployment/web", r"Max replicas: +3", r"resource cpu on pods"],
    "pdb web": [r"Max unavailable: +1", r"Selector: +app=web"],
    "networkpolicy web": [r"PodSelector: +app=web", r"To Port: 8080/TCP"],
    "pvc disk": [r"Status: +Bound", r"Used By: +web-"],
    "configmap settings": [r"level:\n-+\nhigh"],
    "secret hidden": [r"password: +11 bytes"],
    "serviceaccount app": [r"Name: +app"],
    "quota few": [r"pods +5 +20"],
    "limitrange bounds": [r"Container +memory +- +1Gi"],
    "role reader": [r"pods +\[\] +\[\] +\[get\]"],
    "rolebinding reader": [r"ServiceAccount +app +"],
    "lease leader": [r"Holder Identity: +me"],
    "node h1": [r"Ready +True", r"Allocatable:", r"Non-terminated Pods:", r"Roles: "],
    "namespace default": [r"Status: +Active"],
}


@pytest.fixture(scope="module")
def described(kubectl: Kubectl) -> Iterator[Kubectl]:
    kubectl.apply(MANIFEST.format(namespace=kubectl.namespace))
    for each in ROLLED:
        kubectl("rollout", "status", each, "--timeout=60s")
    kubectl("wait", "job/once", "--for=condition=Complete", "--timeout=60s")
    yield kubectl
    kubectl("delete", "deploy,sts,ds,job,cronjob", "--all")


@pytest.mark.proves("describe")
@pytest.mark.parametrize("target", TOLD)
def test_a_kind_is_described(described: Kubectl, target: str) -> None:
    told = described.there("describe", *target.split())
    missing = [pattern for pattern in TOLD[target] if not re.search(pattern, told)]
    assert missing == [], told
    assert "never-shown" not in told


@pytest.mark.proves("describe (events)")
def test_a_pods_story_is_told(described: Kubectl) -> None:
    def words() -> set[str]:
        return set(re.findall(r"Normal +(\w+)", described.there("describe", "pod", "-l", "app=db")))

    eventually(lambda: words() >= {"Scheduled", "Pulled", "Created", "Started"}, EVENTS_SECONDS_MAX, "its events")
    assert "SuccessfulCreate" in described.there("describe", "statefulset", "db")
    assert "ScalingReplicaSet" in described.there("describe", "deployment", "web")


@pytest.mark.proves("describe (cluster scope)")
def test_what_is_in_no_namespace_is_described(described: Kubectl) -> None:
    volume = described.path("pvc", "disk", path="{.spec.volumeName}")
    assert f"{described.namespace}/disk" in described.there("describe", "pv", volume)
    storage_class = described.path("pvc", "disk", path="{.spec.storageClassName}")
    assert re.search(rf"Name: +{storage_class}\n", described.there("describe", "storageclass", storage_class))
    assert "pods" in described.there("describe", "clusterrole", "view")
    assert "system:masters" in described.there("describe", "clusterrolebinding", "cluster-admin")
    name = f"{described.namespace}-first"
    described("create", "priorityclass", name, "--value=7")
    assert re.search(r"Value: +7\n", described.there("describe", "priorityclass", name))
    described("delete", "priorityclass", name)
    runtime = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": name}, "handler": "runc"}
    described.apply(json.dumps(runtime))
    assert "Handler:" in described.there("describe", "runtimeclass", name)
    described("delete", "runtimeclass", name)
