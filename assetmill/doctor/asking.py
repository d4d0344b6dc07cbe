"""What a worker on RunPod can do, asked with jobs that it refuses.

All workflows travel in one job of which nothing can run (`assetmill.workflows.probe`); the refusal names what is
missing. A class that the worker does not know costs one job more. What an answer does not cover is not known, and
never taken to be there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from assetmill.errors import StartupFailed, WorkerFault
from assetmill.providers.base import Ability, Job, JobState
from assetmill.providers.lacks import Lack, ability_of, missing_node, other_fault, wrong_value
from assetmill.providers.runpod.failures import failure_of
from assetmill.providers.runpod.refusals import refusal_of
from assetmill.workflows.contract import Contract
from assetmill.workflows.library import Workflow
from assetmill.workflows.probe import (
    NOT_IN_LIST,
    NodeError,
    Place,
    Question,
    Refusal,
    can_be_asked,
    faults_in,
    question_about,
)

MOST_JOBS = 8
"""Jobs for one examination: more than there are custom node classes in our workflows."""

Send = Callable[[Mapping[str, Any]], Awaitable[Job]]
"""Sends a graph and returns its job once that has ended."""


async def ask_worker(workflows: Iterable[Workflow], contract: Contract, send: Send) -> tuple[Ability, ...]:
    """Find out which workflows the workers of an endpoint can run.

    Args:
        workflows: what to ask about.
        contract: what nodes accept, and which pack they come from.
        send: carries a probe to the endpoint; its errors pass through.
    """
    every = tuple(workflows)
    known = tuple(workflow for workflow in every if can_be_asked(workflow, contract))
    found = await _found(known, contract, send) if known else {}
    return tuple(found.get(workflow.name) or _not_asked(workflow) for workflow in every)


async def _found(workflows: tuple[Workflow, ...], contract: Contract, send: Send) -> dict[str, Ability]:
    unknown: set[str] = set()
    again, why = True, "the worker named more missing nodes than there are probes for"
    for _ in range(MOST_JOBS):
        question = question_about(workflows, contract, unknown)
        job = await send(question.graph)
        refusal = refusal_of(job)
        if refusal is None:
            why = _unanswered(job)
            if not (again and _passing(job)):
                break
            again = False
        elif refusal.unknown is None:
            return _judged(workflows, question, refusal, contract, unknown)
        else:
            place = question.places.get(refusal.unknown)
            if place is None:
                why = "the worker named a node that was not asked about"
                break
            unknown.add(place.kind)
    return {workflow.name: _without_answer(workflow, contract, unknown, why) for workflow in workflows}


def _judged(
    workflows: tuple[Workflow, ...], question: Question, refusal: Refusal, contract: Contract, unknown: set[str]
) -> dict[str, Ability]:
    faults = faults_in(question, refusal, contract)
    abilities = {}
    for workflow in workflows:
        if workflow.name not in faults:
            why = "the worker's answer does not cover this workflow"
            abilities[workflow.name] = _without_answer(workflow, contract, unknown, why)
            continue
        lacks = [*_absent(workflow, contract, unknown)]
        lacks += [_lack(place, error, contract) for place, error in faults[workflow.name]]
        abilities[workflow.name] = ability_of(workflow, lacks)
    return abilities


def _absent(workflow: Workflow, contract: Contract, unknown: set[str]) -> list[Lack]:
    used = dict.fromkeys(node["class_type"] for node in workflow.graph.values())
    return [missing_node(kind, contract) for kind in used if kind in unknown]


def _lack(place: Place, error: NodeError, contract: Contract) -> Lack:
    if error.type == NOT_IN_LIST and error.input:
        return wrong_value(place.kind, error.input, error.value, error.offered, contract)
    return other_fault(place.kind, error.input, error.message or error.type, error.details)


def _without_answer(workflow: Workflow, contract: Contract, unknown: set[str], why: str) -> Ability:
    """Not known; or not able for certain, where a node was found missing before the answers ended."""
    absent = _absent(workflow, contract, unknown)
    return ability_of(workflow, absent) if absent else Ability(workflow.name, able=None, why=why)


def _not_asked(workflow: Workflow) -> Ability:
    why = "its graph has nodes that the node contract does not know: run `assetmill workflows lint`"
    return Ability(workflow.name, able=None, why=why)


def _passing(job: Job) -> bool:
    """Whether the job ended for a reason that another worker, or the same one a moment later, need not have."""
    return job.state is JobState.FAILED and isinstance(failure_of(job), StartupFailed | WorkerFault)


def _unanswered(job: Job) -> str:
    if job.state is JobState.COMPLETED:
        return "the worker completed a graph that no ComfyUI takes: it is no worker-comfyui that is known here"
    return f"the probe job told nothing: {failure_of(job).message}"
