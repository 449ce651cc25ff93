"""A command whose switches may be spelled as kubectl's are: --wait, --wait=true, --wait=false."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand


class Command(TyperCommand):
    """Understands "=true" and "=false" after the name of a switch."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, self._respelled(args))

    def _respelled(self, args: list[str]) -> list[str]:
        switches = {name: parameter for parameter in self.params for name in parameter.opts if _is_switch(parameter)}
        result: list[str] = []
        for position, arg in enumerate(args):
            if arg == "--":
                return result + args[position:]
            name, _, value = arg.partition("=")
            if name in switches and value in ("true", "false"):
                result += [name] if value == "true" else switches[name].secondary_opts[:1]
            else:
                result.append(arg)
        return result


def _is_switch(parameter: Any) -> bool:
    return bool(getattr(parameter, "is_flag", False))
