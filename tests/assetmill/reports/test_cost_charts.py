"""The cost page in a browser: charts draw the figures of the report, and it works by keyboard, in the dark, on a phone.

Charts are asked what they draw, and that is compared with the report, not with the page.
"""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from assetmill.reports.cost_cells import amount_text
from assetmill.reports.cost_page import CHARTS, render_cost_page
from assetmill.reports.tables import TABLES, Cell

HOSTILE = "</script><img src=x onerror=\"document.title='taken'\"><!-- {{ 7*7 }} {b} ' \" & \u2028 \U0001f388 __proto__"

# What each chart draws: its series with their data, and the words of its category axes.
DRAWN = """() => Object.fromEntries([...document.querySelectorAll("[data-chart]")].map((host) => {
  const option = echarts.getInstanceByDom(host)?.getOption();
  const figure = (one) => (one && "value" in Object(one) ? one.value : one);
  const words = (axis) => (option?.[axis] ?? [])[0]?.data ?? null;
  return [host.dataset.chart, option && {
    x: words("xAxis"), y: words("yAxis"), zoom: option.dataZoom ?? [],
    series: Object.fromEntries(option.series.map(({ name, data }) => [name, data.map(figure)])),
  }];
}))"""


def figure(value: Cell) -> Any:
    """A cell as a chart has it: moments by the clock of the newest, which is summer time's."""
    if isinstance(value, datetime):
        return value.timestamp() * 1000 + 2 * 3_600_000
    return float(value) if isinstance(value, Decimal) else value


def named(value: Cell) -> str:
    return "unknown" if value is None else str(value)


def by_place(records: list[dict[str, Cell]], series: str, place: str, value: str) -> dict[str, dict[Any, Any]]:
    """Figures of a table as charts group them: series -> place on the axis -> figure."""
    found: dict[str, dict[Any, Any]] = {}
    for record in records:
        found.setdefault(named(record[series]), {})[record[place]] = figure(record[value])
    return found


def drawn_by_place(chart: dict[str, Any]) -> dict[str, dict[Any, Any]]:
    """The same of a drawn chart, without the places at which nothing is drawn."""
    return {
        name: {x: y for x, y in zip(chart["x"], data, strict=True) if y is not None}
        for name, data in chart["series"].items()
    }


def without_unknown(series: dict[str, dict[Any, Any]]) -> dict[str, dict[Any, Any]]:
    return {name: {x: y for x, y in data.items() if y is not None} for name, data in series.items()}


def test_the_page_loads_nothing_and_complains_of_nothing(opened):
    assert [url[:8] for url in opened.requests] == ["file:///"]
    assert opened.complaints == []
    assert opened.page.title() == "Costs of <every> game"
    assert opened.page.locator("img").count() == 0


def test_every_chart_is_drawn(opened):
    drawn = opened.page.evaluate(DRAWN)
    assert sorted(drawn) == sorted(CHARTS)
    assert all(chart and chart["series"] for chart in drawn.values())


@pytest.mark.parametrize(("table", "key"), (("by_day_game", "game"), ("by_day_type", "type")))
@pytest.mark.parametrize("measure", ("cost_estimate_usd", "cost_low_usd", "cost_high_usd", "attempts", "kept"))
def test_spend_is_drawn_as_the_table_has_it_whichever_figure_is_chosen(opened, full_report, table, key, measure):
    opened.page.locator(f"#{table} .tools select").select_option(measure)
    paid = [record for record in full_report.tables[table].records() if record["kind"] == "paid"]
    chart = opened.page.evaluate(DRAWN)[table]
    assert drawn_by_place(chart) == without_unknown(by_place(paid, key, "day", measure))
    assert len(chart["x"]) == 6, "days without a row keep their place"


def test_spending_is_drawn_against_every_budget_that_is_set(opened, full_report):
    records = full_report.tables["cumulative"].records()
    expected = by_place(records, "scope", "day", "cumulative_usd")
    limits = by_place([record for record in records if record["budget_usd"]], "scope", "day", "budget_usd")
    expected |= {f"budget of {scope}": limit for scope, limit in limits.items()}
    assert len(limits) == 2
    assert drawn_by_place(opened.page.evaluate(DRAWN)["cumulative"]) == expected


@pytest.mark.parametrize(
    ("table", "series", "start"),
    (("cost_distribution", "type", "from_usd"), ("latency_histogram", "warmth", "from_s")),
)
def test_distributions_are_drawn_step_by_step(opened, full_report, table, series, start):
    records = full_report.tables[table].records()
    expected = by_place(records, series, start, "images")
    order = sorted({figure(record[start]) for record in records})
    chart = opened.page.evaluate(DRAWN)[table]
    if table == "latency_histogram":
        words = [word.replace("\N{EN DASH}", " to ") for word in chart["x"]]
        assert words == ["0 to 10 s", "10 to 30 s", "…", "110 to 120 s", "2:00 to 2:10 min", "…", "3:20 min and more"]
        order[2:2], order[5:5] = [None], [None]  # steps that no image took
    assert chart["series"] == {
        name: [{figure(x): y for x, y in data.items()}.get(x) for x in order] for name, data in expected.items()
    }


def test_losses_are_drawn_and_labelled_as_the_table_words_them(opened, full_report, read):
    records = full_report.tables["losses"].records()
    chart = opened.page.evaluate(DRAWN)["losses"]
    assert chart["y"] == [record["title"] for record in records]
    assert chart["series"]["estimate"] == [figure(record["cost_usd"]) for record in records]
    words = opened.page.locator("[data-chart=losses] svg text").all_text_contents()
    assert {row[-1] for row in read.sheets["losses"].rows if row[-1] != "unknown"} <= set(words)


def test_latency_is_drawn_by_part_and_percentile(opened, full_report):
    records = full_report.tables["latency_distribution"].records()
    series = opened.page.evaluate(DRAWN)["latency_distribution"]["series"]
    for name, column in (("median", "p50_s"), ("p90", "p90_s"), ("p99", "p99_s")):
        assert series[name] == [[record[column], place] for place, record in enumerate(records)]


def test_scenario_is_drawn_as_a_range_beside_our_price(opened, full_report):
    records = full_report.tables["scenario"].records()
    series = opened.page.evaluate(DRAWN)["scenario"]["series"]
    assert series["here"] == [[figure(record["own_per_image_usd"]), place] for place, record in enumerate(records)]
    assert series["Scenario"] == [
        [place, figure(record["scenario_low_usd"]), figure(record["scenario_high_usd"])]
        for place, record in enumerate(records)
        if record["scenario_low_usd"] is not None
    ]


@pytest.mark.parametrize("endpoint", ("other", "comfy"))
def test_what_was_billed_is_drawn_beside_what_was_estimated_and_not_added_to_it(opened, full_report, endpoint):
    opened.page.locator("#reconciliation .tools select").select_option(endpoint)
    records = [record for record in full_report.tables["reconciliation"].records() if record["endpoint"] == endpoint]
    series = opened.page.evaluate(DRAWN)["reconciliation"]["series"]
    for name, column in (("billed", "billed_usd"), ("estimated: execution", "execution_usd"),
                         ("estimated: starts", "start_usd"), ("estimated: gaps and idle", "idle_usd"),
                         ("estimated: workers without a job", "jobless_usd")):  # fmt: skip
        assert series[name] == [figure(record[column]) for record in records]
    stacks = opened.page.evaluate(
        "echarts.getInstanceByDom(document.querySelector('[data-chart=reconciliation]'))"
        ".getOption().series.map(({name, stack}) => [name, stack ?? null])"
    )
    assert [name for name, stack in stacks if stack is None] == ["billed"]


def test_the_timeline_shows_every_part_of_every_life_at_its_time_and_no_two_workers_in_one_place(opened, full_report):
    records = full_report.tables["occupancy"].records()
    chart = opened.page.evaluate(DRAWN)["occupancy"]
    parts = {"start": "start", "execution": "execution", "gap": "gap between jobs", "idle": "idle tail"}
    drawn = {(name, row[3]): row for name, data in chart["series"].items() if name != "workers" for row in data}
    for place, record in enumerate(records):
        failed = record["what"] == "execution" and record["status"] == "failed"
        lane, began, ended, _ = drawn.pop(("failed execution" if failed else parts[str(record["what"])], place))
        assert (began, ended) == pytest.approx((figure(record["began"]), figure(record["ended"])), abs=1)
        record["lane"] = lane
    assert drawn == {}
    assert len({record["lane"] for record in records}) == len(chart["y"]) == 4
    for one in records:
        for other in records:
            if one["lane"] == other["lane"] and one["life"] != other["life"]:
                assert one["ended"] <= other["began"] or other["ended"] <= one["began"]


def test_the_timeline_opens_at_the_newest_batch_and_is_zoomed_by_keyboard(opened, full_report):
    records = full_report.tables["occupancy"].records()
    host = opened.page.locator("#occupancy")

    def window() -> tuple[float, float]:
        zoom = opened.page.evaluate(DRAWN)["occupancy"]["zoom"][0]
        return zoom["startValue"], zoom["endValue"]

    def press(name: str) -> tuple[float, float]:
        button = host.get_by_role("button", name=name, exact=True)
        button.focus()
        opened.page.keyboard.press("Enter")
        return window()

    newest = (figure(min(record["began"] for record in records if record["life"] == 9)),
              figure(max(record["ended"] for record in records)))  # fmt: skip
    assert window() == pytest.approx(newest, abs=1)
    whole = press("All")
    assert whole == pytest.approx((figure(min(record["began"] for record in records)), newest[1]), abs=1)
    start, end = press("Zoom in")
    assert end - start == pytest.approx((whole[1] - whole[0]) / 2)
    assert press("Earlier")[0] < start
    assert press("Later")[0] == pytest.approx(start)
    assert press("Zoom out") == pytest.approx(whole)
    assert press("Newest batch") == pytest.approx(newest, abs=1)


def test_a_tooltip_is_text_and_says_the_tables_figures(opened, read):
    host = opened.page.locator("[data-chart=losses]")
    host.scroll_into_view_if_needed()
    box = host.bounding_box()
    assert box
    opened.page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + 70)
    opened.page.locator("#losses .tip").wait_for()
    shown = opened.page.locator("#losses .tip").inner_text().replace("\n", " ")
    row = read.sheets["losses"].rows[1]
    assert shown.split() == " ".join([row[1], "estimate", row[4], "time", row[2], "of the time", row[3]]).split()


def test_a_tooltip_names_a_group_as_it_is_called(opened):
    host = opened.page.locator("[data-chart=by_day_game]")
    host.scroll_into_view_if_needed()
    box = host.bounding_box()
    assert box
    opened.page.mouse.move(box["x"] + 110, box["y"] + box["height"] / 2)
    opened.page.locator("#by_day_game .tip").wait_for()
    assert HOSTILE in opened.page.locator("#by_day_game .tip span").all_text_contents()
    assert opened.page.locator("img").count() == 0


def test_tables_are_sorted_by_their_figures_not_by_their_words(opened, full_report):
    head = opened.page.locator("#summary thead th", has_text="attempts")
    table = opened.page.locator("#by_game")
    button = table.locator("thead button", has_text="estimate")
    for way, descending in (("descending", True), ("ascending", False)):
        button.click()
        cells = table.locator("tbody tr td:nth-child(10)").all_inner_texts()
        costs = sorted(
            (record["cost_estimate_usd"] for record in full_report.tables["by_game"].records()), reverse=descending
        )
        assert cells == [amount_text(cost) for cost in costs]
        assert table.locator(f"th[aria-sort={way}]").inner_text() == "estimate"
    assert head.count() == 1


def test_a_table_is_saved_with_every_digit(opened):
    with opened.page.expect_download() as download:
        opened.page.locator("#losses details summary").click()
        opened.page.locator("#losses").get_by_role("button", name="Save Where the money goes as CSV").click()
    text = Path(download.value.path()).read_text(encoding="utf-8")
    assert text.splitlines()[0] == "what,title,seconds,share,cost_usd"
    assert "1.32500000" in text
    assert '"' + HOSTILE.replace('"', '""') + '"' in text


FILL = "(text) => getComputedStyle(text).fill"


def test_dark_is_dark_in_page_and_charts_and_the_switch_wins_over_the_system(opened):
    def shades() -> tuple[int, int]:
        """How light the paper is, and the words of a chart."""
        paper = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
        words = opened.page.locator("[data-chart=losses] svg text").first
        return tuple(sum(map(int, re.findall(r"\d+", shade)[:3])) for shade in (paper, words.evaluate(FILL)))

    light = shades()
    opened.page.emulate_media(color_scheme="dark")
    opened.page.wait_for_function("() => new Promise((done) => requestAnimationFrame(() => done(true)))")
    dark = shades()
    assert light[0] > light[1]
    assert dark[0] < dark[1]
    opened.page.locator("#theme").select_option("light")
    assert shades() == light
    opened.page.emulate_media(color_scheme="light")
    opened.page.locator("#theme").select_option("dark")
    assert shades() == dark
    opened.page.locator("#theme").select_option("")
    assert shades() == light


def test_patterns_tell_groups_apart_without_colours(opened):
    button = opened.page.get_by_role("button", name="Patterns")
    marks = opened.page.locator("[data-chart=by_day_type] svg pattern")
    assert marks.count() == 0
    button.focus()
    opened.page.keyboard.press("Space")
    assert button.get_attribute("aria-pressed") == "true"
    assert marks.count() >= 4
    button.click()
    assert marks.count() == 0


def test_on_paper_every_table_is_unfolded_and_the_page_is_as_before_afterwards(opened):
    folded = "document.querySelectorAll('details:not([open])').length"
    before = opened.page.evaluate(folded)
    opened.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert opened.page.evaluate(folded) == 0
    opened.page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert opened.page.evaluate(folded) == before > 0


@pytest.mark.parametrize("full", (True, False), ids=["full", "empty"])
def test_on_a_phone_nothing_is_wider_than_the_screen(open_page, cost_page, empty_report, full):
    text = cost_page if full else render_cost_page(empty_report)
    shown = open_page(text, viewport={"width": 390, "height": 844})
    assert shown.page.evaluate("document.documentElement.scrollWidth") == 390
    assert shown.page.locator("[data-chart]").count() == (len(CHARTS) if full else 0)
    assert shown.complaints == []
    shown.page.close()


def test_without_scripts_every_table_is_there(open_page, cost_page):
    shown = open_page(cost_page, java_script_enabled=False)
    assert shown.page.get_by_text("Charts need JavaScript; every figure stands in the tables.").is_visible()
    assert shown.page.locator("table").count() == len(TABLES)
    shown.page.close()
