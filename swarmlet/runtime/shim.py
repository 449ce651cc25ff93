"""Stands beside one process of the process runtime: keeps its output, waits for it, writes down how it ended.

    python -I -S shim.py FOLDER

It outlives the daemon, so it leaves its parent at once, and it imports nothing of ours, so it is small. It reads what
to start from its input, as JSON (`argv`, `env`, `cwd`): there may be secrets in it, which belong on no disk. It prints
one line of JSON to who started it ({"pid": ..} or {"error": ..}), keeps FOLDER/log, and writes FOLDER/state.json when
the process has started and again when it has ended.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time

LOG_BYTES_MAX = 10 * 1024 * 1024
"""Of each of two log files: the newest is `log`, the one before it `log.1`."""
READ_BYTES = 64 * 1024
LINE_BYTES_MAX = 16 * 1024
POLL_MILLISECONDS = 1000
LAST_WORDS_SECONDS = 1.0
"""How long output is still read after the process has ended."""


def main() -> None:
    """Leave the parent and stand by the process until it has ended."""
    folder = sys.argv[1]
    if os.fork():
        os._exit(0)
    os.setsid()
    spec = json.load(sys.stdin)
    try:
        pid, outputs = spawn(spec)
    except OSError as error:
        report({"error": f"{spec['argv'][0]}: {error.strerror}"})
        return
    state = {"pid": pid, "start": start_time(pid), "shim": os.getpid(), "started_at": time.time()}
    state["shim_start"] = start_time(os.getpid())
    write_state(folder, state)
    report({"pid": pid})
    status = stand_by(pid, outputs, Log(f"{folder}/log"))
    write_state(folder, state | {"exit_code": exit_code(status), "finished_at": time.time()})


def spawn(spec: dict[str, object]) -> tuple[int, dict[int, str]]:
    """Start the process in a session of its own; raise OSError where its program cannot be run."""
    outputs = {"stdout": os.pipe(), "stderr": os.pipe()}
    failed_read, failed_write = os.pipe()  # closed by a successful exec
    pid = os.fork()
    if not pid:
        become(spec, outputs["stdout"][1], outputs["stderr"][1], failed_write)
    for end in (failed_write, outputs["stdout"][1], outputs["stderr"][1]):
        os.close(end)
    failure = os.read(failed_read, 16)
    os.close(failed_read)
    if failure:
        os.waitpid(pid, 0)
        number = int(failure)
        raise OSError(number, os.strerror(number))
    return pid, {outputs["stdout"][0]: "stdout", outputs["stderr"][0]: "stderr"}


def become(spec: dict[str, object], stdout: int, stderr: int, failed: int) -> None:
    """Turn into the program; never returns."""
    number = 0
    try:
        os.setsid()
        for each in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(each, signal.SIG_DFL)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(stdout, 1)
        os.dup2(stderr, 2)
        os.chdir(str(spec["cwd"]))
        argv, env = spec["argv"], spec["env"]
        os.execvpe(argv[0], argv, env)  # type: ignore[index, arg-type]  # noqa: S606  running it is what we are for
    except OSError as error:
        number = error.errno or 1
    os.write(failed, str(number).encode())
    os._exit(127)


def report(document: dict[str, object]) -> None:
    """Answer who started us, and let go of its pipes."""
    os.write(1, json.dumps(document).encode() + b"\n")
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)


def stand_by(pid: int, outputs: dict[int, str], log: Log) -> int:
    """Copy the output to the log until the process has ended; return its wait status."""
    poller = select.poll()
    for output in outputs:
        os.set_blocking(output, False)
        poller.register(output, select.POLLIN)
    waker, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    poller.register(waker, select.POLLIN)
    status = None
    while status is None:
        ended, found = os.waitpid(pid, os.WNOHANG)
        if ended:
            status = found
            break
        for ready, _ in poller.poll(POLL_MILLISECONDS):
            if ready == waker:
                os.read(waker, READ_BYTES)
            elif not copy(ready, outputs[ready], log):
                poller.unregister(ready)
    end_group(pid)
    drain(outputs, log)
    return status


def end_group(pid: int) -> None:
    """What the process leaves behind dies with it, as it would in a container."""
    try:  # noqa: SIM105  contextlib would cost memory here
        os.killpg(pid, signal.SIGKILL)
    except OSError:
        pass


def drain(outputs: dict[int, str], log: Log) -> None:
    """Copy the last words; a stranger who holds the pipe open is not waited for."""
    deadline = time.monotonic() + LAST_WORDS_SECONDS
    for output, name in outputs.items():
        while copy(output, name, log, wait=max(0.0, deadline - time.monotonic())):
            pass
        log.end_line(name)


def copy(output: int, name: str, log: Log, *, wait: float = 0.0) -> bool:
    """Copy what is there; return False at the end of the stream."""
    if wait and not select.select([output], [], [], wait)[0]:
        return False
    try:
        data = os.read(output, READ_BYTES)
    except BlockingIOError:
        return not wait
    log.write(name, data)
    return bool(data)


class Log:
    """Lines of `TIME STREAM TEXT`; a line is written once it is whole, or too long to wait for its end."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._open()
        self._parts: dict[str, bytes] = {}

    def write(self, name: str, data: bytes) -> None:
        *lines, rest = (self._parts.get(name, b"") + data).split(b"\n")
        if len(rest) > LINE_BYTES_MAX:
            lines.append(rest)
            rest = b""
        self._parts[name] = rest
        for line in lines:
            self._put(name, line)

    def end_line(self, name: str) -> None:
        if self._parts.get(name):
            self._put(name, self._parts.pop(name))

    def _open(self) -> None:
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._size = os.fstat(self._file).st_size

    def _put(self, name: str, line: bytes) -> None:
        now = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1e6):06d}Z"
        data = f"{stamp} {name} ".encode() + line + b"\n"
        if self._size + len(data) > LOG_BYTES_MAX:
            os.close(self._file)
            os.replace(self._path, self._path + ".1")  # noqa: PTH105  see above
            self._open()
        try:  # noqa: SIM105  see above
            self._size += os.write(self._file, data)
        except OSError:  # a full disk loses log lines and nothing else
            pass


def write_state(folder: str, state: dict[str, object]) -> None:
    """Replace state.json whole."""
    path = f"{folder}/state.json"
    with open(path + ".new", "w", encoding="utf-8") as stream:  # noqa: PTH123  pathlib would cost memory here
        json.dump(state, stream)
    os.replace(path + ".new", path)  # noqa: PTH105  see above


def exit_code(status: int) -> int:
    """Return the exit code as a shell and Docker tell it: 128 and the number of the signal."""
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code


def start_time(pid: int) -> str:
    """Return when a process started, in the kernel's ticks: with the pid it names one process for good."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stream:  # noqa: PTH123  see above
            fields = stream.read().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]


if __name__ == "__main__":
    main()
