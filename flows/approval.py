"""Asking a person in the Prefect UI whether a submission may cost what its plan says.

The flow run is *suspended* while it waits: its process ends, so a question may stand for days, through restarts of
workers and server, and holds no place at a worker; answered, the run begins again from its first line and comes back
here. That is why each question has a key of its own: one that was answered returns its answer at once. A flow run
without a deployment cannot be suspended, because nobody could begin it again; it is paused, with its process.

The server itself refuses an answer that the form does not allow. A run that somebody begins again by force has no
answer: it asks once more. Nothing but an answer that says `approve` is ever taken for one. What an answer leads to is
a rule of assetmill.submissions.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_UP, Decimal
from itertools import count
from math import ceil
from typing import Any, Literal
from uuid import UUID

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext
from prefect.exceptions import FlowPauseTimeout
from prefect.flow_runs import apause_flow_run, asuspend_flow_run
from prefect.input import RunInput, keyset_from_paused_state
from pydantic import ConfigDict, Field, ValidationError, create_model

GRACE = timedelta(hours=1)
"""A question stands in Prefect so much longer than people have for it: the submission expires first, with words, and
the server does not fail its run before."""

CENT = Decimal("0.01")
LOOK_EVERY_S = 5
QUESTION, SUSPENDED = "approval-", "suspended-"  # how keys of questions begin, ours and Prefect's own
PAGE = 50
LONGEST_WORDS = 2000


@dataclass(frozen=True, slots=True)
class Answer:
    """What somebody decided.

    Args:
        approved: whether it may run.
        amount_usd: the most that it may cost, US dollars; None where no price is known.
        by: who says so, as they call themselves.
        reason: why not.
        note: whatever else they want to be known.
    """

    approved: bool
    amount_usd: Decimal | None
    by: str
    reason: str
    note: str


class Form(RunInput):
    """The fields of a form. `decision` has no default: resuming without a word decides nothing."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "if": {"properties": {"decision": {"const": "reject"}}},
            "then": {"required": ["reason"], "properties": {"reason": {"pattern": r"\S"}}},
        },
    )

    decision: Literal["approve", "reject"] = Field(
        title="Decision", description="Approve: it is generated now. Reject: it is not, and the artist reads why."
    )

    def answer(self) -> Answer:
        """What was typed."""
        told = self.model_dump()
        amount = told.get("amount_usd")
        return Answer(
            approved=self.decision == "approve",
            amount_usd=None if amount is None else Decimal(str(amount)),
            by=told.get("by", "").strip(),
            reason=told.get("reason", "").strip(),
            note=told.get("note", "").strip(),
        )


def cents_up(amount: Decimal) -> Decimal:
    """An amount rounded up to a cent: what a person types must be enough."""
    return amount.quantize(CENT, ROUND_UP)


def form_for(estimate_usd: Decimal | None, description: str) -> type[Form]:
    """The form for one plan.

    Args:
        estimate_usd: what the plan costs, US dollars. It is filled in, rounded up to a cent, and the server refuses
            less. None where nobody knows: the form has no amount then, because no run could keep to one.
        description: markdown above the fields.
    """
    fields: dict[str, Any] = {}
    if estimate_usd is not None:
        least = float(cents_up(estimate_usd))
        words = f"The most that it may cost, US dollars. The plan needs {least:.2f}."
        fields["amount_usd"] = (float, Field(least, ge=least, title="Amount in USD", description=words))
    fields["by"] = _text("Your name", "For the record, and for the artist.", 200)
    fields["reason"] = _text("Reason", "Needed if you reject; the artist reads it.")
    fields["note"] = _text("Note", "For the record, and for the artist.")
    form = create_model("Approval", __base__=Form, **fields)
    form._description = description  # noqa: SLF001  where Prefect keeps it; its with_initial_data would lose the bounds
    return form


def _text(title: str, description: str, longest: int = LONGEST_WORDS) -> tuple[type[str], Any]:
    return str, Field("", max_length=longest, title=title, description=description)


async def ask(form: type[Form], left: timedelta, *, instead_of: str | None = None) -> Answer | None:
    """Ask until there is an answer. A suspended flow run leaves through here, and comes back here.

    Args:
        form: see `form_for`.
        left: how long people have.
        instead_of: id of the flow run that this one replaces; whoever answered that one is not asked again.

    Returns:
        The answer; None if a paused run got none in time. A suspended one does not come back then.
    """
    given = await _given(form, instead_of) if instead_of else None
    if given is not None:
        return given
    for question in count(1):
        try:
            return (await _ask_once(form, f"{QUESTION}{question}", left)).answer()
        except ValidationError:
            continue  # begun again by force, or the plan costs more now: that is no answer to this question
        except FlowPauseTimeout:
            return None
    raise AssertionError  # count() has no end


async def _given(form: type[Form], flow_run_id: str) -> Answer | None:
    """What somebody answered to a flow run that died before it heard of it; None where nothing fits this form."""
    async with get_client() as client:
        found = await client.filter_flow_run_input(
            UUID(flow_run_id), key_prefix=SUSPENDED + QUESTION, limit=PAGE, exclude_keys=set()
        )
    answers = [one for one in found if one.key.endswith("-response")]
    for one in sorted(answers, key=lambda one: one.key, reverse=True):
        with suppress(ValidationError):
            return form.model_validate_json(one.value).answer()
    return None


async def _ask_once(form: type[Form], key: str, left: timedelta) -> Form:
    if deployed():
        return await asuspend_flow_run(wait_for_input=form, timeout=_seconds(left + GRACE), key=key)
    return await apause_flow_run(wait_for_input=form, timeout=_seconds(left), poll_interval=LOOK_EVERY_S, key=key)


def _seconds(span: timedelta) -> int:
    return max(1, ceil(span.total_seconds()))


def deployed() -> bool:
    """Whether this flow run has a deployment, so that a worker can begin it again."""
    context = FlowRunContext.get()
    run = context.flow_run if context else None
    return run is not None and run.deployment_id is not None


async def mend_question(client: PrefectClient, run: FlowRun, form: type[Form]) -> bool:
    """Give a suspended flow run its form: killed just before it was saved, it could not be answered by anybody.

    Returns:
        Whether the form was missing.
    """
    if run.state is None or not run.state.is_paused() or run.state.state_details.run_input_keyset is None:
        return False
    keys = keyset_from_paused_state(run.state)
    if await client.filter_flow_run_input(run.id, key_prefix=keys["schema"], limit=1, exclude_keys=set()):
        return False
    await form.asave(keys, flow_run_id=run.id)
    return True
