"""What is wrong with a manifest: every problem located, all of them at once, in the order of the file.

An author mends a manifest in one go if one reading names everything, so readers and checks add to a
`Problems` collector and nobody stops at the first finding. This module only describes: it never decides
what is wrong, and it never holds the file's text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from itertools import islice
from typing import Any

from assetmill.errors import AssetmillError
from assetmill.manifest.limits import MAX_MESSAGE_CHARS, MAX_NAMES_COMPARED, MAX_PROBLEMS

SHOWN_PROBLEMS = 50
_LENGTH_APART = 2


@dataclass(frozen=True, slots=True)
class Place:
    """A spot in a file.

    Args:
        file: file name as the user gave it.
        line: 1-based line; of a CSV row, the line on which the row starts.
        column: 1-based character; in CSV, the number of the cell.
        column_name: CSV: the column's header.
    """

    file: str
    line: int = 1
    column: int = 1
    column_name: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Args:
        file: file name as the user gave it.
        line: 1-based line; of a CSV row, the line on which the row starts.
        column: 1-based character; in CSV, the number of the cell.
        path: where in the document, such as `assets[3].layout.columns`; empty for the whole file.
        message: what is wrong, naming the trap if it is one.
        expected: what would be right; empty if the message says it.
        nearest: the nearest valid name, if one is near.
        column_name: CSV: the column's header.
    """

    file: str
    line: int
    column: int
    path: str
    message: str
    expected: str = ""
    nearest: str = ""
    column_name: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}: " + (f"{self.path}: " if self.path else "")
        named = f" (column {self.column_name!r})" if self.column_name else ""
        expected = f"; expected {self.expected}" if self.expected else ""
        nearest = f"; did you mean {self.nearest!r}?" if self.nearest else ""
        return f"{where}{self.message}{named}{expected}{nearest}"


class ManifestError(AssetmillError):
    """The manifest cannot be used; `problems` says everything that is wrong with it.

    Args:
        problems: at least one, in any order; they are kept in the order of the files.
    """

    exit_code = 2
    code = "manifest"

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=_in_file_order))
        count = len(self.problems)
        files = ", ".join(dict.fromkeys(problem.file for problem in self.problems))
        more = "" if count <= MAX_PROBLEMS else ", and the rest was not looked at"
        super().__init__(
            f"{count} problem{'' if count == 1 else 's'} in {files}{more}", hint="docs/manifest.md explains every field"
        )

    def __str__(self) -> str:
        lines = [str(problem) for problem in self.problems[:SHOWN_PROBLEMS]]
        hidden = len(self.problems) - len(lines)
        if hidden:
            lines.append(f"... and {hidden} more")
        return "\n".join([*lines, super().__str__()])

    def as_json(self) -> list[dict[str, Any]]:
        """The problems as plain values, for `--json`."""
        return [asdict(problem) for problem in self.problems]


def _in_file_order(problem: Problem) -> tuple[str, int, int, str]:
    return problem.file, problem.line, problem.column, problem.path


class Problems:
    """Collects problems; one that many assets share, through a default or a matrix, is kept once."""

    def __init__(self) -> None:
        self._found: dict[Problem, None] = {}

    def add(self, place: Place, path: str, message: str, *, expected: str = "", nearest: str = "") -> None:
        """Note a problem at a place.

        Raises:
            ManifestError: it was one too many; a file that is wrong all over is not read to its end.
        """
        texts = (_short(text) for text in (path, message, expected, nearest, place.column_name))
        self._found[Problem(place.file, place.line, place.column, *texts)] = None
        if len(self._found) > MAX_PROBLEMS:
            raise ManifestError(self)

    def __iter__(self) -> Iterator[Problem]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def raise_if_any(self) -> None:
        """End the reading if anything was found.

        Raises:
            ManifestError: with all problems so far.
        """
        if self._found:
            raise ManifestError(self)


def nearest_name(word: str, names: Iterable[str]) -> str:
    """The valid name that a mistyped word was probably meant to be, or an empty string."""
    word = word.lower()
    if len(word) > MAX_MESSAGE_CHARS:
        return ""
    by_lower = {name.lower(): name for name in names}
    if (
        len(by_lower) > MAX_NAMES_COMPARED
    ):  # comparing takes long: mistypings keep the first letter, and nearly the length
        near = (low for low in by_lower if low[:1] == word[:1] and abs(len(low) - len(word)) <= _LENGTH_APART)
        by_lower = {low: by_lower[low] for low in islice(near, MAX_NAMES_COMPARED)}
    close = get_close_matches(word, by_lower, n=1, cutoff=0.6)
    return by_lower[close[0]] if close else ""


def _short(text: str) -> str:
    """Text of the file may be as long as the file."""
    return text if len(text) <= MAX_MESSAGE_CHARS else text[: MAX_MESSAGE_CHARS - 1] + "…"
