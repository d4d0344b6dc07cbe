"""The cost page as a file: every figure on it is its table's, names stay names, and it is whole in itself."""

from __future__ import annotations

import hashlib
import importlib
import json
import re
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from importlib import resources
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from assetmill.ledger import Ledger, RowFilter
from assetmill.reports.build import build_report, title_of
from assetmill.reports.cost_cells import amount_text, duration_text, share_text
from assetmill.reports.cost_page import CHARTS, HALVES, SECTIONS, render_cost_page
from assetmill.reports.losses import WHAT
from assetmill.reports.render import rendered
from assetmill.reports.tables import TABLES, Cell, Column, ReportTable, json_document, make_table

HISTORIES = Path(__file__).parents[2] / "money"
UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86_400}


def states(words: str, column: Column, value: Cell) -> bool:
    """Whether words say a value, as far as their own digits go: read back here, not worded again."""
    if value is None:
        return words in ("unknown", "\N{EN DASH}", "and more")
    if column.kind == "text":
        return words == value
    if column.kind == "moment":
        assert isinstance(value, datetime)
        zone = ZoneInfo("Europe/Berlin")
        seen = datetime.strptime(words, "%Y-%m-%d %H:%M:%S").replace(tzinfo=zone, fold=value.fold)
        return timedelta(0) <= value - seen < timedelta(seconds=1)
    assert isinstance(value, int | float | Decimal)
    parts = re.findall(r"(\d[\d,]*\.?\d*) ?(s|min|h|d|%)?", words)
    numbers = [(Decimal(digits.replace(",", "")), unit) for digits, unit in parts]
    scale = {"usd": 1, "count": 1, "share": Decimal("0.01")}.get(column.kind)
    seen_size = sum(number * (scale or UNITS[unit]) for number, unit in numbers)
    exponent = numbers[-1][0].as_tuple().exponent
    assert isinstance(exponent, int)
    step = Decimal(1).scaleb(exponent) * (scale or UNITS[numbers[-1][1]])
    if words.lstrip("-").startswith("<"):
        return 0 < abs(Decimal(value)) < seen_size
    sign = -1 if words.startswith("-") else 1
    return abs(sign * seen_size - Decimal(value)) <= step / 2


def wrong_cells(tables, sheets):
    """Cells of a page that do not say what their table has."""
    return [
        (name, column.name, value, words)
        for name, table in tables.items()
        if table.rows
        for row, shown in zip(table.rows, sheets[name].rows, strict=True)
        for column, value, words in zip(table.columns, row, shown, strict=True)
        if not states(words, column, value)
    ]


def test_every_table_of_the_report_stands_on_the_page_with_all_its_rows(full_report, read):
    assert sorted(read.sheets) == sorted(full_report.tables)
    for name, table in full_report.tables.items():
        assert read.sheets[name].heads == [column.title for column in table.columns]
        assert len(read.sheets[name].rows) == len(table.rows)


def test_every_cell_says_the_figure_of_its_table(full_report, read):
    assert wrong_cells(full_report.tables, read.sheets) == []


def test_the_page_of_a_ledger_says_what_its_report_says(tmp_path, read_page, monkeypatch):
    monkeypatch.syspath_prepend(str(HISTORIES))
    history = importlib.import_module("history")
    with Ledger.open(f"sqlite:///{tmp_path}/ledger.db") as ledger:
        history.fill(ledger, 300, 7, days=3)
        report = build_report(ledger, made_at=history.UNTIL, timezone="Europe/Berlin")
        read = read_page(rendered(ledger, ("day",), "html", made_at=history.UNTIL, timezone="Europe/Berlin").decode())
    assert read.document == json.loads(json.dumps(json_document(report)))
    assert sorted(read.sheets) == sorted(name for name, table in report.tables.items() if table.rows)
    assert len(read.sheets["occupancy"].rows) > 300
    assert wrong_cells(report.tables, read.sheets) == []


def test_a_report_on_one_game_or_run_says_so_in_its_heading():
    titles = [title_of(where) for where in (RowFilter(), RowFilter(game="cloud-hop"), RowFilter("cloud-hop", "run-1"))]
    assert titles == ["Cost report", "Cost report of game cloud-hop", "Cost report of game cloud-hop, run run-1"]


def test_every_figure_at_the_top_is_a_cell_of_a_table(full_report, read):
    assert len(read.figures) >= 14
    for place, words in read.figures:
        name, row, column = place.split("/")
        table = full_report.tables[name]
        number = table.names.index(column)
        assert words in (read.sheets[name].rows[int(row)][number], f"{table.rows[int(row)][number]:,}")


def test_no_figure_stands_at_the_top_but_those(cost_page):
    (top,) = re.findall(r'<dl class="figures">.*?</dl>', cost_page, re.DOTALL)
    rest = re.sub(r'<span class="figure".*?</span>', "", top)
    assert set(re.findall(r"\w*\d\w*", rest)) == {"p90", "p99"}


def test_the_page_carries_every_figure_to_its_last_digit(full_report, read):
    assert read.document == json.loads(json.dumps(json_document(full_report)))


def test_a_table_that_nobody_gave_a_place_is_shown_all_the_same(full_report, read_page):
    extra = ReportTable("news", "News", "", (Column("what", "what", "text"),), (("seen",),))
    read = read_page(render_cost_page(replace(full_report, tables={**full_report.tables, "news": extra})))
    assert read.sheets["news"].rows == [["seen"]]


def test_places_and_charts_are_of_tables_that_there_are():
    placed = [name for section in SECTIONS for name in section.tables]
    assert sorted(placed) == sorted(TABLES)
    assert set(CHARTS) <= set(TABLES)
    assert set(CHARTS) >= HALVES


def test_every_line_of_the_losses_has_a_colour_of_its_own():
    package = resources.files("assetmill.reports")
    (known,) = re.findall(r"WHAT_COLOUR = \{(.*?)\}", package.joinpath("cost_charts.js").read_text())
    colours = dict(re.findall(r'(\w+): "(\w+)"', known))
    assert sorted(colours) == sorted(WHAT)
    assert len(set(colours.values())) == len(WHAT)
    style = package.joinpath("cost_page.css").read_text()
    assert [name for name in colours.values() if f"--{name}: light-dark(" not in style] == []


def test_what_is_met_or_not_is_marked_and_a_provider_that_is_called_draft_is_not(full_report):
    draft = replace(
        full_report.tables["by_provider"], rows=(("draft", *full_report.tables["by_provider"].rows[0][1:]),)
    )
    shown = render_cost_page(
        replace(full_report, tables={"by_provider": draft, "migration": full_report.tables["migration"]})
    )
    assert re.findall(r'class="state (\w+)">(.*?)<', shown) == [
        ("good", "met"),
        ("bad", "not met"),
        ("quiet", "no data"),
    ]


def test_an_empty_ledger_says_so_once_a_table(empty_report, read_page):
    shown = render_cost_page(empty_report)
    assert shown.count("Nothing to show.") == len(TABLES) - 1
    assert list(read_page(shown).sheets) == ["summary"]
    assert "from the first attempt" in shown.lower()


def test_costs_that_nobody_knows_are_said_before_the_sums(full_report):
    assert "in none of the sums" not in render_cost_page(full_report)
    paid = full_report.tables["summary"].rows[0]
    place = full_report.tables["summary"].names.index("unknown_cost")
    rows = [(*paid[:place], 1204, *paid[place + 1 :]), full_report.tables["summary"].rows[1]]
    short = replace(full_report, tables={**full_report.tables, "summary": make_table("summary", rows)})
    warned = render_cost_page(short)
    assert "1,204</span> attempts have a cost that nobody knows; they are in none of the sums." in warned


def test_the_same_report_gives_the_same_bytes(full_report, cost_page):
    assert render_cost_page(full_report) == cost_page


def test_period_and_time_zone_are_stated(cost_page):
    assert "From 2026-03-29 00:00 until 2026-04-04 01:00." in cost_page  # an hour later since the clocks were changed
    assert "Days and times in Europe/Berlin, amounts in US dollars." in cost_page


def test_names_never_become_markup_or_script(read):
    assert not any("onerror" in attrs for _, attrs in read.tags)
    assert sum(tag == "script" for tag, _ in read.tags) == 3
    assert not any(attrs.get("src") or (attrs.get("href") or "#")[0] != "#" for _, attrs in read.tags)


def test_the_policy_allows_the_scripts_that_are_there_and_no_other(read):
    (policy,) = [attrs["content"] or "" for tag, attrs in read.tags if attrs.get("http-equiv")]
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert policy.count("sha256-") == 3


def test_a_year_of_days_games_and_types_stays_below_three_megabytes(many_rows):
    assert len(render_cost_page(many_rows).encode()) < 3_000_000


def test_the_library_is_the_published_one_with_its_licences():
    vendor = resources.files("assetmill.reports").joinpath("vendor")
    said = json.loads(vendor.joinpath("vendored.json").read_text())
    names = {entry.name for entry in vendor.iterdir() if not entry.name.startswith("__")}
    assert names == {*said["files"], "vendored.json"}
    for name, about in said["files"].items():
        assert hashlib.sha256(vendor.joinpath(name).read_bytes()).hexdigest() == about["sha256"]
    library = vendor.joinpath("echarts.min.js").read_text(encoding="utf-8")
    assert f'version="{said["version"]}"' in library
    assert not re.search(r"</script|<!--", library, re.IGNORECASE), "it would end the element it stands in"
    assert "Apache License" in vendor.joinpath("LICENSE.echarts.txt").read_text()


@pytest.mark.parametrize(
    ("seconds", "words"),
    ((0.0, "0.0000 s"), (0.0042, "0.0042 s"), (3.256, "3.26 s"), (65.25, "65.2 s"), (600, "10 min 00 s"),
     (7199.4, "119 min 59 s"), (7199.6, "2 h 00 min"), (98_040, "27 h 14 min"), (356_400, "4 d 03 h"), (-5, "-5.00 s")),
)  # fmt: skip
def test_durations_are_worded_by_their_size(seconds, words):
    assert duration_text(seconds) == words


def test_small_amounts_and_shares_are_not_rounded_to_nothing():
    small = [Decimal(text) for text in ("0.00053", "0.00076856", "0.00000001", "-0.00012", "0.0010", "0")]
    assert [amount_text(value) for value in small] == [
        "$0.00053", "$0.000769", "$0.00000001", "-$0.00012", "$0.0010", "$0.00",
    ]  # fmt: skip
    assert [share_text(share) for share in (0, 0.0001, -0.0001, 0.0005, 0.041)] == [
        "0.0 %", "<0.1 %", "-<0.1 %", "0.1 %", "4.1 %",
    ]  # fmt: skip
