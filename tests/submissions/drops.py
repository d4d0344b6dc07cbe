"""What artists drop, and what has to become of each file.

Every kind that the rules know is there, several times where many are asked for. Each manifest is a game of its own,
so that none finds another's pictures. The same count makes the same files every time.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import cycle, islice

SKY = "  - {{id: sky_{n}, type: background, prompt: a sky number {n} of {game}, size: 128x128}}\n"
HEAD = "version: 1\ngame: {{id: {game}, title: Game {game}}}\npack: {{id: default, name: Default}}\nassets:\n"
CHEAP, DEAR = 1, 4  # pictures; the limit of what goes without approval lies between


class Kind(StrEnum):
    """What is special about a drop."""

    DRAFT = "placeholder art, free"
    CHEAP = "paid, under the amount"
    APPROVED = "over the amount, somebody agrees"
    REJECTED = "over the amount, somebody does not"
    INVALID = "a manifest with mistakes"
    DUPLICATE = "the same content under two names"
    NEWER = "the same name with other content"
    HALF = "half there at first, whole later"
    EXPIRED = "half there at first, over the amount, and nobody answers"
    FOREIGN = "no manifest at all"


ORDER = (
    Kind.CHEAP, Kind.APPROVED, Kind.INVALID, Kind.DUPLICATE, Kind.HALF, Kind.REJECTED, Kind.EXPIRED, Kind.NEWER,
    Kind.FOREIGN, Kind.DRAFT,
)  # fmt: skip
"""The order in which kinds are dropped; a kind that is two files is two of those that were asked for."""


@dataclass(frozen=True)
class Drop:
    """One file.

    Args:
        kind: what is special about it.
        name: its name in the inbox.
        data: what lies there when all are dropped at once.
        later: what lies there in the second wave; None for the same.
        ends: states that it may end in; of several files that share bytes, see `Kind.DUPLICATE`.
        game: id of its game; empty where it has none.
        pictures: jobs that its last version needs at the paid endpoint.
    """

    kind: Kind
    name: str
    data: bytes
    ends: frozenset[str]
    later: bytes | None = None
    game: str = ""
    pictures: int = 0


def drops(count: int) -> list[Drop]:
    """So many files, of all kinds in turn."""
    made = (drop for number, kind in enumerate(cycle(ORDER)) for drop in _of_kind(kind, f"g{number:03d}"))
    return list(islice(made, count))


def _of_kind(kind: Kind, game: str) -> list[Drop]:
    small, large, name = _manifest(game, CHEAP), _manifest(game, DEAR), f"{game}.yaml"
    newer, mistaken = _manifest(game, CHEAP, "!"), small.replace(b"size: 128x128", b"size: huge")
    done, both = frozenset({"done"}), frozenset({"done", "duplicate"})
    return {
        Kind.DRAFT: [Drop(kind, f"{game}.draft.yaml", small, done, game=game)],
        Kind.CHEAP: [Drop(kind, name, small, done, game=game, pictures=CHEAP)],
        Kind.APPROVED: [Drop(kind, f"{game} for Ana.yaml", large, done, game=game, pictures=DEAR)],
        Kind.REJECTED: [Drop(kind, name, large, frozenset({"rejected"}), game=game)],
        Kind.INVALID: [Drop(kind, f"{game}.yml", mistaken, frozenset({"invalid"}))],
        Kind.DUPLICATE: [
            Drop(kind, name, small, both, game=game, pictures=CHEAP),
            Drop(kind, f"copy of {name}", small, both, game=game, pictures=CHEAP),
        ],
        Kind.NEWER: [Drop(kind, name, small, done, later=newer, game=game, pictures=CHEAP)],
        Kind.HALF: [Drop(kind, name, small[: len(small) * 2 // 3], done, later=small, game=game, pictures=CHEAP)],
        Kind.EXPIRED: [Drop(kind, name, large[: len(large) // 2], frozenset({"expired"}), later=large, game=game)],
        Kind.FOREIGN: [Drop(kind, f"{game} notes.docx", b"PK\x03\x04 a letter", frozenset())],
    }[kind]


def _manifest(game: str, pictures: int, more: str = "") -> bytes:
    skies = "".join(SKY.format(n=number, game=game + more) for number in range(pictures))
    return (HEAD.format(game=game) + skies).encode()
