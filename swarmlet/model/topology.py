"""`spec.topologySpreadConstraints`: how evenly Pods lie over zones, nodes or other domains.

Source: k8s.io/api/core/v1/types.go.
"""

from __future__ import annotations

from swarmlet.model.base import ApiStruct
from swarmlet.model.meta import LabelSelector

ZONE = "topology.kubernetes.io/zone"
DO_NOT_SCHEDULE = "DoNotSchedule"
SCHEDULE_ANYWAY = "ScheduleAnyway"
HONOR = "Honor"
IGNORE = "Ignore"


class TopologySpreadConstraint(ApiStruct, frozen=True, kw_only=True):
    """No domain of `topology_key` has over `max_skew` Pods more than the one with the fewest.

    The Pods are those of the namespace that `label_selector` selects (None: none), narrowed by `match_label_keys` to
    the Pod's own values of these labels. Fewer domains than `min_domains` count as though one more had none.
    The policies say which nodes make domains: "" is Honor for the Pod's node affinity and Ignore for taints.
    """

    max_skew: int
    topology_key: str
    when_unsatisfiable: str
    label_selector: LabelSelector | None = None
    min_domains: int | None = None
    node_affinity_policy: str = ""
    node_taints_policy: str = ""
    match_label_keys: tuple[str, ...] = ()
