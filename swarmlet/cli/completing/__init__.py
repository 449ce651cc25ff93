"""Completion of command lines: what a shell asks for when its user presses Tab, and the scripts that make it ask.

A script calls `swarmlet __complete SHELL LINE`, with the line up to the cursor. `line` reads it, `words` says what may
stand there, `live` asks the cluster for names, `answers` puts it together. The answer is one word a line, or FILES.

Invariants: nothing is printed but that, no error either; the cluster is waited for `live.SECONDS` at most.

    swarmlet __complete bash "swarmlet get po"   # -> pods, poddisruptionbudgets, ...
"""

FILES = ":files"
"""The answer for "names of files": the shell knows those better."""
COMMAND = "__complete"
