"""A question to a ComfyUI that can only be asked by queueing: would these graphs run there?

ComfyUI validates a graph before it runs any of it, and reports every fault that it finds. So all workflows are put
into one graph in which no output can be valid: each SaveImage lacks its `filename_prefix`. Nothing of it ever runs, and
the refusal names every model file and every value that is missing. One class that the server does not know ends its
validation at once, and it names only that one: the question is asked again without it. What fed such a node is led to
an output of its own then, so that it is still looked at.

A question must never hold an output that could run: a graph for which that is not certain is not asked about. Pure:
who sends it, and reads the server's words, stands elsewhere. Source: `validate_prompt` and `validate_inputs` in
ComfyUI's execution.py, the same in 0.3.77 to 0.25.1.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from assetmill.workflows.canonical import SAVE_IMAGE
from assetmill.workflows.contract import Contract
from assetmill.workflows.library import Workflow

REQUIRED_MISSING = "required_input_missing"
NOT_IN_LIST = "value_not_in_list"
LINK_LENGTH = 2


@dataclass(frozen=True, slots=True)
class NodeError:
    """One thing that ComfyUI has against a node, in its own terms.

    Args:
        type: such as `value_not_in_list`.
        message: in words.
        details: more of it.
        input: input that it is about; empty where it is about none.
        value: what was given there; None where that is not told.
        offered: what might have been given, as far as it is told.
    """

    type: str
    message: str = ""
    details: str = ""
    input: str = ""
    value: Any = None
    offered: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """ComfyUI's answer to a graph that it does not take.

    Args:
        unknown: id of a node whose class it does not know: it has looked at nothing else then.
        errors: node id -> what is wrong with it.
    """

    unknown: str | None = None
    errors: Mapping[str, tuple[NodeError, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a node of a question comes from.

    Args:
        workflow: name of the workflow.
        kind: class of the node.
        gaps: inputs that were left out on purpose.
        output: whether it is an output: then it must be reported as invalid.
    """

    workflow: str
    kind: str
    gaps: frozenset[str] = frozenset()
    output: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """A graph to send, and what its nodes are.

    Args:
        graph: ComfyUI API graph of which nothing can run.
        places: node id -> where it comes from.
    """

    graph: Mapping[str, Any]
    places: Mapping[str, Place]


def can_be_asked(workflow: Workflow, contract: Contract) -> bool:
    """Whether the contract knows every node of a graph, and so which ones are outputs."""
    return all(node["class_type"] in contract.nodes for node in workflow.graph.values())


def question_about(workflows: Iterable[Workflow], contract: Contract, unknown: Collection[str] = ()) -> Question:
    """Put workflows into one graph that is refused for certain.

    Args:
        workflows: what to ask about; each one `can_be_asked`.
        contract: what nodes take and give.
        unknown: classes that the server was found not to know; their nodes are left out.
    """
    every = tuple(workflows)
    used = {node["class_type"] for workflow in every for node in workflow.graph.values()}
    draft = _Draft(contract, frozenset(unknown), frozenset(used))
    for workflow in every:
        draft.add(workflow)
    return Question(draft.graph, draft.places)


def faults_in(question: Question, refusal: Refusal, contract: Contract) -> dict[str, list[tuple[Place, NodeError]]]:
    """What a refusal says beyond what was left out on purpose: workflow -> faults, for every workflow that it covers.

    A workflow of which an output is not reported was not looked at as a whole, and is not among them. Pictures that
    were never uploaded are no fault.
    """
    quiet = {
        place.workflow for node_id, place in question.places.items() if place.output and node_id not in refusal.errors
    }
    found: dict[str, list[tuple[Place, NodeError]]] = {
        place.workflow: [] for place in question.places.values() if place.workflow not in quiet
    }
    for node_id, errors in refusal.errors.items():
        place = question.places.get(node_id)
        if place is not None and place.workflow in found:
            found[place.workflow] += [(place, error) for error in errors if not _meant(place, error, contract)]
    return found


def _meant(place: Place, error: NodeError, contract: Contract) -> bool:
    if error.type == REQUIRED_MISSING and error.input in place.gaps:
        return True
    spec = contract.nodes.get(place.kind)
    known = spec.inputs.get(error.input) if spec else None
    return known is not None and known.upload


@dataclass
class _Draft:
    """A question while it is put together."""

    contract: Contract
    unknown: frozenset[str]
    used: frozenset[str]
    graph: dict[str, Any] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)
    _ids: Iterator[int] = field(default_factory=lambda: count(1))

    def add(self, workflow: Workflow) -> None:
        """Take a workflow in; nodes that cannot stand in the question are replaced by ways to an output."""
        kept = {key for key, node in workflow.graph.items() if not self._left_out(node["class_type"])}
        ids = {key: str(next(self._ids)) for key in workflow.graph if key in kept}
        for key, node in workflow.graph.items():
            links = {name: value for name, value in node["inputs"].items() if _is_link(value)}
            if key not in kept:
                for source, number in links.values():
                    if source in ids:
                        self._lead_out(workflow, workflow.graph[source]["class_type"], ids[source], number)
                continue
            inputs = {
                name: [ids[value[0]], value[1]] if name in links else value
                for name, value in node["inputs"].items()
                if name not in links or value[0] in ids
            }
            self._put(workflow.name, ids[key], node["class_type"], inputs, set(links) - set(inputs))

    def _left_out(self, kind: str) -> bool:
        """Whether the server does not know a class, or it is an output that nothing makes invalid."""
        spec = self.contract.nodes[kind]
        return kind in self.unknown or (spec.output_node and self._spoiler(kind) is None)

    def _spoiler(self, kind: str) -> str | None:
        """A required value, without which a node is invalid and everything that feeds it is still looked at."""
        inputs = self.contract.nodes[kind].inputs
        return next((name for name, spec in inputs.items() if spec.required and spec.is_value), None)

    def _put(self, workflow: str, node_id: str, kind: str, inputs: dict[str, Any], gaps: set[str]) -> None:
        output = self.contract.nodes[kind].output_node
        spoiler = self._spoiler(kind) if output else None
        if spoiler is not None:
            inputs.pop(spoiler, None)
            gaps.add(spoiler)
        self.graph[node_id] = {"class_type": kind, "inputs": inputs}
        self.places[node_id] = Place(workflow, kind, frozenset(gaps), output)

    def _lead_out(self, workflow: Workflow, kind: str, source: str, number: int) -> None:
        """Lead an output of a node to a SaveImage of its own; what cannot be led there is not looked at."""
        outputs = self.contract.nodes[kind].outputs
        way = self._way(outputs[number]) if number < len(outputs) else ()
        link = [source, number]
        for step, name, give in way:
            node_id = str(next(self._ids))
            required = {key for key, spec in self.contract.nodes[step].inputs.items() if spec.required}
            self._put(workflow.name, node_id, step, {name: link}, required - {name})
            link = [node_id, give]

    def _way(self, kind: str) -> tuple[tuple[str, str, int], ...]:
        """The shortest way from a type to SaveImage: (class, input, output number) one after another."""
        waiting: list[tuple[str, tuple[tuple[str, str, int], ...]]] = [(kind, ())]
        seen = {kind}
        while waiting:
            at, way = waiting.pop(0)
            if at == "IMAGE" and SAVE_IMAGE not in self.unknown:
                return (*way, (SAVE_IMAGE, "images", 0))
            for step, name, number, given in self._steps(at):
                if given not in seen:
                    seen.add(given)
                    waiting.append((given, (*way, (step, name, number))))
        return ()

    def _steps(self, kind: str) -> Iterator[tuple[str, str, int, str]]:
        """Nodes that take a type in a required input, and what they give: of those that are asked about anyway."""
        for step, spec in self.contract.nodes.items():
            if step not in self.used or step in self.unknown or spec.output_node:
                continue
            for name, entry in spec.inputs.items():
                if entry.required and entry.type == kind:
                    yield from ((step, name, number, given) for number, given in enumerate(spec.outputs))


def _is_link(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == LINK_LENGTH and isinstance(value[0], str)
