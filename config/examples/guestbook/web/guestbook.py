"""A guestbook: what is written goes to Redis' leader, what is read comes from one of its followers."""

import html
import os
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import redis

ENTRIES = "guestbook"
ENTRIES_SHOWN = 100
ENTRY_CHARACTERS_MAX = 500
BODY_BYTES_MAX = 16_384
WAITS = {"socket_connect_timeout": 2, "socket_timeout": 2, "decode_responses": True}

# The names of two Services: whichever Pods are behind them, now or after one died.
leader = redis.Redis(host=os.environ.get("LEADER", "redis-leader"), **WAITS)
follower = redis.Redis(host=os.environ.get("FOLLOWER", "redis-follower"), **WAITS)

PAGE = """<!doctype html>
<title>Guestbook</title>
<h1>Guestbook</h1>
<form method="post"><input name="entry" maxlength="{most}" autofocus> <button>Sign</button></form>
<ul>{entries}</ul>
<p>served by {pod}</p>
"""


class Guestbook(BaseHTTPRequestHandler):
    """`GET /` shows the entries, `POST /` adds one, `GET /healthz` says that this copy serves."""

    def do_GET(self) -> None:
        if self.path == "/healthz":
            self.answer(200, "ok\n")
            return
        try:
            entries = follower.lrange(ENTRIES, 0, ENTRIES_SHOWN - 1)
        except redis.RedisError as error:
            self.answer(503, f"no follower can be read: {error}\n")
            return
        items = "".join(f"<li>{html.escape(entry)}</li>" for entry in entries)
        page = PAGE.format(most=ENTRY_CHARACTERS_MAX, entries=items, pod=os.environ.get("POD", "one machine"))
        self.answer(200, page, "text/html; charset=utf-8")

    def do_POST(self) -> None:
        length = min(int(self.headers.get("Content-Length", 0)), BODY_BYTES_MAX)
        entry = parse_qs(self.rfile.read(length).decode(errors="replace")).get("entry", [""])[0]
        try:
            leader.lpush(ENTRIES, entry[:ENTRY_CHARACTERS_MAX])
        except redis.RedisError as error:
            self.answer(503, f"the leader cannot be written to: {error}\n")
            return
        self.send_response(303)
        self.send_header("Location", "/")
        self.end_headers()

    def answer(self, code: int, text: str, kind: str = "text/plain") -> None:
        body = text.encode()
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    server = ThreadingHTTPServer(("", 8080), Guestbook)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()
