"""Each kind's columns, as Kubernetes 1.35 has them (pkg/printers/internalversion/printers.go)."""

from __future__ import annotations

import msgspec
import pytest

from swarmlet.api.tables import columns
from swarmlet.model import kinds
from swarmlet.model.kinds import Kind
from tests.api.conftest import START

TEMPLATE = "Containers* Images*"
BINDING = "Name Role Age Users* Groups* ServiceAccounts*"
PLAIN = "Name Created_At:date"
METRICS = "Name cpu memory Window"
TOLD = (
    (kinds.POD, "Name Ready Status Restarts Age IP* Node* Nominated_Node* Readiness_Gates*"),
    (kinds.DEPLOYMENT, f"Name Ready Up-to-date Available Age {TEMPLATE} Selector*"),
    (kinds.REPLICA_SET, f"Name Desired:integer Current:integer Ready:integer Age {TEMPLATE} Selector*"),
    (kinds.STATEFUL_SET, f"Name Ready Age {TEMPLATE}"),
    (
        kinds.DAEMON_SET,
        (
            "Name Desired:integer Current:integer Ready:integer Up-to-date:integer Available:integer Node_Selector Age "
            f"{TEMPLATE} Selector*"
        ),
    ),
    (kinds.CONTROLLER_REVISION, "Name Controller Revision Age"),
    (kinds.JOB, f"Name Status Completions Duration Age {TEMPLATE} Selector*"),
    (
        kinds.CRON_JOB,
        f"Name Schedule Timezone Suspend:boolean Active:integer Last_Schedule Age {TEMPLATE} Selector*",
    ),
    (kinds.HORIZONTAL_POD_AUTOSCALER, "Name Reference Targets MinPods MaxPods Replicas Age"),
    (kinds.SCALE, "Name Desired:integer Available:integer Age"),
    (kinds.NODE_METRICS, METRICS),
    (kinds.POD_METRICS, METRICS),
    (
        kinds.NODE,
        "Name Status Roles Age Version Internal-IP* External-IP* OS-Image* Kernel-Version* Container-Runtime*",
    ),
    (kinds.NAMESPACE, "Name Status Age"),
    (kinds.CONFIG_MAP, "Name Data Age"),
    (kinds.SECRET, "Name Type Data Age"),
    (kinds.LEASE, "Name Holder Age"),
    (kinds.EVENT, "Last_Seen Type Reason Object Subobject* Source* Message First_Seen* Count* Name*"),
    (kinds.SERVICE, "Name Type Cluster-IP External-IP Port(s) Age Selector*"),
    (kinds.ENDPOINT_SLICE, "Name AddressType Ports Endpoints Age"),
    (
        kinds.PERSISTENT_VOLUME_CLAIM,
        "Name Status Volume Capacity Access_Modes StorageClass VolumeAttributesClass Age VolumeMode*",
    ),
    (
        kinds.PERSISTENT_VOLUME,
        (
            "Name Capacity Access_Modes Reclaim_Policy Status Claim StorageClass VolumeAttributesClass Reason Age "
            "VolumeMode*"
        ),
    ),
    (kinds.STORAGE_CLASS, "Name Provisioner ReclaimPolicy VolumeBindingMode AllowVolumeExpansion Age"),
    (kinds.POD_DISRUPTION_BUDGET, "Name Min_Available Max_Unavailable Allowed_Disruptions:integer Age"),
    (kinds.NETWORK_POLICY, "Name Pod-Selector Age"),
    (kinds.PRIORITY_CLASS, "Name Value:integer Global-Default:boolean Age PreemptionPolicy"),
    (kinds.RUNTIME_CLASS, "Name Handler Age"),
    (kinds.RESOURCE_QUOTA, "Name Request Limit Age"),
    (kinds.LIMIT_RANGE, PLAIN),
    (kinds.SERVICE_ACCOUNT, "Name Secrets Age"),
    (kinds.ROLE, PLAIN),
    (kinds.CLUSTER_ROLE, PLAIN),
    (kinds.ROLE_BINDING, BINDING),
    (kinds.CLUSTER_ROLE_BINDING, BINDING),
    (kinds.CUSTOM_RESOURCE_DEFINITION, PLAIN),
)
"""A column's words are joined by "_" here; ":" and a type where it is no string; "*" where only `-o wide` prints it."""


def told(kind: Kind) -> str:
    return " ".join(
        column.name.replace(" ", "_")
        + (f":{column.type}" if column.type != "string" else "")
        + ("*" if column.priority else "")
        for column in columns.of(kind).columns
    )


@pytest.mark.parametrize(("kind", "wanted"), TOLD, ids=lambda value: value.kind if isinstance(value, Kind) else "")
def test_a_kind_has_the_columns_that_kubernetes_prints(kind: Kind, wanted: str) -> None:
    assert told(kind) == wanted


def test_every_kind_that_is_served_is_in_the_table() -> None:
    assert {kind.resource for kind, _ in TOLD} >= {kind.resource for kind in (*kinds.SERVED, *kinds.VIRTUAL)}


@pytest.mark.parametrize("kind", [kind for kind, _ in TOLD if kind not in kinds.VIRTUAL], ids=lambda kind: kind.kind)
def test_every_column_is_described(kind: Kind) -> None:
    for column in msgspec.json.decode(columns.definitions(kind)):
        assert len(column["description"]) > 10, column["name"]


def test_descriptions_are_those_of_the_fields() -> None:
    described = {each["name"]: each for each in msgspec.json.decode(columns.definitions(kinds.POD))}
    assert described["Node"]["description"].startswith("NodeName indicates in which node this pod is scheduled.")
    assert described["Name"]["format"] == "name"
    assert described["IP"]["priority"] == 1


@pytest.mark.parametrize("kind", kinds.SERVED, ids=lambda kind: kind.kind)
def test_an_empty_object_of_each_kind_has_a_cell_for_each_column(kind: Kind) -> None:
    shape = columns.of(kind)
    assert len(shape.cells(kind.type(), START)) == len(shape.columns)
