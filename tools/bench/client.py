"""HTTP clients of the benchmark: the API over TLS as an administrator, and an Engine over its unix socket."""

from __future__ import annotations

import base64
import ssl
import tempfile
from pathlib import Path

import aiohttp
import yaml


def tls_context(kubeconfig: Path, *, trusts: bool = True) -> ssl.SSLContext:
    """Return the TLS context of a kubeconfig's client certificate.

    One that `trusts` knows the CA, whose certificate OpenSSL then sends after the client's; kubectl, being Go, sends
    the client's alone. So does one that does not trust: it asks no server who it is.
    """
    config = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if trusts:
        context.load_verify_locations(cadata=_decode(cluster["certificate-authority-data"]))
    else:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = Path(folder) / "crt", Path(folder) / "key"
        certificate.write_text(_decode(user["client-certificate-data"]), encoding="ascii")
        key.write_text(_decode(user["client-key-data"]), encoding="ascii")
        context.load_cert_chain(certificate, key)
    return context


def _decode(text: str) -> str:
    return base64.b64decode(text).decode()


def api(kubeconfig: Path, address: str, *, connections: int = 64) -> aiohttp.ClientSession:
    """Return a session on one daemon's API."""
    connector = aiohttp.TCPConnector(ssl=tls_context(kubeconfig), limit=connections)
    return aiohttp.ClientSession(f"https://{address}:7600", connector=connector)


def engine(socket: Path) -> aiohttp.ClientSession:
    """Return a session on a Docker Engine."""
    return aiohttp.ClientSession("http://localhost", connector=aiohttp.UnixConnector(str(socket), limit=64))
