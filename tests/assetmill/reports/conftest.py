"""A cost report with figures of every kind in every table, and the page that is made of it, read and opened."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from assetmill.reports.cost_page import render_cost_page
from assetmill.reports.tables import TABLES, Cell, CostReport, make_table

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
HOSTILE = "</script><img src=x onerror=\"document.title='taken'\"><!-- {{ 7*7 }} {b} ' \" & \u2028 \U0001f388 __proto__"
ZONE = "Europe/Berlin"
START = datetime(2026, 3, 28, 23, tzinfo=UTC)  # in Berlin the clocks are changed two hours later
GAMES = ("cloud-hop", "deep-dive", HOSTILE)
TYPES = ("entity", "background", "sheet", None)


def local(at: datetime) -> datetime:
    return at.astimezone(ZoneInfo(ZONE))


def amount(chance: random.Random, most: float) -> Decimal:
    return Decimal(chance.uniform(0, most)).quantize(Decimal("1e-8"))


def measures(chance: random.Random, *, unknown: bool = False) -> tuple[Cell, ...]:
    attempts = chance.randint(1, 90_000)
    costs = [None] * 5 if unknown else sorted(amount(chance, 2) for _ in range(5))
    counts = (attempts, attempts // 2, 0, attempts // 9, 0, attempts if unknown else 0)
    times = [round(chance.uniform(0, 10**power), 3) for power in (1, 2, 3, 1, 2, 7)]
    return (*counts, *costs, *times, *(round(chance.random(), 6) for _ in range(3)))


def lives(chance: random.Random, count: int) -> Iterator[tuple[Cell, ...]]:
    """Lives of workers, the later ones at once, one worker with two lives."""
    for number in range(count):
        at = START + timedelta(seconds=chance.randint(0, 90), hours=number // 4)
        parts = [("start", None), ("execution", "kept"), ("gap", None), ("execution", "failed"), ("idle", None)]
        for what, status in parts:
            seconds = round(chance.uniform(1, 40), 3)
            ended = at + timedelta(seconds=seconds)
            worker = HOSTILE if number == 1 else f"worker{number % 7}"
            yield ("comfy", worker, number + 1, "NVIDIA L40S", local(at), local(ended), what, status, seconds)
            at = ended


def everything() -> CostReport:
    """Every table with rows; figures of all sizes, unknown ones among them, and a name that wants to be markup."""
    chance = random.Random(1)
    days = [(START + timedelta(days=day)).date().isoformat() for day in (0, 1, 2, 5)]
    steps = [(Decimal(n) / 100, Decimal(n + 1) / 100 if n < 4 else None) for n in range(5)]
    times: list[tuple[float, float | None]] = [(0.0, 10.0), (10.0, 30.0), (110.0, 120.0), (120.0, 130.0), (200.0, None)]
    hours = [START + timedelta(hours=hour) for hour in range(8)]
    grouped = {"by_game": GAMES, "by_type": TYPES, "by_workflow": ("entity",), "by_provider": ("runpod",),
               "by_gpu": ("NVIDIA L40S", None), "by_status": ("kept", "failed")}  # fmt: skip
    rows: dict[str, list[tuple[Cell, ...]]] = {
        "summary": [("paid", *measures(chance)), ("draft", *measures(chance))],
        "by_day_game": [(day, game, kind, *measures(chance, unknown=day == days[1] and game == "deep-dive"))
                        for day in days for game in GAMES for kind in ("paid", "draft")],
        "by_day_type": [(day, type_, "paid", *measures(chance)) for day in days for type_ in TYPES],
        "cost_distribution": [(type_, *step, chance.randint(0, 900))
                              for type_ in TYPES for step in steps[type_ == "sheet" :]],
        "latency_distribution": [(part, chance.randint(1, 9000), *sorted(chance.uniform(0, 99) for _ in range(5)))
                                 for part in ("whole", "queue", "execution")] + [("upload", 0, *[None] * 5)],
        "latency_histogram": [(warmth, *step, chance.randint(0, 900)) for warmth in ("cold", "warm") for step in times],
        "cumulative": [(scope, day, amount(chance, 9), amount(chance, 99), Decimal(budget) if budget else None)
                       for scope, budget in (("all games", 80), (GAMES[0], 25), (GAMES[2], 0)) for day in days],
        "occupancy": list(lives(chance, 9)),
        "losses": [("execution", "images that were kept", 30_000.5, 0.6, Decimal("15.90000000")),
                   ("start", HOSTILE, 5000.0, 0.1, Decimal("1.32500000")),  # half a cent, which is rounded
                   ("idle", "idle tails", 64.25, 0.0004, Decimal("0.00053210")),
                   ("failed", "jobs that failed", 10.0, 0.01, None)],
        "scenario": [(type_, 9, amount(chance, 9), amount(chance, 0.02), *(sorted(amount(chance, 1) for _ in range(2))),
                      *(sorted(amount(chance, 90) for _ in range(2))), 0.61, 0.953, "its list of 2025-11-03")
                     for type_ in (*TYPES, "all")] + [("unpriced", 3, None, None, *[None] * 6, "")],
        "migration": [("latency under 30 s", "warm", 80, 0.99, 11.2, 29.5, None, None, "90 %", "met"),
                      ("latency under 30 s", "cold", 4, 0.2, 61.0, 99.0, None, None, "90 %", "not met"),
                      ("cheaper", "all", 0, None, None, None, None, None, "50 % to 90 %", "no data")],
        "reconciliation": [(endpoint, local(hour), local(hour + timedelta(hours=1)), "settling" if n > 5 else "settled",
                            *(amount(chance, 2) for _ in range(5)), amount(chance, 1) - 1, amount(chance, 3))
                           for endpoint in ("comfy", "other") for n, hour in enumerate(hours)],
        "prices": [("ADA_48_PRO", "catalog", Decimal("0.00053000"), Decimal("1.90800000"), 12),
                   (None, "nobody", None, None, 3)],
    }  # fmt: skip
    rows |= {
        name: [(value, kind, *measures(chance)) for value in values for kind in ("paid", "draft")]
        for name, values in grouped.items()
    }
    tables = {name: make_table(name, rows[name], f"A note on {name}: a < b & c.") for name in TABLES}
    until = START + timedelta(days=6)
    return CostReport(
        "Costs of <every> game", local(START), local(until), ZONE, local(until + timedelta(hours=1)), tables
    )


def nothing() -> CostReport:
    none = (0, 0, 0, 0, 0, 0, *[Decimal(0)] * 3, *[None] * 11)
    tables = {name: make_table(name, []) for name in TABLES}
    tables["summary"] = make_table("summary", [("paid", *none), ("draft", *none)])
    return CostReport("Costs", None, None, "UTC", START, tables)


@dataclass
class Sheet:
    """A table as it stands on a page: words of its header and of its cells."""

    heads: list[str]
    rows: list[list[str]]


class Reader(HTMLParser):
    """Tables by their id, figures outside of tables by their place, and the JSON, as an HTML parser finds them."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.sheets: dict[str, Sheet] = {}
        self.figures: list[tuple[str, str]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._words: list[str] = []
        self._sheet: Sheet | None = None
        self._place: str | None = None
        self._script: dict[str, str | None] | None = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        self.tags.append((tag, known))
        if tag == "table":
            self._sheet = self.sheets[str(known["data-table"])] = Sheet([], [])
        if tag == "tr" and self._sheet:
            self._sheet.rows.append([])
        if tag == "script":
            self._script = known
        if tag in ("td", "th", "script") or "data-cell" in known:
            self._words = []
            self._place = known.get("data-cell")

    def handle_data(self, data: str) -> None:
        self._words.append(data)

    def handle_endtag(self, tag: str) -> None:
        words = "".join(self._words)
        if tag in ("td", "th") and self._sheet:
            self._sheet.rows[-1].append(words)
        if tag == "thead" and self._sheet:
            self._sheet.heads = self._sheet.rows.pop()
        if tag == "span" and self._place:
            self.figures.append((self._place, words))
            self._place = None
        if tag == "script" and self._script is not None:
            self.scripts.append((self._script, words))
            self._script = None

    @property
    def document(self) -> dict[str, Any]:
        (text,) = [text for attrs, text in self.scripts if attrs.get("id") == "report"]
        found: dict[str, Any] = json.loads(text)
        return found


@dataclass
class Opened:
    """A page in a browser, with everything that it asked for and complained of."""

    page: Page
    requests: list[str]
    complaints: list[str]


@pytest.fixture(scope="session")
def full_report() -> CostReport:
    """Every table with rows, in a time zone whose clocks are changed in between, and with a name that is markup."""
    return everything()


@pytest.fixture(scope="session")
def empty_report() -> CostReport:
    return nothing()


@pytest.fixture(scope="session")
def many_rows() -> CostReport:
    """What 120 days of 8 games and 400 lives of workers leave."""
    chance = random.Random(3)
    days = [(START + timedelta(days=day)).date().isoformat() for day in range(120)]
    full = everything()
    groups = {"by_day_game": [f"game-{n}" for n in range(8)], "by_day_type": [f"type-{n}" for n in range(5)]}
    tables = dict(full.tables) | {
        name: make_table(name, [(day, value, "paid", *measures(chance)) for day in days for value in values])
        for name, values in groups.items()
    }
    return replace(full, tables=tables | {"occupancy": make_table("occupancy", lives(chance, 400))})


@pytest.fixture(scope="session")
def cost_page(full_report: CostReport) -> str:
    return render_cost_page(full_report)


@pytest.fixture(scope="session")
def read_page() -> type[Reader]:
    """Reads a page as an HTML parser does."""
    return Reader


@pytest.fixture(scope="session")
def read(cost_page: str) -> Reader:
    return Reader(cost_page)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The Chromium that is installed; it is ended with the module, for its loop is in the way of async tests."""
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        pytest.skip("no Chromium on this machine")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def open_page(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Opened]:
    """Opens a page from disk; further arguments are the screen's."""

    def opening(text: str, **screen: Any) -> Opened:
        path = tmp_path_factory.mktemp("page") / "cost.html"
        path.write_text(text, encoding="utf-8")
        shown = Opened(browser.new_page(**screen), [], [])
        shown.page.on("request", lambda request: shown.requests.append(request.url))
        shown.page.on("console", lambda message: shown.complaints.append(message.text))
        shown.page.on("pageerror", lambda error: shown.complaints.append(str(error)))
        shown.page.goto(path.as_uri())
        return shown

    return opening


@pytest.fixture(scope="module")
def opened(open_page: Callable[..., Opened], cost_page: str) -> Opened:
    return open_page(cost_page, viewport={"width": 1280, "height": 900}, color_scheme="light")
