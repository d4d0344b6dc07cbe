"""The line that a problem is about, and the spot on it: an artist looks at the file, not at numbers.

Lines are counted as the readers of manifests count them. Of a table a problem names a cell, so the cell is marked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from assetmill.manifest import Problem

LONGEST = 160  # characters of a line that are shown
_BEFORE = 60  # of these, before the spot
_ENDS = re.compile(r"\r\n|\r|\n")
_WORD = re.compile(r"[^\s,;:{}\[\]]+")
_DELIMITERS = (",", ";", "\t")


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A line in three parts, the middle one being the spot; `cut` says whether the line goes on beyond them."""

    before: str
    marked: str
    after: str
    cut: bool


class Excerpts:
    """The lines of one file.

    Args:
        name: its name, as its problems have it.
        data: its bytes; what is not UTF-8 is shown as such.
    """

    def __init__(self, name: str, data: bytes) -> None:
        self._name = name
        self._lines = _ENDS.split(data.decode("utf-8-sig", "replace")) if data else []
        self._table = name.lower().endswith((".csv", ".tsv"))
        self._delimiter = _delimiter(self._lines)

    def of(self, problem: Problem) -> Excerpt | None:
        """The spot of a problem; None where it is about no line, or about another file."""
        if problem.file != self._name or not 1 <= problem.line <= len(self._lines):
            return None
        line = self._lines[problem.line - 1]
        if not line.strip():
            return None
        start, end = self._cell(line, problem.column) if self._table else _token(line, problem.column)
        return _shortened(line, start, end)

    def _cell(self, line: str, number: int) -> tuple[int, int]:
        """Where the cell of this number (from 1) stands on a line; the whole line when it has no such cell."""
        cells = _cells(line, self._delimiter)
        return cells[number - 1] if 1 <= number <= len(cells) else (0, len(line))


def _token(line: str, column: int) -> tuple[int, int]:
    """The word at a column (from 1); one character where there is no word."""
    start = min(max(column - 1, 0), len(line))
    word = _WORD.match(line, start)
    return start, word.end() if word else min(start + 1, len(line))


def _cells(line: str, delimiter: str) -> list[tuple[int, int]]:
    """Spans of the cells of a line; a delimiter in quotes separates nothing."""
    spans, start, quoted = [], 0, False
    for index, char in enumerate(line):
        if char == '"':
            quoted = not quoted
        elif char == delimiter and not quoted:
            spans.append((start, index))
            start = index + 1
    return [*spans, (start, len(line))]


def _delimiter(lines: list[str]) -> str:
    """What separates the cells of a table, from its header."""
    header = next((line for line in lines if line.strip() and not line.startswith(("#", "sep="))), "")
    return max(_DELIMITERS, key=header.count)


def _shortened(line: str, start: int, end: int) -> Excerpt:
    """The neighbourhood of a spot."""
    first = 0 if len(line) <= LONGEST else max(0, min(start - _BEFORE, len(line) - LONGEST))
    last = min(len(line), first + LONGEST)
    end = min(end, last)
    return Excerpt(line[first:start], line[start:end], line[end:last], first > 0 or last < len(line))
