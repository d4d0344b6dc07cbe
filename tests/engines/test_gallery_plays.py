"""The gallery page of the run, opened from disk and from a server: its animations run, and only the store is asked."""

from __future__ import annotations

import base64

import numpy as np
import pytest

SCREENS = 200  # pictures of the screen, more than a turn of the slowest animation takes
NEXT_FRAME = "() => new Promise(requestAnimationFrame)"
PIXELS = """() => {
  const { width, height } = document.querySelector("#stage canvas");
  const { data } = document.querySelector("#stage canvas").getContext("2d").getImageData(0, 0, width, height);
  return { w: width, h: height, data: btoa(Array.from(data, (byte) => String.fromCharCode(byte)).join("")) };
}"""
ROUNDING = 3  # levels of 255: a canvas keeps colours multiplied by alpha and hands them out divided


@pytest.fixture
def animated(pack):
    """Sheets that have animations."""
    return sorted(
        name for name, asset in pack.index["assets"].items() if asset["type"] == "sheet" and pack.model(name).animations
    )


def looks(element) -> int:
    """How many different pictures an element shows one after another; it stops looking at the second."""
    seen = set()
    for _ in range(SCREENS):
        seen.add(element.screenshot())
        if len(seen) > 1:
            break
        element.page.evaluate(NEXT_FRAME)
    return len(seen)


@pytest.mark.parametrize("opened_from", ("disk", "server"))
def test_every_animated_sheet_plays_on_its_card(visit, pack, site, animated, opened_from):
    store = pack.store.as_uri() if opened_from == "disk" else f"{site}/store"
    gallery = visit(f"{store}/{pack.report['gallery']}")
    cards = gallery.page.locator(".card:has(canvas.mini)")
    assert sorted(cards.evaluate_all("cards => cards.map((card) => card.dataset.asset)")) == animated
    for name in animated:
        canvas = gallery.page.locator(f'.card[data-asset="{name}"] canvas.mini')
        canvas.scroll_into_view_if_needed()
        assert looks(canvas) == 2, name
    gallery.photograph(f"gallery-from-{opened_from}")
    assert {address for address in gallery.requests if not address.startswith(f"{store}/")} == set()
    assert gallery.complaints() == []


def test_an_opened_animation_runs_and_each_of_its_frames_is_its_cell(visit, pack, site):
    gallery = visit(f"{site}/store/{pack.report['gallery']}#asset=pip-moves&view=play")
    page, model = gallery.page, pack.model("pip-moves")
    frame_of = page.locator("#tools output.dim")
    for animation in model.animations:
        page.click(f'#tools .chip[value="{animation.name}"]')
        before = frame_of.text_content()
        page.wait_for_function(
            "before => document.querySelector('#tools output.dim').textContent !== before", arg=before
        )
        for _ in animation.frames:
            page.click("#tools [aria-label='Next frame']")
            frame = (frame_of.text_content() or "").partition(" ")[0]
            assert frame in animation.frames
            shown = premultiplied_rgba(page.evaluate(PIXELS))
            assert np.abs(shown - pack.cell("pip-moves", frame)).max() <= ROUNDING
    gallery.photograph("gallery-animation")
    assert gallery.complaints() == []


def premultiplied_rgba(answer) -> np.ndarray:
    """What a canvas hands out, as a screen has it."""
    pixels = np.frombuffer(base64.b64decode(answer["data"]), dtype=np.uint8).reshape(answer["h"], answer["w"], 4)
    return np.dstack([pixels[..., :3] * (pixels[..., 3:] / 255), pixels[..., 3]])
