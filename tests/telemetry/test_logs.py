from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from swarmlet.identity import tokens
from swarmlet.telemetry import logs


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    handlers, level = logging.getLogger().handlers, logging.getLogger().level
    yield
    structlog.reset_defaults()
    logging.getLogger().handlers = handlers
    logging.getLogger().setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def configured(**options: str) -> io.StringIO:
    stream = io.StringIO()
    logs.configure(stream=stream, **options)
    return stream


def test_an_event_is_one_json_line_with_its_keys() -> None:
    stream = configured()
    structlog.get_logger().info("pod_started", pod="web-1")
    (line,) = lines(stream)
    assert (line["event"], line["pod"], line["level"]) == ("pod_started", "web-1", "info")
    assert str(line["timestamp"]).endswith("Z")


def test_events_below_the_level_are_left_out() -> None:
    stream = configured(level="warning")
    structlog.get_logger().info("pod_started")
    assert stream.getvalue() == ""


def test_the_standard_librarys_lines_look_the_same() -> None:
    stream = configured()
    logging.getLogger("aiohttp.server").error("it %s", "broke")
    (line,) = lines(stream)
    assert (line["event"], line["logger"], line["level"]) == ("it broke", "aiohttp.server", "error")


def test_an_exception_stays_in_its_line() -> None:
    stream = configured()
    try:
        int("boom")
    except ValueError:
        structlog.get_logger().exception("reconcile_failed")
    (line,) = lines(stream)
    assert "ValueError: invalid literal" in str(line["exception"])


@pytest.mark.parametrize("key", ["token", "secret", "ca_key", "Authorization", "db_password", "private_key"])
def test_what_is_bound_to_a_secrets_name_is_hidden(key: str) -> None:
    stream = configured()
    structlog.get_logger().info("something_happened", **{key: "hunter2"}, nested={key: "hunter2"})
    assert "hunter2" not in stream.getvalue()
    assert logs.HIDDEN in stream.getvalue()


def test_a_tokens_public_id_is_shown() -> None:
    stream = configured()
    structlog.get_logger().info("token_created", token_id="abcdefgh")
    assert lines(stream)[0]["token_id"] == "abcdefgh"


def test_a_token_in_any_text_is_hidden() -> None:
    stream = configured()
    secret = tokens.new_secret()
    structlog.get_logger().info("request_failed", reason=tokens.write_api_token("abcdefgh", secret))
    structlog.get_logger().info("request_failed", reason=str(tokens.JoinToken("a" * 32, "abcdefgh", secret)))
    assert secret not in stream.getvalue()


def test_a_private_key_in_any_text_is_hidden() -> None:
    stream = configured()
    structlog.get_logger().info("read", reason="-----BEGIN PRIVATE KEY-----\nMIGHAgEA\n-----END PRIVATE KEY-----")
    assert "MIGHAgEA" not in stream.getvalue()


def test_the_console_form_is_no_json() -> None:
    stream = configured(format="console")
    structlog.get_logger().info("pod_started", pod="web-1")
    assert "pod_started" in stream.getvalue()
    assert "pod=web-1" in stream.getvalue()


def test_a_traceback_on_the_console_tells_no_local_variables() -> None:
    stream = configured(format="console")
    try:
        request = {"data": "hunter2" + "!"}
        request["none"]
    except KeyError:
        structlog.get_logger().exception("request_failed")
    assert "KeyError: 'none'" in stream.getvalue()
    assert "hunter2!" not in stream.getvalue()
