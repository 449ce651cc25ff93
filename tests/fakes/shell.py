"""A toy of `sh -c`: the few statements that the tests' containers run, on whatever clock the fake runtime has."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence

FOREVER = 1e9

_VARIABLE = re.compile(r"\$\{?([A-Za-z_]+)\}?")


class Shell:
    """Runs `sh -c SCRIPT`, or a bare statement. `ignores_term` after `trap '' TERM`."""

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str],
        files: Callable[[str], str],
        write: Callable[[str], None],
        sleep: Callable[[float], Awaitable[None]],
        write_error: Callable[[str], None] | None = None,
    ) -> None:
        self.script = command[2] if list(command[:2]) == ["sh", "-c"] else " ".join(command)
        self.parameters = list(command[3:])
        self.ignores_term = False
        self.exit_on_term: int | None = None
        self._env = env
        self._files = files
        self._write = write
        self._write_error = write_error or write
        self._sleep = sleep

    async def run(self) -> int:
        for statement in filter(None, (part.strip() for part in self.script.split(";"))):
            name, _, rest = statement.partition(" ")
            rest = _VARIABLE.sub(lambda match: self._env.get(match[1], ""), rest)
            if name == "exit":
                return int(rest or 0)
            if name == "echo":
                write = self._write_error if rest.endswith(">&2") else self._write
                write(rest.removesuffix(">&2").strip())
            elif name == "sleep":
                await self._sleep(float(rest))
            elif name == "trap":
                self.ignores_term = rest.startswith("''")
                self.exit_on_term = None if self.ignores_term else int(rest.split("'")[1].split()[1])
            elif name == "cat":
                self._write(self._files(rest))
            elif name != "wait":
                raise LookupError(f"{name}: not found")
        return 0
