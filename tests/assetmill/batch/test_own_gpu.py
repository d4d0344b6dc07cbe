"""The books of a GPU of one's own: a picture costs its time there, and nothing for starts, pauses and idle workers."""

from __future__ import annotations

from decimal import Decimal

import pytest

from assetmill.audit.costs import compare_costs
from assetmill.ledger import Ledger
from assetmill.localpod import PodConfig, gpus_named, running_pod

FOES = "".join(
    f"  - {{id: foe{n}, type: entity, prompt: foe number {n}, shape: circle, silhouette: {{canvas: 64x64}}}}\n"
    for n in range(3)
)


@pytest.mark.parametrize("usd_per_hour", ("3.6", "0"))
async def test_pictures_cost_their_time_at_the_price_of_an_hour_and_nothing_else(
    tmp_path, make_settings, tools, usd_per_hour
):
    artist = tools.artist()
    artist.answers["foe"] = lambda graph: {"images": tools.answer(graph)["images"]}  # real art, no draft
    config = PodConfig(endpoint_id="local", api_key="made-up-key", workers=2, gpus=gpus_named(["RTX 4090"]))
    settings = make_settings(OWN_GPU_USD_PER_HOUR=usd_per_hour)
    async with running_pod(config, artist) as pod:
        report = await tools.studio(tmp_path, artist, pod, settings).run(FOES)
    with Ledger.open(settings.ledger_url) as ledger:
        rows, lives = ledger.rows(), ledger.workers.lives()
    assert (report.exit_code, len(rows), lives) == (0, 3, [])
    for row in rows:
        due = (Decimal(usd_per_hour) / 3600 * row["execution_ms"] / 1000).quantize(Decimal("0.00000001"))
        costs = {row["cost_low_usd"], row["cost_estimate_usd"], row["cost_high_usd"]}
        assert costs == {due}
        assert (row["price_source"], row["draft"]) == ("OWN_GPU_USD_PER_HOUR", False)
        assert (row["start_ms"], row["gap_ms"], row["idle_ms"]) == (None, None, None)
    assert not list(compare_costs(rows))


async def test_without_a_price_of_an_hour_pictures_are_charged_nothing_that_runpod_asks(tmp_path, make_settings, tools):
    """A studio that rents as well has a GPU pool in its settings, and a worker that has stood idle for minutes."""
    artist = tools.artist()
    artist.answers["foe"] = lambda graph: {"images": tools.answer(graph)["images"]}
    config = PodConfig(endpoint_id="local", api_key="made-up-key", workers=2, gpus=gpus_named(["RTX 4090"]))
    settings = make_settings(ASSETMILL_GPU_POOL="ADA_24")
    async with running_pod(config, artist) as pod:
        report = await tools.studio(tmp_path, artist, pod, settings).run(FOES)
    with Ledger.open(settings.ledger_url) as ledger:
        rows, lives = ledger.rows(), ledger.workers.lives()
    assert (report.exit_code, len(rows), lives) == (0, 3, [])
    for row in rows:
        assert (row["cost_low_usd"], row["cost_estimate_usd"], row["price_per_s_usd"]) == (None, None, None)
        assert (row["start_ms"], row["idle_ms"], row["gpu"]) == (None, None, None)
    assert not list(compare_costs(rows))
