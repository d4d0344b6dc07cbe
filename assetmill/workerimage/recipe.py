"""A Dockerfile as instructions with their lines, so that a check can say where.

It reads what our own Dockerfile is written in (continued lines, comments, ARG defaults) and judges nothing; hadolint
knows the language, `check` knows what our image must have.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from assetmill.errors import UsageError

DOCKERFILE = "Dockerfile"
INSTRUCTIONS = frozenset(
    {"ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "RUN", "SHELL",
     "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"}
)  # fmt: skip
"""What is read here; ONBUILD and here-documents are not."""
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction.

    Args:
        line: number of its first line, from 1.
        name: FROM, RUN ..., in capitals.
        text: the rest, its lines joined by blanks.
    """

    line: int
    name: str
    text: str


def read_dockerfile(path: Path) -> tuple[Instruction, ...]:
    """Instructions of a Dockerfile, in order.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", hint="name the folder of the worker image") from error
    return tuple(_instructions(lines))


def _instructions(lines: Sequence[str]) -> Iterator[Instruction]:
    parts: list[str] = []
    first = 0
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        first = first or number
        parts.append(text.removesuffix("\\").strip())
        if not text.endswith("\\"):
            name, _, rest = " ".join(parts).partition(" ")
            yield Instruction(first, name.upper(), rest.strip())
            parts, first = [], 0


def defaults(instructions: Sequence[Instruction]) -> dict[str, str]:
    """ARG name -> its default."""
    pairs = (one.text.partition("=") for one in instructions if one.name == "ARG")
    return {name.strip(): value.strip().strip('"') for name, given, value in pairs if given}


def stages(instructions: Sequence[Instruction]) -> frozenset[str]:
    """Names and numbers of the stages that a Dockerfile has itself."""
    froms = [one.text.split() for one in instructions if one.name == "FROM"]
    names = {words[at + 1] for words in froms for at, word in enumerate(words[:-1]) if word.upper() == "AS"}
    return frozenset(names | {str(number) for number in range(len(froms))})


def filled(text: str, values: dict[str, str]) -> str:
    """`text` with the variables put in that have a value."""
    return _VARIABLE.sub(lambda found: values.get(found[1] or found[2], found[0]), text)


def environment(instructions: Sequence[Instruction]) -> dict[str, str]:
    """ENV name -> value; the last one counts."""
    found: dict[str, str] = {}
    for one in instructions:
        if one.name == "ENV":
            found.update({name: value.strip('"') for name, value in re.findall(r"(\w+)=(\"[^\"]*\"|\S+)", one.text)})
    return found
