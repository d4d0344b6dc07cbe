"""Whether ComfyUI would take a graph, and what it says if not.

The order of the checks and the words are those of its execution.py (validate_prompt, validate_inputs; 0.25), because
clients read them: an unknown class ends everything at once, all other faults of all nodes come together, and a graph
of which one output is sound is taken without the others. It checks; it never runs or mends anything but the types
that ComfyUI converts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from assetmill.localpod.comfyui.info import ObjectInfo

Problem = dict[str, Any]
Graph = Mapping[str, Any]
MOST_LISTED = 20
LINK = 2
_CONVERT = {"INT": int, "FLOAT": float, "STRING": str, "BOOLEAN": bool}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a graph.

    Args:
        good: ids of the output nodes that will run; empty for a graph that is refused.
        error: why it is refused.
        node_errors: node id -> its faults, also those of a graph that is taken in part.
    """

    good: tuple[str, ...] = ()
    error: Problem | None = None
    node_errors: dict[str, Any] = field(default_factory=dict)


def validate(graph: Graph, info: ObjectInfo, pictures: Collection[str]) -> Verdict:
    """Check a graph.

    Args:
        graph: API graph.
        info: the nodes that there are.
        pictures: names in the input folder.
    """
    for key, node in graph.items():
        if (error := _class_problem(key, node, info)) is not None:
            return Verdict(error=error)
    outputs = [key for key, node in graph.items() if info[node["class_type"]]["output_node"]]
    if not outputs:
        return Verdict(error=_error("prompt_no_outputs", "Prompt has no outputs", ""))
    checks = _Checks(graph, info, pictures)
    found = {key: checks.output(key) for key in outputs}
    good = tuple(key for key, problems in found.items() if problems is None)
    if good:
        return Verdict(good, node_errors=checks.node_errors)
    said = "\n".join(f"{one['message']}: {one['details']}" for problems in found.values() for one in problems or ())
    error = _error("prompt_outputs_failed_validation", "Prompt outputs failed validation", said)
    return Verdict(error=error, node_errors=checks.node_errors)


def _class_problem(key: str, node: Any, info: ObjectInfo) -> Problem | None:
    """The fault that ends everything: a node of no class, or of one that is not installed."""
    kind = node.get("class_type")
    title = (node.get("_meta") or {}).get("title")
    if kind in info:
        return None
    words = (
        f"Node '{title or f'ID #{key}'}' has no class_type. The workflow may be corrupted or a custom node is missing."
        if "class_type" not in node
        else f"Node '{title or kind}' not found. The custom node may not be installed."
    )
    extra = {"node_id": key, "class_type": kind, "node_title": title or kind}
    return _error("missing_node_type", words, f"Node ID '#{key}'", extra)


class _Checks:
    """The checks of one graph; what is above two outputs is checked once."""

    def __init__(self, graph: Graph, info: ObjectInfo, pictures: Collection[str]) -> None:
        self._graph = graph
        self._info = info
        self._pictures = pictures
        self._checked: dict[str, tuple[bool, list[Problem]]] = {}
        self.node_errors: dict[str, Any] = {}

    def output(self, key: str) -> list[Problem] | None:
        """Faults that an output node itself has; None if it and all above it are sound."""
        try:
            sound, problems = self._node(key, ())
        except (KeyError, IndexError, TypeError) as error:
            extra = {"exception_type": type(error).__name__, "traceback": []}
            sound = False
            problems = [_error("exception_during_validation", "Exception when validating node", str(error), extra)]
            self._checked[key] = (sound, problems)
        if sound:
            return None
        for node_id, (fine, wrong) in self._checked.items():
            if not fine and wrong:
                kind = self._graph[node_id]["class_type"]
                entry = {"errors": wrong, "dependent_outputs": [], "class_type": kind}
                self.node_errors.setdefault(node_id, entry)["dependent_outputs"].append(key)
        return problems

    def _node(self, key: str, below: tuple[str, ...]) -> tuple[bool, list[Problem]]:
        if key in self._checked:
            return self._checked[key]
        if key in below:
            self._cycle((*below[below.index(key) :], key))
            return self._checked[key]
        node = self._graph[key]
        given, spec = node["inputs"], self._info[node["class_type"]]
        problems, sound = [], True
        for name, required, (kind, *more) in _inputs(spec):
            if name not in given:
                extra = {"input_name": name}
                problems += [_error("required_input_missing", "Required input is missing", name, extra)] * required
            elif isinstance(given[name], list):
                fine, own = self._link(name, kind, given[name], (*below, key))
                sound, problems = sound and fine, problems + own
            else:
                problems += self._value(given, name, kind, more[0] if more else {})
        before = self._checked.get(key, (True, []))
        self._checked[key] = before[0] and sound and not problems, before[1] + problems
        return self._checked[key]

    def _link(self, name: str, kind: Any, link: list[Any], below: tuple[str, ...]) -> tuple[bool, list[Problem]]:
        extra: dict[str, Any] = {"input_name": name, "input_config": [kind, {}]}
        if len(link) != LINK:
            words = "Bad linked input, must be a length-2 list of [node_id, slot_index]"
            return False, [_error("bad_linked_input", words, name, extra | {"received_value": link})]
        above, number = link
        given = self._info[self._graph[above]["class_type"]]["output"][number]
        if not _fits(given, kind):
            details = f"{name}, received_type({given}) mismatch input_type({kind})"
            extra |= {"received_type": given, "linked_node": link}
            return False, [_error("return_type_mismatch", "Return type mismatch between linked nodes", details, extra)]
        try:
            return self._node(above, below)[0], []
        except (KeyError, IndexError, TypeError) as error:
            extra |= {"exception_message": str(error), "exception_type": type(error).__name__, "linked_node": link}
            words = "Exception when validating inner node"
            problem = _error("exception_during_inner_validation", words, str(error), extra | {"traceback": []})
            self._checked[above] = (False, [problem])
            return False, []

    def _value(self, given: dict[str, Any], name: str, kind: Any, options: Mapping[str, Any]) -> Iterator[Problem]:
        value = given[name]
        extra: dict[str, Any] = {"input_name": name, "input_config": [kind, dict(options)], "received_value": value}
        if options.get("image_upload"):
            if value not in self._pictures:
                details = f"{name} - Invalid image file: {value}"
                words = "Custom validation failed for node"
                yield _error("custom_validation_failed", words, details, {"input_name": name})
            return
        try:
            value = given[name] = _CONVERT[kind](value) if isinstance(kind, str) and kind in _CONVERT else value
        except (ValueError, TypeError, OverflowError) as error:
            words = f"Failed to convert an input value to a {kind} value"
            details = f"{name}, {value}, {error}"
            yield _error("invalid_input_type", words, details, extra | {"exception_message": str(error)})
            return
        yield from _bounds(name, value, options, extra)
        choices = kind if isinstance(kind, list) else options.get("options") if kind == "COMBO" else None
        if choices is not None and value not in choices:
            short = len(choices) > MOST_LISTED
            shown = f"(list of length {len(choices)})" if short else str(choices)
            extra |= {"input_config": None} if short else {}
            yield _error("value_not_in_list", "Value not in list", f"{name}: {value!r} not in {shown}", extra)

    def _cycle(self, path: tuple[str, ...]) -> None:
        said = " -> ".join(f"{key} ({self._graph[key]['class_type']})" for key in path)
        nodes = list(dict.fromkeys(path))
        for key in nodes:
            extra = {"node_id": key, "cycle_nodes": nodes}
            self._checked[key] = (False, [_error("dependency_cycle", "Dependency cycle detected", said, extra)])


def _inputs(spec: Mapping[str, Any]) -> Iterator[tuple[str, bool, list[Any]]]:
    for kind in ("required", "optional"):
        for name, entry in spec["input"].get(kind, {}).items():
            yield name, kind == "required", entry


def _fits(given: str, wanted: Any) -> bool:
    """A choice takes a link to text; a union is written `A,B`, and `*` is anything."""
    if isinstance(wanted, list):
        wanted = "COMBO"
    return "*" in (given, wanted) or bool(set(str(given).split(",")) & set(str(wanted).split(",")))


def _bounds(name: str, value: Any, options: Mapping[str, Any], extra: dict[str, Any]) -> Iterator[Problem]:
    low, high = options.get("min"), options.get("max")
    if low is not None and value < low:
        yield _error("value_smaller_than_min", f"Value {value} smaller than min of {low}", name, extra)
    elif high is not None and value > high:
        yield _error("value_bigger_than_max", f"Value {value} bigger than max of {high}", name, extra)


def _error(kind: str, message: str, details: str, extra: Mapping[str, Any] | None = None) -> Problem:
    return {"type": kind, "message": message, "details": details, "extra_info": dict(extra or {})}
