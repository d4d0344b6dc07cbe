"""YAML text to located blocks, read event by event.

Values are built here and not by a YAML loader: a loader forgets where a value stood, whether it was
quoted and how it was spelt, follows aliases without end, and recurses as deep as the file asks. Nothing
here knows what a manifest contains.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.resolver import Resolver

from assetmill.manifest.blocks import Block, Items, Spot
from assetmill.manifest.limits import MAX_ALIASES, MAX_DEPTH, MAX_DIGITS, MAX_VALUES
from assetmill.manifest.problems import Place, Problems
from assetmill.manifest.yaml_traps import IN_QUOTES, syntax_message, word_for_text

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_RESOLVERS: Any = Resolver.yaml_implicit_resolvers
_TAG = "tag:yaml.org,2002:"


class _UnreadableError(Exception):
    """The rest of the file cannot be read; the problem is noted already."""


@dataclass(slots=True)
class _Frame:
    """A collection that is being read."""

    value: Block | Items
    line: int
    spots: Any
    anchor: str | None
    before: int
    flow: bool
    key: str | None = None
    keyed: bool = False
    key_line: int = 0
    key_column: int = 0
    earlier: dict[str, int] = field(default_factory=dict)


def read_yaml(text: str, file: str, problems: Problems) -> Any:
    """The document of a YAML text, as Block, Items and plain values; None after a fatal problem.

    Every problem is noted at its place: syntax errors (named for their trap), duplicate keys, null and
    true/false keys, tags, merge keys, more than one document, too deep, too many values or aliases.
    """
    reader = _Reader(text, file, problems)
    try:
        return reader.read()
    except _UnreadableError:
        return None


def plain_scalar(raw: str) -> Any:
    """Meaning of an unquoted scalar: None, bool, int, float or text (YAML 1.1, as PyYAML resolves it)."""
    for tag, pattern in (*_RESOLVERS.get(raw[:1], ()), *_RESOLVERS.get(None, ())):
        if pattern.match(raw):
            return _typed(tag.removeprefix(_TAG), raw)
    return raw


def _typed(tag: str, raw: str) -> Any:
    if tag == "null":
        return None
    if tag == "bool":
        return raw.lower() in ("yes", "true", "on")
    try:
        if tag == "int":
            return _whole(raw.replace("_", "")) if len(raw) <= MAX_DIGITS else 10**MAX_DIGITS
        if tag == "float":
            return _fraction(raw.replace("_", "").lower())
    except ValueError:  # underscores and no digits: `0x_`, `._`
        return raw
    return raw


def _fraction(digits: str) -> float:
    if ":" in digits:
        return float(_sixty(digits, float))
    return float(digits.replace(".inf", "inf").replace(".nan", "nan"))


def _whole(digits: str) -> int:
    sign, bare = (-1, digits[1:]) if digits[0] == "-" else (1, digits.lstrip("+"))
    if ":" in bare:
        return sign * int(_sixty(bare, int))
    if bare[:2].lower() in ("0b", "0x"):
        return sign * int(bare, 0)
    return sign * int(bare, 8 if len(bare) > 1 and bare[0] == "0" else 10)


def _sixty(digits: str, kind: Any) -> Any:
    total = kind(0)
    for part in digits.split(":"):
        total = total * 60 + kind(part)
    return total


class _Reader:
    """State of one reading."""

    def __init__(self, text: str, file: str, problems: Problems) -> None:
        self._text = text
        self._file = file
        self._problems = problems
        self._frames: list[_Frame] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._values = 0
        self._aliases = 0
        self._documents = 0
        self._root: Any = None
        self._lines: list[str] | None = None

    def read(self) -> Any:
        """Read the whole text."""
        try:
            for event in yaml.parse(self._text, Loader=_LOADER):
                self._take(event)
        except yaml.MarkedYAMLError as error:
            self._syntax(error)
        return self._root

    def _take(self, event: Any) -> None:
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            self._open(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._close()
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)
        elif isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                self._fatal(event, "a second document starts here: one file holds one document, take the `---` out")

    def _scalar(self, event: Any) -> None:
        plain = event.implicit[0]
        if event.tag is not None:
            self._fatal(event, f"`{event.tag}` is a tag (text that begins with ! is one): {IN_QUOTES}")
        value = plain_scalar(event.value) if plain else event.value
        frame = self._frames[-1] if self._frames else None
        if frame is not None and not frame.keyed and isinstance(frame.value, Block):
            self._key(frame, event, value)
            return
        raw, shift = (event.value, 0) if event.value else self._comment_at(event)
        self._put(value, event, raw if plain else None, shift)
        if event.anchor:
            self._anchors[event.anchor] = (value, 1)

    def _key(self, frame: _Frame, event: Any, value: Hashable) -> None:
        name = event.value
        plain = event.implicit[0]
        if plain and name == "<<":
            self._fatal(
                event, "`<<` merge keys are not read here: put what assets share into `defaults` or `styles`", name
            )
        if value is None or not name:
            self._note(event, "a key is missing before the colon", step="")
        elif isinstance(value, bool):
            self._note(event, f"as a key, {word_for_text(name)}", step=name)
        elif name in frame.earlier:
            self._note(event, f"`{name}` stands twice (first on line {frame.earlier[name]})", step=name)
        frame.earlier.setdefault(name, event.start_mark.line + 1)
        frame.key, frame.key_line, frame.key_column = name, event.start_mark.line, event.start_mark.column
        frame.keyed = True

    def _open(self, event: Any) -> None:
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        if event.tag is not None:
            self._fatal(event, f"`{event.tag}` is a tag (text that begins with ! is one): {IN_QUOTES}")
        if len(self._frames) >= MAX_DEPTH:
            self._fatal(event, f"nested more than {MAX_DEPTH} deep")
        top = self._frames[-1] if self._frames else None
        if top is not None and not top.keyed and isinstance(top.value, Block):
            self._fatal(event, f"a key has to be plain text, not a map or a list: {IN_QUOTES}", "")
        value: Block | Items
        spots: Any
        if isinstance(event, yaml.MappingStartEvent):
            spots = {}
            value = Block(self._file, line, column, spots, flow=bool(event.flow_style))
        else:
            spots = []
            value = Items(self._file, line, column, spots)
        before = self._values
        self._put(value, event, None)
        self._frames.append(_Frame(value, line - 1, spots, event.anchor, before, bool(event.flow_style)))
        if event.anchor:
            self._anchors.pop(event.anchor, None)

    def _close(self) -> None:
        frame = self._frames.pop()
        if frame.anchor:
            self._anchors[frame.anchor] = (frame.value, self._values - frame.before)

    def _alias(self, event: Any) -> None:
        self._aliases += 1
        if event.anchor not in self._anchors:
            inside = any(frame.anchor == event.anchor for frame in self._frames)
            why = "stands inside the value that it repeats" if inside else "repeats nothing that was anchored before"
            self._fatal(event, f"the alias *{event.anchor} {why} (text that begins with * is an alias: quote it)")
        value, weight = self._anchors[event.anchor]
        self._values += weight
        if self._aliases > MAX_ALIASES or self._values > MAX_VALUES:
            self._fatal(event, f"aliases swell the file beyond {MAX_VALUES:,} values or {MAX_ALIASES:,} aliases")
        frame = self._frames[-1] if self._frames else None
        if frame is not None and not frame.keyed and isinstance(frame.value, Block):
            self._fatal(event, "a key has to be plain text, not an alias", "")
        self._put(value, event, None)

    def _put(self, value: Any, event: Any, raw: str | None, shift: int = 0) -> None:
        self._values += 1
        if self._values > MAX_VALUES:
            self._fatal(event, f"more than {MAX_VALUES:,} values")
        if not self._frames:
            self._root = value
            return
        frame = self._frames[-1]
        line, column = event.start_mark.line - frame.line, event.start_mark.column + 1 + shift
        if isinstance(frame.value, Items):
            frame.value.append(value)
            frame.spots.append(Spot(line, column, line, column, raw))
            return
        key = frame.key
        if key and key not in frame.value:
            frame.value[key] = value
            frame.spots[key] = Spot(frame.key_line - frame.line, frame.key_column + 1, line, column, raw)
        frame.keyed = False

    def _comment_at(self, event: Any) -> tuple[str, int]:
        """The comment that stands where a value was to be (an unquoted # has eaten it), and how far on."""
        if self._lines is None:
            self._lines = self._text.splitlines()
        mark = event.start_mark
        rest = self._lines[mark.line][mark.column :] if mark.line < len(self._lines) else ""
        comment = rest.lstrip(" \t-")
        return (comment, len(rest) - len(comment)) if comment.startswith("#") else ("", 0)

    def _path(self, step: str | None = None, *, upto: int | None = None) -> str:
        """Path of what is being read; `step` is a key of the innermost map, `upto` a 0-based last line."""
        path = ""
        frames = [frame for frame in self._frames if upto is None or frame.line <= upto]
        last = len(frames) - 1
        for depth, frame in enumerate(frames):
            within = depth < last
            name = f"[{len(frame.value) - within}]" if isinstance(frame.value, Items) else frame.key
            if not within and step is not None:
                break
            if name is not None:
                path += name if name.startswith("[") or not path else f".{name}"
        return path + (f".{step}" if path and step else step or "")

    def _note(self, event: Any, message: str, *, step: str | None = None) -> None:
        place = Place(self._file, event.start_mark.line + 1, event.start_mark.column + 1)
        self._problems.add(place, self._path(step), message)

    def _fatal(self, event: Any, message: str, step: str | None = None) -> None:
        self._note(event, message, step=step)
        raise _UnreadableError

    def _syntax(self, error: yaml.MarkedYAMLError) -> None:
        mark: Any = error.problem_mark or error.context_mark
        start: Any = error.context_mark or mark
        lines = self._text.splitlines()
        flow = next((frame.line for frame in self._frames if frame.flow), start.line)
        problem, context = error.problem or "", error.context or ""
        message, line = syntax_message(problem, context, lines, mark.line, start.line, min(flow, start.line))
        at = mark if line == mark.line else start
        column = at.column + 1 if line == at.line else 1
        if message.startswith("unquoted #"):
            column = lines[line].index("#") + 1
        place = Place(self._file, min(line + 1, max(len(lines), 1)), column)
        self._problems.add(place, self._path(upto=line), message)
        raise _UnreadableError
