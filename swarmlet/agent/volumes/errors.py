"""What goes wrong with volumes."""

from __future__ import annotations

from swarmlet.errors import SwarmletError


class VolumeError(SwarmletError):
    """A volume cannot be made as the Pod asks for it; it may be possible later."""

    retryable = True
