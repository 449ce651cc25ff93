"""The image of a Pod's sandbox: one static program that waits for ever, made here so that no registry is needed.

Where a Pod's containers share their processes it is the first of them, and has children that nobody else waits for: it
ignores SIGCHLD, so the kernel takes them away as they end.

The program is an ELF file of one segment, headers included, that is mapped whole and entered behind its headers.
Source: elf(5), wait(2); rt_sigaction(2), and pause(2) on x86_64 or ppoll(2) on aarch64, which has no pause.
"""

from __future__ import annotations

import io
import struct
import tarfile

from swarmlet.errors import EngineError

REPOSITORY = "swarmlet/sandbox"
TAG = "2"
PROGRAM = "pause"

_LOAD_ADDRESS = 0x400000
_FILE_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SEGMENT_HEADER = struct.Struct("<IIQQQQQQ")
_HEADERS_BYTES = _FILE_HEADER.size + _SEGMENT_HEADER.size

_MACHINES = {
    "x86_64": (
        62,
        bytes.fromhex(
            "6a006a006a006a01"  # push a sigaction: no mask, no restorer, no flags, SIG_IGN
            "4889e6"  # mov rsi, rsp
            "6a115f"  # push 17 (SIGCHLD), pop rdi
            "31d2"  # xor edx, edx (the old one is not asked for)
            "6a08415a"  # push 8 (bytes of a mask), pop r10
            "6a0d58"  # push 13 (rt_sigaction), pop rax
            "0f05"  # syscall
            "b822000000"  # mov eax, 34 (pause)
            "0f05"  # syscall
            "ebf7"  # jmp back to pause
        ),
    ),
    "aarch64": (
        183,
        bytes.fromhex(
            "ff8300d1"  # sub sp, sp, 32
            "200080d2e07f00a9"  # mov x0, 1 (SIG_IGN); stp x0, xzr, [sp]: a sigaction without flags,
            "ff7f01a9"  # stp xzr, xzr, [sp, 16]: restorer and mask
            "200280d2e1030091"  # mov x0, 17 (SIGCHLD); mov x1, sp
            "020080d2030180d2"  # mov x2, 0 (the old one is not asked for); mov x3, 8 (bytes of a mask)
            "c81080d2010000d4"  # mov x8, 134 (rt_sigaction); svc 0
            "280980d2"  # mov x8, 73 (ppoll)
            "000080d2010080d2020080d2030080d2"  # mov x0..x3, 0
            "010000d4"  # svc 0
            "faffff17"  # b back to ppoll
        ),
    ),
}


def archive(architecture: str) -> bytes:
    """Return the tar of the image's only layer, for `images/create?fromSrc=-`.

    Raises `EngineError` for an architecture ("x86_64", "aarch64") that it has no program for.
    """
    program = _program(architecture)
    entry = tarfile.TarInfo(PROGRAM)
    entry.mode, entry.size = 0o755, len(program)
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        tar.addfile(entry, io.BytesIO(program))
    return stream.getvalue()


def _program(architecture: str) -> bytes:
    if architecture not in _MACHINES:
        raise EngineError(f"no sandbox for architecture {architecture!r}; Pods of several containers need one")
    machine, code = _MACHINES[architecture]
    size = _HEADERS_BYTES + len(code)
    identity = b"\x7fELF" + bytes([2, 1, 1])  # 64 bits, little-endian, version 1
    entry = _LOAD_ADDRESS + _HEADERS_BYTES
    file_header = _FILE_HEADER.pack(
        identity, 2, machine, 1, entry, _FILE_HEADER.size, 0, 0, _FILE_HEADER.size, _SEGMENT_HEADER.size, 1, 0, 0, 0
    )
    loadable, read_and_execute, page_bytes = 1, 5, 0x1000
    segment = _SEGMENT_HEADER.pack(loadable, read_and_execute, 0, _LOAD_ADDRESS, _LOAD_ADDRESS, size, size, page_bytes)
    return file_header + segment + code
