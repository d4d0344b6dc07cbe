"""The books: every request that may cost money, written down before it is sent.

`Ledger` is the way in; the rest are the values that it takes and gives.
"""

from assetmill.ledger.book import Ledger
from assetmill.ledger.records import EVERYTHING, Details, OpenAttempt, Picture, RowFilter
from assetmill.ledger.values import (
    NO_FACTS,
    OPEN_STATUSES,
    Facts,
    Finish,
    Intent,
    Output,
    Run,
    Settlement,
    Status,
)

__all__ = [
    "EVERYTHING",
    "NO_FACTS",
    "OPEN_STATUSES",
    "Details",
    "Facts",
    "Finish",
    "Intent",
    "Ledger",
    "OpenAttempt",
    "Output",
    "Picture",
    "RowFilter",
    "Run",
    "Settlement",
    "Status",
]
