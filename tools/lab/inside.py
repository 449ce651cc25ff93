"""What runs inside a machine's namespaces: its init, and the step that starts a process as a child of that init.

Run as a script by `machine`, with `python -I -S`: the standard library only, nothing of the project.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import socket
import sys

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWPID, CLONE_NEWNET = (
    0x00020000,
    0x04000000,
    0x08000000,
    0x20000000,
    0x40000000,
)
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_MOVE, MS_REC, MS_PRIVATE = 2, 4, 8, 4096, 8192, 16384, 1 << 18
OPEN_FILES_MAX = 1_048_576

_libc = ctypes.CDLL(None, use_errno=True)


def call(function: str, *arguments: object) -> None:
    """Call a function of the C library; raise OSError where it fails."""
    if getattr(_libc, function)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{function}: {os.strerror(number)}")


def enter(path: str, kind: int) -> None:
    """Join the namespace at `path`."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    call("setns", handle, kind)
    os.close(handle)


def mount(source: str, target: str, filesystem: str = "", flags: int = 0, options: str = "") -> None:
    """Mount; empty text is NULL."""
    texts = [text.encode() or None for text in (source, target, filesystem)]
    call("mount", *texts, ctypes.c_ulong(flags), options.encode() or None)


def init(netns: str, folder: str, name: str) -> None:
    """Be process 1 of a machine: set its namespaces up, say "ready", then reap orphans for ever."""
    os.setsid()
    enter(f"/run/netns/{netns}", CLONE_NEWNET)
    call("unshare", CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID)
    pid = os.fork()
    if pid:
        os.write(1, f"{pid}\n".encode())
        os._exit(0)
    _mount_all(folder)
    socket.sethostname(name)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES_MAX, OPEN_FILES_MAX))
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    os.write(1, b"ready\n")
    os.dup2(os.open("/dev/null", os.O_RDWR), 1)
    os.chdir("/")
    while True:
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        signal.sigwait({signal.SIGCHLD})


def _mount_all(folder: str) -> None:
    mount("none", "/", flags=MS_REC | MS_PRIVATE)
    # A sysfs of this network namespace, but the cgroup mounts of the old one: dockerd refuses to start without them.
    kept = f"{folder}/cgroup"
    os.makedirs(kept, exist_ok=True)
    mount("/sys/fs/cgroup", kept, flags=MS_BIND | MS_REC)
    mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    mount(kept, "/sys/fs/cgroup", flags=MS_MOVE)
    # crun refuses a machine that has both versions of cgroups mounted.
    if os.path.ismount("/sys/fs/cgroup/unified"):
        call("umount2", b"/sys/fs/cgroup/unified", ctypes.c_int(0))
    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
    os.makedirs("/run/lock", exist_ok=True)
    # Shared memory is named by process ids, which other machines have too.
    mount("tmpfs", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")
    # State of the machine itself: it survives a loss of power, and no other machine sees it.
    mount(f"{folder}/var-lib", "/var/lib", flags=MS_BIND)
    for name in ("hostname", "hosts", "resolv.conf"):
        if os.path.exists(f"/etc/{name}"):
            mount(f"{folder}/{name}", os.path.realpath(f"/etc/{name}"), flags=MS_BIND)


def spawn(init_pid: str, log: str, working_dir: str, *argv: str) -> None:
    """Exec `argv` as a child of the machine's init and print its pid as seen from outside."""
    kinds = {"ipc": CLONE_NEWIPC, "uts": CLONE_NEWUTS, "net": CLONE_NEWNET, "pid": CLONE_NEWPID, "mnt": CLONE_NEWNS}
    handles = {k: os.open(f"/proc/{init_pid}/ns/{k}", os.O_RDONLY | os.O_CLOEXEC) for k in kinds}
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    failure_reader, failure_writer = os.pipe()
    # The kernel turns the sender's pid into ours when it passes credentials on.
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    here.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    for kind in ("ipc", "uts", "net", "pid"):
        call("setns", handles[kind], kinds[kind])
    if os.fork() == 0:  # a PID namespace takes effect at a fork
        call("setns", handles["mnt"], CLONE_NEWNS)
        os.setsid()
        if os.fork():  # the middle one's end hands the child to init
            os._exit(0)
        _exec(there, output, failure_writer, working_dir, argv)
    os.close(failure_writer)
    _, ancillary, *_ = here.recvmsg(1, socket.CMSG_SPACE(12))
    pid = int.from_bytes(ancillary[0][2][:4], "little")
    failure = os.read(failure_reader, 500).decode()
    os.wait()
    if failure:
        sys.exit(failure)
    sys.stdout.write(f"{pid}\n")


def _exec(parent: socket.socket, output: int, failure_writer: int, working_dir: str, argv: tuple[str, ...]) -> None:
    try:
        parent.send(b"x")
        os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.chdir(working_dir)
        os.execvp(argv[0], argv)
    except OSError as error:  # the pipe closes on a good exec
        os.write(failure_writer, str(error).encode())
    os._exit(127)


if __name__ == "__main__":
    {"init": init, "spawn": spawn}[sys.argv[1]](*sys.argv[2:])
