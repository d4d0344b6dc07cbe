"""The audit: proof that books, receipts, blobs and published packs say the same, and the way back from receipts.

`read_snapshot` collects, `findings` compares, `mend` and `rebuild` write what is missing, and `garbage` deletes what
it can prove that nobody needs. Nothing here changes or deletes a settled row, a receipt or a picture that was paid
for. See ADR 0009 and ADR 0012.
"""

from assetmill.audit.check import findings
from assetmill.audit.findings import Finding, Kind
from assetmill.audit.mend import mend
from assetmill.audit.reading import read_snapshot
from assetmill.audit.rebuild import Rebuilt, rebuild
from assetmill.audit.snapshot import PublishedIndex, Snapshot

__all__ = [
    "Finding",
    "Kind",
    "PublishedIndex",
    "Rebuilt",
    "Snapshot",
    "findings",
    "mend",
    "read_snapshot",
    "rebuild",
]
