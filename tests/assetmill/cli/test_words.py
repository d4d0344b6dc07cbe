"""What a run says on the terminal: no flood, no money unsaid, nothing said on the way lost with the bar."""

from __future__ import annotations

import io
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
import typer
from rich.console import Console

from assetmill.batch.progress import Progress, spent_words
from assetmill.batch.report import BatchReport, Line
from assetmill.cli.outcome import NOTHING_LOST, Interrupted, guarded
from assetmill.cli.progress import line, shown_progress
from assetmill.cli.run import failure_lines, interrupted_words, print_result
from assetmill.ledger import Intent, Ledger, Run
from assetmill.money import Cost
from assetmill.settings import Settings

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def missing(asset: str, state: str, message: str, hint: str = "", candidate: int = 0) -> Line:
    return Line(
        asset=asset, type="entity", candidate=candidate, state=state, error="any", message=message, hint=hint
    )  # fmt: skip


def report(*failures: Line, stopped: str | None = None, unpriced: int = 0) -> BatchReport:
    return BatchReport(
        run_id="r", game="tiny", pack="art", endpoint="gpu", draft=False, assets=6, planned={}, generated=0, cached=0,
        refinished=0, failed=len(failures), collected=0, cost_usd=None, unpriced=unpriced, elapsed_s=1, gallery=None,
        index=None, latest=None, published=False, store="file:///store", failures=failures, stopped=stopped,
        exit_code=1,
    )  # fmt: skip


def terminal(width: int = 60) -> Console:
    return Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None, highlight=False)


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def books(url: str, *, open_jobs: int, draft: bool = False, game: str = "tiny") -> str:
    with Ledger.open(url) as ledger:
        ledger.begin_run(Run(f"run-{game}", game, "art", "m.yaml", "runpod", "ep", draft=draft, started_at=AT))
        for number in range(open_jobs):
            ledger.intend(
                Intent(
                    attempt_id=f"{game}-{number}", run_id=f"run-{game}", game=game, pack="art", asset_id="sky",
                    asset_type="background", candidate=number, try_no=1, fingerprint=f"{game}-{number}", inputs={},
                    provider="runpod", endpoint="ep", endpoint_url="http://127.0.0.1:9/v2/gpu", gpu=None, seed=7,
                    workflow="background", workflow_hash="h", width=64, height=64, expected_outputs={"image": "p"},
                    price_per_s_usd=None, price_source="unknown", draft=draft, intended_at=AT,
                )
            )  # fmt: skip
    return url


@pytest.fixture
def restored_signals() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.db'}"


def test_pictures_that_failed_alike_are_one_line():
    alike = [missing(f"rock-{letter}", "failed", "no image", "look") for letter in "bcdef"]
    other = missing("rock-a", "failed", "no image", "another hint")
    pair = [missing("tree", "rejected", "blank"), missing("tree", "rejected", "blank", candidate=1)]
    assert failure_lines(report(*alike, other, *pair)) == [
        ("failed", "5 pictures (entity/rock-b … entity/rock-f): no image (look)"),
        ("failed", "entity/rock-a: no image (another hint)"),
        ("rejected", "2 pictures (entity/tree, entity/tree#1): blank"),
    ]


def test_a_run_that_stopped_says_why_once_and_with_its_hint():
    unsent = [missing(f"rock-{letter}", "unsent", "the key [x] was refused", "set it") for letter in "bcdef"]
    other = missing("tree", "unsent", "rock-a could not be made")
    console = terminal()
    print_result(report(*unsent, other, stopped="the key [x] was refused"), Settings(), console)
    lines = written(console).splitlines()
    assert lines[:3] == [
        "unsent 5 pictures (entity/rock-b … entity/rock-f)",
        "unsent entity/tree: rock-a could not be made",
        "stopped: the key [x] was refused (set it)",
    ]


def test_unsent_pictures_keep_their_reason_where_the_run_did_not_stop_for_it():
    assert failure_lines(report(missing("a", "unsent", "why"))) == [("unsent", "entity/a: why")]


def test_the_last_sentence_is_not_broken_where_the_terminal_ends():
    console = terminal(width=20)
    print_result(report(unpriced=4), Settings(), console)
    assert "0 kept; 4 jobs of unknown price; 1 s" in written(console).splitlines()


@pytest.mark.parametrize(
    ("cost", "unpriced", "bounded", "high", "words"),
    (
        ("0.0073", 0, 0, None, "$0.0073"),
        ("0.0073", 4, 4, "0.02", "$0.0073 and up to $0.0200 for 4 jobs of unknown outcome"),
        ("0.0073", 4, 0, None, "$0.0073 and 4 of unknown price"),
        ("0.0073", 3, 1, "0.02", "$0.0073 and up to $0.0200 for 1 job of unknown outcome and 2 of unknown price"),
        (None, 2, 2, "0.02", "up to $0.0200 for 2 jobs of unknown outcome"),
        (None, 1, 0, None, "1 job of unknown price"),
        (None, 0, 0, None, "unknown"),
    ),
)
def test_a_cost_in_words_leaves_nothing_out(cost, unpriced, bounded, high, words):
    assert spent_words(cost and Decimal(cost), unpriced, bounded, high and Decimal(high)) == words


def test_the_most_of_attempts_without_an_estimate_is_added_up():
    progress = Progress()
    for cost in (
        Cost(Decimal(0), None, Decimal("0.01"), "plan"), Cost(Decimal(0), None, Decimal("0.02"), "plan"),
        Cost(None, None, None, "unknown"), Cost(Decimal(1), Decimal(2), Decimal(3), "times"), None,
    ):  # fmt: skip
        progress.charged(cost)
    assert (progress.cost_usd, progress.unpriced, progress.bounded) == (Decimal(2), 3, 2)
    assert progress.unpriced_high_usd == Decimal("0.03")
    assert line(progress, None).endswith("$2.00 and up to $0.0300 for 2 jobs of unknown outcome and 1 of unknown price")


def test_what_happens_on_the_way_stays_above_the_bar_and_phases_go_with_it():
    console = terminal()
    with shown_progress(console) as listener:
        progress = Progress(listener=listener)
        progress.phase("generating")
        progress.say("rock-a: sent again [red]")
        progress.done(None, kept=True)
        progress.say("rock-a: sent again [red]")
    lines = [text.rstrip() for text in written(console).replace("\r", "\n").replace("\x1b[2K", "").split("\n")]
    assert lines.count("rock-a: sent again [red]") == 2
    assert "generating" not in lines


def test_without_a_terminal_phases_and_notes_are_lines():
    console = Console(file=io.StringIO(), width=60, force_terminal=False)
    with shown_progress(console) as listener:
        progress = Progress(listener=listener)
        progress.phase("generating")
        progress.say("rock-a: sent again [red]")
    assert written(console) == "generating\nrock-a: sent again [red]\n"


@pytest.mark.parametrize(("count", "words"), ((1, "1 job of tiny is"), (2, "2 jobs of tiny are")))
def test_an_interruption_says_what_is_still_out_and_how_long_it_lasts(url, count, words):
    said = interrupted_words(books(url, open_jobs=count), "tiny")
    assert words in said
    assert "charged" in said
    assert "`assetmill settle --wait` within 30 minutes" in said


@pytest.mark.parametrize("what", ("nothing", "another game", "drafts"))
def test_an_interruption_that_leaves_nothing_paid_behind_says_so(url, what):
    count = {"nothing": 0}.get(what, 2)
    books(url, open_jobs=count, draft=what == "drafts", game="other" if what == "another game" else "tiny")
    assert interrupted_words(url, "tiny") == NOTHING_LOST


def test_books_that_cannot_be_read_do_not_hide_that_jobs_may_run_on(tmp_path):
    (tmp_path / "books").write_text("no database")
    said = interrupted_words(f"sqlite:///{tmp_path / 'books'}", "tiny")
    assert "the books cannot be read" in said
    assert "settle --wait" in said


@pytest.mark.parametrize(
    ("raised", "words"), ((KeyboardInterrupt(), NOTHING_LOST), (Interrupted("2 jobs [x]"), "2 jobs [x]"))
)
@pytest.mark.usefixtures("restored_signals")
def test_an_interrupted_command_ends_with_130_and_its_own_words(raised, words, capsys):
    def command() -> int:
        raise raised

    with pytest.raises(typer.Exit) as ended:
        guarded(command)()
    assert ended.value.exit_code == 130
    assert capsys.readouterr().err.strip() == words
