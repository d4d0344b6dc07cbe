"""Where comparisons lie in the store, and what one says of itself when it is put there.

A document that is damaged is named, never guessed at. Everything a page needs can be put into it, so that it may be
sent to somebody who has no store.
"""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from assetmill.batch.report import BatchReport
from assetmill.compare.values import Comparison, document_key, page_key
from assetmill.errors import KeyMissing, StorageError, UsageError
from assetmill.money import usd
from assetmill.packs.kinds import BLOB_TYPES, PAGE
from assetmill.packs.parallel import in_threads
from assetmill.packs.pointers import JSON_TYPE, NO_CACHE
from assetmill.storage import Store

IDENTITY = re.compile(r"[0-9a-f]{16}")
LIST_HINT = "`assetmill compare list GAME` lists them"


class Compared(BaseModel):
    """What a comparison says of itself at the end; `assetmill compare --json` prints exactly this object."""

    model_config = ConfigDict(frozen=True)

    id: str = Field(description="Id of the comparison.")
    game: str = Field(description="Game id.")
    sides: tuple[str, str] = Field(description="Names of both endpoints.")
    draft: bool = Field(description="Whether placeholders are compared.")
    pairs: int = Field(description="Pictures that are compared.")
    incomplete: int = Field(description="Of these, pairs of which one picture is missing.")
    left_out: int = Field(description="Pictures that cannot be compared.")
    reasons: dict[str, int] = Field(description="Why pictures are not there, or cannot be compared, and how many.")
    cost_usd: Decimal | None = Field(description="What both runs have cost now; null if none of it is known.")
    page: str = Field(description="Key of the page in the store.")
    document: str = Field(description="Key of the document in the store.")
    store: str = Field(description="Address of the store.")
    exit_code: int = Field(description="0, or 1 where a pair is incomplete or left out.")

    @property
    def sentence(self) -> str:
        """The comparison in one line."""
        parts = [f"{self.pairs} pairs of {self.sides[0]} and {self.sides[1]}"]
        parts += [f"{self.incomplete} of them incomplete"] if self.incomplete else []
        parts += [f"{self.left_out} left out"] if self.left_out else []
        return f"{', '.join(parts)}; {usd(self.cost_usd)}"


def keep(store: Store, comparison: Comparison, page: str, reports: Sequence[BatchReport]) -> Compared:
    """Store document and page.

    Args:
        store: where to.
        comparison: the document.
        page: the page, made of it.
        reports: what both runs said.

    Raises:
        StorageError: the store failed.
    """
    document_at, page_at = document_key(comparison.game, comparison.id), page_key(comparison.game, comparison.id)
    data = comparison.model_dump_json(indent=1).encode()
    store.put(document_at, data, content_type=JSON_TYPE, cache_control=NO_CACHE)
    store.put(page_at, page.encode(), content_type=PAGE, cache_control=NO_CACHE)
    costs = [report.cost_usd for report in reports if report.cost_usd is not None]
    incomplete = sum(not pair.whole for pair in comparison.pairs)
    return Compared(
        id=comparison.id,
        game=comparison.game,
        sides=comparison.names,
        draft=comparison.draft,
        pairs=len(comparison.pairs),
        incomplete=incomplete,
        left_out=len(comparison.left_out),
        reasons=dict(Counter(_reasons(comparison)).most_common()),
        cost_usd=sum(costs, Decimal(0)) if costs else None,
        page=page_at,
        document=document_at,
        store=store.url,
        exit_code=1 if incomplete or comparison.left_out else 0,
    )


def read(store: Store, game: str, identity: str | None = None) -> Comparison:
    """Read a document.

    Args:
        store: where from.
        game: game id.
        identity: its id; None for the newest.

    Raises:
        UsageError: there is none.
        StorageError: the store failed, or what it has is damaged.
    """
    if identity is None:
        known = listed(store, game)
        if not known:
            raise UsageError(f"{game} has no comparison", hint="`assetmill compare MANIFEST --providers a,b` makes one")
        return known[0]
    if not IDENTITY.fullmatch(identity):
        raise UsageError(f"{identity[:100]!r} is no id of a comparison", hint=LIST_HINT)
    return _read(store, document_key(game, identity), f"comparison {identity} of {game}")


def listed(store: Store, game: str) -> list[Comparison]:
    """All comparisons of a game, newest first.

    Raises:
        StorageError: the store failed, or what it has is damaged.
    """
    start, end = document_key(game, "").removesuffix(".json"), ".json"
    keys = [info.key for info in store.list(start) if info.key.endswith(end)]
    found = in_threads(lambda key: _read(store, key, key), keys)
    return sorted(found, key=lambda one: one.made_at, reverse=True)


def inlined(store: Store) -> Callable[[str], str]:
    """Pictures as data addresses, for a page that stands alone."""

    def href(key: str) -> str:
        kind = BLOB_TYPES.get(key.rpartition(".")[2], "application/octet-stream")
        return f"data:{kind};base64,{base64.b64encode(store.get(key)).decode()}"

    return href


def _reasons(comparison: Comparison) -> Iterator[str]:
    for pair in comparison.pairs:
        for side, shot in zip(comparison.sides, pair.shots, strict=True):
            if not shot.there:
                yield f"{side.name}: {shot.why}"
    yield from (one.why for one in comparison.left_out)


def _read(store: Store, key: str, named: str) -> Comparison:
    try:
        return Comparison.model_validate_json(store.get(key))
    except KeyMissing:
        raise UsageError(f"there is no {named}", hint=LIST_HINT) from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise StorageError(f"{named} is damaged: {first['msg']}", hint="compare again: nothing is paid twice") from None
