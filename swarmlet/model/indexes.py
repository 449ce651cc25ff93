"""The completion indexes of an Indexed Job as one line of text: "1,3-5,7".

Source: kubernetes pkg/controller/job/indexed_job_utils.go.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterable, Sequence

_INTERVAL = re.compile(r"(0|[1-9][0-9]{0,8})(?:-(0|[1-9][0-9]{0,8}))?", re.ASCII)

Interval = tuple[int, int]
"""First and last, both included."""


def intervals(text: str) -> list[Interval]:
    """Return the intervals of a text; raise `ValueError` where it is none, or where they do not ascend."""
    found: list[Interval] = []
    for part in filter(None, text.split(",")):
        match = _INTERVAL.fullmatch(part)
        if match is None:
            raise ValueError(f"cannot parse {part!r} as an index or an interval of indexes")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first or (match[2] and last == first):
            raise ValueError(f"the interval {part!r} does not ascend")
        if found and first <= found[-1][1]:
            raise ValueError(f"{part!r} does not follow what stands before it")
        found.append((first, last))
    return found


def count(found: Iterable[Interval], completions: int) -> int:
    """Return how many indexes below `completions` are in intervals, which may be of billions."""
    return sum(max(0, min(last + 1, completions) - first) for first, last in found)


def among(some: Iterable[int], found: Sequence[Interval]) -> set[int]:
    """Return those of some indexes that are in intervals."""
    begins = [first for first, _ in found]
    return {index for index in some if (place := bisect.bisect_right(begins, index)) and index <= found[place - 1][1]}


def parse(text: str, completions: int) -> set[int]:
    """Return the indexes of a text below `completions`: a Job may have become smaller since it was written."""
    return {index for first, last in intervals(text) for index in range(first, min(last + 1, completions))}


def to_text(indexes: Iterable[int]) -> str:
    """Return the text of a set of indexes: two that follow each other stand alone, three or more as an interval."""
    parts: list[str] = []
    for first, last in _runs(sorted(indexes)):
        if last - first >= 2:
            parts.append(f"{first}-{last}")
        else:
            parts += [str(index) for index in range(first, last + 1)]
    return ",".join(parts)


def _runs(ascending: list[int]) -> list[Interval]:
    runs: list[Interval] = []
    for index in ascending:
        if runs and runs[-1][1] + 1 == index:
            runs[-1] = (runs[-1][0], index)
        else:
            runs.append((index, index))
    return runs
