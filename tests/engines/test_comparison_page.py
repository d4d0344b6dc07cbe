"""The comparison page in Chromium, served by the program: a vote is cast and read back, names come with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from assetmill.compare.page import render
from assetmill.compare.shelf import inlined
from assetmill.compare.values import document_key
from assetmill.settings import Settings, variables_of
from assetmill.storage import FileStore

STOP_S = 20
TRANSFORMS = "() => [...document.querySelectorAll('.pic')].map((pic) => getComputedStyle(pic).transform)"


def environment(home) -> dict[str, str]:
    ours = {variable for name in Settings.model_fields for variable in variables_of(name)}
    return {name: value for name, value in os.environ.items() if name not in ours} | {"ASSETMILL_HOME": str(home)}


def asked(home, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "assetmill.cli", "compare", *words]
    return subprocess.run(command, cwd=home, env=environment(home), capture_output=True, text=True, check=True)


@contextmanager
def served(home) -> Iterator[str]:
    """Address of the page while `assetmill compare serve` runs."""
    command = [sys.executable, "-P", "-m", "assetmill.cli", "compare", "serve", "tiny"]
    with subprocess.Popen(command, cwd=home, env=environment(home), stdout=subprocess.PIPE, text=True) as program:
        try:
            yield program.stdout.readline().strip()
        finally:
            program.terminate()
            program.wait(STOP_S)


@pytest.fixture
def home(tmp_path):
    return tmp_path


@pytest.fixture
def comparison(home, make_comparison):
    store = FileStore(home / "store")
    made = make_comparison(store, entity=3)
    store.put(document_key("tiny", made.id), made.model_dump_json().encode(), content_type="application/json")
    return made


def test_a_vote_is_cast_on_the_page_and_read_back_from_the_books(visit, comparison, home):
    with served(home) as address:
        opened = visit(address)
        page = opened.page
        captions = page.locator("#stage figcaption")
        assert captions.all_text_contents() == ["A", "B"]
        assert not page.locator("#figures").get_by_text("latency").count()
        page.fill("#voter", "ada")
        page.fill("#note", "clearer outline")
        page.locator(".choice").nth(1).click()
        page.get_by_text("Saved.").wait_for()
        first = comparison.pairs[0]
        right = comparison.names[0 if comparison.swapped(first) else 1]
        assert captions.all_text_contents()[1] == right
        assert page.locator("#figures").get_by_text("latency", exact=True).count()
        page.locator("#pair").focus()
        page.keyboard.press("u")
        assert page.locator("#name").text_content() == comparison.pairs[1].asset
        assert captions.all_text_contents() == ["A", "B"]
        page.keyboard.press("3")
        page.get_by_text("You said equal").wait_for()
        page.wait_for_load_state("networkidle")
        page.reload()
        assert captions.all_text_contents()[1] == right, "the vote is not read back"
        opened.photograph("comparison")
        assert opened.complaints() == []
    votes = json.loads(asked(home, "votes", "tiny", "--json").stdout)["votes"]
    assert [(vote["asset"], vote["choice"], vote["note"], vote["voter"]) for vote in votes] == [
        (first.asset, right, "clearer outline", "ada"), (comparison.pairs[1].asset, "equal", "", "ada"),
    ]  # fmt: skip


def test_both_pictures_move_together_and_one_blinks_over_the_other(visit, comparison, home):
    file = home / "page.html"
    file.write_text(render(comparison, [], href=inlined(FileStore(home / "store"))))
    opened = visit(file.as_uri())
    page = opened.page
    fitted = page.evaluate(TRANSFORMS)
    page.locator("#stage").focus()
    for key in ("+", "+", "ArrowLeft"):
        page.keyboard.press(key)
    moved = page.evaluate(TRANSFORMS)
    assert moved[0] == moved[1]
    assert moved != fitted
    page.keyboard.press("b")
    shown = page.locator(".pane:not(.under-it) figcaption")
    assert shown.all_text_contents() == ["A"]
    page.keyboard.press(" ")
    assert shown.all_text_contents() == ["B"]
    page.keyboard.press("d")
    page.locator("#split").fill("25")
    assert "25%" in page.locator("#pane-1").get_attribute("style")
    page.keyboard.press("g")
    assert page.evaluate("getComputedStyle(document.querySelector('.clip')).backgroundColor") == "rgb(0, 0, 0)"
    with page.expect_download() as download:
        page.keyboard.press("1")
        page.locator("#save").click()
    saved = home / "votes.json"
    download.value.save_as(saved)
    opened.photograph("comparison-from-disk")
    assert opened.complaints() == []
    assert "1 votes taken in" in asked(home, "votes", "tiny", "--import", str(saved)).stderr


@pytest.mark.parametrize("width", (1280, 390))
def test_the_page_fits_its_window_and_names_everything_that_can_be_used(visit, comparison, home, width):
    file = home / "page.html"
    file.write_text(render(comparison, [], href=inlined(FileStore(home / "store"))))
    page = visit(file.as_uri()).page
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("button, input, select, summary")].filter((one) => one.checkVisibility()
        && !one.textContent.trim() && !one.ariaLabel && !one.labels?.[0]?.textContent.trim()).map((one) => one.id)"""
    )
    assert nameless == []
