"""Kills a run at every moment of a Scenario pipeline in turn, runs it again, and compares the books with the bill.

`python tests/roads/kills.py --types entity,sheet --every 1` goes through all moments of these types. A trial is right
when the second run ends well without a third, every paid call was made once, the row's units are the endpoint's charge,
and the pack has the picture.
"""

# ruff: noqa: T201  a program that prints

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any, Final

from kills_child import Order
from kills_child import main as child_main

from assetmill.clock import Clock
from assetmill.ledger import Ledger
from assetmill.localpod import scaled
from assetmill.localpod.scenario import LocalScenario, ScenarioConfig, Stages, running_scenario

SPEED: Final = 60.0
KEY: Final = "made-up-key"
HEAD: Final = "version: 1\ngame: {id: tiny, title: Tiny}\npack: {id: default, name: Default, seed: 1}\nassets:\n"
ASSETS: Final = {
    "entity": "  - {id: slime, type: entity, prompt: a slime, silhouette: {canvas: 256x256}}\n",
    "background": "  - {id: sky, type: background, prompt: a sky, width: 256, height: 256}\n",
    "title_hero": "  - {id: logo, type: title_hero, title: Tiny, prompt: candy letters, width: 512, height: 256}\n",
    "sheet": (
        "  - {id: hop, type: sheet, kind: sprite, prompt: a frog, layout: {columns: 2, rows: 1, cell: 128x128},"
        " animations: {hop: {frames: 2, fps: 8}}}\n"
    ),
    "parallax": (
        "  - {id: hills, type: parallax, prompt: hills, width: 512, height: 256, method: decompose, layer_count: 3}\n"
    ),
}
CALLS: Final = {
    "entity": {"img2img": 1, "remove-background": 1},
    "background": {"txt2img": 1},
    "title_hero": {"txt2img": 1, "remove-background": 1},
    "sheet": {"img2img": 1, "remove-background": 1},
    "parallax": {"txt2img": 1, "custom": 1},
}
"""Calls that cost, of each type's pipeline."""


@dataclass
class Trial:
    """One run that was killed, and the one after it."""

    type: str
    moment: int
    point: str = ""
    wrong: list[str] = field(default_factory=list)


class Stage:
    """A folder, an endpoint, and processes that run the manifest of one asset.

    Args:
        folder: a fresh one.
        asset_type: of the one asset.
        context: starts the processes.
    """

    def __init__(self, folder: Path, asset_type: str, context: ForkServerContext) -> None:
        self.folder = folder
        self.type = asset_type
        self._context = context
        folder.mkdir(parents=True)
        (folder / "game.yaml").write_text(HEAD + ASSETS[asset_type])

    def environment(self) -> dict[str, str]:
        """Everything that a child is told; nothing of ours."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "ASSETMILL_HOME": str(self.folder / "out"),
            "SCENARIO_API_KEY": KEY,
            "SCENARIO_SECRET_API_KEY": KEY,
            "SCENARIO_USD_PER_UNIT": "0.01",
            "ASSETMILL_LEASE_S": "1",
        }

    async def run(self, url: str, name: str, moment: int = 0) -> tuple[int | None, dict[str, Any]]:
        """Run to the end, or until the moment; exit code and what the process told."""
        order = Order(self.folder, name, url, SPEED, self.environment(), moment)
        child = self._context.Process(target=child_main, args=(order,))
        child.start()
        await asyncio.to_thread(child.join, 120)
        told = json.loads(order.file("json").read_text()) if order.file("json").exists() else {}
        return child.exitcode, told

    def rows(self) -> list[dict[str, Any]]:
        """The results table."""
        with Ledger.open(f"sqlite:///{self.folder}/out/ledger.db") as ledger:
            return ledger.rows()


async def trial(folder: Path, asset_type: str, moment: int, context: ForkServerContext) -> tuple[Trial, list[str]]:
    """Kill at a moment, run again, and judge.

    Returns:
        The trial, and the moments of the second run; of moment 0, which kills nobody, those of a whole run.
    """
    stage, one = Stage(folder, asset_type, context), Trial(asset_type, moment)
    stages = Stages(queued_s=1, warming_up_s=1, in_progress_s=2, finalizing_s=1)
    config = ScenarioConfig(api_key=KEY, secret=KEY, placeholders=False, stages=stages)
    async with running_scenario(config, scaled(Clock(), SPEED)) as scenario:
        url = f"scenario+{scenario.url}"
        if moment:
            code, _ = await stage.run(url, "first", moment)
            killed = stage.folder / "first.killed"
            one.point = killed.read_text() if killed.exists() else "it was not reached"
            if code != -9:
                one.wrong.append(f"the first run ended with {code} and was not killed")
        code, told = await stage.run(url, "second")
        await scenario.settled()
        _judge(stage, scenario, one, code, told)
    return one, list(told.get("moments", ()))


def _judge(stage: Stage, scenario: LocalScenario, one: Trial, code: int | None, told: dict[str, Any]) -> None:
    if code != 0:
        one.wrong.append(f"the second run ended with {code}: {told.get('report')}")
    paid = dict(scenario.executions())
    if paid != CALLS[stage.type]:
        one.wrong.append(f"paid calls were {paid}, and {CALLS[stage.type]} make the picture")
    rows = [row for row in stage.rows() if row["units"]]
    if sum(row["units"] for row in rows) != scenario.charged_units:
        told_units = [row["units"] for row in rows]
        one.wrong.append(f"the rows say {told_units} units, and {scenario.charged_units} were charged")
    if [row["status"] for row in stage.rows()].count("kept") != 1:
        one.wrong.append(f"the books have {[row['status'] for row in stage.rows()]}")
    if not (stage.folder / "out/store/packs/tiny/main/latest.json").exists():
        one.wrong.append("no pack was published")


async def prove(types: Sequence[str], every: int, scratch: Path) -> list[Trial]:
    """All moments of these types, or every n-th of them."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["kills_child"])
    done: list[Trial] = []
    for asset_type in types:
        whole, moments = await trial(scratch / asset_type / "whole", asset_type, 0, context)
        done.append(whole)
        for moment in range(1, len(moments) + 1, every):
            one, _ = await trial(scratch / asset_type / str(moment), asset_type, moment, context)
            done.append(one)
            for words in one.wrong:
                print(f"WRONG {asset_type}, moment {moment} ({one.point}): {words}", flush=True)
        kills = sum(one.type == asset_type for one in done) - 1
        print(f"{asset_type:12} {len(moments)} moments, {kills} kills", flush=True)
    return done


def main(arguments: Sequence[str]) -> int:
    """Run the proof; 0 if every trial is right."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--types", default=",".join(ASSETS))
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="keep the folder")
    chosen = parser.parse_args(arguments)
    scratch = Path(tempfile.mkdtemp(prefix="assetmill-steps-"))
    try:
        done = asyncio.run(prove(chosen.types.split(","), chosen.every, scratch))
    finally:
        if not chosen.keep:
            shutil.rmtree(scratch, ignore_errors=True)
    killed = [one for one in done if one.moment]
    right = sum(not one.wrong for one in killed)
    print(f"killed and resumed without a second payment: {right} of {len(killed)}")
    return 0 if not any(one.wrong for one in done) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
