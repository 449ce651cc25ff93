"""Rules of a Pod's names and name servers. Source: kubernetes pkg/apis/core/validation/validation.go."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence

from swarmlet.model import pod_network as model
from swarmlet.model import syntax
from swarmlet.model.pod import PodSpec
from swarmlet.model.problems import Place

NAMESERVERS_MAX = 3
SEARCHES_MAX = 32
SEARCHES_CHARACTERS_MAX = 2048
POLICIES = (model.CLUSTER_FIRST, model.CLUSTER_FIRST_WITH_HOST_NET, model.DEFAULT, model.NONE)

_SEARCH = re.compile(r"[a-z0-9_]([-a-z0-9_]*[a-z0-9_])?(\.[a-z0-9_]([-a-z0-9_]*[a-z0-9_])?)*", re.ASCII)


def pod(spec: PodSpec, place: Place) -> None:
    """Check a Pod's hostAliases, dnsPolicy and dnsConfig."""
    for inner, alias in place.field("hostAliases").each(spec.host_aliases):
        _address(alias.ip, inner.field("ip"))
        for item, name in inner.field("hostnames").each(alias.hostnames):
            item.invalid_each(name, syntax.dns_subdomain(name))
    place.field("dnsPolicy").one_of(spec.dns_policy, POLICIES)
    config, inner = spec.dns_config, place.field("dnsConfig")
    if spec.dns_policy == model.NONE and config is None:
        inner.required("must provide `dnsConfig` when `dnsPolicy` is None")
    elif spec.dns_policy == model.NONE and config and not config.nameservers:
        why = "must provide at least one DNS nameserver when `dnsPolicy` is None"
        inner.field("nameservers").required(why)
    if config:
        _config(config, inner)


def _config(config: model.PodDNSConfig, place: Place) -> None:
    inner = place.field("nameservers")
    if len(config.nameservers) > NAMESERVERS_MAX:
        inner.invalid(config.nameservers, f"must not have more than {NAMESERVERS_MAX} nameservers")
    for item, address in inner.each(config.nameservers):
        _address(address, item)
    _searches(config.searches, place.field("searches"))
    for item, option in place.field("options").each(config.options):
        if not option.name:
            item.required("must not be empty")


def _searches(searches: Sequence[str], place: Place) -> None:
    if len(searches) > SEARCHES_MAX:
        place.invalid(searches, f"must not have more than {SEARCHES_MAX} search paths")
    if len(" ".join(searches)) > SEARCHES_CHARACTERS_MAX:
        why = f"must not have more than {SEARCHES_CHARACTERS_MAX} characters (including spaces) in the search list"
        place.invalid(searches, why)
    for item, search in place.each(searches):
        name = search.removesuffix(".")
        if search != "." and not (len(name) <= syntax.SUBDOMAIN_MAX and _SEARCH.fullmatch(name)):
            item.invalid_each(search, syntax.dns_subdomain(name))


def _address(text: str, place: Place) -> None:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        place.invalid(text, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")
