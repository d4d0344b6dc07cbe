"""Check a graph against the node contract, before it is sent and paid for.

ComfyUI reports such faults only when a worker has started, and some of them (an output that is invalid while another
one is fine, an optional input that a custom node reads unguarded) only as missing pictures. The linter never repairs:
it says what is wrong and where. Bindings and whole libraries are checked in `assetmill.workflows.lint_bindings`.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from graphlib import CycleError, TopologicalSorter
from typing import Any

from assetmill.errors import WorkflowError
from assetmill.workflows.bind import BoundGraph
from assetmill.workflows.canonical import PREFIX_INPUT, SAVE_IMAGE
from assetmill.workflows.contract import Contract, InputSpec, NodeSpec
from assetmill.workflows.names import did_you_mean, listed

LINK_LENGTH = 2
_VERSION = re.compile(r"\d+(\.\d+)*")
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_PLAIN_PREFIX = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,199}")


class Code(StrEnum):
    """What kind of fault a finding is; the names are stable."""

    MALFORMED = "malformed"
    UNKNOWN_NODE = "unknown-node"
    NODE_NOT_EVERYWHERE = "node-not-everywhere"
    MISSING_INPUT = "missing-input"
    EXTRA_INPUT = "extra-input"
    OPTIONAL_NOT_SENT = "optional-not-sent"
    WRONG_TYPE = "wrong-type"
    OUT_OF_BOUNDS = "out-of-bounds"
    OFF_STEP = "off-step"
    VALUE_NOT_ALLOWED = "value-not-allowed"
    MODEL_MISSING = "model-missing"
    DANGLING_LINK = "dangling-link"
    LINK_TYPE = "link-type"
    CYCLE = "cycle"
    DEAD_NODE = "dead-node"
    NO_OUTPUT = "no-output"
    MISSING_OUTPUT = "missing-output"
    UNCLAIMED_OUTPUT = "unclaimed-output"
    DUPLICATE_PREFIX = "duplicate-prefix"
    BAD_PREFIX = "bad-prefix"
    BAD_BINDING = "bad-binding"
    BINDING_DEFAULTS_DIFFER = "binding-defaults-differ"
    UNBOUND_PARAMETER = "unbound-parameter"
    INERT_NEGATIVE = "inert-negative"
    PLACEHOLDER = "placeholder"


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault: `node` is an id, `input` a name; either is empty where the fault has no such place."""

    code: Code
    message: str
    workflow: str = ""
    node: str = ""
    input: str = ""

    def __str__(self) -> str:
        place = [self.workflow, self.node and f"node {self.node}", self.input]
        return ": ".join([" ".join(part for part in place if part) or "graph", f"{self.message} [{self.code}]"])


def lint_graph(
    graph: Mapping[str, Any],
    contract: Contract,
    *,
    expected_outputs: Mapping[str, str] | None = None,
    workflow: str = "",
    since: str | None = None,
) -> tuple[Finding, ...]:
    """Every fault of one graph, in the order of its nodes; empty when it is sound.

    Args:
        graph: ComfyUI API graph, a template or a bound one.
        contract: what nodes accept.
        expected_outputs: role -> filename prefix, when the graph has to write exactly these.
        workflow: name to put into the findings.
        since: oldest ComfyUI that has to have all its nodes; None for every recorded one.
    """
    nodes = {node_id: node for node_id, node in graph.items() if _well_formed(node)}
    found = [_malformed(node_id) for node_id in graph if node_id not in nodes]
    for node_id, node in nodes.items():
        found += _node_findings(node_id, node, graph, contract, since)
    found += _cycles(nodes)
    found += _outputs(nodes, contract)
    found += _prefixes(nodes)
    if expected_outputs is not None:
        found += _roles(nodes, contract, expected_outputs)
    return tuple(replace(finding, workflow=workflow) for finding in found)


def ensure_sound(bound: BoundGraph, contract: Contract) -> None:
    """Refuse a bound graph that breaks the contract; call it before anything is sent.

    Raises:
        WorkflowError: names every fault.
    """
    found = lint_graph(
        bound.graph, contract, expected_outputs=bound.outputs, workflow=bound.workflow, since=bound.since
    )
    if found:
        raise WorkflowError(
            "; ".join(str(finding) for finding in found), hint="mend the manifest, or the graph in workflows/"
        )


def _well_formed(node: Any) -> bool:
    return (
        isinstance(node, Mapping)
        and isinstance(node.get("class_type"), str)
        and isinstance(node.get("inputs"), Mapping)
    )


def _malformed(node_id: str) -> Finding:
    return Finding(Code.MALFORMED, "a node is an object with class_type and inputs", node=str(node_id))


def _node_findings(
    node_id: str, node: Mapping[str, Any], graph: Mapping[str, Any], contract: Contract, since: str | None
) -> Iterator[Finding]:
    kind, inputs = node["class_type"], node["inputs"]
    spec = contract.nodes.get(kind)
    if spec is None:
        hint = did_you_mean(kind, contract.nodes)
        yield Finding(Code.UNKNOWN_NODE, f"no node is called {kind!r}; {hint}", node=node_id)
        return
    if absent := [one for one in contract.versions if one not in spec.versions and not _before(one, since)]:
        yield Finding(Code.NODE_NOT_EVERYWHERE, f"ComfyUI {', '.join(absent)} has no {kind}", node=node_id)
    yield from _absent_inputs(node_id, kind, inputs, spec)
    for name, value in inputs.items():
        if name not in spec.inputs:
            message = f"{kind} has no such input; {did_you_mean(name, spec.inputs)}"
            yield Finding(Code.EXTRA_INPUT, message, node=node_id, input=name)
            continue
        faults = (
            _link_faults(value, spec.inputs[name], graph, contract)
            if isinstance(value, list | tuple)
            else _value_faults(value, spec.inputs[name])
        )
        for code, message in faults:
            yield Finding(code, message, node=node_id, input=name)


def _before(version: str, since: str | None) -> bool:
    """Whether a recorded version is older than the oldest that is meant."""
    return since is not None and _VERSION.fullmatch(version) is not None and _numbers(version) < _numbers(since)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _absent_inputs(node_id: str, kind: str, inputs: Mapping[str, Any], spec: NodeSpec) -> Iterator[Finding]:
    for name, wanted in spec.inputs.items():
        if name in inputs:
            continue
        if wanted.required:
            yield Finding(Code.MISSING_INPUT, f"{kind} needs it ({wanted.type})", node=node_id, input=name)
        elif wanted.always:
            message = f"optional to ComfyUI, but {kind} fails without it when it runs; send it always"
            yield Finding(Code.OPTIONAL_NOT_SENT, message, node=node_id, input=name)


def _link_faults(
    value: Any, spec: InputSpec, graph: Mapping[str, Any], contract: Contract
) -> Iterator[tuple[Code, str]]:
    if len(value) != LINK_LENGTH or not isinstance(value[0], str) or type(value[1]) is not int:
        yield Code.WRONG_TYPE, f"a link is [node id, output number], not {value!r}"
        return
    source_id, number = value
    source = graph.get(source_id)
    if source is None:
        yield Code.DANGLING_LINK, f"linked to node {source_id}, which is not in the graph"
        return
    known = contract.nodes.get(source["class_type"]) if _well_formed(source) else None
    if known is None:
        return  # that node has its own finding
    if not 0 <= number < len(known.outputs):
        yield Code.DANGLING_LINK, f"{source['class_type']} (node {source_id}) has no output {number}"
    elif not _compatible(known.outputs[number], spec.type):
        yield Code.LINK_TYPE, f"takes {spec.type}, output {number} of node {source_id} is {known.outputs[number]}"


def _compatible(given: str, wanted: str) -> bool:
    """ComfyUI writes a union as `A,B` and anything as `*`."""
    return "*" in (given, wanted) or bool(set(given.split(",")) & set(wanted.split(",")))


def _value_faults(value: Any, spec: InputSpec) -> Iterator[tuple[Code, str]]:
    if not spec.is_value:
        yield Code.WRONG_TYPE, f"takes a link to {spec.type}, not {_shown(value)}"
    elif not _type_fits(value, spec):
        yield Code.WRONG_TYPE, f"takes {spec.type}, not {_shown(value)}"
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _number_faults(value, spec)
    elif spec.values is not None and value not in spec.values:
        choices = [str(choice) for choice in spec.values]
        if spec.model:
            yield Code.MODEL_MISSING, f"{_shown(value)} is not among the model files; {listed(choices)}"
        else:
            hint = did_you_mean(str(value), choices)
            yield Code.VALUE_NOT_ALLOWED, f"{_shown(value)} is not among the choices; {hint}"


def _type_fits(value: Any, spec: InputSpec) -> bool:
    match spec.type:
        case "BOOLEAN":
            return isinstance(value, bool)
        case "INT":
            return isinstance(value, int) and not isinstance(value, bool)
        case "FLOAT":
            return type(value) is int or (type(value) is float and math.isfinite(value))
        case "COLORCODE":
            return isinstance(value, str) and _COLOUR.fullmatch(value) is not None
        case "COMBO":
            return isinstance(value, str) if spec.values is None or spec.model else isinstance(value, str | int | float)
        case _:
            return isinstance(value, str)


def _number_faults(value: float, spec: InputSpec) -> Iterator[tuple[Code, str]]:
    if spec.min is not None and value < spec.min:
        yield Code.OUT_OF_BOUNDS, f"{value} is below {spec.min}"
    elif spec.max is not None and value > spec.max:
        yield Code.OUT_OF_BOUNDS, f"{value} is above {spec.max}"
    elif spec.step is not None and value % spec.step:
        yield Code.OFF_STEP, f"{value} is not a multiple of {spec.step}; ComfyUI would round it down"


def _links(node: Mapping[str, Any]) -> list[str]:
    values = (value for value in node["inputs"].values() if isinstance(value, list | tuple) and value)
    return [value[0] for value in values if isinstance(value[0], str)]


def _cycles(nodes: Mapping[str, Any]) -> Iterator[Finding]:
    try:
        TopologicalSorter({node_id: _links(node) for node_id, node in nodes.items()}).prepare()
    except CycleError as error:
        path = list(reversed(error.args[1]))
        yield Finding(Code.CYCLE, f"nodes feed each other in a circle: {' <- '.join(path)}", node=path[0])


def _writers(nodes: Mapping[str, Any], contract: Contract) -> list[str]:
    specs = {node_id: contract.nodes.get(node["class_type"]) for node_id, node in nodes.items()}
    return [node_id for node_id, spec in specs.items() if spec is not None and spec.output_node]


def _outputs(nodes: Mapping[str, Any], contract: Contract) -> Iterator[Finding]:
    writers = _writers(nodes, contract)
    if not writers:
        yield Finding(Code.NO_OUTPUT, "no node writes a picture, so ComfyUI refuses the graph")
        return
    alive: set[str] = set()
    waiting = list(writers)
    while waiting:
        node_id = waiting.pop()
        if node_id in nodes and node_id not in alive:
            alive.add(node_id)
            waiting += _links(nodes[node_id])
    for node_id in nodes:
        if node_id not in alive and nodes[node_id]["class_type"] in contract.nodes:
            yield Finding(Code.DEAD_NODE, "feeds no output, so ComfyUI never runs it", node=node_id)


def _prefixes(nodes: Mapping[str, Any]) -> Iterator[Finding]:
    written = {
        node_id: prefix
        for node_id, node in nodes.items()
        if node["class_type"] == SAVE_IMAGE and isinstance(prefix := node["inputs"].get(PREFIX_INPUT), str)
    }
    times = Counter(written.values())
    for node_id, prefix in written.items():
        if times[prefix] > 1:
            message = f"{prefix!r} is written {times[prefix]} times; results are told apart by it"
            yield Finding(Code.DUPLICATE_PREFIX, message, node=node_id, input=PREFIX_INPUT)
        if not _PLAIN_PREFIX.fullmatch(prefix):
            message = f"{_shown(prefix)} is not plain: letters, digits, - and _ only"
            yield Finding(Code.BAD_PREFIX, message, node=node_id, input=PREFIX_INPUT)


def _roles(nodes: Mapping[str, Any], contract: Contract, expected: Mapping[str, str]) -> Iterator[Finding]:
    prefixes = {node_id: nodes[node_id]["inputs"].get(PREFIX_INPUT) for node_id in _writers(nodes, contract)}
    for role, prefix in expected.items():
        if prefix not in prefixes.values():
            yield Finding(Code.MISSING_OUTPUT, f"nothing writes {prefix!r}, which output {role!r} needs")
    for node_id, prefix in prefixes.items():
        if prefix not in expected.values():
            yield Finding(Code.UNCLAIMED_OUTPUT, "writes a picture that no output asks for", node=node_id)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."  # noqa: PLR2004  keeps a finding on one line
