"""The books: every request that may cost money, written down before it is sent.

`Ledger` is the way in; the rest are the values that it takes and gives.
"""

from assetmill.ledger.abilities import Abilities, Learned
from assetmill.ledger.bills import Bill, Bills
from assetmill.ledger.book import Ledger
from assetmill.ledger.claims import Claim, Owner, is_gone, place_of_this_process
from assetmill.ledger.outages import Outage, Outages
from assetmill.ledger.receipts import Receipt, read_receipt, write_receipt
from assetmill.ledger.records import EVERYTHING, Details, OpenAttempt, Picture, RowFilter, Timing
from assetmill.ledger.seats import Seat, Seats
from assetmill.ledger.steps import Steps
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
from assetmill.ledger.votes import Vote, Votes
from assetmill.ledger.workers import WorkerLife, Workers

__all__ = [
    "EVERYTHING",
    "NO_FACTS",
    "OPEN_STATUSES",
    "Abilities",
    "Bill",
    "Bills",
    "Claim",
    "Details",
    "Facts",
    "Finish",
    "Intent",
    "Learned",
    "Ledger",
    "OpenAttempt",
    "Outage",
    "Outages",
    "Output",
    "Owner",
    "Picture",
    "Receipt",
    "RowFilter",
    "Run",
    "Seat",
    "Seats",
    "Settlement",
    "Status",
    "Steps",
    "Timing",
    "Vote",
    "Votes",
    "WorkerLife",
    "Workers",
    "is_gone",
    "place_of_this_process",
    "read_receipt",
    "write_receipt",
]
