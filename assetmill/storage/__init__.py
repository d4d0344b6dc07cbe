"""Where bytes are kept: one Store Protocol, and the stores behind it.

Nothing here knows what an object means or how it is named; that is for assetmill.packs.
"""

from assetmill.storage.access import S3Access
from assetmill.storage.base import ObjectInfo, Store
from assetmill.storage.local import FileStore
from assetmill.storage.open import open_store

__all__ = ["FileStore", "ObjectInfo", "S3Access", "Store", "open_store"]
