"""One whole document of each kind, from which chance goes on. They know each other: one label, one name, one claim."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from swarmlet.model import kinds
from swarmlet.model.kinds import Kind
from tests.api import custom_documents

Document = dict[str, Any]

LABELS = {"app": "web"}
NAMES = ("web", "db", "job")
"""Objects bear few names, so that they meet: a claim its volume, an autoscaler its Deployment, a Pod its Service."""


def sample(kind: Kind) -> Document:
    """Return a whole document of a kind, without its name."""
    if kind == kinds.CUSTOM_RESOURCE_DEFINITION:
        return custom_documents.CERTIFICATES
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"labels": LABELS}, **BODIES[kind.kind]}


_PROBE = {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 3}
_CONTAINER = {
    "name": "main",
    "image": "web:1",
    "command": ["sh", "-c", "serve $(A)"],
    "env": [
        {"name": "A", "value": "1"},
        {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
        {"name": "C", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
        {"name": "D", "valueFrom": {"secretKeyRef": {"name": "web", "key": "key", "optional": True}}},
    ],
    "envFrom": [{"configMapRef": {"name": "web", "optional": True}, "prefix": "P_"}],
    "ports": [{"name": "http", "containerPort": 80, "protocol": "TCP"}],
    "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
    "readinessProbe": _PROBE,
    "lifecycle": {"preStop": {"exec": {"command": ["true"]}}},
    "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}, {"name": "both", "mountPath": "/etc/both"}],
    "securityContext": {"runAsUser": 1000, "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "Unconfined"}},
}
_TERM = {"labelSelector": {"matchLabels": LABELS}, "topologyKey": "kubernetes.io/hostname"}
_POD_SPEC = {
    "containers": [_CONTAINER],
    "initContainers": [{"name": "before", "image": "web:1", "command": ["true"]}],
    "volumes": [
        {"name": "scratch", "emptyDir": {"sizeLimit": "1Gi"}},
        {
            "name": "both",
            "projected": {
                "sources": [
                    {"configMap": {"name": "web", "optional": True}},
                    {"secret": {"name": "web", "items": [{"key": "a", "path": "b/c"}], "optional": True}},
                    {"downwardAPI": {"items": [{"path": "l", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
                    {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}},
                ]
            },
        },
    ],
    "tolerations": [{"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30}],
    "affinity": {
        "nodeAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 5, "preference": {"matchExpressions": [{"key": "a", "operator": "Gt", "values": ["5"]}]}}
            ]
        },
        "podAntiAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 5, "podAffinityTerm": _TERM}]
        },
    },
    "topologySpreadConstraints": [{"maxSkew": 1, "whenUnsatisfiable": "ScheduleAnyway", **_TERM}],
    "hostAliases": [{"ip": "10.0.0.9", "hostnames": ["other"]}],
    "dnsConfig": {"searches": ["a.b"], "options": [{"name": "ndots", "value": "2"}]},
    "securityContext": {"fsGroup": 5, "supplementalGroups": [7]},
}
_TEMPLATE = {"metadata": {"labels": LABELS}, "spec": _POD_SPEC}
_ONCE = {"metadata": {"labels": LABELS}, "spec": {**_POD_SPEC, "restartPolicy": "Never"}}
_CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": "web"}
_SELECTOR = {"matchLabels": LABELS, "matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["x"]}]}
_JOB = {
    "template": _ONCE,
    "parallelism": 2,
    "completions": 3,
    "completionMode": "Indexed",
    "backoffLimitPerIndex": 1,
    "podFailurePolicy": {"rules": [{"action": "Count", "onExitCodes": {"operator": "In", "values": [1, 2]}}]},
    "ttlSecondsAfterFinished": 100,
}
_RULE = {"apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": ["get"], "resourceNames": ["web"]}
_ROLE = {"apiGroup": "rbac.authorization.k8s.io", "name": "web"}
_SUBJECTS = [
    {"kind": "User", "name": "u", "apiGroup": "rbac.authorization.k8s.io"},
    {"kind": "ServiceAccount", "name": "web", "namespace": "default"},
]
_REFERENCE = {"apiVersion": "v1", "kind": "Pod", "name": "web", "namespace": "default"}

BODIES: Mapping[str, Document] = {
    "Namespace": {"spec": {"finalizers": ["kubernetes"]}},
    "Node": {
        "spec": {"taints": [{"key": "a", "value": "b", "effect": "PreferNoSchedule"}]},
        "status": {
            "capacity": {"cpu": "8", "memory": "16Gi", "pods": "110"},
            "allocatable": {"cpu": "8", "memory": "16Gi", "pods": "110"},
            "addresses": [{"type": "InternalIP", "address": "10.0.0.8"}],
        },
    },
    "Pod": {"spec": _POD_SPEC},
    "ConfigMap": {"data": {"a": "1"}, "binaryData": {"b": "AAE="}},
    "Secret": {"data": {"a": "MQ=="}, "type": "Opaque"},
    "ServiceAccount": {"imagePullSecrets": [{"name": "web"}], "automountServiceAccountToken": True},
    "ResourceQuota": {
        "spec": {
            "hard": {"pods": "90"},
            "scopeSelector": {
                "matchExpressions": [{"scopeName": "PriorityClass", "operator": "In", "values": ["web"]}]
            },
        }
    },
    "LimitRange": {
        "spec": {"limits": [{"type": "Container", "default": {"cpu": "1"}, "defaultRequest": {"cpu": "100m"}}]}
    },
    "PersistentVolumeClaim": {"spec": _CLAIM},
    "PersistentVolume": {
        "spec": {
            "capacity": {"storage": "2Gi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": "web",
            "local": {"path": "/srv/web"},
            "nodeAffinity": {
                "required": {
                    "nodeSelectorTerms": [
                        {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["n1"]}]}
                    ]
                }
            },
        }
    },
    "Service": {
        "spec": {
            "selector": LABELS,
            "ports": [
                {"name": "http", "port": 80, "targetPort": "http"},
                {"name": "dns", "port": 53, "targetPort": 53, "protocol": "UDP"},
            ],
            "type": "NodePort",
            "sessionAffinity": "ClientIP",
            "externalIPs": ["192.0.2.7"],
        }
    },
    "Event": {
        "involvedObject": _REFERENCE,
        "reason": "Began",
        "message": "it began",
        "type": "Normal",
        "count": 2,
        "firstTimestamp": "2026-01-01T00:00:00Z",
        "lastTimestamp": "2026-01-01T00:00:01Z",
        "source": {"component": "test"},
    },
    "Lease": {"spec": {"holderIdentity": "a", "leaseDurationSeconds": 15, "renewTime": "2026-01-01T00:00:00.000000Z"}},
    "Deployment": {"spec": {"replicas": 2, "selector": _SELECTOR, "template": _TEMPLATE, "minReadySeconds": 1}},
    "ReplicaSet": {"spec": {"replicas": 1, "selector": _SELECTOR, "template": _TEMPLATE}},
    "StatefulSet": {
        "spec": {
            "replicas": 2,
            "serviceName": "web",
            "selector": _SELECTOR,
            "template": _TEMPLATE,
            "volumeClaimTemplates": [{"metadata": {"name": "disk"}, "spec": _CLAIM}],
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}},
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete", "whenScaled": "Retain"},
        }
    },
    "DaemonSet": {
        "spec": {
            "selector": _SELECTOR,
            "template": _TEMPLATE,
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "30%"}},
        }
    },
    "ControllerRevision": {"revision": 1, "data": {"spec": {"template": {}}}},
    "Job": {"spec": _JOB},
    "CronJob": {
        "spec": {
            "schedule": "*/1 * * * *",
            "timeZone": "Europe/Berlin",
            "concurrencyPolicy": "Replace",
            "startingDeadlineSeconds": 300,
            "jobTemplate": {"metadata": {"labels": LABELS}, "spec": _JOB},
        }
    },
    "HorizontalPodAutoscaler": {
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "minReplicas": 1,
            "maxReplicas": 5,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}},
                },
                {
                    "type": "ContainerResource",
                    "containerResource": {
                        "name": "memory",
                        "container": "main",
                        "target": {"type": "AverageValue", "averageValue": "100Mi"},
                    },
                },
            ],
            "behavior": {
                "scaleDown": {
                    "stabilizationWindowSeconds": 5,
                    "policies": [{"type": "Percent", "value": 10, "periodSeconds": 15}],
                }
            },
        }
    },
    "NetworkPolicy": {
        "spec": {
            "podSelector": _SELECTOR,
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [
                {
                    "from": [
                        {"podSelector": _SELECTOR, "namespaceSelector": {}},
                        {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}},
                    ],
                    "ports": [{"port": "http"}, {"port": 80, "endPort": 90, "protocol": "UDP"}],
                }
            ],
            "egress": [{"to": [{"ipBlock": {"cidr": "::/0"}}]}],
        }
    },
    "PodDisruptionBudget": {"spec": {"selector": _SELECTOR, "maxUnavailable": "50%"}},
    "PriorityClass": {"value": 100, "preemptionPolicy": "PreemptLowerPriority", "description": "d"},
    "RuntimeClass": {
        "handler": "runc",
        "overhead": {"podFixed": {"cpu": "10m"}},
        "scheduling": {"nodeSelector": {"a": "b"}},
    },
    "StorageClass": {
        "provisioner": "swarmlet.io/local",
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "WaitForFirstConsumer",
    },
    "EndpointSlice": {
        "metadata": {"labels": {**LABELS, "kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "endpoints": [
            {
                "addresses": ["10.9.0.1"],
                "conditions": {"ready": True},
                "nodeName": "n1",
                "targetRef": _REFERENCE,
                "hostname": "web-0",
            }
        ],
        "ports": [{"name": "http", "port": 80, "protocol": "TCP"}],
    },
    "Role": {"rules": [_RULE]},
    "RoleBinding": {"subjects": _SUBJECTS, "roleRef": {**_ROLE, "kind": "Role"}},
    "ClusterRole": {
        "rules": [_RULE, {"nonResourceURLs": ["/metrics"], "verbs": ["get"]}],
        "aggregationRule": {"clusterRoleSelectors": [_SELECTOR]},
    },
    "ClusterRoleBinding": {"subjects": _SUBJECTS, "roleRef": {**_ROLE, "kind": "ClusterRole"}},
}
