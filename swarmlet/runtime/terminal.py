"""Becomes a program whose terminal is its standard input: python -I -S terminal.py PROGRAM ARGUMENT..

Only the process itself can take a terminal for its own, after it has left its parent's session and before it becomes
the program; the daemon, which has threads, must not run Python between fork and exec.
"""

from __future__ import annotations

import fcntl
import os
import sys
import termios

NOT_FOUND = 127


def main() -> None:
    """Take the terminal, and become the program."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    try:
        os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606  running it is what we are for
    except OSError as error:
        os.write(2, f"{sys.argv[1]}: {error.strerror}\r\n".encode())
        os._exit(NOT_FOUND)


if __name__ == "__main__":
    main()
