"""Rules out of JSON: a file for `assetmill serve --faults`, a key in a job's input, a header of a call.

What cannot be understood is an error that names the place and the nearest right word, never a rule left out: a
fault that silently does not strike makes a test that cannot fail.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from assetmill.errors import UsageError
from assetmill.localpod.faults import Faults, Kind, Rule

CONDITIONS: Final[Mapping[str, tuple[Mapping[str, int], int | None]]] = MappingProxyType(
    {
        "throttled": ({"throttled": 1}, None),
        "unhealthy": ({"unhealthy": 1}, None),
        "initializing": ({"initializing": 1}, None),
        "ready": ({"idle": 1, "ready": 1}, None),
        "no_workers": ({}, None),
        "max_zero": ({}, 0),
    }
)
"""Conditions of an endpoint by name: its workers by state, and its most workers where that is the trouble."""

_TYPES: Final[Mapping[str, tuple[type, ...]]] = MappingProxyType(
    {
        "chance": (int, float), "seconds": (int, float), "times": (int,), "after": (int,), "status": (int,),
        "size_bytes": (int,), "count": (int,), "max_workers": (int,), "match": (str,), "operation": (str,),
        "worker": (str,), "words": (str,), "errors": (bool,), "transparent": (bool,),
    }
)  # fmt: skip


def read_faults_file(path: Path) -> Faults:
    """Faults from a JSON file; see `read_faults`.

    Raises:
        UsageError: no such file, no JSON, or no faults.
    """
    try:
        return read_faults(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", hint="--faults names a JSON file") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is no JSON: {error}") from None


def read_faults(document: Any) -> Faults:
    """Faults from parsed JSON: a list of rules, or `{"rules": [...], "census": ..., "max_workers": n}`.

    Raises:
        UsageError: it names the rule by its number, from 1.
    """
    if isinstance(document, list):
        return Faults(read_rules(document))
    if not isinstance(document, dict):
        raise UsageError("faults are a list of rules, or an object with rules")
    _known_keys(document, {"rules", "census", "max_workers"}, "faults")
    rules = document.get("rules", [])
    if not isinstance(rules, list):
        raise UsageError("rules must be a list")
    census, implied = _census(document.get("census"))
    most = document.get("max_workers", implied)
    if most is not None:
        _typed("max_workers", most, (int,))
    return Faults(read_rules(rules), census, most)


def read_rules(asked: Any) -> tuple[Rule, ...]:
    """Rules from a kind, an object `{"kind", ...}`, or a list of those.

    Raises:
        UsageError: it names the rule by its number, from 1, where there are several.
    """
    if not isinstance(asked, list):
        return (_rule(asked),)
    rules = []
    for number, one in enumerate(asked, 1):
        try:
            rules.append(_rule(one))
        except UsageError as error:
            raise UsageError(f"rule {number}: {error.message}", hint=error.hint) from None
    return tuple(rules)


def read_header(text: str) -> tuple[Rule, ...]:
    """Rules from a header: a bare kind, or JSON as `read_rules` takes it.

    Raises:
        UsageError: neither.
    """
    if not text.lstrip().startswith(("{", "[", '"')):
        return read_rules(text.strip())
    try:
        return read_rules(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"fault is no JSON: {error}") from None


def _rule(asked: Any) -> Rule:
    if isinstance(asked, str):
        return Rule(_kind(asked))
    if not isinstance(asked, dict) or "kind" not in asked:
        raise UsageError("a fault is its kind, or an object with a kind", hint='such as {"kind": "throttle"}')
    kind = _kind(asked["kind"])
    _known_keys(asked, {one.name for one in fields(Rule)}, f"fault {kind}")
    given = {name: value for name, value in asked.items() if name not in ("kind", "census") and value is not None}
    for name, value in given.items():
        _typed(name, value, _TYPES[name])
    census, most = _census(asked.get("census"))
    return Rule(kind=kind, census=census, **({} if most is None else {"max_workers": most}) | given)


def _kind(text: Any) -> Kind:
    try:
        return Kind(text)
    except ValueError:
        near = get_close_matches(str(text), list(Kind), n=1)
        hint = f"did you mean {near[0]}?" if near else ", ".join(Kind)
        raise UsageError(f"there is no fault {text!r}", hint=hint) from None


def _census(asked: Any) -> tuple[Mapping[str, int] | None, int | None]:
    """Workers by state, and the most workers that a named condition implies."""
    if asked is None:
        return None, None
    if isinstance(asked, str):
        if asked not in CONDITIONS:
            raise UsageError(f"there is no condition {asked!r}", hint=", ".join(CONDITIONS))
        return CONDITIONS[asked]
    if not isinstance(asked, dict):
        raise UsageError("a census is a condition, or an object of states and counts")
    for state, count in asked.items():
        _typed(state, count, (int,))
    return asked, None


def _typed(name: str, value: Any, types: tuple[type, ...]) -> None:
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        wanted = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}[types[-1]]
        raise UsageError(f"{name} must be {wanted}, not {value!r}")


def _known_keys(given: Mapping[str, Any], known: set[str], what: str) -> None:
    for key in given:
        if key not in known:
            near = get_close_matches(key, sorted(known), n=1)
            raise UsageError(
                f"{what} has no {key!r}", hint=f"did you mean {near[0]}?" if near else ", ".join(sorted(known))
            )
