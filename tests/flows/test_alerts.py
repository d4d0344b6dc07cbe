"""Each alert, fired for real: a Prefect server, automations as deploying makes them, and somebody who listens."""

from __future__ import annotations

import asyncio
import json
import os
import queue
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml
from prefect import flow
from prefect.client.orchestration import PrefectClient
from prefect.events.schemas.automations import AutomationCore
from prefect.events.worker import EventsWorker
from prefect.settings import PREFECT_API_URL, PREFECT_LOGGING_TO_API_ENABLED, temporary_settings
from pydantic import SecretStr

from assetmill.batch.purse import Warned
from assetmill.cli.prefect_server import prefect_api
from assetmill.cli.run import RUN_SETTINGS
from assetmill.errors import ProviderRefused, QueueStalled, UsageError
from assetmill.money.budgets import Budget, Kind
from assetmill.settings import Settings
from flows import events
from flows.setup.automations import FLOWS, PREFIX, Times, alerts, ensure_automations
from flows.upkeep import mark_gone

ROOT = Path(__file__).parents[2]
SECRET_PATH = "/hooks/made-up-secret-path"
HEARD_WITHIN_S = 200.0  # a busy server takes its time; the test's own limit is 600 s
SHORT = Times(zombie_s=20, settle_s=10, stalled_again_s=600, no_workers_again_s=600)  # Prefect's least is 10
pytestmark = pytest.mark.timeout(600)


@dataclass
class Receiver:
    """A webhook of somebody's chat. Messages that were read past are kept."""

    url: str
    arrived: queue.Queue[str]
    kept: list[str] = field(default_factory=list)

    def hear(self, *words: str) -> str:
        """The next message with all of these words."""
        for text in self.kept:
            if all(word in text for word in words):
                self.kept.remove(text)
                return text
        while True:
            try:
                text = self.arrived.get(timeout=HEARD_WITHIN_S)
            except queue.Empty:
                raise AssertionError(f"nobody said {words}; heard: {self.kept}") from None
            if all(word in text for word in words):
                return text
            self.kept.append(text)


@contextmanager
def listening() -> Iterator[Receiver]:
    arrived: queue.Queue[str] = queue.Queue()

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if self.path == SECRET_PATH:
                arrived.put(body["text"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Hook) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield Receiver(f"http://127.0.0.1:{server.server_port}{SECRET_PATH}", arrived)
        finally:
            server.shutdown()
            thread.join()


class Server:
    """A Prefect server that can be started again over its data."""

    def __init__(self, home: Path, api_of: Callable[[str], Any]) -> None:
        self._home, self._api_of = home, api_of
        self._stack = ExitStack()
        self.restart()

    def restart(self) -> None:
        self.close()
        self.url = self._stack.enter_context(prefect_api(self._home, None))
        self.api = self._api_of(self.url)

    def close(self) -> None:
        self._stack.close()

    def client(self, work: Callable[[PrefectClient], Awaitable[Any]]) -> Any:
        async def run() -> Any:
            async with PrefectClient(self.url) as client:
                return await work(client)

        return asyncio.run(run())

    def ensure(self, settings: Settings, times: Times = SHORT) -> list[str]:
        return list(self.client(lambda client: ensure_automations(client, settings, times)))

    def automations(self) -> dict[str, Any]:
        return {one.name: one for one in self.client(lambda client: client.read_automations())}

    def run_of(self, flow_name: str, name: str, tags: tuple[str, ...] = ()) -> str:
        flow_id = self.api.send("/flows/", {"name": flow_name})["id"]
        body = {"flow_id": flow_id, "name": name, "tags": tags, "state": {"type": "RUNNING", "name": "Running"}}
        return str(self.api.send("/flow_runs/", body)["id"])

    def becomes(self, run_id: str, kind: str, name: str, message: str = "") -> None:
        state = {"type": kind, "name": name, "message": message}
        answer = self.api.send(f"/flow_runs/{run_id}/set_state", {"state": state, "force": True})
        assert answer["status"] == "ACCEPT", answer

    def ended(self, flow_name: str, name: str, kind: str, state: str, message: str = "") -> str:
        run_id = self.run_of(flow_name, name, ("game:tiny",))
        self.becomes(run_id, kind, state, message)
        return run_id

    def heartbeats(self, *run_ids: str, flow_name: str = "generate-batch", at: datetime | None = None) -> list[str]:
        """One of each run, as the engine sends them; returns their ids."""
        flow_id = self.api.send("/flows/", {"name": flow_name})["id"]
        related = {"prefect.resource.id": f"prefect.flow.{flow_id}", "prefect.resource.role": "flow"}
        told = [
            {
                "id": str(uuid4()),
                "occurred": (at or datetime.now(UTC)).isoformat(),
                "event": "prefect.flow-run.heartbeat",
                "resource": {"prefect.resource.id": f"prefect.flow-run.{run_id}"},
                "related": [related | {"prefect.resource.name": flow_name}],
            }
            for run_id in run_ids
        ]
        self.api.send("/events", told)
        return [str(event["id"]) for event in told]

    def knows(self, ids: list[str]) -> None:
        """Wait until the server has written these events down."""
        wanted = {"filter": {"id": {"id": ids}, "occurred": {"until": "2100-01-01T00:00:00Z"}}}
        while len(self.api.read("/events/filter", wanted)["events"]) < len(ids):
            threading.Event().wait(0.3)

    def state(self, run_id: str) -> str:
        return str(self.api.read(f"/flow_runs/{run_id}")["state"]["name"])


@pytest.fixture(scope="module")
def server(tmp_path_factory, prefect_tables, api_of) -> Iterator[Server]:
    one = Server(prefect_tables(tmp_path_factory.mktemp("alerts")), api_of)
    yield one
    one.close()


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with listening() as one:
        yield one


def settings_with(**values: Any) -> Settings:
    return Settings(_env_file=None).model_copy(update=values)


@pytest.fixture(scope="module")
def settings(receiver) -> Settings:
    return settings_with(alert_url=SecretStr(receiver.url))


@pytest.fixture
def set_up(server, settings) -> Server:
    server.ensure(settings)
    return server


def deployments() -> list[dict[str, Any]]:
    return list(yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"])


def test_every_flow_that_is_deployed_is_watched():
    names = {one["entrypoint"].rpartition(":")[2].replace("_", "-") for one in deployments()}
    assert names <= set(FLOWS)


def test_a_run_misses_three_heartbeats_before_it_is_taken_for_dead():
    environments = [one["work_pool"]["job_variables"]["env"] for one in deployments()]
    assert len(environments) >= 6
    for environment in (*environments, RUN_SETTINGS):
        assert 3 * float(environment["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"]) <= Times().zombie_s


def test_every_alert_has_a_section_that_says_what_to_do():
    headings = {line.lstrip("# ") for line in (ROOT / "docs" / "alerts.md").read_text().splitlines() if line[:1] == "#"}
    assert {alert.section for alert in alerts(Times())} <= headings


def test_without_anybody_to_notify_dead_runs_are_still_marked_and_deploying_says_so(server):
    words = server.ensure(settings_with())
    assert list(server.automations()) == [PREFIX + "a run that is gone has crashed"]
    assert any("8 alerts are left out" in line for line in words)


def test_deploying_again_changes_nothing(server, settings):
    server.ensure(settings)
    before = server.automations()
    assert len(before) == 9
    assert server.ensure(settings) == []
    assert server.automations() == before


def test_what_differs_is_put_right_what_is_switched_off_stays_off_and_what_is_not_ours_stays(set_up, settings):
    before = set_up.automations()
    disabled, renamed = before[PREFIX + "a queue is stalled"], before[PREFIX + "nothing is settled"]
    set_up.client(lambda client: client.pause_automation(disabled.id))
    for name in ("somebody's own", PREFIX + "of an older version"):
        other = AutomationCore(name=name, trigger=renamed.trigger, actions=renamed.actions)
        set_up.client(lambda client, other=other: client.create_automation(other))
    words = set_up.ensure(settings, Times(zombie_s=20, settle_s=11, stalled_again_s=60, no_workers_again_s=600))
    assert words == [
        "automation 'assetmill: a queue is stalled' changed; it stays disabled",
        "automation 'assetmill: nothing is settled' changed",
        "automation 'assetmill: of an older version' removed",
    ]
    after = set_up.automations()
    assert set(after) == {*before, "somebody's own"}
    assert [name for name, one in after.items() if not one.enabled] == [disabled.name]
    assert after[disabled.name].trigger.within.total_seconds() == 60
    set_up.client(lambda client: client.resume_automation(disabled.id))
    set_up.client(lambda client: client.delete_automation(after["somebody's own"].id))
    set_up.ensure(settings)


def test_deploying_from_a_machine_that_names_nobody_silences_nobody(set_up):
    before = set_up.automations()
    assert set_up.ensure(settings_with()) == []
    assert set_up.automations() == before


def test_the_address_is_a_secret_and_a_new_one_takes_its_place(set_up, settings, receiver):
    path = "/block_types/slug/custom-webhook/block_documents/name/assetmill-alerts"
    shown = json.dumps(set_up.api.read(path))
    assert SECRET_PATH not in shown
    assert "{{address}}" in shown
    assert SECRET_PATH not in str([one.model_dump() for one in set_up.automations().values()])
    other = settings_with(alert_url=SecretStr(receiver.url + "-new"))
    assert set_up.ensure(other) == ["notification block assetmill-alerts changed"]
    assert set_up.ensure(settings) == ["notification block assetmill-alerts changed"]


def test_a_block_that_somebody_has_made_is_used_and_one_that_is_not_there_is_an_error(set_up, settings):
    named = settings_with(alert_block="custom-webhook/assetmill-alerts")
    assert set_up.ensure(named) == []
    with pytest.raises(UsageError, match="no block slack-webhook/ops") as missing:
        set_up.ensure(settings_with(alert_block="slack-webhook/ops"))
    assert "page Blocks" in missing.value.hint
    with pytest.raises(UsageError, match="both set"):
        set_up.ensure(settings.model_copy(update={"alert_block": "slack-webhook/ops"}))
    with pytest.raises(UsageError, match="no http or https address") as wrong:
        set_up.ensure(settings_with(alert_url=SecretStr("hooks.example.com/very-secret")))
    assert "very-secret" not in str(wrong.value)


def test_a_failed_and_a_crashed_run_are_told_with_their_game_their_reason_and_a_link(set_up, receiver):
    set_up.ended("somebody-elses", "not ours", "FAILED", "Failed", "of no concern")
    set_up.ended("generate-batch", "all is well", "COMPLETED", "Completed", "of no concern")
    failed = set_up.ended("generate-batch", "tiny: 2 pictures", "FAILED", "Failed", "the endpoint refused us")
    text = receiver.hear("tiny: 2 pictures")
    assert text.startswith("assetmill: generate-batch Failed: tiny: 2 pictures\nthe endpoint refused us\n")
    assert f"/runs/flow-run/{failed}" in text
    assert "game:tiny" in text
    assert text.endswith('What to do: docs/alerts.md, "A run failed or crashed"')
    set_up.ended("nightly", "the night", "CRASHED", "Crashed", "its process ended")
    assert "nightly Crashed: the night\nits process ended" in receiver.hear("the night")
    timed_out = receiver.kept
    set_up.ended("submission", "approval", "FAILED", "TimedOut", "nobody has agreed")
    assert "submission TimedOut: approval" in receiver.hear("approval"), "any name that a failed state bears"
    assert not [text for text in timed_out if "of no concern" in text]


def test_a_run_with_failures_is_told_by_an_alert_of_its_own(set_up, receiver):
    set_up.ended("generate-batch", "tiny: half", "COMPLETED", "CompletedWithFailures", "57 kept, 2 failed")
    text = receiver.hear("tiny: half")
    assert "completed with failures: tiny: half\n57 kept, 2 failed" in text


@contextmanager
def in_flow_runs_of(server: Server) -> Iterator[None]:
    """Flows that are called here run against the server; all that they tell has left when the block ends."""
    with temporary_settings({PREFECT_API_URL: server.url, PREFECT_LOGGING_TO_API_ENABLED: False}):
        try:
            yield
        finally:
            EventsWorker.drain_all(timeout=30)


def stalled(cause: str) -> QueueStalled:
    return QueueStalled("the job waits in the queue: nobody takes it", hint="look at it", job_id="j-1", cause=cause)


def test_a_stalled_queue_and_an_endpoint_without_workers_are_told_once_with_the_run_that_met_them(set_up, receiver):
    @flow(name="generate-batch", flow_run_name="met-{endpoint}")
    def meets(endpoint: str, cause: str) -> None:
        events.run_ended(endpoint, stalled(cause))

    @flow(name="generate-batch", flow_run_name="quiet")
    def says_nothing() -> None:
        events.run_ended("gpu-1", None)
        events.run_ended("gpu-1", ProviderRefused("of no concern"))

    with in_flow_runs_of(set_up):
        says_nothing()
        meets("gpu-1", "throttled")
        meets("gpu-1", "crash_loop")
        meets("gpu-2", "no_workers_allowed")
    text = receiver.hear("the queue of gpu-1 is stalled")
    assert "the job waits in the queue: nobody takes it\nlook at it\nRun: http" in text
    assert "/runs/flow-run/" in text
    receiver.hear("the queue of gpu-2 is stalled")
    text = receiver.hear("max workers of gpu-2 is 0")
    assert '"An endpoint may have no workers"' in text
    heard = [text for text in receiver.kept if "gpu-" in text or "of no concern" in text]
    assert heard == [], "an endpoint that goes on stalling is told of once in a while"


def warned(kind: Kind, of: str, percent: int, words: str) -> Warned:
    return Warned(Budget(kind, of, Decimal(5)), percent, words)


def test_each_warning_of_a_game_or_a_month_is_told_and_a_run_keeps_its_own_to_itself(set_up, receiver):
    @flow(name="generate-batch", flow_run_name="spends")
    def spends() -> None:
        events.budget_warned(warned(Kind.RUN, "run-1", 100, "of no concern"))
        events.budget_warned(warned(Kind.GAME, "tiny", 50, "half of it"))
        events.budget_warned(warned(Kind.GAME, "tiny", 80, "most of it"))
        events.budget_warned(warned(Kind.MONTH, "2026-11", 100, "all of it"))

    with in_flow_runs_of(set_up):
        spends()
    for what, words in (("half spent", "half of it"), ("mostly spent", "most of it"), ("reached", "all of it")):
        text = receiver.hear(f"a budget is {what}")
        assert text.startswith(f"assetmill: a budget is {what}\n{words}\nRun: http")
        assert text.endswith('"A budget is being spent"')
    assert not [text for text in receiver.kept if "of no concern" in text]


def test_without_a_server_nothing_is_told_and_none_is_started():
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        assert events.queue_stalled("gpu", "words") is False


@pytest.mark.skipif(
    os.environ.get("CRASH_PROOF") != "all", reason="Prefect on a busy SQLite loses an event now and then: `make crash`"
)
def test_a_run_whose_heartbeats_stopped_is_crashed_and_one_that_waits_for_a_person_is_not(set_up, receiver):
    suspended = set_up.run_of("generate-batch", "suspended")
    paused = set_up.run_of("submission", "paused")
    never = set_up.run_of("generate-batch", "without heartbeats")
    foreign = set_up.run_of("somebody-elses", "foreign")
    dead = set_up.run_of("generate-batch", "dead")
    set_up.heartbeats(foreign, flow_name="somebody-elses")
    set_up.knows(set_up.heartbeats(suspended, paused))  # before what follows: a busy server reads some at a time
    set_up.becomes(suspended, "PAUSED", "Suspended")
    set_up.becomes(paused, "PAUSED", "Paused")
    set_up.heartbeats(dead)
    assert "no heartbeat for 20 s" in receiver.hear("Crashed: dead")
    states = {run_id: set_up.state(run_id) for run_id in (suspended, paused, never, foreign, dead)}
    assert list(states.values()) == ["Suspended", "Paused", "Running", "Running", "Crashed"]


def test_runs_that_fell_silent_while_the_server_was_away_are_ended_once_it_has_been_back_for_a_while(set_up):
    marker = set_up.automations()[PREFIX + "a run that is gone has crashed"]
    set_up.client(lambda client: client.pause_automation(marker.id))  # it would be first
    gone, stopping = set_up.run_of("generate-batch", "gone"), set_up.run_of("nightly", "stopping")
    alive, never = set_up.run_of("generate-batch", "alive"), set_up.run_of("generate-batch", "without heartbeats")
    foreign = set_up.run_of("somebody-elses", "foreign")
    later = datetime.now(UTC) + timedelta(minutes=20)
    heard = set_up.heartbeats(gone, stopping, alive, foreign)
    set_up.knows(heard + set_up.heartbeats(alive, at=later - timedelta(seconds=60)))
    set_up.becomes(stopping, "CANCELLING", "Cancelling")

    def look() -> list[str]:
        return list(set_up.client(lambda client: mark_gone(client, later)))

    assert look() == [], "the server is only just back: nobody can have been heard"
    set_up.knows(set_up.heartbeats(foreign, at=later - timedelta(minutes=5)))
    assert sorted(look()) == ["run gone is gone: Crashed", "run stopping is gone: Cancelled"]
    states = [set_up.state(run_id) for run_id in (gone, stopping, alive, never, foreign)]
    assert states == ["Crashed", "Cancelled", "Running", "Running", "Running"]
    assert look() == []
    set_up.client(lambda client: client.resume_automation(marker.id))


def test_it_is_told_when_nothing_settles_also_over_a_restart_of_the_server(set_up, receiver):
    set_up.ended("settle-open", "the last one", "COMPLETED", "Completed", "0 settled")
    set_up.restart()
    text = receiver.hear("no settle-open run has completed")
    assert "the last one, Completed at" in text
    late = set_up.run_of("settle-open", "nobody takes it")
    set_up.becomes(late, "SCHEDULED", "Late")
    assert "nobody takes it, Late at" in receiver.hear("no settle-open run has completed")
