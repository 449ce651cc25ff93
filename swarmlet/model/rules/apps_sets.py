"""Rules of StatefulSet, DaemonSet and ControllerRevision. Source: kubernetes pkg/apis/apps/validation."""

from __future__ import annotations

import msgspec

from swarmlet.model import apps_sets as apps
from swarmlet.model import syntax
from swarmlet.model.pod import PodTemplateSpec
from swarmlet.model.pod_volumes import PersistentVolumeClaimVolumeSource, Volume
from swarmlet.model.problems import Place, Problems
from swarmlet.model.rules import container, meta, storage, workloads

NAME_LENGTH_MAX = 52
"""Of a StatefulSet: its revisions, whose names are labels of its Pods, add a dash and ten letters."""

_STATEFUL_SET_MAY_CHANGE = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
    "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)


def stateful_set(value: apps.StatefulSet, problems: Problems) -> None:
    """Check a StatefulSet."""
    _stateful_set_name(value.metadata.name, problems.at("metadata").field("name"))
    place, spec = problems.at("spec"), value.spec
    place.field("replicas").not_negative(spec.replicas)
    place.field("minReadySeconds").not_negative(spec.min_ready_seconds)
    place.field("revisionHistoryLimit").not_negative(spec.revision_history_limit)
    if spec.ordinals:
        place.field("ordinals").field("start").not_negative(spec.ordinals.start)
    policy = place.field("podManagementPolicy")
    if not spec.pod_management_policy:
        policy.required()
    elif spec.pod_management_policy not in (apps.ORDERED_READY, apps.PARALLEL):
        policy.invalid(spec.pod_management_policy, f"must be '{apps.ORDERED_READY}' or '{apps.PARALLEL}'")
    _stateful_set_strategy(spec.update_strategy, place.field("updateStrategy"))
    _claims(spec, place)
    if spec.service_name:
        place.field("serviceName").invalid_each(spec.service_name, syntax.dns_label(spec.service_name))
    workloads.selector(spec.selector, _mountable(spec), place, "statefulset")


def stateful_set_update(new: apps.StatefulSet, old: apps.StatefulSet, problems: Problems) -> None:
    """Check what of a StatefulSet may not change: what makes its Pods who they are."""
    kept = msgspec.structs.replace(
        new.spec,
        replicas=old.spec.replicas,
        ordinals=old.spec.ordinals,
        template=old.spec.template,
        update_strategy=old.spec.update_strategy,
        revision_history_limit=old.spec.revision_history_limit,
        persistent_volume_claim_retention_policy=old.spec.persistent_volume_claim_retention_policy,
        min_ready_seconds=old.spec.min_ready_seconds,
    )
    if kept != old.spec:
        problems.at("spec").forbidden(_STATEFUL_SET_MAY_CHANGE)


def daemon_set(value: apps.DaemonSet, problems: Problems) -> None:
    """Check a DaemonSet."""
    place, spec = problems.at("spec"), value.spec
    place.field("minReadySeconds").not_negative(spec.min_ready_seconds)
    place.field("revisionHistoryLimit").not_negative(spec.revision_history_limit)
    _daemon_set_strategy(spec.update_strategy, place.field("updateStrategy"))
    workloads.selector(spec.selector, spec.template, place, "daemonset")


def daemon_set_update(new: apps.DaemonSet, old: apps.DaemonSet, problems: Problems) -> None:
    """Check what of a DaemonSet may not change."""
    workloads.immutable_selector(new.spec.selector, old.spec.selector, problems)


def controller_revision(value: apps.ControllerRevision, problems: Problems) -> None:
    """Check a ControllerRevision."""
    if not value.data:
        problems.at("data").required("data is mandatory")
    problems.at("revision").not_negative(value.revision)


def controller_revision_update(new: apps.ControllerRevision, old: apps.ControllerRevision, problems: Problems) -> None:
    """Check what of a ControllerRevision may not change: what it holds."""
    if new.data != old.data:
        problems.at("data").invalid(new.data, meta.IMMUTABLE)


def _stateful_set_name(name: str, place: Place) -> None:
    place.invalid_each(name, syntax.dns_label(name))
    if len(name) > NAME_LENGTH_MAX:
        place.invalid(name, f"must be no more than {NAME_LENGTH_MAX} characters, or its Pods could not bear its labels")


def _stateful_set_strategy(strategy: apps.StatefulSetUpdateStrategy, place: Place) -> None:
    inner = place.field("rollingUpdate")
    match strategy.type:
        case "":
            place.field("type").required()
        case apps.ON_DELETE:
            if strategy.rolling_update:
                inner.invalid(strategy.rolling_update, f"only allowed for updateStrategy '{apps.ROLLING_UPDATE}'")
        case apps.ROLLING_UPDATE:
            if strategy.rolling_update:
                _stateful_set_rolling(strategy.rolling_update, inner)
        case other:
            place.field("type").invalid(other, f"must be '{apps.ROLLING_UPDATE}' or '{apps.ON_DELETE}'")


def _stateful_set_rolling(rolling: apps.RollingUpdateStatefulSet, place: Place) -> None:
    place.field("partition").not_negative(rolling.partition)
    inner, unavailable = place.field("maxUnavailable"), rolling.max_unavailable
    if unavailable is None:
        return
    workloads.share(unavailable, inner)
    if workloads.number(unavailable) == 0:
        inner.invalid(unavailable, "cannot be 0")
    workloads.not_over_all(unavailable, inner)


def _claims(spec: apps.StatefulSetSpec, place: Place) -> None:
    names: set[str] = set()
    for inner, template in place.field("volumeClaimTemplates").each(spec.volume_claim_templates):
        name = template.metadata.name
        named = inner.field("metadata").field("name")
        container.required_label(name, named)
        if name in names:
            named.duplicate(name)
        names.add(name)
        meta.label_map(template.metadata.labels, inner.field("metadata").field("labels"))
        meta.annotation_map(template.metadata.annotations, inner.field("metadata").field("annotations"))
        storage.claim_spec(template.spec, inner.field("spec"))
    policy, inner = spec.persistent_volume_claim_retention_policy, place.field("persistentVolumeClaimRetentionPolicy")
    for name, value in (("whenDeleted", policy.when_deleted), ("whenScaled", policy.when_scaled)) if policy else ():
        if value not in (apps.RETAIN, apps.DELETE):
            inner.field(name).unsupported(value, (apps.RETAIN, apps.DELETE))


def _mountable(spec: apps.StatefulSetSpec) -> PodTemplateSpec:
    """Return the template with what its Pods can mount besides its own volumes: one of each claim template."""
    own = {volume.name for volume in spec.template.spec.volumes}
    names = dict.fromkeys(each.metadata.name for each in spec.volume_claim_templates)
    claims = tuple(
        Volume(name=name, persistent_volume_claim=PersistentVolumeClaimVolumeSource(claim_name=name))
        for name in names
        if name and name not in own
    )
    pod_spec = msgspec.structs.replace(spec.template.spec, volumes=(*spec.template.spec.volumes, *claims))
    return msgspec.structs.replace(spec.template, spec=pod_spec)


def _daemon_set_strategy(strategy: apps.DaemonSetUpdateStrategy, place: Place) -> None:
    inner, rolling = place.field("rollingUpdate"), strategy.rolling_update
    if strategy.type == apps.ON_DELETE:
        if rolling:
            inner.forbidden(f"may not be specified when strategy `type` is '{apps.ON_DELETE}'")
    elif strategy.type != apps.ROLLING_UPDATE:
        place.field("type").unsupported(strategy.type, (apps.ROLLING_UPDATE, apps.ON_DELETE))
    elif rolling is None:
        inner.required()
    else:
        _daemon_set_rolling(rolling, inner)


def _daemon_set_rolling(rolling: apps.RollingUpdateDaemonSet, place: Place) -> None:
    """Check that exactly one of the two is more than zero: Kubernetes rolls a DaemonSet in one way or the other."""
    for name, value in (("maxUnavailable", rolling.max_unavailable), ("maxSurge", rolling.max_surge)):
        workloads.share(value, place.field(name))
        workloads.not_over_all(value, place.field(name))
    unavailable, surge = workloads.number(rolling.max_unavailable), workloads.number(rolling.max_surge)
    if unavailable > 0 and surge > 0:
        place.field("maxSurge").invalid(rolling.max_surge, "may not be set when maxUnavailable is non-zero")
    if unavailable == 0 and surge == 0:
        place.field("maxUnavailable").required("cannot be 0 when maxSurge is 0")
