"""Two at once: of one picture, one attempt; of one attempt, one settlement; nobody is in anybody's way."""

from __future__ import annotations

import threading

SKY = "  - {{id: {}, type: background, prompt: a sky, seed: 7, width: 128, height: 128}}\n"


async def test_assets_that_ask_for_the_very_same_picture_pay_for_it_once(tmp_path, make_settings, tools):
    """Equal seeds and prompts make equal fingerprints, whatever the asset is called."""
    async with tools.open_studio(tmp_path, make_settings(), workers=4) as studio:
        both = threading.Barrier(2, timeout=5)

        def hold(job):
            pass

        first = "  - {id: first, type: background, prompt: the first, width: 128, height: 128}\n"
        report = await studio.run(first + SKY.format("left") + SKY.format("right") + SKY.format("middle"))
        print(report)
        for r in studio.rows():
            print(r["asset_id"], r["status"], r["error_class"], r["error_text"])
        assert (report.exit_code, report.generated, report.shared) == (0, 2, 2)
        assert len(studio.artist.executed) == 2
