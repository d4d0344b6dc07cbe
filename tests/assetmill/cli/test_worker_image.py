"""`assetmill worker-image` says what is wrong with the image, and fills its lock from the hub."""

from __future__ import annotations

import json
import shutil
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from typer.testing import CliRunner

from assetmill.cli.app import app
from assetmill.workerimage import read_lock

ROOT = Path(__file__).parents[3]
CHECKSUM = "ab" * 32


@pytest.fixture
def image(tmp_path):
    shutil.copytree(ROOT / "runpod-worker", tmp_path / "runpod-worker", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "workflows", tmp_path / "workflows")
    return tmp_path / "runpod-worker"


@pytest.fixture
def hub():
    """Tells one checksum of every file."""

    class Answers(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(302)
            for name, value in (
                ("Location", "/x"), ("X-Linked-Etag", f'"{CHECKSUM}"'), ("X-Linked-Size", "5"), ("Content-Length", "0"),
            ):  # fmt: skip
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def run(*words: object):
    return CliRunner().invoke(app, ["worker-image", *map(str, words)])


def test_the_image_as_it_stands_passes_and_says_what_is_unverified():
    done = run("lint", ROOT / "runpod-worker")
    assert done.exit_code == 0
    assert "0 findings" in done.stdout


def test_a_floating_pin_ends_with_2_and_says_where(image):
    path = image / "Dockerfile"
    path.write_text(path.read_text().replace("5.8.5-base", "latest"))
    done = run("lint", image)
    assert done.exit_code == 2
    assert "Dockerfile:" in done.stdout
    document = json.loads(run("lint", image, "--json").stdout)
    assert [finding["code"] for finding in document["findings"]] == ["floating"]
    assert document["exit_code"] == 2


def test_a_folder_without_an_image_is_said(tmp_path):
    done = run("lint", tmp_path, "--json")
    assert done.exit_code == 2
    assert "models.lock" in json.loads(done.stdout)["error"]["message"]


def test_the_lock_is_filled_from_the_hub_and_nothing_known_is_replaced(image, hub):
    path = image / "models.lock"
    path.write_text(path.read_text().replace("https://huggingface.co", hub))
    before = read_lock(path)
    done = run("lock", image, "--json")
    after = read_lock(path)
    assert done.exit_code == 1
    filled = [new for old, new in zip(before.model, after.model, strict=True) if not old.locked]
    assert len(filled) == len(before.unlocked)
    known = [model for model in before.model if model.locked]
    assert [model for model in after.model if model.file in {one.file for one in known}] == known
    problems = [model["problem"] for model in json.loads(done.stdout)["models"]]
    assert sum("at the hub" in problem for problem in problems) >= len(known)


def test_told_to_replace_it_takes_the_hubs_word(image, hub):
    path = image / "models.lock"
    path.write_text(path.read_text().replace("https://huggingface.co", hub))
    done = run("lock", image, "--replace")
    assert done.exit_code == 0
    assert {(model.sha256, model.size, model.verified) for model in read_lock(path).model} == {(CHECKSUM, 5, True)}
