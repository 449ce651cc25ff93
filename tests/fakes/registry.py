"""A registry of images behind a name and a password, as far as a Docker Engine pulls from one.

    python registry.py ARCHIVE PORT USER PASSWORD

It listens on loopback alone, where Engines need no TLS, and serves what `docker save` has put into the archive.
Source: Docker Registry HTTP API V2; image manifest version 2, schema 2.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import sys
import tarfile
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

LISTENS = "listens"
"""What it prints once it does."""
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


class Contents:
    """Blobs by digest, and manifests by "name:tag" and by digest."""

    def __init__(self, archive: Path) -> None:
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, bytes] = {}
        with tarfile.open(archive) as tar:
            files = {member.name: tar.extractfile(member) for member in tar if member.isfile()}
            contents = {name: file.read() for name, file in files.items() if file is not None}
        for image in json.loads(contents["manifest.json"]):
            layers = [gzip.compress(contents[name], mtime=0) for name in image["Layers"]]
            document = {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": self._add(contents[image["Config"]], CONFIG),
                "layers": [self._add(layer, LAYER) for layer in layers],
            }
            text = json.dumps(document).encode()
            self.manifests[digest(text)] = text
            for tag in image["RepoTags"]:
                self.manifests[tag] = text

    def _add(self, blob: bytes, media_type: str) -> dict[str, object]:
        self.blobs[digest(blob)] = blob
        return {"mediaType": media_type, "size": len(blob), "digest": digest(blob)}


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    contents: Contents
    authorization: str

    def do_GET(self) -> None:
        if self.headers.get("Authorization") != self.authorization:
            self._answer(HTTPStatus.UNAUTHORIZED, b'{"errors": [{"code": "UNAUTHORIZED"}]}')
            return
        *name, kind, reference = self.path.removeprefix("/v2/").split("/") if self.path != "/v2/" else ["", ""]
        if kind == "manifests":
            found = self.contents.manifests.get(reference) or self.contents.manifests.get(
                f"{'/'.join(name)}:{reference}"
            )
        else:
            found = self.contents.blobs.get(reference) if kind == "blobs" else b"{}"
        if found is None:
            self._answer(HTTPStatus.NOT_FOUND, b'{"errors": [{"code": "MANIFEST_UNKNOWN"}]}')
        else:
            self._answer(HTTPStatus.OK, found, MANIFEST if kind == "manifests" else "application/octet-stream")

    do_HEAD = do_GET  # noqa: N815  http.server's word

    def _answer(self, status: HTTPStatus, body: bytes, media_type: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Docker-Content-Digest", digest(body))
        if status == HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", 'Basic realm="test"')
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def main(archive: str, port: str, user: str, password: str) -> None:
    Handler.contents = Contents(Path(archive))
    Handler.authorization = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    server = ThreadingHTTPServer(("127.0.0.1", int(port)), Handler)
    print(LISTENS, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
