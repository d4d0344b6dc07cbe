"""How things of submissions are named in a store, and ids.

::

    submissions/inbox/<name>                           what artists drop, and the pages beside it
    private/submissions/<id>.json                      the record
    private/submissions/files/<id>/<name>.<ext>        the bytes that were handed in, never changed, alone there
    private/submissions/lines/<slug>.json              the versions of one name, in the order in which they came
    private/submissions/contents/<sha256>[.<provider>].json  who handed in these bytes first
    private/submissions/papers/<id>-<12 hex>.json      details of a plan, or of what is wrong; never changed
    private/submissions/pages/<id>.html                the page of this very version
    private/submissions/closed/<id>                    a mark: nothing will happen to it any more
    private/submissions/seen/<32 hex>                  a mark: this state of a file in an inbox has been dealt with

Marks only spare work: without them the same is found out by reading.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata

INBOX = "submissions/inbox/"
DESK = "private/submissions/"
FILES = f"{DESK}files/"
LINES = f"{DESK}lines/"
CONTENTS = f"{DESK}contents/"
PAPERS = f"{DESK}papers/"
PAGES = f"{DESK}pages/"
CLOSED = f"{DESK}closed/"
SEEN = f"{DESK}seen/"

SUFFIXES = {".yaml": "yaml", ".yml": "yaml", ".csv": "csv", ".tsv": "tsv"}
SHORT = 16
LONGEST_STEM = 60
TELLING = 8  # hex digits that tell apart names that look alike when made plain
PLAIN = re.compile(r"[a-z0-9][a-z0-9_-]*")

_ID = re.compile(r"[a-z0-9][a-z0-9_-]*-[0-9a-f]{16}(?:-[1-9][0-9]{0,3})?")
_GERMAN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "æ": "ae", "ø": "oe", "å": "aa", "ł": "l"})


def slug_of(inbox: str, name: str) -> str:
    """The line of versions that a file belongs to, as part of a key; no two lines have the same.

    A plain name such as `my-game.yaml` in the store's own inbox is `my-game`; any other is made plain, and gets some
    digits of its hash.
    """
    stem, _, suffix = name.rpartition(".")
    if inbox == "store" and suffix == "yaml" and _is_plain(stem):
        return stem
    digits = hashlib.sha256(f"{inbox}\n{name}".encode("utf-8", "surrogateescape")).hexdigest()[:TELLING]
    return f"{plain(stem or name)}-{digits}"


def _is_plain(stem: str) -> bool:
    """Whether a stem stands for itself; one that ends like a made one might be mistaken for it."""
    made = re.fullmatch(rf".*-[0-9a-f]{{{TELLING}}}", stem)
    return PLAIN.fullmatch(stem) is not None and len(stem) <= LONGEST_STEM and not made


def plain(text: str) -> str:
    """A name of people in a-z, 0-9, _ and -: `Höhle & Wald` is `hoehle-wald`."""
    german = unicodedata.normalize("NFC", text).lower().translate(_GERMAN)
    ascii_only = unicodedata.normalize("NFKD", german).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9_]+", "-", ascii_only).strip("-_")[:LONGEST_STEM].strip("-_") or "manifest"


def id_of(slug: str, sha256: str, time: int) -> str:
    """Id of a submission: these bytes in this line for the `time`-th time."""
    return f"{slug}-{sha256[:SHORT]}" + (f"-{time}" if time > 1 else "")


def slug_of_id(record_id: str) -> str:
    """The line that a submission is a version of."""
    return re.sub(r"-[0-9a-f]{16}(?:-[1-9][0-9]{0,3})?$", "", record_id)


def is_id(text: str) -> bool:
    """Whether this can be the id of a submission."""
    return _ID.fullmatch(text) is not None


def record_key(record_id: str) -> str:
    """Key of a record."""
    return f"{DESK}{record_id}.json"


def submitted_key(record_id: str, file: str) -> str:
    """Key of the bytes that were handed in. A table may name its game by `file`; nothing to include lies near."""
    return f"{FILES}{record_id}/{file}"


def line_key(slug: str) -> str:
    """Key of the versions of one name."""
    return f"{LINES}{slug}.json"


def content_key(sha256: str, provider: str | None) -> str:
    """Key of who handed in these bytes first."""
    return f"{CONTENTS}{sha256}{f'.{provider}' if provider else ''}.json"


def paper_key(record_id: str, data: bytes) -> str:
    """Key of details of a submission, named by their bytes."""
    return f"{PAPERS}{record_id}-{hashlib.sha256(data).hexdigest()[:12]}.json"


def page_key(record_id: str) -> str:
    """Key of the page of a submission."""
    return f"{PAGES}{record_id}.html"


def closed_key(record_id: str) -> str:
    """Key of the mark that nothing will happen to a submission any more."""
    return f"{CLOSED}{record_id}"


def seen_key(inbox: str, state: str) -> str:
    """Key of the mark that a file in an inbox, in exactly this state, has been dealt with."""
    said = f"{inbox}\n{state}".encode("utf-8", "surrogateescape")
    return f"{SEEN}{hashlib.sha256(said).hexdigest()[:32]}"
