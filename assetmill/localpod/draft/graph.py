"""Runs a bound graph: checks it as ComfyUI does, then follows its links from the outputs up.

Only links decide what belongs to what; node ids are names and nothing more. A graph that ComfyUI would
refuse is refused here in the words that its worker passes on. Checks are those that a client can meet;
the full node contract is the linter's.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from PIL import Image

from assetmill.localpod.draft.calls import Call, NodeFailed
from assetmill.localpod.draft.nodes import LAYERERS, OPERATIONS, REMOVERS
from assetmill.localpod.draft.values import Latent, Picture

Graph = Mapping[str, Mapping[str, Any]]
Problem = dict[str, Any]


class GraphRefused(Exception):  # noqa: N818  named for what the worker reports
    """ComfyUI would not take the graph; the message is the worker's."""


class RunFailed(Exception):  # noqa: N818  named for what the worker reports
    """A node raised while the graph ran; the message says which."""


def check(graph: Graph, files: Mapping[str, Image.Image], lacks: Collection[str] = ()) -> list[str]:
    """Ids of the output nodes that can run. As in ComfyUI, an invalid output is left out while another is valid.

    Args:
        graph: the graph.
        files: input images by name.
        lacks: node classes and model files that this worker is to be without.

    Raises:
        GraphRefused: a node class is unknown, there is no output, or no output is valid.
    """
    for key, node in graph.items():
        kind = node.get("class_type") if isinstance(node, dict) else None
        if not isinstance(kind, str):
            raise GraphRefused(_raw("Cannot execute because a node is missing the class_type property.", key))
        if kind not in OPERATIONS or kind in lacks:
            raise GraphRefused(_raw(f"Cannot execute because node {kind} does not exist.", key))
    outputs = [key for key, node in graph.items() if OPERATIONS[node["class_type"]].saves]
    if not outputs:
        raise GraphRefused(_raw("Prompt has no outputs", None))
    found = {key: _problems(graph, key, files, lacks) for key in outputs}
    good = [key for key in outputs if not found[key]]
    if not good:
        raise GraphRefused(_validation_text(graph, found))
    return good


def _raw(message: str, key: str | None) -> str:
    """A refusal that the worker passes on with ComfyUI's whole answer behind it."""
    kind = "invalid_prompt" if key is not None else "prompt_no_outputs"
    error = {
        "type": kind,
        "message": message,
        "details": f"Node ID '#{key}'" if key is not None else "",
        "extra_info": {},
    }
    return f"{message}. Raw response: {json.dumps({'error': error, 'node_errors': {}})}"


def _validation_text(graph: Graph, found: Mapping[str, Mapping[str, list[Problem]]]) -> str:
    lines: list[str] = []
    for key in dict.fromkeys(key for problems in found.values() for key in problems):
        errors = next(problems[key] for problems in found.values() if key in problems)
        dependent = [output for output, problems in found.items() if key in problems]
        kind = graph[key]["class_type"] if key in graph else "?"
        lines += [
            f"• Node {key} (errors): {errors}",
            f"• Node {key} (dependent_outputs): {dependent}",
            f"• Node {key} (class_type): {kind}",
        ]
    return "Workflow validation failed:\n" + "\n".join(lines)


def _problems(
    graph: Graph, output: str, files: Mapping[str, Image.Image], lacks: Collection[str]
) -> dict[str, list[Problem]]:
    """Node id -> what is wrong with it, for all nodes above an output."""
    found: dict[str, list[Problem]] = {}
    waiting, seen = [output], {output}
    while waiting:
        key = waiting.pop()
        wrong = [*_node_problems(graph, key, files), *_missing_files(graph[key], lacks)]
        if wrong:
            found[key] = wrong
        above = [link for link, _ in _links(graph[key]).values() if link in graph and link not in seen]
        seen.update(above)
        waiting += above
    if not found and _has_cycle(graph, output):
        found[output] = [
            _problem("exception_during_validation", "Exception when validating node", "dependency cycle", "")
        ]
    return found


def _node_problems(graph: Graph, key: str, files: Mapping[str, Image.Image]) -> Iterator[Problem]:
    node = graph[key]
    inputs = node.get("inputs") or {}
    operation = OPERATIONS[node["class_type"]]
    for name in operation.required:
        if name not in inputs:
            yield _problem("required_input_missing", "Required input is missing", name, name)
    for link, _ in _links(node).values():
        if link not in graph:
            yield _problem("exception_during_validation", "Exception when validating node", repr(link), "")
    for name in operation.numbers:
        if name in inputs and not _is_link(inputs[name]) and not _is_number(inputs[name]):
            details = f"{name}, {inputs[name]}, not a number"
            yield _problem("invalid_input_type", "Failed to convert an input value to a INT value", details, name)
    if node["class_type"] == "LoadImage" and "image" in inputs and str(inputs["image"]) not in files:
        details = f"image - Invalid image file: {inputs['image']}"
        yield _problem("custom_validation_failed", "Custom validation failed for node", details, "image")


def _missing_files(node: Mapping[str, Any], lacks: Collection[str]) -> Iterator[Problem]:
    """Model files that are not there; a draft needs none, so all are but those that it is to be without."""
    if not lacks:
        return
    from assetmill.workflows.contract import FILE_INPUTS  # noqa: PLC0415  a worker that lacks nothing starts without

    inputs = node.get("inputs") or {}
    for name in FILE_INPUTS.get(node["class_type"], ()):
        value = inputs.get(name)
        if isinstance(value, str) and value in lacks:
            problem = _problem("value_not_in_list", "Value not in list", f"{name}: '{value}' not in []", name)
            problem["extra_info"] |= {"input_config": [[], {}], "received_value": value}
            yield problem


def _problem(kind: str, message: str, details: str, name: str) -> Problem:
    return {"type": kind, "message": message, "details": details, "extra_info": {"input_name": name} if name else {}}


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _is_link(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 2  # noqa: PLR2004  node, output


def _links(node: Mapping[str, Any]) -> dict[str, tuple[str, int]]:
    """Input name -> (node id, output number), for the inputs that are links."""
    inputs = node.get("inputs") or {}
    return {name: (str(value[0]), int(value[1])) for name, value in inputs.items() if _is_link(value)}


def _has_cycle(graph: Graph, output: str) -> bool:
    state: dict[str, bool] = {}
    stack = [(output, False)]
    while stack:
        key, done = stack.pop()
        if done:
            state[key] = True
        elif key not in state:
            state[key] = False
            stack.append((key, True))
            above = [link for link, _ in _links(graph[key]).values()]
            if any(state.get(link) is False for link in above):
                return True
            stack += [(link, False) for link in above if link not in state]
    return False


class Run:
    """One pass over a checked graph.

    Args:
        graph: the graph.
        files: input images by name.
        batch: which picture of a batch is drawn, from 0.
    """

    def __init__(self, graph: Graph, files: Mapping[str, Image.Image], batch: int = 0) -> None:
        self._graph = graph
        self._files = files
        self._batch = batch
        self._values: dict[str, tuple[Any, ...]] = {}
        self._after = {key: self._reached(key) for key, node in graph.items() if node["class_type"] == "KSampler"}

    def picture(self, output: str) -> Picture:
        """What an output node receives.

        Raises:
            RunFailed: a node on the way raised.
        """
        for key in self._order(output):
            if key not in self._values:
                self._values[key] = self._evaluate(key)
        picture: Picture = self._values[output][0]
        return picture

    def batch_size(self) -> int:
        """Pictures that the graph asks for at once, as far as it has run."""
        latents = (value for values in self._values.values() for value in values if isinstance(value, Latent))
        return max((latent.batch for latent in latents), default=1)

    def _order(self, output: str) -> list[str]:
        """The nodes above an output, each after those that it reads."""
        order: dict[str, None] = {}
        stack = [(output, False)]
        while stack:
            key, ready = stack.pop()
            if ready:
                order[key] = None
            elif key not in order:
                stack.append((key, True))
                stack += [(link, False) for link, _ in _links(self._graph[key]).values() if link not in order]
        return list(order)

    def _evaluate(self, key: str) -> tuple[Any, ...]:
        node = self._graph[key]
        kind = node["class_type"]
        inputs = dict(node.get("inputs") or {})
        after = self._after.get(key, frozenset())
        try:
            for name, (link, number) in _links(node).items():
                inputs[name] = self._values[link][number]
            call = Call(inputs, bool(after & REMOVERS), bool(after & LAYERERS), self._files, self._batch)
            return OPERATIONS[kind].run(call)
        except (NodeFailed, KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            # A miswired graph gives a node a value of another kind; a real worker reports the node's exception too.
            raise RunFailed(
                f"Workflow execution error: Node Type: {kind}, Node ID: {key}, Message: {error}\n"
            ) from error

    def _reached(self, key: str) -> frozenset[str]:
        """Node classes that come after a node, up to the next sampler: what lies behind that is another drawing."""
        readers: dict[str, list[str]] = {}
        for reader, node in self._graph.items():
            for link, _ in _links(node).values():
                readers.setdefault(link, []).append(reader)
        waiting, seen = [key], {key}
        while waiting:
            for reader in readers.get(waiting.pop(), []):
                if reader not in seen:
                    seen.add(reader)
                    waiting += [] if self._graph[reader]["class_type"] == "KSampler" else [reader]
        return frozenset(self._graph[one]["class_type"] for one in seen - {key})
