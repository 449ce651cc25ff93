"""This node's certificate, kept good: signed anew before it ends, and where it lacks a name by which clients ask.

Every daemon has the authority's key from the log, so nobody has to be asked. The node's key stays. Connections that are
open go on; those that come see the new certificate, as its TLS contexts are given it while they serve.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from ssl import SSLContext

import structlog
from cryptography import x509

from swarmlet.clock import Clock
from swarmlet.errors import ConfigError, UnavailableError
from swarmlet.identity import authority
from swarmlet.identity.authority import NODE_VALIDITY, Authority, NodeIdentity
from swarmlet.identity.state import NodeFiles

RENEW_BEFORE = NODE_VALIDITY / 5
"""The end."""
GAIN_MIN = timedelta(days=1)
"""By which a new certificate must last longer: near the authority's own end none does."""
LOOK_SECONDS = 3_600.0
AGAIN_SECONDS = 1.0
"""Where this daemon has not caught up with its cluster yet."""

log = structlog.get_logger()


class CertificateKeeper:
    """One for a daemon.

    Args:
        files: where the certificate lies.
        node, hosts: whom it is for, and where others reach it.
        find_authority: returns the cluster's authority; raises `UnavailableError` where it is not known yet.
        contexts: what serves and calls with the certificate.
        clock: when it ends.
    """

    def __init__(
        self,
        *,
        files: NodeFiles,
        node: NodeIdentity,
        hosts: Sequence[str],
        find_authority: Callable[[], Authority],
        contexts: Iterable[SSLContext],
        clock: Clock,
    ) -> None:
        self._files = files
        self._node = node
        self._hosts = tuple(hosts)
        self._find_authority = find_authority
        self._contexts = tuple(contexts)
        self._clock = clock

    async def run(self) -> None:
        """Look now and then, until cancelled."""
        while True:
            try:
                await self.look()
                pause = LOOK_SECONDS
            except UnavailableError:
                pause = AGAIN_SECONDS
            except (ConfigError, OSError, ValueError) as error:  # the disk: the old one may be good for months
                log.warning("certificate_not_renewed", error=str(error))
                pause = LOOK_SECONDS
            await self._clock.sleep(pause)

    async def look(self) -> bool:
        """Renew the certificate where it is time to; return whether it was."""
        now, ca = self._clock.now(), self._find_authority()
        reason = self._reason(ca, now)
        if not reason:
            return False
        request = authority.new_request(self._files.key_pem())
        host, *further = self._hosts
        renewed = ca.sign_node(request, self._node, host, now, *further)
        await asyncio.to_thread(self._files.renew, renewed)
        for context in self._contexts:
            context.load_cert_chain(self._files.certificate, self._files.key)
        log.info("certificate_renewed", reason=reason, expires=authority.expiry(renewed).isoformat())
        return True

    def _reason(self, ca: Authority, now: datetime) -> str:
        """Return why the certificate is to be renewed, "" where it is not."""
        certificate = x509.load_pem_x509_certificate(self._files.certificate_pem().encode())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        missing = [each for each in authority.node_names(self._node, *self._hosts) if each not in names]
        if missing:
            return f"it lacks {', '.join(str(each.value) for each in missing)}"
        if certificate.not_valid_before_utc > now:  # it was made while this machine's clock was ahead
            return f"it begins on {certificate.not_valid_before_utc:%Y-%m-%d}"
        ends, ca_ends = certificate.not_valid_after_utc, authority.expiry(ca.certificate_pem)
        if ends - now < RENEW_BEFORE and min(now + NODE_VALIDITY, ca_ends) - ends > GAIN_MIN:
            return f"it ends on {ends:%Y-%m-%d}"
        return ""
