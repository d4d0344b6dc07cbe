"""What an audit looks at, collected: rows, receipts, the list of stored files, and published indexes.

A plain value, so that every comparison is a pure function that a test can feed with anything. Nothing here reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from assetmill.audit.findings import Row
from assetmill.ledger import Receipt
from assetmill.packs import PackIndex


@dataclass(frozen=True, slots=True)
class PublishedIndex:
    """An index as far as a pointer leads to it.

    Args:
        holder: key of the pointer: a latest.json, or a record of a history.
        game: id of the game.
        channel: name of the channel.
        current: whether it is what the channel publishes now.
        key: key of the index; None when the pointer itself cannot be read.
        index: the index; None when it is gone or cannot be read.
        problem: why it cannot be read; None when it can, or is gone.
    """

    holder: str
    game: str
    channel: str
    current: bool
    key: str | None = None
    index: PackIndex | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Books and store at about one moment.

    Args:
        rows: all attempts.
        runs: runs by id.
        finishes: all finishes.
        receipts: receipts by attempt id.
        damaged: key of a receipt that cannot be read -> why.
        blobs: key of a stored blob -> its size in bytes.
        indexes: what the pointers of all channels lead to.
        rotten: key of a blob whose bytes do not hash to its name -> their hash; empty unless all were read.
        deep: whether all bytes were read.
    """

    rows: tuple[Row, ...] = ()
    runs: Mapping[str, Row] = field(default_factory=dict)
    finishes: tuple[Row, ...] = ()
    receipts: Mapping[str, Receipt] = field(default_factory=dict)
    damaged: Mapping[str, str] = field(default_factory=dict)
    blobs: Mapping[str, int] = field(default_factory=dict)
    indexes: tuple[PublishedIndex, ...] = ()
    rotten: Mapping[str, str] = field(default_factory=dict)
    deep: bool = False
