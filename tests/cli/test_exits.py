from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import typer
from typer.exceptions import Abort
from typer.main import get_command

from swarmlet import cli, errors
from swarmlet.cli import exits, parsing, session, spans

PROGRAM = [sys.executable, "-c", "from swarmlet.cli import main; main()"]


def failing(error: BaseException) -> Callable[[], object]:
    def command() -> object:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.CallerError("no"), 1),
        (exits.UsageError("no"), 2),
        (errors.NotFoundError("no"), 3),
        (errors.ConflictError("no"), 4),
        (errors.AlreadyExistsError("no"), 4),
        (errors.UnavailableError("no"), 5),
        (errors.BusyError("no"), 5),
        (errors.OutcomeUnknownError("no"), 6),
        (exits.TimedOutError("no"), 6),
        (ExceptionGroup("several", [errors.NotFoundError("no")]), 3),
    ],
)
def test_each_error_has_its_exit_code_and_one_line(
    error: Exception, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exits.guarded(failing(error)) == code
    assert capsys.readouterr() == ("", "error: no\n")


def test_a_bug_is_one_line_with_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    assert exits.guarded(failing(KeyError("x\ny"))) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: KeyError: ")
    assert "SWARMLET_TRACEBACK=1" in line


def test_a_traceback_is_there_for_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWARMLET_TRACEBACK", "1")
    with pytest.raises(KeyError):
        exits.guarded(failing(KeyError("x")))


def test_an_end_of_stdin_in_place_of_an_answer_is_no_bug(capsys: pytest.CaptureFixture[str]) -> None:
    assert exits.guarded(failing(Abort())) == 1
    assert capsys.readouterr().err == "error: stdin ended before it had the answer; nothing was changed\n"


def test_ctrl_c_exits_130_without_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    assert exits.guarded(failing(KeyboardInterrupt())) == 130
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    "line", ["bogus", "get --bogus", "scale web", "rollout", "completion tcsh", "completion", "apply"]
)
def test_a_command_line_that_cannot_be_read_exits_2_with_one_line(
    line: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWARMLET_SOCKET", "/nonexistent/api.sock")
    assert cli.run(line.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1


def test_without_a_command_help_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run([]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in ("init", "join", "apply", "rollout", "kubeconfig", "node"))


@pytest.mark.slow
def test_a_reader_that_goes_away_ends_the_command_quietly() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([*PROGRAM, "completion", "bash"], stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (exits.NOBODY_READS, b"")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("1m30s", 90), ("1.5h", 5400), ("500ms", 0.5), ("7d", 604800), ("12", 12), ("0s", 0)],
)
def test_spans_are_spelled_as_kubectl_spells_them(text: str, seconds: float) -> None:
    assert spans.seconds(text, "--timeout") == seconds


@pytest.mark.parametrize("text", ["", "soon", "5 m", "-5s", "5x", "s"])
def test_what_is_no_span_is_refused_by_the_name_of_its_flag(text: str) -> None:
    with pytest.raises(exits.UsageError, match="--timeout: found"):
        spans.seconds(text, "--timeout")


def test_every_command_is_found_by_the_module_that_has_it() -> None:
    for module, commands in cli.GROUPS.items():
        for command in commands:
            alone = {each.name for each in (*_commands(cli.build(command)),)}
            assert alone == set(commands), module


def _commands(app: typer.Typer) -> list[Any]:
    return list(get_command(app).commands.values())


@pytest.mark.slow
@pytest.mark.parametrize("command", ["get pods", "version --client", "status"])
def test_a_command_imports_nothing_heavy_that_it_does_not_need(command: str) -> None:
    heavy = ("cryptography", "aiodocker", "prometheus_client", "rich", "aiohttp.web", "structlog", "kubernetes")
    script = (
        "import sys; from swarmlet import cli; cli.run(sys.argv[1:]); "
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    argv = [sys.executable, "-c", script, *command.split(), "--socket", "/nonexistent/api.sock"]
    printed = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert printed.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["apply", "--dry-run", "-f", "x.yaml"], "error: --dry-run needs a value: none, client or server"),
        (["get", "-n", "-A", "pods"], "error: -n needs a value"),
    ],
)
def test_an_option_is_no_value_of_another(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(arguments) == exits.USAGE
    assert capsys.readouterr().err.startswith(message)


def test_for_plan_two_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["plan", "--validate", "-f", "x.yaml"]) == exits.FAILED
    assert "--validate needs a value" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["-n", "shop", "get", "pods"], ["get", "pods", "-n", "shop"]),
        (
            ["--server=a", "-n", "shop", "rollout", "status", "x"],
            ["rollout", "status", "x", "--server=a", "-n", "shop"],
        ),
        (["-n", "shop", "logs", "--", "x"], ["logs", "-n", "shop", "--", "x"]),
        (["-n=shop", "-sh1", "get", "pods"], ["get", "pods", "-n=shop", "-sh1"]),
        (["get", "-n", "shop"], ["get", "-n", "shop"]),
        (["-x", "get"], ["-x", "get"]),
        (["-n"], ["-n"]),
        ([], []),
    ],
)
def test_what_says_where_to_may_stand_before_the_command(arguments: list[str], expected: list[str]) -> None:
    assert parsing.command_first(arguments, session.option_names()) == expected
