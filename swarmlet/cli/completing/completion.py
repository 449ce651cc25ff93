"""`swarmlet completion`: the script that lets a shell complete commands, options, and the names of objects."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

import typer

from swarmlet.cli.completing import COMMAND, FILES


class Shell(StrEnum):
    """Those that there is a script for."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


BASH = f"""
_swarmlet() {{
    local answer
    answer=$(swarmlet {COMMAND} bash "${{COMP_LINE:0:COMP_POINT}}" 2>/dev/null)
    COMPREPLY=()
    if [[ $answer == "{FILES}" ]]; then
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "${{COMP_WORDS[COMP_CWORD]#=}}")
        return
    fi
    [[ -n $answer ]] && mapfile -t COMPREPLY <<<"$answer"
    [[ ${{#COMPREPLY[@]}} == 1 && ${{COMPREPLY[0]}} == *[=/:] ]] && compopt -o nospace 2>/dev/null
    return 0
}}
complete -F _swarmlet swarmlet
"""
ZSH = f"""
#compdef swarmlet
_swarmlet() {{
    local answer
    local -a found
    answer=$(swarmlet {COMMAND} zsh "$LBUFFER" 2>/dev/null)
    if [[ $answer == "{FILES}" ]]; then
        compset -P '*='
        _files
        return
    fi
    found=("${{(@f)answer}}")
    [[ -n $answer ]] && compadd -U -- "${{found[@]}}"
}}
(( $+functions[compdef] )) || {{ autoload -Uz compinit && compinit; }}
compdef _swarmlet swarmlet
"""
FISH = f"""
function __swarmlet_complete
    set -l answer (swarmlet {COMMAND} fish (commandline -cp) 2>/dev/null)
    if test "$answer" = "{FILES}"
        __fish_complete_path (commandline -ct)
    else
        printf '%s\\n' $answer
    end
end
complete -c swarmlet -f -a '(__swarmlet_complete)'
"""
SCRIPTS: Mapping[Shell, str] = {Shell.BASH: BASH, Shell.ZSH: ZSH, Shell.FISH: FISH}


def register(app: typer.Typer) -> None:
    """Add the command to the root app."""
    app.command("completion")(completion)


def completion(shell: Annotated[Shell, typer.Argument(help="Which shell the script is for.")]) -> None:
    """Print a completion script.

    `source <(swarmlet completion bash)`, `swarmlet completion fish | source`
    """
    print(SCRIPTS[shell].strip())
