"""Reads a file of faults for an endpoint whose faults are plain values: a JSON list of objects with their fields.

What cannot be understood is refused with the number of the rule; no rule is ever left out in silence.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import Field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

from assetmill.errors import UsageError


class _Rule(Protocol):
    """A dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


SomeRule = TypeVar("SomeRule", bound=_Rule)


def read_rules(path: Path, rule: type[SomeRule], kinds: type[StrEnum]) -> tuple[SomeRule, ...]:
    """Rules from a file.

    Args:
        path: the file.
        rule: what each becomes; it has a field `kind`.
        kinds: what that may be.

    Raises:
        UsageError: it cannot be read, or is not that.
    """
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read faults from {path}: {error}") from error
    if not isinstance(given, list):
        raise UsageError(f"{path} holds no list of faults", hint='such as [{"kind": "slow", "times": 2}]')
    known = {field.name: field.type for field in fields(rule)}
    return tuple(_read(f"{path}, fault {place}", one, rule, known, kinds) for place, one in enumerate(given, 1))


def _read(
    where: str, given: Any, rule: Callable[..., SomeRule], known: dict[str, Any], kinds: type[StrEnum]
) -> SomeRule:
    if not isinstance(given, dict) or given.get("kind") not in {*kinds}:
        raise UsageError(f"{where} has no kind that there is", hint=", ".join(kinds))
    for name, value in given.items():
        if name not in known:
            raise UsageError(f"{where} has no field {name!r}", hint=", ".join(known))
        if not _fits(value, str(known[name])):
            raise UsageError(f"{where}: {name} cannot be {value!r}")
    return rule(**{**given, "kind": kinds(given["kind"])})


def _fits(value: Any, annotation: str) -> bool:
    """Whether a value of JSON can be what a field is annotated with."""
    meant = {part.strip() for part in annotation.split("|")}
    if value is None:
        return "None" in meant
    if isinstance(value, bool):
        return "bool" in meant
    if isinstance(value, int):
        return bool(meant & {"int", "float"})
    if isinstance(value, float):
        return "float" in meant
    return isinstance(value, str) and bool(meant & {"str", "Kind"})
