"""CustomResourceDefinitions of the shapes that are in use, shortened, and objects of theirs."""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]

TEXT = {"type": "string"}


def definition(group: str, kind: str, plural: str, *versions: Document, **names: Any) -> Document:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "names": {"plural": plural, "kind": kind, **names},
            "scope": "Namespaced",
            "versions": list(versions),
        },
    }


def version(name: str, properties: Document, *, storage: bool = True, **others: Any) -> Document:
    schema = {"type": "object", "properties": properties}
    return {"name": name, "served": True, "storage": storage, "schema": {"openAPIV3Schema": schema}, **others}


def objects(properties: Document, *required: str) -> Document:
    return {"type": "object", "properties": properties} | ({"required": list(required)} if required else {})


CONDITIONS = {
    "type": "array",
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["type"],
    "items": objects(
        {"type": TEXT, "status": {"type": "string", "enum": ["True", "False", "Unknown"]}, "message": TEXT},
        "type",
        "status",
    ),
}

CERTIFICATES = definition(
    "cert-manager.io",
    "Certificate",
    "certificates",
    version(
        "v1",
        {
            "spec": {
                **objects(
                    {
                        "secretName": {"type": "string", "description": "Name of the Secret resource."},
                        "dnsNames": {"type": "array", "items": TEXT, "x-kubernetes-list-type": "atomic"},
                        "duration": TEXT,
                        "revisionHistoryLimit": {"type": "integer", "format": "int32", "minimum": 1},
                        "issuerRef": objects({"name": TEXT, "kind": TEXT, "group": TEXT}, "name"),
                        "privateKey": objects(
                            {
                                "algorithm": {"type": "string", "enum": ["RSA", "ECDSA", "Ed25519"]},
                                "rotationPolicy": {"type": "string", "default": "Never"},
                                "size": {"type": "integer"},
                            }
                        ),
                    },
                    "issuerRef",
                    "secretName",
                ),
                "description": "Specification of the desired state of the Certificate resource.",
            },
            "status": objects({"conditions": CONDITIONS, "revision": {"type": "integer"}}),
        },
        subresources={"status": {}},
        additionalPrinterColumns=[
            {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type == "Ready")].status'},
            {"name": "Secret", "type": "string", "jsonPath": ".spec.secretName"},
            {"name": "Issuer", "type": "string", "jsonPath": ".spec.issuerRef.name", "priority": 1},
            {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        ],
        selectableFields=[{"jsonPath": ".spec.issuerRef.name"}],
    ),
    singular="certificate",
    shortNames=["cert", "certs"],
    categories=["cert-manager"],
    listKind="CertificateList",
)

PROMETHEUSES = definition(
    "monitoring.coreos.com",
    "Prometheus",
    "prometheuses",
    version(
        "v1",
        {
            "spec": objects(
                {
                    "replicas": {"type": "integer", "format": "int32"},
                    "shards": {"type": "integer", "format": "int32", "default": 1},
                    "retention": {
                        "type": "string",
                        "pattern": "^(0|(([0-9]+)y)?(([0-9]+)w)?(([0-9]+)d)?(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?)$",
                    },
                    "resources": objects(
                        {
                            "limits": {
                                "type": "object",
                                "additionalProperties": {
                                    "anyOf": [{"type": "integer"}, {"type": "string"}],
                                    "pattern": r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE])?$",
                                    "x-kubernetes-int-or-string": True,
                                },
                            }
                        }
                    ),
                    "containers": {
                        "type": "array",
                        "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                    },
                }
            ),
            "status": objects({"replicas": {"type": "integer"}, "selector": TEXT}),
        },
        subresources={
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.replicas",
                "statusReplicasPath": ".status.replicas",
                "labelSelectorPath": ".status.selector",
            },
        },
    ),
    shortNames=["prom"],
    categories=["prometheus-operator"],
)

WORKFLOWS = definition(
    "argoproj.io",
    "Workflow",
    "workflows",
    version(
        "v1alpha1",
        {
            "spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        },
        additionalPrinterColumns=[{"name": "Status", "type": "string", "jsonPath": ".status.phase"}],
    ),
    shortNames=["wf"],
)


def certificate(name: str = "web", **spec: Any) -> Document:
    return {
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": {"name": name},
        "spec": {"secretName": f"{name}-tls", "issuerRef": {"name": "letsencrypt"}, **spec},
    }
