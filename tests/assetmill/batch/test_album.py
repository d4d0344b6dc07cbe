"""A run leaves a contact sheet and its report beside the gallery, and people are told where."""

from __future__ import annotations

import io
import json

from PIL import Image

from assetmill.batch.album import write_contact_sheet, write_report
from assetmill.batch.places import place, web_address
from assetmill.batch.prepare import Request
from assetmill.batch.run import Steps, run_batch
from assetmill.batch.session import open_batch
from assetmill.packs.kinds import Kind, kind_of
from assetmill.planning.plan import ALL
from assetmill.storage import open_store

GHOST = "  - {id: ghost, type: entity, prompt: a ghost, silhouette: {canvas: 64x64}}\n"
HILLS = "  - {id: hills, type: parallax, prompt: hills, layer_count: 3, workflow: txt2img}\n"


async def test_every_asset_is_on_the_sheet_and_a_file_that_is_gone_hinders_nobody(studio, tools):
    studio.artist.answers["ghost"] = lambda graph: tools.answer(graph, "empty")
    request = Request(studio.write(tools.three + GHOST + HILLS), studio.pod.url)
    async with open_batch(studio.settings, request, studio.clock, "run-1") as batch:
        report, plan = await run_batch(batch, ALL, "main", Steps())
        whole = write_contact_sheet(batch, plan, report.sentence)
        slime = batch.outcomes["slime", 0].finish
        assert slime is not None
        batch.store.delete(slime.by_role["image"].key)
        again = write_contact_sheet(batch, plan, report.sentence)
        key = write_report(batch.store, report)
    store = open_store(studio.settings.store_url)
    assert again.key == whole.key == "packs/tiny/gallery/run-1.jpg"
    assert store.get(again.key) == again.data != whole.data
    size = Image.open(io.BytesIO(again.data)).size
    assert size == Image.open(io.BytesIO(whole.data)).size
    assert size[0] > 5 * 100, "five assets in one row"
    assert json.loads(store.get(key)) == report.model_dump(mode="json")
    assert (kind_of(again.key), kind_of(key)) == (Kind.CONTACT_SHEET, Kind.REPORT)


def test_only_the_web_makes_links(tmp_path):
    store = open_store(tmp_path.as_uri())
    assert web_address(store, "packs/tiny/x.json") is None, "a page from the web opens no file of this machine"
    assert place(store.url, "packs/tiny/x.json") == str(tmp_path / "packs" / "tiny" / "x.json")
    assert place("s3://bucket/art/", "packs/tiny/x.json") == "s3://bucket/art/packs/tiny/x.json"
