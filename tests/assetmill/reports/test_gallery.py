"""The gallery page as its reader has it: parsed as HTML, and opened in a browser where there is one."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from assetmill.errors import UsageError
from assetmill.reports.gallery import GalleryItem, GalleryLayer, GalleryPage, render_gallery

HOSTILE = "</script><img src=x onerror=\"document.title='taken'\"><!-- {{ 7*7 }} ' \" & \u2028\u2029 \U0001f388"
PIXEL = "../../../blobs/ab/abcd.png"
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")

VOID = {"meta", "link", "img", "input", "br", "hr"}


class Page(HTMLParser):
    """Every start tag with its attributes, and the text inside elements, by the ids and classes around it."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.bodies: list[tuple[str, dict[str, str | None], list[str]]] = []
        self._open: list[tuple[str, dict[str, str | None], list[str]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            node: tuple[str, dict[str, str | None], list[str]] = (tag, dict(attrs), [])
            self.bodies.append(node)
            self._open.append(node)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        assert self._open[-1][0] == tag, f"</{tag}> closes <{self._open[-1][0]}>"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        for node in self._open:
            node[2].append(data)

    def having(self, tag: str, **attributes: str) -> list[dict[str, str | None]]:
        return [
            attrs
            for name, attrs in self.tags
            if name == tag and all(value in (attrs.get(key) or "").split() for key, value in attributes.items())
        ]

    def texts(self, tag: str, **attributes: str) -> list[str]:
        return [
            " ".join("".join(parts).split())
            for name, attrs, parts in self.bodies
            if name == tag and all(value in (attrs.get(key) or "").split() for key, value in attributes.items())
        ]

    def raw(self, tag: str, kind: str | None = None) -> str:
        found = ["".join(parts) for name, attrs, parts in self.bodies if name == tag and attrs.get("type") == kind]
        assert len(found) == 1
        return found[0]

    def items(self) -> list[dict[str, Any]]:
        loaded: list[dict[str, Any]] = json.loads(self.raw("script", "application/json"))
        return loaded


def sprite_sheet() -> dict[str, Any]:
    names = [f"run_{i:02d}" for i in range(4)]
    return {
        "id": "hero-run",
        "kind": "sprite",
        "imageWidth": 64,
        "imageHeight": 16,
        "entries": {
            name: {"id": name, "region": {"x": 16 * i, "y": 0, "w": 16, "h": 16}, "pivot": {"x": 8, "y": 16}}
            for i, name in enumerate(names)
        },
        "animations": {"run": {"id": "run", "frames": names, "fps": 8, "loop": True, "direction": "forward"}},
        "defaultAnimationId": "run",
    }


def item(asset_id: str, **changes: Any) -> GalleryItem:
    plain = GalleryItem(
        asset_id=asset_id,
        type="entity",
        state="new",
        href=PIXEL,
        width=64,
        height=64,
        prompt=f"a picture of {asset_id}",
        seed=4711,
        cost_usd="$0.0053",
        latency_s=3.25,
        draft=False,
    )
    return replace(plain, **changes)


def page(*items: GalleryItem, **changes: Any) -> GalleryPage:
    plain = GalleryPage(
        title="Cloud Hop: sunny",
        game="Cloud Hop",
        pack="sunny",
        run_id="run-1",
        created_at="2025-11-21 20:01 UTC",
        endpoint="local draft endpoint",
        totals={"Assets": "6", "Cost": "$0.0212"},
        items=items,
    )
    return replace(plain, **changes)


def mixed() -> GalleryPage:
    nothing: dict[str, Any] = {"href": None, "width": 0, "height": 0, "seed": None}
    layers = (GalleryLayer("far", PIXEL, 0.1, opaque=True), GalleryLayer("near", PIXEL, 1.0, opaque=False))
    return page(
        item("slime", draft=True, tags=("world-1",), candidates=(PIXEL, "../../../blobs/cd/cdef.png")),
        item("hero-run", type="sheet", width=64, height=16, sheet=sprite_sheet(), attempt_id="01JQZ8"),
        item("hills", type="parallax", layers=layers, width=1344, height=768),
        item("crate", state="cached", cost_usd=None, latency_s=None, note="touches the border"),
        item("ghost", state="failed", cost_usd="unknown", note="out of memory [job 3f2a]", **nothing),
        item("ghost-red", state="blocked", cost_usd=None, latency_s=None, note="its reference failed", **nothing),
    )


def test_every_item_has_one_card_in_manifest_order_with_a_link_to_its_detail() -> None:
    parsed = Page(render_gallery(mixed()))
    expected = [each.asset_id for each in mixed().items]
    assert [card["data-asset"] for card in parsed.having("li", **{"class": "card"})] == expected
    assert parsed.texts("h2")[: len(expected)] == expected
    assert [f"#asset={each}" for each in expected] == [
        link["href"] for link in parsed.having("a") if (link["href"] or "").startswith("#asset=")
    ]


def test_a_card_says_type_size_seed_cost_latency_and_note() -> None:
    cards = Page(render_gallery(mixed())).texts("li", **{"class": "card"})
    assert all(words in cards[0] for words in ("new", "entity", "64 x 64", "seed 4711", "$0.0053", "3.2 s", "draft"))
    assert "sheet · sprite" in cards[1]
    assert "touches the border" in cards[3]


def test_nothing_paid_unknown_cost_and_an_amount_are_three_different_texts() -> None:
    parsed = Page(render_gallery(mixed()))
    cards = parsed.texts("li", **{"class": "card"})
    assert "no new cost" in cards[3]
    assert "cost unknown" in cards[4]
    assert "cost" not in cards[5]
    assert [each["cost"] for each in parsed.items()] == [0.0053, 0.0053, 0.0053, None, None, None]


def test_a_failed_item_shows_its_error_in_place_of_a_picture() -> None:
    parsed = Page(render_gallery(page(item("ghost", state="failed", href=None, note="out of memory [job 3f2a]"))))
    assert parsed.having("img") == []
    assert parsed.texts("p", **{"class": "void"}) == ["out of memory [job 3f2a]"]
    assert any("1 of 1 assets has no new picture" in text for text in parsed.texts("p", **{"class": "alarm"}))


def test_a_run_without_problems_raises_no_alarm() -> None:
    assert Page(render_gallery(page(item("slime")))).having("p", **{"class": "alarm"}) == []


def test_only_drafts_bear_the_draft_mark() -> None:
    parsed = Page(render_gallery(mixed()))
    assert len(parsed.having("span", **{"class": "ribbon"})) == 1
    assert [each["draft"] for each in parsed.items()] == [True, False, False, False, False, False]


def test_chips_count_types_states_and_drafts() -> None:
    chips = Page(render_gallery(mixed())).texts("button", **{"class": "chip"})
    assert chips == [
        *("entity 4", "sheet 1", "parallax 1"),
        *("new 3", "cached 1", "failed 1", "blocked 1"),
        *("draft 1", "not draft 5"),
    ]


def test_totals_stand_in_the_header_in_the_given_order() -> None:
    parsed = Page(render_gallery(mixed()))
    assert parsed.texts("dl", **{"class": "totals"}) == ["Assets6 Cost$0.0212"]


def test_an_animated_sheet_gets_a_canvas_and_a_parallax_all_its_layers() -> None:
    parsed = Page(render_gallery(mixed()))
    assert len(parsed.having("canvas", **{"class": "mini"})) == 1
    layered = Page(render_gallery(page(mixed().items[2])))
    assert [picture["src"] for picture in layered.having("img")] == [PIXEL, PIXEL]
    scenes = [thumb for thumb in parsed.having("div", **{"class": "thumb"}) if "scene" in (thumb["class"] or "")]
    assert len(scenes) == 1, "only layers move against each other"


def test_small_art_keeps_its_pixel_edges_and_large_art_does_not() -> None:
    parsed = Page(render_gallery(page(item("coin", width=32, height=32), item("sky", width=1024, height=32))))
    assert ["small" in (thumb["class"] or "") for thumb in parsed.having("div", **{"class": "thumb"})] == [True, False]


def test_pictures_load_lazily_and_have_an_alternative_text() -> None:
    pictures = Page(render_gallery(mixed())).having("img")
    assert len(pictures) == 5
    assert all(picture["loading"] == "lazy" and picture["alt"] is not None for picture in pictures)
    assert pictures[0]["alt"] == "slime: a picture of slime"


def test_the_page_asks_for_nothing_but_relative_pictures() -> None:
    text = render_gallery(mixed())
    parsed = Page(text)
    addresses = [attrs[name] for _, attrs in parsed.tags for name in ("src", "href") if name in attrs]
    assert len(addresses) > len(mixed().items)
    assert all(address and (address.startswith(("#", "../")) and "//" not in address) for address in addresses)
    assert not re.search(r"https?:|@import|\bfetch\(|XMLHttpRequest|src=[\"']?//", text)
    assert {tag for tag, _ in parsed.tags} & {"link", "iframe", "object", "embed", "base", "form"} == set()


@pytest.mark.parametrize(
    "href",
    (
        "https://example.com/a.png",
        "//example.com/a.png",
        "javascript:alert(1)",
        "data:image/png;base64,AAAA",
        "/srv/store/a.png",
        "file:///a.png",
        "a b.png",
        '../a".png',
        "../a.png\n",
        "",
    ),
)
@pytest.mark.parametrize("place", ("href", "candidate", "layer"))
def test_a_path_that_would_not_open_from_disk_is_refused(href: str, place: str) -> None:
    changes: dict[str, dict[str, Any]] = {
        "href": {"href": href},
        "candidate": {"candidates": (PIXEL, href)},
        "layer": {"layers": (GalleryLayer("far", href, 0.1, opaque=True),)},
    }
    with pytest.raises(UsageError, match="'slime'") as caught:
        render_gallery(page(item("slime", **changes[place])))
    assert caught.value.hint


def test_hostile_words_stay_words_wherever_they_stand() -> None:
    sheet = sprite_sheet() | {"id": HOSTILE}
    hostile = item("evil", prompt=HOSTILE, note=HOSTILE, tags=(HOSTILE,), attempt_id=HOSTILE, sheet=sheet)
    broken = item("worse", state="failed", href=None, note=HOSTILE, prompt=HOSTILE, cost_usd=HOSTILE)
    words = dict.fromkeys(("title", "game", "pack", "run_id", "created_at", "endpoint"), HOSTILE)
    parsed = Page(render_gallery(page(hostile, broken, totals={HOSTILE: HOSTILE}, **words)))
    plain = Page(render_gallery(page(replace(hostile, prompt="a"), replace(broken, prompt="a"))))
    assert [tag for tag, _ in parsed.tags if tag in ("script", "img", "style")] == [
        tag for tag, _ in plain.tags if tag in ("script", "img", "style")
    ]
    assert not [name for _, attrs in parsed.tags for name in attrs if name.startswith("on") or name == "style"]
    assert parsed.texts("h1") == [" ".join(HOSTILE.split())]
    first = parsed.items()[0]
    assert (first["prompt"], first["note"], first["tags"], first["sheet"]["id"]) == (
        HOSTILE,
        HOSTILE,
        [HOSTILE],
        HOSTILE,
    )


def test_embedded_json_holds_no_character_that_could_end_the_script() -> None:
    text = render_gallery(page(item("evil", prompt=HOSTILE)))
    data = re.findall(r'<script type="application/json" id="items">(.*?)</script>', text, re.DOTALL)
    assert len(data) == 1
    assert not re.search(r"[<>&\u2028\u2029]", data[0])
    assert json.loads(data[0])[0]["prompt"] == HOSTILE


def test_the_security_policy_allows_exactly_the_page_s_own_script_and_style() -> None:
    parsed = Page(render_gallery(mixed()))
    policy = next(attrs["content"] for attrs in parsed.having("meta") if "http-equiv" in attrs) or ""
    for directive, text in (("script-src", parsed.raw("script")), ("style-src", parsed.raw("style"))):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy


def test_sheet_metadata_reaches_the_page_unchanged() -> None:
    assert Page(render_gallery(mixed())).items()[1]["sheet"] == sprite_sheet()


def test_the_same_page_gives_the_same_bytes() -> None:
    assert render_gallery(mixed()) == render_gallery(mixed())


def test_a_text_cut_inside_a_character_can_still_be_stored() -> None:
    text = render_gallery(page(item("ghost", state="failed", href=None, note="stopped at \ud83c")))
    assert b"stopped at ?" in text.encode("utf-8")


def test_a_run_without_assets_says_so() -> None:
    parsed = Page(render_gallery(page()))
    assert parsed.having("li", **{"class": "card"}) == []
    assert "This run has no assets." in parsed.texts("p")


def test_element_ids_are_unique_and_those_that_the_script_uses_exist() -> None:
    parsed = Page(render_gallery(mixed()))
    ids = [attrs["id"] for _, attrs in parsed.tags if "id" in attrs]
    script = resources.files("assetmill.reports").joinpath("gallery.js").read_text(encoding="utf-8")
    made_by_script = set(re.findall(r'id: "([\w-]+)"', script))
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'\$\("([\w-]+)"\)', script)) <= set(ids) | made_by_script


def test_a_thousand_items_stay_a_page_of_moderate_weight() -> None:
    text = render_gallery(page(*(item(f"asset-{i:04d}") for i in range(1000))))
    assert len(Page(text).items()) == 1000
    assert len(text) < 2_000_000


def open_in_browser(document: Path, profile: Path, fragment: str = "") -> str:
    """The document as it stands after its scripts have run; fails on any error in the console."""
    assert BROWSER is not None
    flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    flags += " --disable-component-update --disable-sync --enable-logging=stderr --virtual-time-budget=3000 --dump-dom"
    done = subprocess.run(
        [BROWSER, *flags.split(), f"--user-data-dir={profile}", document.as_uri() + fragment],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []
    return done.stdout


def on_disk(shown: GalleryPage, root: Path, *, driver: str = "") -> Path:
    """The page in a store folder with its pictures; a driver script needs the security policy gone."""
    text = render_gallery(shown)
    if driver:
        text = re.sub(r"<meta http-equiv[^>]*>", "", text).replace("</body>", f"<script>{driver}</script></body>")
    document = root / "packs" / "cloud-hop" / "gallery" / "run-1.html"
    document.parent.mkdir(parents=True)
    document.write_text(text, encoding="utf-8")
    for href in {href for each in shown.items for href in (each.href, *each.candidates) if href}:
        picture = (document.parent / href).resolve()
        picture.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGBA", (64, 16), (200, 80, 40, 255)).save(picture)
    return document


@needs_browser
def test_in_a_browser_a_link_opens_the_asset_and_hostile_words_run_nothing(tmp_path: Path) -> None:
    document = on_disk(page(item("slime"), item("evil", prompt=HOSTILE)), tmp_path)
    dom = open_in_browser(document, tmp_path / "profile", "#asset=evil")
    assert "<title>Cloud Hop: sunny · run-1</title>" in dom
    assert re.search(r"<dialog [^>]*\bopen\b", dom)
    shown = re.search(r'id="detail-prompt">(.*?)</p>', dom, re.DOTALL)
    assert shown is not None
    assert html.unescape(shown.group(1)) == HOSTILE
    assert re.search(r'id="stage".*?<img [^>]*src="[^"]*/blobs/ab/abcd\.png"', dom, re.DOTALL)


@needs_browser
def test_in_a_browser_filters_sorting_and_keys_do_what_they_say(tmp_path: Path) -> None:
    driver = """
    const out = {}, q = (s) => document.querySelector(s), all = (s) => [...document.querySelectorAll(s)];
    const cards = () => all(".card:not([hidden])").map((card) => card.dataset.asset);
    const type = (s, text, kind) => { q(s).value = text; q(s).dispatchEvent(new Event(kind)); };
    const press = (name) => new KeyboardEvent("keydown", {key: name, bubbles: true});
    const key = (name) => document.activeElement.dispatchEvent(press(name));
    q("[data-value=cached]").click(); out.cached = cards(); out.count = q("#count").textContent;
    out.others = q("[data-value=sheet] b").textContent;
    q("#reset").click(); out.reset = cards().length;
    type("#search", "PICTURE slime", "input"); out.search = cards(); q("#reset").click();
    type("[data-range=latency_s][data-edge=from]", "3", "input"); out.latency = cards(); q("#reset").click();
    type("#sort", "latency_s", "change"); out.sorted = cards(); type("#sort", "order", "change");
    q("#show-problems").click(); out.problems = cards(); q("#reset").click();
    location.hash = "#asset=slime&view=none";
    addEventListener("hashchange", () => {
      out.open = q("#detail-title").textContent; out.candidates = all(".candidate").length;
      key("ArrowRight"); out.next = q("#detail-title").textContent; out.hash = location.hash;
      out.cells = all(".stage .overlay rect").length;
      q("#close").click(); out.closed = !q("#detail").open && location.hash === "";
      document.body.append(Object.assign(document.createElement("pre"), {id: "out", textContent: JSON.stringify(out)}));
    });
    """
    document = on_disk(mixed(), tmp_path, driver=driver)
    found = re.search(r'<pre id="out">(.*?)</pre>', open_in_browser(document, tmp_path / "profile"))
    assert found is not None
    everyone = [each.asset_id for each in mixed().items]
    assert json.loads(html.unescape(found.group(1))) == {
        "cached": ["crate"],
        "count": "1 of 6 assets",
        "others": "0",
        "reset": 6,
        "search": ["slime"],
        "latency": ["slime", "hero-run", "hills", "ghost"],
        "sorted": ["slime", "hero-run", "hills", "ghost", "crate", "ghost-red"],
        "problems": everyone[4:],
        "open": "slime",
        "candidates": 2,
        "next": "hero-run",
        "hash": "#asset=hero-run",
        "cells": 4,
        "closed": True,
    }


@needs_browser
def test_in_a_browser_frames_follow_direction_loop_and_durations(tmp_path: Path) -> None:
    stage = resources.files("assetmill.reports").joinpath("gallery_stage.js").read_text(encoding="utf-8")
    cases = {
        "forward": {"frames": ["a", "b", "c"], "fps": 4},
        "reverse": {"frames": ["a", "b", "c"], "fps": 4, "direction": "reverse"},
        "pingpong": {"frames": ["a", "b", "c"], "fps": 4, "direction": "pingpong", "loop": True},
        "there-and-back": {"frames": ["a", "b", "c"], "fps": 4, "direction": "pingpong", "loop": False},
        "own-times": {"frames": ["a", "b"], "fps": 4, "durationsMs": [80, 120]},
    }
    script = f"""{stage}
    const cases = {json.dumps(cases)};
    const order = (name) => playOrder(cases[name]).map((step) => step.id + step.ms).join(" ");
    document.title = JSON.stringify(Object.fromEntries(Object.keys(cases).map((name) => [name, order(name)])));
    """
    document = tmp_path / "stage.html"
    document.write_text(f"<!DOCTYPE html><title>-</title><script>{script}</script>", encoding="utf-8")
    title = re.search(r"<title>(.*?)</title>", open_in_browser(document, tmp_path / "profile"))
    assert title is not None
    assert json.loads(html.unescape(title.group(1))) == {
        "forward": "a250 b250 c250",
        "reverse": "c250 b250 a250",
        "pingpong": "a250 b250 c250 b250",
        "there-and-back": "a250 b250 c250 b250 a250",
        "own-times": "a80 b120",
    }
