"""What the API server fills into a LimitRange: a limit for what has only a maximum, a request for what has a limit.

Source: kubernetes pkg/apis/core/v1/defaults.go (SetDefaults_LimitRangeItem).
"""

from __future__ import annotations

import msgspec

from swarmlet.model.quotas import CONTAINER, LimitRange, LimitRangeItem


def limit_range(value: LimitRange) -> LimitRange:
    """Return the LimitRange with its defaults."""
    return msgspec.structs.replace(
        value, spec=msgspec.structs.replace(value.spec, limits=tuple(map(_item, value.spec.limits)))
    )


def _item(item: LimitRangeItem) -> LimitRangeItem:
    if item.type != CONTAINER:
        return item
    default = {**item.max, **item.default}
    return msgspec.structs.replace(
        item, default=default, default_request={**item.min, **default, **item.default_request}
    )
