"""A run publishes the same bytes to a bucket as to a folder."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

from assetmill.clock import Clock
from assetmill.storage import Store, open_store

MOMENT = datetime(2026, 3, 21, 9, 30, tzinfo=UTC)


def still_clock() -> Clock:
    """Wall-clock time that stands, and ids that count: two runs of one manifest write the same."""
    numbers = itertools.count(1)
    return Clock(now=lambda: MOMENT, new_id=lambda: f"{next(numbers):032x}")


def contents(store: Store) -> dict[str, bytes]:
    """Everything that a game reads; receipts and galleries say how long each picture really took."""
    keys = [info.key for info in store.list() if not info.key.startswith("private/") and "/gallery/" not in info.key]
    return {key: store.get(key) for key in keys}


async def test_a_bucket_holds_the_same_blobs_and_index_as_a_folder_byte_for_byte(
    tmp_path, make_settings, seaweedfs, tools
):
    assets = tools.three + tools.sheets
    held = []
    for name, store_url in (("folder", ""), ("bucket", f"s3://{seaweedfs.bucket}/same-bytes")):
        settings = make_settings(
            ASSETMILL_HOME=str(tmp_path / name),
            ASSETMILL_STORE_URL=store_url,
            ASSETMILL_STORE_ENDPOINT_URL=seaweedfs.endpoint_url,
            R2_ACCESS_KEY_ID=seaweedfs.key,
            R2_SECRET_ACCESS_KEY=seaweedfs.secret,
            ASSETMILL_MAX_WORKERS="1",
            ASSETMILL_QUEUE_AHEAD="0",
        )
        async with tools.open_studio(tmp_path, settings, workers=1) as studio:
            studio.clock = still_clock()
            report = await studio.run(assets)
            assert (report.exit_code, report.generated) == (0, 5)
        held.append(contents(open_store(settings.store_url, settings.store_access)))
    folder, bucket = held
    assert sorted(folder) == sorted(bucket)
    assert [key for key in folder if folder[key] != bucket[key]] == []
    assert sum(key.startswith("blobs/") for key in folder) > 20
    assert {"packs/tiny/draft/latest.json"} <= folder.keys()
