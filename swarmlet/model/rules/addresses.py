"""Rules of IP addresses that others are sent to. Source: kubernetes pkg/apis/core/validation (ValidateNonSpecialIP)."""

from __future__ import annotations

import ipaddress

from swarmlet.model.problems import Place


def not_special(text: str, place: Place) -> None:
    """Check that an address, which is one, may be some other machine's."""
    address = ipaddress.ip_address(text)
    if address.is_unspecified:
        place.invalid(text, f"may not be unspecified ({text})")
    elif address.is_loopback:
        place.invalid(text, "may not be in the loopback range (127.0.0.0/8, ::1/128)")
    elif address.is_link_local:
        place.invalid(text, "may not be in the link-local range (169.254.0.0/16, fe80::/10)")
    elif address.is_multicast:
        place.invalid(text, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)")
