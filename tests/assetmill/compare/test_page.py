"""The page as text: it loads nothing of others, runs nothing of others, and shows both sides by lot."""

from __future__ import annotations

import json
import re

import pytest

from assetmill.compare.page import render
from assetmill.compare.rows import rows_of
from assetmill.compare.shelf import inlined, listed, read
from assetmill.compare.values import document_key
from assetmill.errors import StorageError, UsageError

NASTY = "</script><img src=x onerror=alert(1)>"


def data_of(page: str):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1])


def test_nothing_that_is_shown_becomes_markup_or_script(store, make_comparison):
    comparison = make_comparison(store, entity=1)
    pair = comparison.pairs[0].model_copy(update={"prompt": NASTY, "asset": NASTY})
    page = render(comparison.model_copy(update={"pairs": (pair,), "title": NASTY, "game": NASTY}), [])
    assert NASTY not in page
    assert data_of(page)["pairs"][0]["prompt"] == NASTY
    assert page.count("<script") == 2


def test_the_page_may_run_its_own_script_and_ask_only_who_serves_it(store, make_comparison):
    comparison = make_comparison(store, entity=1)
    for served, connect in ((False, "'none'"), (True, "'self'")):
        page = render(comparison, [], href=lambda key: f"files/{key}", served=served)
        policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)[1].replace("&#39;", "'")
        assert "default-src 'none'" in policy
        assert f"connect-src {connect};" in policy
        assert "unsafe" not in policy
        assert not re.search(r"https?://", page.replace("http-equiv", ""))


def test_pictures_are_beside_the_page_or_in_it_and_nowhere_else(store, make_comparison):
    comparison = make_comparison(store, entity=1)
    key = comparison.pairs[0].shots[0].views[0].keys[0]
    assert f'"../../../{key}"' in render(comparison, [])
    alone = render(comparison, [], href=inlined(store))
    assert key not in alone
    assert "data:image/png;base64," in alone
    with pytest.raises(UsageError, match="address"):
        render(comparison, [], href=lambda key: f"https://elsewhere.example/{key}")


def test_who_stands_where_is_by_lot_and_stays(store, make_comparison):
    comparison = make_comparison(store, entity=40)
    swapped = [pair["swapped"] for pair in data_of(render(comparison, []))["pairs"]]
    assert 8 < sum(swapped) < 32
    assert swapped == [comparison.swapped(pair) for pair in comparison.pairs]


def test_a_row_marks_the_better_side_only_beyond_its_noise(store, make_comparison):
    figures = {"figures": {"border_touch": 0.2, "soft_alpha": 0.02, "colours": 90}, "spent_usd": None}
    other = {"figures": {"border_touch": 0.0, "soft_alpha": 0.021, "colours": 300}}
    comparison = make_comparison(store, entity=1, shots={("entity-0", 0): figures, ("entity-0", 1): other})
    rows = {row.label: row for row in rows_of(comparison.pairs[0])}
    assert (rows["touches the border"].better, rows["soft edges"].better, rows["colours"].better) == (1, None, None)
    assert rows["cost"].texts[0] == "unknown"
    assert rows["cost"].better is None
    assert {label for label, row in rows.items() if row.reveals} == {"cost", "latency", "made by"}


def test_a_comparison_is_found_again_and_a_damaged_one_is_named(store, make_comparison):
    comparison = make_comparison(store, entity=1)
    assert listed(store, "tiny") == []
    with pytest.raises(UsageError, match="no comparison"):
        read(store, "tiny")
    key = document_key("tiny", comparison.id)
    store.put(key, comparison.model_dump_json().encode(), content_type="application/json")
    assert read(store, "tiny") == read(store, "tiny", comparison.id) == comparison
    store.put(key, b'{"version": 1}', content_type="application/json")
    with pytest.raises(StorageError, match="damaged"):
        read(store, "tiny", comparison.id)
