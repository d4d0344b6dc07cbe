"""`assetmill settle` from outside: one JSON object or words, and an exit code that tells what stays open."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from assetmill.ledger import Intent, Ledger, Owner, Run
from assetmill.settings import Settings, variables_of

Program = Callable[..., subprocess.CompletedProcess[str]]
AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
OPEN_URL = "https://api.runpod.ai/v2/abcdefghijklm"
ENDED_URL = "http://127.0.0.1:9/v2/draft"


@pytest.fixture
def program(tmp_path, programs) -> Program:
    names = {variable for name in Settings.model_fields for variable in variables_of(name)}
    base = {key: value for key, value in os.environ.items() if key not in names}

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return programs.run(("settle", *arguments), tmp_path, base | variables)

    return run


@pytest.fixture
def books(tmp_path) -> Ledger:
    """Two attempts of a run that was cut off: one at an endpoint without a key, one at a draft endpoint that ended."""
    (tmp_path / "out").mkdir()
    with Ledger.open(f"sqlite:///{tmp_path / 'out' / 'ledger.db'}") as ledger:
        for game, url, draft in (("paid", OPEN_URL, False), ("drawn", ENDED_URL, True)):
            ledger.begin_run(Run(f"run-{game}", game, "art", "m.yaml", "runpod", "ep", draft=draft, started_at=AT))
            ledger.intend(
                Intent(
                    attempt_id=game, run_id=f"run-{game}", game=game, pack="art", asset_id="sky",
                    asset_type="background", candidate=0, try_no=1, fingerprint=f"picture-{game}", inputs={},
                    provider="runpod", endpoint=f"ep-{game}", endpoint_url=url, gpu=None, seed=7,
                    workflow="background", workflow_hash="h", width=64, height=64, expected_outputs={"image": "p"},
                    price_per_s_usd=None, price_source="unknown", draft=draft, intended_at=AT,
                )
            )  # fmt: skip
            ledger.submitted(game, job_id=f"job-{game}", at=AT)
        yield ledger


@pytest.fixture
def answering() -> Iterator[Callable[[int, dict[str, str]], str]]:
    """Endpoints that give one and the same answer to whatever they are asked."""
    with ExitStack() as stack:

        def start(status: int, body: dict[str, str]) -> str:
            class Handler(BaseHTTPRequestHandler):
                def do_GET(self) -> None:
                    content = json.dumps(body).encode()
                    self.send_response(status)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)

                def log_message(self, *_: object) -> None:
                    """Nothing on the terminal."""

            server = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
            threading.Thread(target=server.serve_forever, daemon=True).start()
            stack.callback(server.shutdown)
            return f"http://127.0.0.1:{server.server_port}/v2/gpu"

        yield start


def statuses(books: Ledger) -> dict[str, str]:
    return {row["game"]: row["status"] for row in books.rows()}


def test_json_says_what_was_settled_and_why_the_rest_stays_open(program, books):
    done = program("--json")
    document = json.loads(done.stdout)
    assert done.returncode == document["exit_code"] == 4, done.stderr
    assert (document["settled"], document["busy"], list(document["open"])) == (1, 0, ["paid"])
    assert "RUNPOD_API_KEY is not set" in document["open"]["paid"]
    (left,) = document["remaining"]
    assert (left["attempt_id"], left["game"], left["job_id"], left["why"]) == ("paid", "paid", "job-paid", "refused")
    assert statuses(books) == {"paid": "submitted", "drawn": "lost"}


def test_words_say_the_same_and_leave_standard_output_alone(program, books):
    done = program()
    assert (done.returncode, done.stdout) == (4, "")
    assert "job job-paid" in done.stderr
    assert "RUNPOD_API_KEY is not set" in done.stderr
    assert "1 settled, 1 still open, 0 looked after by others" in done.stderr
    assert statuses(books)["drawn"] == "lost"


@pytest.mark.parametrize("arguments", (("--game", "paid"), ("--endpoint", OPEN_URL)), ids=("game", "endpoint"))
def test_what_was_not_asked_for_is_left_alone(program, books, arguments):
    document = json.loads(program(*arguments, "--json").stdout)
    assert (document["settled"], list(document["open"])) == (0, ["paid"])
    assert statuses(books) == {"paid": "submitted", "drawn": "submitted"}


def test_with_everything_settled_it_ends_with_0(program, books):
    done = program("--game", "drawn")
    assert (done.returncode, done.stdout) == (0, "")
    assert "1 settled, 0 still open" in done.stderr
    assert statuses(books) == {"paid": "submitted", "drawn": "lost"}


def test_words_of_others_are_shown_as_they_are_and_not_as_markup(program, books):
    with books._database.write() as connection:
        connection.exec_driver_sql(
            "update attempts set endpoint_url = 'https://x/[red]y[/nothing]' where game = 'paid'"
        )
    done = program()
    assert done.returncode == 1
    assert "[red]y[/nothing]" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_any_books_there_is_nothing_to_settle(program):
    done = program("--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"settled": 0, "open": {}, "busy": 0, "remaining": [], "exit_code": 0}


def test_books_that_cannot_be_read_are_5_with_one_object(program, tmp_path):
    (tmp_path / "books").write_text("no database")
    done = program("--json", ASSETMILL_LEDGER_URL=f"sqlite:///{tmp_path / 'books'}")
    assert done.returncode == 5
    assert json.loads(done.stdout)["error"]["code"] == "ledger"
    assert "Traceback" not in done.stderr


ANSWERS: dict[str, tuple[int, dict[str, str], int, str, str]] = {
    "queued": (200, {"id": "job-paid", "status": "IN_QUEUE"}, 1, "queued", "still waiting for a worker"),
    "running": (200, {"id": "job-paid", "status": "IN_PROGRESS"}, 1, "running", "still running"),
    "refused": (401, {}, 4, "refused", "the provider refused the key"),
    "down": (503, {}, 1, "unreachable", "the endpoint cannot be reached: "),
    "throttled": (429, {}, 1, "throttled", "the endpoint answers too many already: "),
}


@pytest.mark.parametrize(("status", "body", "code", "why", "words"), ANSWERS.values(), ids=ANSWERS.keys())
def test_what_stays_open_is_named_with_what_the_endpoint_says(
    program, books, answering, status, body, code, why, words
):
    url = answering(status, body)
    with books._database.write() as connection:
        connection.exec_driver_sql("update attempts set endpoint_url = ? where game = 'paid'", (url,))
    done = program("--game", "paid", "--json")
    document = json.loads(done.stdout)
    assert (done.returncode, document["exit_code"]) == (code, code), done.stderr
    (left,) = document["remaining"]
    assert (left["why"], left["job_id"]) == (why, "job-paid")
    assert left["message"].startswith(words)
    assert left["message"] in document["open"]["paid"]


def test_what_another_process_looks_after_is_no_reason_to_fail(program, books):
    now = datetime.now(UTC)
    claim = Owner("somebody", "another machine", 3600).claim(now)
    assert books.claim("paid", claim, now=now)
    done = program("--game", "paid", "--json")
    document = json.loads(done.stdout)
    assert (done.returncode, document["busy"], document["open"]) == (0, 1, {})
