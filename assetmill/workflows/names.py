"""Say what was probably meant: every refusal of a name in this room offers the nearest valid one.

It never corrects a name by itself: a wrong name that is quietly mended hides a typing error in a paid request.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

LISTED = 12


def did_you_mean(name: str, options: Iterable[str]) -> str:
    """A hint that names the nearest option, or lists what there is (at most 12 names)."""
    known = list(options)
    near = get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else listed(known)


def listed(options: Iterable[str]) -> str:
    """What there is, at most 12 names: better than a guess where all names look alike, as model files do."""
    known = sorted(options)
    if not known:
        return "there are none"
    more = f" and {len(known) - LISTED} more" if len(known) > LISTED else ""
    return "known: " + ", ".join(known[:LISTED]) + more
