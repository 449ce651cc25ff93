"""A node's certificate is renewed in time, and where it lacks a name; whoever is connected notices nothing."""

from __future__ import annotations

import asyncio
import ssl
from datetime import timedelta
from pathlib import Path

import pytest
import structlog

from swarmlet.errors import ConfigError, UnavailableError
from swarmlet.identity import authority, renewal, tls
from swarmlet.identity.authority import Authority
from swarmlet.identity.renewal import CertificateKeeper
from swarmlet.identity.state import NodeFiles
from swarmlet.model import api_service
from tests.identity.conftest import make_files
from tests.identity.times import NOW, FixedClock

SERVICE = "kubernetes.default.svc"
DAY = timedelta(days=1)


def keeper(
    files: NodeFiles, ca: Authority, *contexts: ssl.SSLContext, host: str = "127.0.0.1", names: tuple[str, ...] = ()
) -> CertificateKeeper:
    return CertificateKeeper(
        files=files,
        node=files.load().identity,
        hosts=(host, *names),
        find_authority=lambda: ca,
        contexts=contexts,
        clock=FixedClock(),
    )


def old_files(folder: Path, ca: Authority, monkeypatch: pytest.MonkeyPatch) -> NodeFiles:
    """Return the files of a node that joined when nobody asked for daemons by the Service's names."""
    with monkeypatch.context() as patch:
        patch.setattr(api_service, "NAMES", ())
        return make_files(folder, ca, "a" * 16, "alpha")


async def test_a_certificate_that_lacks_names_is_renewed_and_one_that_has_them_is_not(
    ca: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = old_files(tmp_path, ca, monkeypatch)
    key = files.key_pem()
    assert await keeper(files, ca).look()
    assert not await keeper(files, ca).look()
    assert await keeper(files, ca, host="10.9.8.7").look()
    further = keeper(files, ca, names=("api.example.com", "2001:db8::1"))
    assert (await further.look(), await further.look()) == (True, False)
    assert files.key_pem() == key


@pytest.mark.parametrize(("days", "renewed"), [(291, False), (293, True), (380, True)])
async def test_a_certificate_is_renewed_before_it_ends(
    ca: Authority, tmp_path: Path, days: int, *, renewed: bool
) -> None:
    files = make_files(tmp_path, ca, "a" * 16, "alpha")
    kept = keeper(files, ca)
    kept._clock.time += days * DAY
    assert await kept.look() is renewed
    if renewed:
        assert authority.expiry(files.certificate_pem()) == NOW + days * DAY + authority.NODE_VALIDITY


async def test_a_certificate_of_a_clock_that_was_ahead_is_renewed(ca: Authority, tmp_path: Path) -> None:
    files = make_files(tmp_path, ca, "a" * 16, "alpha")
    kept = keeper(files, ca)
    kept._clock.time -= 20 * DAY
    assert (await kept.look(), await kept.look()) == (True, False)


async def test_near_the_authoritys_own_end_it_is_not_renewed_each_hour(ca: Authority, tmp_path: Path) -> None:
    files = make_files(tmp_path, ca, "a" * 16, "alpha")
    kept = keeper(files, ca)
    kept._clock.time = authority.expiry(ca.certificate_pem) - 20 * DAY
    assert await kept.look()
    kept._clock.time += 2 * DAY
    assert not await kept.look()


async def answered_by(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    writer.write(b"?")
    return await reader.readexactly(1)


async def test_who_is_connected_goes_on_and_who_comes_sees_the_new_one(
    ca: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = old_files(tmp_path, ca, monkeypatch)
    serving = tls.server_context(files)

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1):
            writer.write(data)
        writer.close()

    strict = ssl.create_default_context(cadata=ca.certificate_pem)
    async with await asyncio.start_server(echo, "127.0.0.1", 0, ssl=serving) as server:
        port = server.sockets[0].getsockname()[1]
        before = await asyncio.open_connection("127.0.0.1", port, ssl=strict, server_hostname="127.0.0.1")
        assert await answered_by(*before) == b"?"
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.open_connection("127.0.0.1", port, ssl=strict, server_hostname=SERVICE)
        await keeper(files, ca, serving).look()
        after = await asyncio.open_connection("127.0.0.1", port, ssl=strict, server_hostname=SERVICE)
        assert await answered_by(*after) == b"?"
        assert await answered_by(*before) == b"?"
        for _, writer in (before, after):
            writer.close()


async def test_a_certificate_that_somebody_broke_ends_no_daemon(
    ca: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = make_files(tmp_path, ca, "a" * 16, "alpha")
    files.certificate.write_text("none")
    monkeypatch.setattr(renewal, "log", structlog.testing.CapturingLogger())
    clock = CountedClock(1)
    kept = CertificateKeeper(
        files=files, node=files.load().identity, hosts=("h",), find_authority=lambda: ca, contexts=(), clock=clock
    )
    with pytest.raises(EndedError):
        await kept.run()
    assert clock.slept == [renewal.LOOK_SECONDS]


class EndedError(Exception):
    """Of a test's time."""


class CountedClock(FixedClock):
    """Sleeps a number of times, and then no more."""

    def __init__(self, sleeps: int) -> None:
        super().__init__()
        self.left = sleeps
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if len(self.slept) == self.left:
            raise EndedError


async def test_a_daemon_that_lags_asks_again_soon_and_a_full_disk_ends_nothing(
    ca: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = old_files(tmp_path, ca, monkeypatch)
    logger = structlog.testing.CapturingLogger()
    monkeypatch.setattr(renewal, "log", logger)
    known: list[Authority] = []

    def find() -> Authority:
        if not known:
            known.append(ca)
            raise UnavailableError("not caught up")
        return known[0]

    def full(_pem: str) -> None:
        raise ConfigError("no space left on device")

    clock = CountedClock(2)
    monkeypatch.setattr(files, "renew", full)
    kept = CertificateKeeper(
        files=files, node=files.load().identity, hosts=("h",), find_authority=find, contexts=(), clock=clock
    )
    with pytest.raises(EndedError):
        await kept.run()
    assert clock.slept == [renewal.AGAIN_SECONDS, renewal.LOOK_SECONDS]
    assert [(call.method_name, call.kwargs["error"]) for call in logger.calls] == [
        ("warning", "no space left on device")
    ]
