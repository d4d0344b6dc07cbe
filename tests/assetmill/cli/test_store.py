"""`store copy` from outside: a studio that began in a folder moves into a bucket and back, with the same books."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from assetmill.packs import PackAsset, PackIndex, publish, put_blob
from assetmill.packs.kinds import kind_of
from assetmill.settings import Settings, variables_of
from assetmill.storage import FileStore, S3Access, open_store

MANIFEST = """version: 1
game: {id: tiny, title: Tiny}
pack: {id: default, name: Default, seed: 1}
assets:
  - {id: slime, type: entity, prompt: a slime, shape: circle, silhouette: {canvas: 64x64}}
  - {id: sky, type: background, prompt: a sky, width: 128, height: 128}
"""


@pytest.fixture
def program(tmp_path, programs):
    """The real command in a folder of its own, with no settings but those given."""
    names = {variable for name in Settings.model_fields for variable in variables_of(name)}
    base = {key: value for key, value in os.environ.items() if key not in names}
    (tmp_path / "tiny.yaml").write_text(MANIFEST)

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = base | {"ASSETMILL_HOME": str(tmp_path / "out"), "COLUMNS": "120"} | variables
        return programs.run(arguments, tmp_path, environment)

    return run


@pytest.fixture
def folder(tmp_path):
    return FileStore(tmp_path / "out" / "store")


@pytest.fixture
def coin(folder, make_asset, make_index) -> PackAsset:
    """A published pack of one picture, which it returns."""
    asset = make_asset(folder, "coin")
    index: PackIndex = make_index({"coin": asset})
    publish(folder, game="cloud-hop", channel="main", index=index, base=None, now=index.created_at)
    return asset


def contents(store) -> dict[str, bytes]:
    return {info.key: store.get(info.key) for info in store.list() if kind_of(info.key)}


def told(done) -> dict:
    return json.loads(done.stdout)


@pytest.mark.timeout(600)  # Prefect and SeaweedFS start for it
def test_a_studio_moves_from_a_folder_into_a_bucket_and_nothing_is_made_again(
    program, prefect_tables, tmp_path, folder, seaweedfs
):
    prefect_tables(tmp_path / "out")
    access = {
        "ASSETMILL_STORE_ENDPOINT_URL": seaweedfs.endpoint_url,
        "R2_ACCESS_KEY_ID": seaweedfs.key,
        "R2_SECRET_ACCESS_KEY": seaweedfs.secret,
    }
    url = f"s3://{seaweedfs.bucket}/moved"
    moved = access | {"ASSETMILL_STORE_URL": url}
    made = told(program("run", "tiny.yaml", "--json"))
    assert (made["generated"], made["exit_code"]) == (2, 0)

    done = program("store", "copy", folder.url, "--json", **moved)
    assert done.returncode == 0, done.stderr
    kinds = told(done)["kinds"]
    assert {kind for kind, tally in kinds.items() if tally["copied"]} == {
        "blobs", "receipts", "indexes", "records", "contact sheets", "run reports", "galleries",
        "pointers",
    }  # fmt: skip
    bucket = open_store(url, S3Access(seaweedfs.endpoint_url, seaweedfs.key, seaweedfs.secret))
    there, here = contents(bucket), contents(folder)
    assert {key for key in here if there.get(key) != here[key]} == set()

    again = program("run", "tiny.yaml", "--json", **moved)
    assert again.returncode == 0, again.stderr
    report = told(again)
    assert (report["generated"], report["refinished"], report["cached"], report["published"]) == (0, 0, 2, False)
    assert report["index"] == made["index"]
    check = program("ledger", "check", "--deep", "--json", **moved)
    assert (check.returncode, told(check)["findings"]) == (0, []), check.stdout

    back = program("store", "copy", url, "--to", (folder.root.parent / "back").as_uri(), **access)
    assert back.returncode == 0, back.stderr  # an s3:// source is reached though the configured store is a folder
    assert contents(FileStore(folder.root.parent / "back")) == contents(bucket)
    assert "ASSETMILL_STORE_URL=file://" in back.stderr


def test_a_dry_run_counts_and_copies_nothing(program, coin, tmp_path):
    new = tmp_path / "new"
    done = program("store", "copy", (tmp_path / "out" / "store").as_uri(), "--to", new.as_uri(), "--dry-run")
    assert done.returncode == 0, done.stderr
    assert f"blobs: 1 to copy ({coin.bytes} B), 0 there already" in done.stdout
    assert "4 objects would be copied" in done.stdout
    assert not new.exists()


@pytest.mark.usefixtures("coin")
def test_copying_again_says_that_everything_is_there(program, folder, tmp_path):
    new = (tmp_path / "new").as_uri()
    assert program("store", "copy", folder.url, "--to", new).returncode == 0
    done = program("store", "copy", folder.url, "--to", new)
    assert done.returncode == 0, done.stderr
    assert "blobs: 0 copied (0 B), 1 there already" in done.stdout
    assert "holds everything" in done.stdout


@pytest.mark.usefixtures("coin")
def test_a_damaged_file_is_1_and_named_and_the_rest_is_copied(program, folder, tmp_path):
    spare = put_blob(folder, b"{}", ext="json", content_type="application/json")
    (folder.root / spare.key).write_bytes(b"[]")
    new = FileStore(tmp_path / "new")
    done = program("store", "copy", folder.url, "--to", new.url, "--json")
    assert done.returncode == 1
    document = told(done)
    assert [problem["key"] for problem in document["problems"]] == [spare.key]
    assert (document["from"], document["to"], document["exit_code"]) == (folder.url, new.url, 1)
    assert contents(new).keys() == contents(folder).keys() - {spare.key}
    words = program("store", "copy", folder.url, "--to", new.url)
    assert f"not copied: {spare.key} is damaged" in words.stderr
    assert "backup" in words.stderr
    assert "1 object not copied" in words.stdout


@pytest.mark.usefixtures("coin")
@pytest.mark.parametrize(
    ("old", "code", "words"),
    (
        ("{store}", 2, "onto itself"),
        ("{home}/odl", 2, "nothing that could be copied"),
        ("s3://assets", 2, "R2_ACCOUNT_ID is not set"),
        ("gs://assets", 5, "no store of kind gs://"),
        ("out/store", 5, "named by a URL"),
    ),
)
def test_a_store_that_cannot_be_meant_is_refused(program, folder, old, code, words):
    url = old.format(store=folder.url, home=Path(folder.root).parent.as_uri())
    done = program("store", "copy", url)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
