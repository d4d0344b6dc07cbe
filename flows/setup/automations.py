"""Alerts as Prefect automations: what is watched, what is said, and bringing a server to it.

The definitions are data; docs/alerts.md has a section for each, and says how the figures were chosen. An automation of
ours bears a name that begins with `assetmill: `; no other is touched. One that an operator has disabled stays disabled,
whatever else changes about it. Where nobody is configured to be notified, alerts that are there stay: deploying from a
machine without that setting must not silence anybody.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState, SendNotification
from prefect.events.schemas.automations import Automation, AutomationCore, EventTrigger, Posture

from assetmill.money.budgets import Kind
from assetmill.settings import Settings
from flows.events import BUDGET, BUDGET_HALF, BUDGET_MOST, BUDGET_SPENT, ENDPOINT, NO_WORKERS, QUEUE_STALLED
from flows.setup.notifications import ensure_receiver

PREFIX = "assetmill: "
FLOWS = ("generate-batch", "nightly", "settle-open", "ingest-submissions", "submission", "cost-report", "compare")
RUN = "prefect.flow-run."
HEARTBEAT = RUN + "heartbeat"
PAGE = 200
LEFT_OUT = "alerts are left out"  # said at every deploy, though nothing was done

RUN_WORDS = """{{ flow_run.state.message | truncate(600) }}
Run: {{ flow_run | ui_url or flow_run.id }}{% if flow_run.tags %}
Tags: {{ flow_run.tags | join(", ") }}{% endif %}
"""
ENDPOINT_WORDS = """{{ event.payload.words }}{% if event.payload.hint %}
{{ event.payload.hint }}{% endif %}
Run: {{ flow_run | ui_url or flow_run.id }}
"""
BUDGET_SECTION = "A budget is being spent"
BUDGET_WORDS = """{{ event.payload.words }}
Run: {{ flow_run | ui_url or flow_run.id }}
"""
SETTLE_WORDS = """Results of jobs live for 30 minutes; what nobody collects until then is paid for and lost.
Last heard of: {{ flow_run.name }}, {{ event.resource["prefect.state-name"] }} at {{ event.occurred }}
Run: {{ flow_run | ui_url or flow_run.id }}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Figures of the alerts, in seconds. Prefect takes none below 10 where something is missed.

    Args:
        zombie_s: without a heartbeat for this long a run is gone; three heartbeats of 30 s.
        settle_s: without a completed settle-open for this long somebody is told; two of its runs.
        stalled_again_s: an endpoint that stalls is told of once in this time.
        no_workers_again_s: one that may have no workers is told of once in this time.
    """

    zombie_s: float = 90
    settle_s: float = 1200
    stalled_again_s: float = 900
    no_workers_again_s: float = 6 * 3600


@dataclass(frozen=True, slots=True)
class Alert:
    """One automation.

    Args:
        name: without our prefix.
        trigger: what is watched.
        section: heading in docs/alerts.md that says what to do.
        subject: first line of the notification; empty for one that notifies nobody.
        body: the rest of it.
        state: what a flow run becomes, with its words; None where nothing changes.
    """

    name: str
    trigger: EventTrigger
    section: str
    subject: str = ""
    body: str = ""
    state: tuple[StateType, str] | None = None

    def automation(self, receiver: UUID | None) -> AutomationCore | None:
        """As Prefect takes it; None for a notification without anybody to notify."""
        actions: list[Any] = []
        if self.state is not None:
            actions.append(ChangeFlowRunState(state=self.state[0], message=self.state[1]))
        elif receiver is not None:
            what_to_do = f'What to do: docs/alerts.md, "{self.section}"'
            actions.append(
                SendNotification(
                    block_document_id=receiver, subject=f"{PREFIX}{self.subject}", body=self.body + what_to_do
                )
            )
        described = f'docs/alerts.md, "{self.section}". Kept by `assetmill deploy`; disabled here it stays disabled.'
        named = {"name": PREFIX + self.name, "description": described}
        return AutomationCore(**named, trigger=self.trigger, actions=actions) if actions else None


def alerts(times: Times) -> tuple[Alert, ...]:
    """All of them."""
    return (
        Alert(
            "a run failed or crashed",
            _runs(Posture.Reactive, expect={RUN + "*"}, states=["FAILED", "CRASHED"]),
            "A run failed or crashed",
            "{{ flow.name }} {{ flow_run.state.name }}: {{ flow_run.name }}",
            RUN_WORDS,
        ),
        Alert(
            "a run completed with failures",
            _runs(Posture.Reactive, expect={RUN + "CompletedWithFailures"}),
            "A run completed with failures",
            "{{ flow.name }} completed with failures: {{ flow_run.name }}",
            RUN_WORDS,
        ),
        Alert(
            "a queue is stalled",
            _endpoints(QUEUE_STALLED, times.stalled_again_s),
            "A queue is stalled",
            'the queue of {{ event.resource["prefect.resource.name"] }} is stalled',
            ENDPOINT_WORDS,
        ),
        Alert(
            "an endpoint may have no workers",
            _endpoints(NO_WORKERS, times.no_workers_again_s),
            "An endpoint may have no workers",
            'max workers of {{ event.resource["prefect.resource.name"] }} is 0',
            ENDPOINT_WORDS,
        ),
        *(
            Alert(f"a budget is {what}", _budgets(event), BUDGET_SECTION, f"a budget is {what}", BUDGET_WORDS)
            for what, event in (("half spent", BUDGET_HALF), ("mostly spent", BUDGET_MOST), ("reached", BUDGET_SPENT))
        ),
        Alert(
            "nothing is settled",
            _runs(
                Posture.Proactive,
                after={RUN + "Completed", RUN + "Late"},
                expect={RUN + "Completed"},
                within_s=times.settle_s,
                flows=("settle-open",),
                each="related:flow:prefect.resource.id",  # without, Prefect would begin the time anew by itself
            ),
            "Nothing is settled",
            f"no settle-open run has completed for {times.settle_s / 60:g} minutes",
            SETTLE_WORDS,
        ),
        Alert(
            "a run that is gone has crashed",
            _runs(
                Posture.Proactive,
                # Any event of the run is a sign that it need not be marked: a Paused or Suspended one has no heartbeats
                # once its process has ended, and waits for a person. The next heartbeat begins the time anew. One that
                # is being cancelled may only become Cancelled: flows/upkeep.py sees to it.
                after={HEARTBEAT},
                expect={RUN + "*"},
                within_s=times.zombie_s,
                each="prefect.resource.id",
            ),
            "A run that is gone has crashed",
            state=(StateType.CRASHED, f"no heartbeat for {times.zombie_s:g} s: its process is gone"),
        ),
    )


def _runs(
    posture: Posture, *, expect: set[str], after: frozenset[str] | set[str] = frozenset(), within_s: float = 0,
    states: list[str] | None = None, flows: tuple[str, ...] = FLOWS, each: str | None = None,
) -> EventTrigger:  # fmt: skip
    """A trigger for flow runs of ours; what others run on the same server is their own."""
    return EventTrigger(
        match={"prefect.resource.id": RUN + "*"} | ({"prefect.state-type": states} if states else {}),
        match_related={"prefect.resource.role": "flow", "prefect.resource.name": list(flows)},
        posture=posture,
        after=set(after),
        expect=expect,
        for_each={each} if each else set(),
        within=timedelta(seconds=within_s),
    )


def _endpoints(event: str, again_s: float) -> EventTrigger:
    """A trigger that fires at an endpoint's first event, and then not again for that endpoint for a while."""
    return EventTrigger(
        match={"prefect.resource.id": ENDPOINT + "*"},
        posture=Posture.Reactive,
        expect={event},
        for_each={"prefect.resource.id"},
        within=timedelta(seconds=again_s),
    )


def _budgets(event: str) -> EventTrigger:
    """A trigger for budgets of games and months; each event is told once, and a run tells of its own at its end."""
    return EventTrigger(
        match={"prefect.resource.id": [f"{BUDGET}{Kind.GAME}.*", f"{BUDGET}{Kind.MONTH}.*"]},
        posture=Posture.Reactive,
        expect={event},
        for_each={"prefect.resource.id"},
        within=timedelta(0),
    )


DEFAULT = Times()


async def ensure_automations(client: PrefectClient, settings: Settings, times: Times = DEFAULT) -> list[str]:
    """Bring the server's automations to what this module says.

    Args:
        client: of the server.
        settings: who is notified.
        times: figures of the alerts.

    Returns:
        What was done, in words; nothing if all was right already.

    Raises:
        UsageError: who is to be notified cannot be.
    """
    receiver = await ensure_receiver(client, settings)
    words = list(receiver.words)
    there = await _ours(client)
    known, left_out = set(), 0
    for alert in alerts(times):
        wanted = alert.automation(receiver.block_id)
        known.add(PREFIX + alert.name)
        if wanted is None:
            left_out += not there.get(PREFIX + alert.name)
            continue
        words += await _put(client, wanted, there.get(wanted.name, []))
    for name, gone in there.items():
        for one in gone if name not in known else gone[1:]:
            await client.delete_automation(one.id)
            words.append(f"automation {name!r} removed")
    if left_out:
        words.append(
            f"{left_out} {LEFT_OUT}: nobody is named to be notified (ASSETMILL_ALERT_BLOCK or ASSETMILL_ALERT_URL)"
        )
    return words


async def _ours(client: PrefectClient) -> dict[str, list[Automation]]:
    """Automations that bear our prefix, by name."""
    found: list[Automation] = []
    while page := await client.read_automations(limit=PAGE, offset=len(found)):
        found += page
    named: dict[str, list[Automation]] = {}
    for one in found:
        if one.name.startswith(PREFIX):
            named.setdefault(one.name, []).append(one)
    return named


async def _put(client: PrefectClient, wanted: AutomationCore, there: list[Automation]) -> list[str]:
    """Create an automation, or change it where it differs: changing one makes it forget what it has seen so far."""
    if not there:
        await client.create_automation(wanted)
        return [f"automation {wanted.name!r} created"]
    first = there[0]
    if _compared(first) == _compared(wanted):
        return []
    await client.update_automation(first.id, wanted)
    return [f"automation {wanted.name!r} changed" + ("" if first.enabled else "; it stays disabled")]


def _compared(one: AutomationCore) -> dict[str, Any]:
    """What the code decides about an automation: all but whether it is enabled."""
    return one.model_dump(mode="python", include={"name", "description", "trigger", "actions"})
