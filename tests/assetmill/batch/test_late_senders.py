"""A process that slept between its row and its POST sends only what is still its own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from assetmill.clock import Clock
from assetmill.ledger import Ledger

ONE = "  - {id: sky, type: background, prompt: a sky, width: 128, height: 128}\n"


def asleep_before_every_look() -> Clock:
    """Wall-clock time that jumps by a minute, two leases, whenever somebody looks at it."""
    looks = iter(range(100_000))
    start = datetime.now(UTC)
    return Clock(now=lambda: start + timedelta(minutes=next(looks)))


async def test_a_claim_that_ran_out_and_that_nobody_took_is_good_again(studio):
    studio.clock = asleep_before_every_look()
    report = await studio.run(ONE)
    assert (report.exit_code, report.generated) == (0, 1)
    assert [row["status"] for row in studio.rows()] == ["kept"]


async def test_what_somebody_else_has_taken_over_is_not_sent(studio):
    with Ledger.open(studio.settings.ledger_url) as ledger, ledger._database.write() as connection:
        connection.exec_driver_sql(  # somebody takes every attempt over, and settles it, as soon as it is written
            "create trigger taken after insert on attempts begin update attempts set owner = 'other', "
            "status = 'failed', error_class = 'never_arrived' where attempt_id = new.attempt_id "
            "and (select count(*) from attempts) = 1; end"
        )
    studio.clock = asleep_before_every_look()
    report = await studio.run(ONE)
    first, second = studio.rows()
    assert (first["status"], first["owner"], first["job_id"]) == ("failed", "other", None)
    assert second["status"] == "kept"
    assert len(studio.artist.executed) == 1, "only the attempt that was ours was sent"
    assert report.exit_code == 0
