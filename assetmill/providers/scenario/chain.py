"""The steps of one attempt, as the books hold them: what is done, what is next, and what it all came to.

A step whose job failed keeps its row, with its job and what it cost; its second try is a row of its own, numbered 100
above it. So every job that was ever started for an attempt stays in the books, and is never taken for a lost one.
Nothing here sends, asks or writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from assetmill.errors import WorkflowError
from assetmill.providers.base import Job, JobState, Step, StepState
from assetmill.providers.scenario.templates import STEP

AGAIN = 100
"""A step's number and this: its second try. Pipelines have far fewer steps."""


class MissingAssetError(Exception):
    """A step needs a picture that an earlier one should have made, and did not. Stays inside this package."""


@dataclass(frozen=True, slots=True)
class Chain:
    """Steps of one attempt, first and second tries, in any order."""

    rows: tuple[Step, ...]

    @classmethod
    def planned(cls, graph: Mapping[str, Any]) -> Chain:
        """The steps of a bound pipeline, none of them sent.

        Raises:
            WorkflowError: it is no pipeline.
        """
        steps = graph.get("steps")
        try:
            rows = [
                Step(number, step["call"], step["body"], tuple(step["roles"]), paid=step["paid"])
                for number, step in enumerate(steps or ())
            ]
        except (KeyError, TypeError):
            rows = []
        if not any(row.paid for row in rows):
            raise WorkflowError("this is no pipeline of Scenario's", hint="a ComfyUI graph cannot run there")
        return cls(tuple(rows))

    @property
    def steps(self) -> tuple[Step, ...]:
        """The row that counts of every step, in the order of the pipeline: its second try, where there is one."""
        newest: dict[int, Step] = {}
        for row in sorted(self.rows, key=lambda one: one.number):
            newest[row.number % AGAIN] = row
        return tuple(newest[place] for place in sorted(newest))

    @property
    def next(self) -> Step | None:
        """The first step that is not done; None once all are."""
        return next((step for step in self.steps if step.state is not StepState.DONE), None)

    @property
    def first_paid(self) -> Step | None:
        """The first row that may have cost anything; None where nothing was ever noted."""
        return next((row for row in sorted(self.rows, key=lambda one: one.number) if row.paid), None)

    def with_rows(self, *changed: Step) -> Chain:
        """The same chain with some rows new or changed."""
        known = {row.number: row for row in self.rows} | {row.number: row for row in changed}
        return Chain(tuple(known.values()))

    def body(self, step: Step) -> dict[str, Any]:
        """A step's body with the assets that earlier steps made.

        Raises:
            MissingAssetError: such a step has made none.
        """
        return {name: self._resolved(value) for name, value in step.body.items()}

    def begun(self) -> bool:
        """Whether more has happened than that its first job was accepted."""
        paid = [row for row in self.rows if row.paid]
        return any(row.state in (StepState.DONE, StepState.FAILED) for row in paid)

    def ended(self, job_id: str) -> Job | None:
        """The attempt's job, once its last step is done or a step has failed for good; None before."""
        step = self.next
        if step is None:
            return self.job(job_id, JobState.COMPLETED, output=self._output())
        if step.state is not StepState.FAILED:
            return None
        rejected = step.job_id is None
        words = "its call was refused" if rejected else f"its job {step.job_id} has failed"
        return self.failed(job_id, {"reason": words, "rejected": rejected})

    def failed(self, job_id: str, told: Mapping[str, Any], state: JobState = JobState.FAILED) -> Job:
        """The attempt's job after its next step has ended badly.

        Args:
            job_id: id of its job.
            told: what is known of that: `reason`, and `rejected` where the call itself was refused.
            state: how it ended.
        """
        step = self.next
        where = {} if step is None else {"step": step.number % AGAIN + 1, "call": step.call, "job": step.job_id}
        return self.job(job_id, state, error={**where, **told})

    def job(self, job_id: str, state: JobState, *, error: Any = None, output: Any = None) -> Job:
        """The attempt as one job: times and units are sums over its steps."""
        paid = [row for row in self.rows if row.paid and row.state in (StepState.DONE, StepState.FAILED)]
        return Job(
            id=job_id,
            state=state,
            delay_ms=_sum(row.queue_ms for row in paid if row.queue_ms is not None),
            execution_ms=_sum(row.execution_ms for row in paid if row.execution_ms is not None),
            error=error,
            output=output,
            raw_status=str(state),
            units=_units(paid),
        )

    def _output(self) -> dict[str, str]:
        return {role: asset for step in self.steps for role, asset in zip(step.roles, step.assets, strict=False)}

    def _resolved(self, value: Any) -> Any:
        if not isinstance(value, Mapping) or STEP not in value:
            return value
        made = next((step.assets for step in self.steps if step.number % AGAIN == value[STEP]), ())
        if not made:
            raise MissingAssetError(f"step {value[STEP] + 1} has made no picture")
        return made[0]


def second_try(step: Step) -> Step | None:
    """A step to be sent once more; None where it was already."""
    if step.number >= AGAIN:
        return None
    return replace(
        step, number=step.number + AGAIN, state=StepState.PLANNED, job_id=None, assets=(), units=None, tries=0,
        intended_at=None, ended_at=None, queue_ms=None, execution_ms=None,
    )  # fmt: skip


def _sum(values: Any) -> int | None:
    known = list(values)
    return sum(known) if known else None


def _units(paid: list[Step]) -> float | None:
    """What the steps cost together; None where one of them does not say, or there is none."""
    told = [row.units for row in paid]
    return None if not told or any(units is None for units in told) else sum(units for units in told if units)
