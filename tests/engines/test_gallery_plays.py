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


PLANES = "planes => planes.map((plane) => parseFloat(plane.style.backgroundPositionX))"


def test_layers_move_at_their_own_speeds_and_follow_the_hand(visit, pack, site):
    gallery = visit(f"{site}/store/{pack.report['gallery']}#asset=sky-islands&view=parallax")
    page = gallery.page
    factors = [layer["scroll_factor"] for layer in pack.index["assets"]["sky-islands"]["layers"]]
    page.click("#tools button")  # pause
    before = page.locator(".plane").evaluate_all(PLANES)
    box = page.locator(".world").bounding_box()
    page.mouse.move(box["x"] + 300, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 180, box["y"] + 100, steps=4)
    page.mouse.up()
    after = page.locator(".plane").evaluate_all(PLANES)
    moved = [old - new for old, new in zip(before, after, strict=True)]
    assert moved == pytest.approx([120 * factor / factors[-1] for factor in factors], abs=0.5)
    page.focus("#tools [aria-label='Camera position']")
    page.keyboard.press("ArrowRight")
    assert page.locator(".plane").evaluate_all(PLANES) != after
    assert "asset=sky-islands" in page.url, "arrow keys on the slider turn no page"
    gallery.photograph("gallery-parallax")
    assert gallery.complaints() == []


def test_who_wants_less_motion_sees_layers_stand_still_until_they_play(browser, pack, site):
    page = browser.new_page(reduced_motion="reduce")
    page.goto(f"{site}/store/{pack.report['gallery']}#asset=sky-islands&view=parallax")
    page.wait_for_selector(".plane")
    before = page.locator(".plane").evaluate_all(PLANES)
    for _ in range(10):
        page.evaluate(NEXT_FRAME)
    assert page.locator(".plane").evaluate_all(PLANES) == before
    page.click("#tools button")
    for _ in range(10):
        page.evaluate(NEXT_FRAME)
    assert page.locator(".plane").evaluate_all(PLANES) != before
    page.close()


def premultiplied_rgba(answer) -> np.ndarray:
    """What a canvas hands out, as a screen has it."""
    pixels = np.frombuffer(base64.b64decode(answer["data"]), dtype=np.uint8).reshape(answer["h"], answer["w"], 4)
    return np.dstack([pixels[..., :3] * (pixels[..., 3:] / 255), pixels[..., 3]])
