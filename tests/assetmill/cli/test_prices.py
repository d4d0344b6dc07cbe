"""`prices`: figures with their source and date, from what is known without a network; `--refresh` asks and keeps."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from assetmill.cli.app import app
from assetmill.localpod import Gpu, PodConfig, known_gpus, running_pod
from assetmill.money.kept import FILE
from assetmill.settings import Settings, variables_of

RUNPOD = "https://api.runpod.io/v2"
NEWER = Gpu("NVIDIA GeForce RTX 4090", "RTX 4090", "ADA_24", 24, Decimal("1.44"))


@pytest.fixture
def prices(tmp_path: Path) -> Callable[..., Any]:
    """The command in a folder of its own, with no settings but those given."""
    own = {variable: "" for name in Settings.model_fields for variable in variables_of(name)}
    own |= {"ASSETMILL_HOME": str(tmp_path / "out"), "COLUMNS": "160", "RUNPOD_MANAGEMENT_URL": RUNPOD}

    def run(*arguments: str, **variables: str) -> Any:
        return CliRunner().invoke(app, ["prices", *arguments], env=own | variables, catch_exceptions=False)

    return run


def test_every_price_is_shown_with_its_source_and_an_unpublished_one_as_unknown(prices):
    lines = prices().stdout.splitlines()
    [ada] = [line.split() for line in lines if "ADA_24" in line]
    assert ada == ["ADA_24", "RTX", "4090", "24", "GB", "0.00031", "1.116", "(1)"]
    [unpublished] = [line for line in lines if "ADA_32_PRO" in line]
    assert unpublished.split()[-3:] == ["unknown", "unknown", "(2)"]
    assert any(line.startswith("(1) RunPod documentation") and line.endswith("2026-06-08") for line in lines)


def test_one_object_has_pools_models_and_units_and_says_whose_they_are(prices):
    told = json.loads(prices("--json").stdout)
    assert told["address"] == RUNPOD
    [ada] = [row for row in told["pools"] if row["pool"] == "ADA_24"]
    assert (ada["usd_per_s"], ada["usd_per_hour"], ada["date"]) == ("0.00031", "1.116", "2026-06-08")
    assert told["models"]["NVIDIA GeForce RTX 4090"] == ada
    assert [row["usd_per_s"] for row in told["pools"] if row["pool"] == "ADA_32_PRO"] == [None]
    assert [(row["provider"], row["usd"]) for row in told["units"]] == [("scenario", "0.0064")]


def program(home: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The real command: in the test's own process a server stands."""
    names = {variable for name in Settings.model_fields for variable in variables_of(name)}
    environment = {name: value for name, value in os.environ.items() if name not in names}
    environment |= {"ASSETMILL_HOME": str(home), **variables}
    command = [sys.executable, "-P", "-m", "assetmill.cli", "prices", *arguments]
    return subprocess.run(command, env=environment, cwd=home.parent, capture_output=True, text=True, check=False)


async def test_a_refresh_asks_the_catalogue_and_keeps_what_it_says(prices, tmp_path):
    config = PodConfig(endpoint_id="gpu", api_key="made-up-key", gpus=(NEWER,), catalog=known_gpus())
    async with running_pod(config, lambda _: {}) as pod:
        asked = ["--endpoint", pod.url]
        key = {"ASSETMILL_SERVE_KEY": "made-up-key"}
        home = tmp_path / "out"
        done = await asyncio.to_thread(program, home, "--refresh", "--json", *asked, **key)
        refused = await asyncio.to_thread(program, home, "--refresh", *asked, ASSETMILL_SERVE_KEY="another")
    told = json.loads(done.stdout)
    [ada] = [row for row in told["pools"] if row["pool"] == "ADA_24"]
    assert (ada["usd_per_s"], ada["usd_per_hour"]) == ("0.0004", "1.44")
    assert ada["source"] == f"{told['address']}/catalog/gpus: list price"
    assert refused.returncode == 4
    assert "made-up-key" not in (tmp_path / "out" / FILE).read_text() + refused.stderr
    later = json.loads(prices("--json", *asked, **key).stdout)
    assert later == told, "kept, and the server is gone"
    assert [row["usd_per_s"] for row in json.loads(prices("--json").stdout)["pools"] if row["pool"] == "ADA_24"] == [
        "0.00031"
    ], "prices of one address are not used for another"


def test_a_refresh_that_gets_no_answer_says_so_and_changes_nothing(prices, tmp_path):
    done = prices("--refresh", "--endpoint", "http://127.0.0.1:9/v2/gpu")
    assert done.exit_code == 1
    assert "no prices from http://127.0.0.1:9/v2" in done.stderr
    assert not (tmp_path / "out" / FILE).exists()


def test_a_damaged_file_is_named_with_what_to_do(prices, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / FILE).write_text("{")
    done = prices()
    assert done.exit_code == 2
    assert FILE in done.stderr
    assert "--refresh" in done.stderr
