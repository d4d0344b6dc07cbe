"""A comparison as a user makes it: two runs below one flow run, a page, votes from a file, and a summary."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from assetmill.clock import Clock
from assetmill.localpod.comfyui import ComfyConfig, running_comfyui

pytestmark = pytest.mark.timeout(600)
ONE = """version: 1
game: {id: tiny, title: Tiny}
pack: {id: default, name: Default}
assets:
  - {id: slime, type: entity, prompt: a green slime, shape: circle, silhouette: {canvas: 64x64}}
"""


def children(api: Any, name: str) -> list[dict[str, Any]]:
    """The newest run of a flow, and the runs of its sides, in the order in which they began."""
    named = {"flows": {"name": {"any_": [name]}}, "sort": "START_TIME_DESC", "limit": 2}
    return list(api.read("/flow_runs/filter", named))


def saved(folder: Path, file: dict[str, Any]) -> str:
    """A file of votes as the page saves it."""
    (folder / "votes.json").write_text(json.dumps(file))
    return "votes.json"


async def test_a_comparison_is_two_runs_and_a_page_on_which_votes_make_a_summary(terminal, api):
    async with running_comfyui(ComfyConfig(placeholders=True), Clock()) as comfy:
        api.limit(f"endpoint-comfyui@{httpx.URL(comfy.url).netloc.decode()}", 3)
        words = ("compare", terminal.manifest(ONE), "--providers", f"draft,comfyui+{comfy.url}", "--json")
        done = await asyncio.to_thread(terminal, *words, PREFECT_API_URL=api.url)
    assert done.code == 0, done.err
    compared = done.document
    assert (compared["pairs"], compared["draft"], compared["reasons"]) == (1, True, {})
    store = terminal.folder / "out" / "store"
    assert (store / compared["page"]).read_text().startswith("<!DOCTYPE html>")
    assert not list(store.rglob("latest.json"))
    (parent,) = children(api, "compare")
    sides = children(api, "compare-side")
    assert [run["name"] for run in sides] == ["Tiny: 1 to make", "Tiny: 1 to make"]
    assert {run["state"]["name"] for run in (parent, *sides)} == {"Completed"}
    vote = {"asset": "slime", "candidate": 0, "voter": "ada", "choice": "draft", "voted_at": "2026-11-22T12:00:00Z"}
    file = {"kind": "assetmill-votes", "version": 1, "comparison": compared["id"], "votes": [vote]}
    read = terminal("compare", "votes", "tiny", "--import", saved(terminal.folder, file), "--json")
    assert [(one["choice"], one["voter"]) for one in read.document["votes"]] == [("draft", "ada")]
    summary = terminal("compare", "summary", "tiny", compared["id"])
    assert "1 pairs were judged" in summary.out
    assert "no ground for a route" in summary.out


def test_two_that_cannot_be_told_apart_are_refused_before_anything_is_started(terminal):
    address = "http://127.0.0.1:9/v2/draft"
    refused = terminal("compare", terminal.manifest(ONE), "--providers", f"draft,{address}", "--json")
    assert (refused.code, refused.document["error"]["code"]) == (2, "usage")
    assert "cannot be told apart" in refused.document["error"]["message"]
    assert not (terminal.folder / "out").exists()
