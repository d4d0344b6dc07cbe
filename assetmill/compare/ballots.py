"""Votes on their way in: what a page sends, and the file that a page from disk saves.

Whatever comes from outside is judged here before it gets into the books: a vote is on a pair of this comparison that
has two pictures, says one of four words, and is not of the future, or it would stand above all that come after it. A
file is taken whole or not at all.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from assetmill.compare.values import Comparison
from assetmill.errors import UsageError
from assetmill.ledger import Vote

MOST_VOTES = 100_000
MOST_BYTES = 50_000_000
NOTE_CHARS = 1000

Voter = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64, pattern=r"^[^\x00-\x1f]+$")
]


class Said(BaseModel):
    """A vote as pages and files have it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    asset: str = Field(description="Asset id.")
    candidate: int = Field(ge=0, description="Candidate, from 0.")
    voter: Voter = Field(description="Whose word it is.")
    choice: str = Field(description="Name of the better side, `equal` or `neither`.")
    note: str = Field("", max_length=NOTE_CHARS, description="Why.")
    voted_at: AwareDatetime = Field(description="When.")


class Sheet(BaseModel):
    """What a page sends: some votes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    votes: tuple[Said, ...] = Field(min_length=1, max_length=MOST_VOTES)


class VotesFile(Sheet):
    """What a page saves."""

    kind: Literal["assetmill-votes"]
    version: Literal[1]
    comparison: str


def votes_of(comparison: Comparison, sheet: Sheet, *, now: datetime, fresh: bool = False) -> list[Vote]:
    """Votes for the books.

    Args:
        comparison: what they are on.
        sheet: as they came.
        now: aware time, above which no vote counts.
        fresh: they are cast at this moment, whatever the clock of their page says.

    Raises:
        UsageError: one of them is not on this comparison, or says what cannot be said; the message names it.
    """
    return [_vote(comparison, said, now=now, fresh=fresh) for said in sheet.votes]


def read_file(comparison: Comparison, path: Path, *, now: datetime) -> list[Vote]:
    """The votes of a file.

    Raises:
        UsageError: it cannot be read, is no such file, or is of another comparison; nothing of it counts.
    """
    hint = "the comparison page saves such a file"
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UsageError(f"{path} is larger than {MOST_BYTES} bytes", hint=hint)
        file = VotesFile.model_validate_json(path.read_bytes())
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", hint=hint) from error
    except ValidationError as error:
        raise UsageError(f"{path} is no file of votes: {first_fault(error)}", hint=hint) from None
    if file.comparison != comparison.id:
        raise UsageError(f"{path} has votes on comparison {file.comparison}, not on {comparison.id}", hint=hint)
    return votes_of(comparison, file, now=now)


def first_fault(error: ValidationError) -> str:
    """The first thing that is wrong, and where; never what stood there."""
    fault = error.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(map(str, fault['loc'])) or 'it'}: {fault['msg']}"


def _vote(comparison: Comparison, said: Said, *, now: datetime, fresh: bool) -> Vote:
    name = said.asset[:100] + (f"#{said.candidate}" if said.candidate else "")
    pair = comparison.pair(said.asset, said.candidate)
    if pair is None:
        raise UsageError(f"comparison {comparison.id} has no pair {name!r}")
    if not pair.whole:
        raise UsageError(f"a picture of {name!r} is missing, so there is nothing to choose from")
    if said.choice not in comparison.choices:
        raise UsageError(f"{said.choice[:100]!r} is no choice", hint=f"choices are {', '.join(comparison.choices)}")
    at = now if fresh else min(said.voted_at, now)
    return Vote(comparison.id, said.asset, said.candidate, said.voter, said.choice, said.note, at)
