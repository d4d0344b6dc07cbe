"""`smoke`: consent before money, words for people, one object for scripts, and an exit code for both."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from assetmill.cli.app import app
from assetmill.ledger import Ledger
from assetmill.localpod import Pod, PodConfig, known_gpus, running_pod
from assetmill.settings import Settings, variables_of

KEY = "smoke-key-0123456789"


def drawn(job_input: Any) -> Any:
    stream = BytesIO()
    Image.linear_gradient("L").resize((1024, 1024)).convert("RGB").save(stream, "PNG")
    [prefix] = [
        node["inputs"]["filename_prefix"]
        for node in job_input["workflow"].values()
        if node["class_type"] == "SaveImage"
    ]
    data = base64.b64encode(stream.getvalue()).decode()
    return {"images": [{"filename": f"{prefix}_00001_.png", "type": "base64", "data": data}]}


@pytest.fixture
def pod() -> Iterator[Pod]:
    """An endpoint with a price, in a thread of its own: the command has the main one, and its signals."""
    started: Future[Pod] = Future()
    loop, ended = asyncio.new_event_loop(), asyncio.Event()

    async def serve() -> None:
        gpus = tuple(gpu for gpu in known_gpus() if gpu.pool == "ADA_24")[:1]
        config = PodConfig(endpoint_id="ep", api_key=KEY, gpus=gpus, catalog=known_gpus())
        async with running_pod(config, drawn) as running:
            started.set_result(running)
            await ended.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    yield started.result(30)
    loop.call_soon_threadsafe(ended.set)
    thread.join()
    loop.close()


@pytest.fixture
def smoke(tmp_path: Path, pod: Pod) -> Callable[..., Any]:
    """The command at that endpoint, in a folder of its own, with no settings but those given."""
    own = {variable: "" for name in Settings.model_fields for variable in variables_of(name)}
    own |= {"ASSETMILL_HOME": str(tmp_path / "out"), "ASSETMILL_SERVE_KEY": KEY, "COLUMNS": "80"}

    def run(*arguments: str, **variables: str) -> Any:
        command = ["smoke", "--endpoint", pod.url, *arguments]
        return CliRunner().invoke(app, command, env=own | variables, catch_exceptions=False)

    return run


def test_without_a_word_on_the_cost_nothing_is_sent_and_with_one_it_is_told_where_time_and_money_went(smoke, pod):
    refused = smoke("txt2img", "a fox")
    assert refused.exit_code == 3
    assert "2 jobs (txt2img) at ep@" in refused.stderr
    assert "this smoke test costs money and nobody has agreed to it" in refused.stderr
    assert pod.executions() == ()

    done = smoke("txt2img", "a fox", "--max-cost", "1")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0].startswith("passed txt2img, first: start ")
    assert any(line.startswith("  cold: it was the first job of worker") for line in lines)
    [head] = [line.split() for line in lines if line.startswith("test ")]
    assert head == ["test", "result", "start", "execution", "transfer", "whole", "cost"]
    [warm] = [line.split() for line in lines if line.startswith("txt2img, warm ")]
    assert warm[2:4] == ["passed", "warm"]
    assert any(line.startswith("1 of 1 passed at ep@") and "by 2 jobs, $0.00" in line for line in lines)


def test_on_a_narrow_terminal_no_figure_is_cut_off(smoke):
    done = smoke("remove-background", "--once", "--yes")
    assert done.exit_code == 1, done.output
    [row] = [line.split() for line in done.stdout.splitlines() if line.startswith("remove-background, first  ")]
    assert row[2:4] == ["rejected", "cold"]
    assert row[-1].startswith("$0.0")
    assert "…" not in done.stdout


def test_a_script_gets_one_object_and_the_code_that_stands_in_it(smoke, pod, tmp_path):
    folder = tmp_path / "here"
    done = smoke("entity", "a fox", "--once", "--yes", "--json", "--out", str(folder))
    told = json.loads(done.stdout)
    [shot] = told["shots"]
    assert (done.exit_code, told["exit_code"], shot["state"]) == (1, 1, "rejected")
    assert shot["problems"] == ["image: it has no transparency at all"]
    assert shot["files"][0]["path"] == str(folder / "entity-first.png")
    assert shot["times_ms"].keys() == {"start", "execution", "transfer", "whole"}
    assert KEY not in done.output
    with Ledger.open(f"sqlite:///{tmp_path / 'out' / 'ledger.db'}") as ledger:
        [row] = ledger.rows()
    assert shot["cost_usd"]["estimate"] == str(row["cost_estimate_usd"])
    assert smoke("sprite", "--yes").exit_code == 2
    assert smoke("txt2img", "--yes", "--max-cost", "0").exit_code == 3
    assert len(pod.executions()) == 1
