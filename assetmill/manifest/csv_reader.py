"""CSV and TSV tables of assets: a row is an asset, a header is a field, a dot nests.

Reads what spreadsheets write: commas, semicolons or tabs, a byte-order mark, quoted cells over several
lines, rows of empty cells. Lines that begin with # are comments, unless the first column holds colours
and the line begins with one; lines that begin with #@ before the header set the game and the pack of a
table that is a whole manifest. Beyond that nothing here knows which fields there are; every cell stays
text and every row knows its line and columns.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from assetmill.manifest.blocks import Block, Spot
from assetmill.manifest.limits import MAX_DEPTH
from assetmill.manifest.problems import Place, Problems

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_SETTING = re.compile(r"#@\s*([\w.-]+)\s*:\s*(.*)")
_COLOUR_CELL = re.compile(r"#[0-9a-fA-F]{6}\s*[,;\t]")
_DELIMITERS = {",": ",", ";": ";", "\t": "\t"}


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its 0-based number, its header as written, and the steps of its dotted name."""

    number: int
    header: str
    steps: tuple[str, ...]


@dataclass(slots=True)
class Table:
    """A table as read: `settings` are the #@ lines, `rows` are (line, cells)."""

    file: str
    columns: list[Column] = field(default_factory=list)
    settings: Block = field(default_factory=lambda: Block(""))
    rows: list[tuple[int, list[str]]] = field(default_factory=list)
    header_line: int = 1

    def place(self, column: Column) -> Place:
        """Where a column's header stands."""
        return Place(self.file, self.header_line, column.number + 1, column.header)

    def blocks(self) -> Iterator[Block]:
        """The rows as blocks; blank cells are left out. All rows share the spots of their columns."""
        spots = _spots(self.columns)
        for line, cells in self.rows:
            root = Block(self.file, line, 1, spots[()], cells=True)
            for column in self.columns:
                text = cells[column.number].strip()
                if text:
                    _place_cell(root, column, text, spots)
            yield root


class _Lines:
    """Lines for the csv module, which says nothing of comments: they are dropped between records only."""

    def __init__(self, text: str, file: str, problems: Problems) -> None:
        self._lines: list[str] = _LINE.findall(text)  # str.splitlines would break cells at U+2028 and its like
        self._file = file
        self._problems = problems
        self._next = 0
        self.between = True
        self.record_line = 1
        self.before_header = True
        self.colours_first = False
        self.settings: dict[str, tuple[str, int]] = {}

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        while self._next < len(self._lines):
            line = self._lines[self._next]
            self._next += 1
            if self.between and self._is_between_rows(line.strip()):
                self._setting(line.strip(), self._next)
                continue
            if self.between:
                self.record_line = self._next
                self.between = False
            return line
        raise StopIteration

    def _is_between_rows(self, line: str) -> bool:
        return not line or (line.startswith("#") and not (self.colours_first and _COLOUR_CELL.match(line)))

    def _setting(self, line: str, number: int) -> None:
        if not line.startswith("#@"):
            return
        found = _SETTING.fullmatch(line)
        place = Place(self._file, number)
        if found is None:
            self._problems.add(place, "", "a #@ line has no key", expected="a line such as `#@ game.title: Cloud Hop`")
        elif not self.before_header:
            self._problems.add(place, found[1], "a #@ line stands below the header: move it above")
        elif found[1] in self.settings:
            self._problems.add(
                place, found[1], f"`{found[1]}` is set twice (first on line {self.settings[found[1]][1]})"
            )
        else:
            self.settings[found[1]] = (found[2].strip(), number)


def read_table(text: str, file: str, problems: Problems) -> Table:
    """Read a table and note what is wrong with its form: headers, quotes, ragged rows."""
    lines = _Lines(text, file, problems)
    table = Table(file)
    header = next(lines, "").rstrip("\r\n")
    if header.lower().startswith("sep=") and header[4:5] in _DELIMITERS:
        lines.between = True
        header = next(lines, "").rstrip("\r\n")
    if not header:
        problems.add(Place(file), "", "the table has no header line", expected="a first line such as `id,type,prompt`")
        return table
    table.header_line = lines.record_line
    delimiter = max(_DELIMITERS, key=lambda mark: _unquoted(header).count(mark))
    lines.before_header = False
    try:
        names = next(csv.reader([header], delimiter=delimiter, strict=True))
        lines.colours_first = names[0].strip().lower().endswith("color")
        columns = _columns(names, table, problems)
        table.columns = [column for column in columns if column.header]
        nameless = [column for column in columns if not column.header]
        _rows(lines, delimiter, len(names), nameless, table, problems)
    except csv.Error as error:
        problems.add(Place(file, lines.record_line), "", _csv_words(str(error)))
    table.settings = _settings(lines.settings, file, problems)
    return table


def _csv_words(error: str) -> str:
    if "unexpected end of data" in error:
        return "a quote opened in this row is never closed: close it, and write a quote inside quotes twice"
    if "expected after" in error:
        return "text goes on after a closing quote: put the whole cell in quotes, and write quotes inside it twice"
    return f"the row cannot be read: {error}"


def _unquoted(header: str) -> str:
    return re.sub(r'"[^"]*"', "", header)


def _columns(names: list[str], table: Table, problems: Problems) -> list[Column]:
    columns: list[Column] = []
    seen: dict[str, int] = {}
    inner: dict[str, str] = {}  # every beginning of a dotted name -> the first that begins so
    for number, name in enumerate(names):
        header = name.strip()
        place = Place(table.file, table.header_line, number + 1, header)
        steps = tuple(header.split("."))
        if not header:
            columns.append(Column(number, "", ()))
        elif header in seen:
            problems.add(place, header, f"the column `{header}` stands twice (first as column {seen[header]})")
        elif not all(steps):
            problems.add(
                place, header, f"`{header}` has an empty step", expected="a dotted name such as layout.columns"
            )
        elif len(steps) > MAX_DEPTH:
            problems.add(place, header, f"the column's name has more than {MAX_DEPTH} steps")
        elif clash := inner.get(header) or next((name for name in _beginnings(steps) if name in seen), None):
            problems.add(place, header, f"`{clash}` and `{header}` give the same field, once whole and once in parts")
        else:
            columns.append(Column(number, header, steps))
        seen.setdefault(header, number + 1)
        for beginning in _beginnings(steps):
            inner.setdefault(beginning, header)
    return columns


def _beginnings(steps: tuple[str, ...]) -> list[str]:
    """`a` and `a.b` of `a.b.c`."""
    return [".".join(steps[:count]) for count in range(1, min(len(steps), MAX_DEPTH))]


def _rows(lines: _Lines, delimiter: str, width: int, nameless: list[Column], table: Table, problems: Problems) -> None:
    lines.between = True
    for cells in csv.reader(lines, delimiter=delimiter, strict=True):
        line = lines.record_line
        lines.between = True
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) < width or any(cell.strip() for cell in cells[width:]):
            problems.add(
                Place(table.file, line, min(len(cells), width) + 1), "",
                f"the row has {len(cells)} cells, the header {width}: quote text that holds a {_name(delimiter)}",
            )  # fmt: skip
            continue
        for column in nameless:
            if cells[column.number].strip():
                problems.add(Place(table.file, line, column.number + 1), "", "a cell stands below an empty header")
        table.rows.append((line, cells))


def _name(delimiter: str) -> str:
    return {",": "comma", ";": "semicolon", "\t": "tab"}[delimiter]


def _settings(found: Mapping[str, tuple[str, int]], file: str, problems: Problems) -> Block:
    spots: dict[tuple[str, ...], dict[str, Spot]] = {}
    root = Block(file, 1, 1, spots.setdefault((), {}), cells=True)
    for key, (value, line) in found.items():
        steps = tuple(key.split("."))
        if len(steps) > MAX_DEPTH:
            problems.add(Place(file, line), key, f"the name has more than {MAX_DEPTH} steps")
            continue
        here = root
        for depth, step in enumerate(steps):
            at = spots.setdefault(steps[:depth], {})
            at.setdefault(step, Spot(line - here.line, 1, line - here.line, 1))
            if depth == len(steps) - 1:
                here[step] = value
                break
            inner = here.setdefault(step, Block(file, line, 1, spots.setdefault(steps[: depth + 1], {}), cells=True))
            if not isinstance(inner, Block):
                problems.add(Place(file, line), key, f"`{key}` gives a field in parts that is given whole above")
                break
            here = inner
    return root


def _spots(columns: list[Column]) -> dict[tuple[str, ...], dict[str, Spot]]:
    """Steps of a block -> its keys' spots; the same for every row."""
    spots: dict[tuple[str, ...], dict[str, Spot]] = {(): {}}
    for column in columns:
        spot = Spot(0, column.number + 1, 0, column.number + 1, None, column.header)
        for depth, step in enumerate(column.steps):
            spots.setdefault(column.steps[:depth], {}).setdefault(step, spot)
    return spots


def _place_cell(root: Block, column: Column, text: str, spots: Mapping[tuple[str, ...], Mapping[str, Spot]]) -> None:
    here = root
    for depth, step in enumerate(column.steps[:-1]):
        inner = here.get(step)
        if inner is None:
            inner = Block(root.file, root.line, 1, spots[column.steps[: depth + 1]], cells=True)
            here[step] = inner
        here = inner
    here[column.steps[-1]] = text
