"""Which families of addresses a Service has: what it asks for, against what the cluster has.

Source: kubernetes pkg/registry/core/service/storage/alloc.go (initIPFamilyFields), pkg/apis/core/validation
(ValidateServiceClusterIPsRelatedFields, validateUpgradeDowngradeClusterIPs, validateUpgradeDowngradeIPFamilies).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from swarmlet.model import ip_families, services
from swarmlet.model.problems import Place, Problems
from swarmlet.model.services import PREFER_DUAL_STACK, REQUIRE_DUAL_STACK, SINGLE_STACK, ServiceSpec

POLICIES = (PREFER_DUAL_STACK, REQUIRE_DUAL_STACK, SINGLE_STACK)
MAY_NOT_CHANGE = "may not change once set"
_TO_RELEASE = "must be set to 'SingleStack' when releasing the secondary"
_NOT_SINGLE = "must be 'RequireDualStack' or 'PreferDualStack' when multiple"


def check(spec: ServiceSpec, place: Place) -> None:
    """Check by themselves the addresses, families and policy that a Service asks for; it is no ExternalName."""
    ips, where = spec.cluster_ips, place.field("clusterIPs")
    if ips and spec.cluster_ip != ips[0]:
        where.invalid(list(ips), "first value must match `clusterIP`")
    for inner, family in place.field("ipFamilies").each(spec.ip_families):
        if family not in ip_families.FAMILIES:
            inner.unsupported(family, ip_families.FAMILIES)
    if len(set(spec.ip_families)) < len(spec.ip_families):
        place.field("ipFamilies").key(1).duplicate(spec.ip_families[1])
    if spec.ip_family_policy is not None and spec.ip_family_policy not in POLICIES:
        place.field("ipFamilyPolicy").unsupported(spec.ip_family_policy, POLICIES)
    if _is_headless(spec):
        if len(ips) > 1:
            where.invalid(list(ips), "'None' must be the first and only value")
    elif not [address for inner, address in where.each(ips) if not _is_ip(address, inner)]:
        _check_together(spec, where)


def check_update(new: ServiceSpec, old: ServiceSpec, place: Place) -> None:
    """Check what of a Service's addresses and families may not change; neither is an ExternalName."""
    is_single = new.ip_family_policy == SINGLE_STACK
    if not (_is_headless(old) and _is_headless(new)):
        _unchanged(place.field("clusterIPs"), old.cluster_ips, new.cluster_ips)
        if len(new.cluster_ips) == 1 < len(old.cluster_ips) and not is_single:
            place.field("ipFamilyPolicy").invalid(new.ip_family_policy, f"{_TO_RELEASE} clusterIP")
    if not (_is_headless(old) or _is_headless(new)) and new.ip_families:
        _unchanged(place.field("ipFamilies"), old.ip_families, new.ip_families)
        if len(new.ip_families) == 1 < len(old.ip_families) and not is_single:
            place.field("ipFamilyPolicy").invalid(new.ip_family_policy, f"{_TO_RELEASE} ipFamily")


def settled(spec: ServiceSpec, old: ServiceSpec | None, configured: tuple[str, ...], problems: Problems) -> ServiceSpec:
    """Return the spec with its policy and its families; what cannot be had goes to `problems`.

    `configured` are the families that the cluster has, the one that counts where nothing is said first. What prefers
    both stays with what it has until it is written otherwise.
    """
    if spec.type == services.EXTERNAL_NAME or _stays(spec, old):
        return spec
    policy = spec.ip_family_policy or _default_policy(spec)
    ips, families = spec.cluster_ips, spec.ip_families
    if policy == SINGLE_STACK and old is not None:  # written alone, it says what is to go
        ips = ips[:1] if ips == old.cluster_ips else ips
        families = families[:1] if families == old.ip_families else families
    place = problems.at("spec")
    if policy == SINGLE_STACK:
        for known, what in ((ips, "cluster IPs"), (families, "IP families")):
            if len(known) > 1:
                place.field("ipFamilyPolicy").invalid(policy, f"{_NOT_SINGLE} {what} are specified")
    if not _is_headless(spec):
        families += tuple(map(ip_families.of, ips[len(families) :]))
    if not (_is_headless(spec) and not spec.selector):
        _check_configured(policy, families, configured, place)
        wanted = len(configured)
    else:
        wanted = len(ip_families.FAMILIES)  # whose endpoints are its user's business, and of whatever family
    families = families or configured[:1]
    if policy != SINGLE_STACK and len(families) == 1 < wanted:
        families += tuple(each for each in ip_families.FAMILIES if each not in families)
    return msgspec.structs.replace(spec, ip_family_policy=policy, ip_families=families, cluster_ips=ips)


def _stays(spec: ServiceSpec, old: ServiceSpec | None) -> bool:
    return (
        old is not None
        and bool(spec.ip_families)
        and PREFER_DUAL_STACK == spec.ip_family_policy == old.ip_family_policy
        and (spec.cluster_ips, spec.ip_families) == (old.cluster_ips, old.ip_families)
    )


def _default_policy(spec: ServiceSpec) -> str:
    return REQUIRE_DUAL_STACK if _is_headless(spec) and not spec.selector else SINGLE_STACK


def _check_configured(policy: str, families: Sequence[str], configured: Sequence[str], place: Place) -> None:
    if policy == REQUIRE_DUAL_STACK and len(configured) < len(ip_families.FAMILIES):
        place.field("ipFamilyPolicy").invalid(policy, "this cluster is not configured for dual-stack services")
    for inner, family in place.field("ipFamilies").each(families):
        if family not in configured:
            inner.invalid(family, "not configured on this cluster")


def _check_together(spec: ServiceSpec, where: Place) -> None:
    ips = spec.cluster_ips
    if len(ips) > len(ip_families.FAMILIES):
        where.invalid(list(ips), "may only hold up to 2 values")
    if len(set(map(ip_families.of, ips))) < len(ips):
        where.invalid(list(ips), "may specify no more than one IP for each IP family")
    for number, (address, family) in enumerate(zip(ips, spec.ip_families, strict=False)):
        if family in ip_families.FAMILIES and ip_families.of(address) != family:
            why = f"expected an {family} value as indicated by `ipFamilies[{number}]`"
            where.key(number).invalid(address, why)


def _unchanged(place: Place, old: Sequence[str], new: Sequence[str]) -> None:
    """Check that what there was is the same; the second may come and go."""
    for number, (before, now) in enumerate(zip(old, new, strict=False)):
        if before != now:
            place.key(number).invalid(list(new), MAY_NOT_CHANGE)
    if old and not new:
        place.key(0).invalid(list(new), "primary clusterIP can not be unset")


def _is_headless(spec: ServiceSpec) -> bool:
    return services.HEADLESS in (spec.cluster_ip, *spec.cluster_ips[:1])


def _is_ip(text: str, place: Place) -> bool:
    if not (is_ip := ip_families.is_address(text)):
        place.invalid(text, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")
    return is_ip
