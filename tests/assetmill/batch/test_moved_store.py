"""A copied store is served as one that a run wrote: every kind of key and every format has the same headers."""

from __future__ import annotations

from assetmill.batch.collect import CONTENT_TYPES, EXTENSIONS
from assetmill.packs.copying import compare, copy
from assetmill.packs.kinds import BLOB_TYPES, Headers, headers_of, kind_of
from assetmill.storage import open_store

HEADERS = ("content-type", "cache-control", "content-length", "x-amz-meta-sha256")


async def test_a_copied_object_has_the_headers_of_one_that_a_run_wrote(tmp_path, make_settings, seaweedfs, tools):
    settings = make_settings(
        ASSETMILL_HOME=str(tmp_path / "out"),
        ASSETMILL_STORE_URL=f"s3://{seaweedfs.bucket}/a-run-wrote",
        ASSETMILL_STORE_ENDPOINT_URL=seaweedfs.endpoint_url,
        R2_ACCESS_KEY_ID=seaweedfs.key,
        R2_SECRET_ACCESS_KEY=seaweedfs.secret,
    )
    async with tools.open_studio(tmp_path, settings) as studio:
        report = await studio.run(tools.three + tools.sheets)
        assert (report.exit_code, report.generated) == (0, 5)
    source = open_store(settings.store_url, settings.store_access)
    target = open_store(f"s3://{seaweedfs.bucket}/a-copy-wrote", settings.store_access)
    assert copy(source, target, compare(source, target)).problems == ()

    keys = sorted(info.key for info in source.list())
    assert len({kind_of(key) for key in keys} - {None}) == 6
    formats = {key.rpartition(".")[2] for key in keys if key.startswith("blobs/")}
    assert formats == BLOB_TYPES.keys() - {"jpg", "webp"}  # which only workers send
    for key in keys:
        written, copied = (seaweedfs.ask("HEAD", f"a-{who}-wrote/{key}").headers for who in ("run", "copy"))
        assert [copied[name] for name in HEADERS] == [written[name] for name in HEADERS], key
        assert headers_of(key) == Headers(written["content-type"], written["cache-control"])


def test_raw_images_of_every_format_that_is_kept_have_a_type():
    assert {EXTENSIONS[kind]: CONTENT_TYPES[kind] for kind in EXTENSIONS}.items() <= BLOB_TYPES.items()
