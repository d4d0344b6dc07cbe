"""ComfyUI's refusal of a graph, read back out of the sentence that worker-comfyui makes of it.

A worker passes ComfyUI's answer on in one of two forms: a list of nodes, each with its errors as Python would print
them, or the whole JSON behind `Raw response:` where no node has errors. Both are read strictly: words of which a part
is missing or cannot be read are no answer, so that nothing is taken to be there because nobody complained. Nothing is
evaluated but literals. Words are those of worker-comfyui 5.0 to 5.8, before ComfyUI 0.3.77 to 0.25.1.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from assetmill.providers.base import Job, JobState
from assetmill.providers.words import one_line
from assetmill.workflows.probe import NodeError, Refusal

MOST_CHARS = 2_000_000
_RAW = ". Raw response: "
_LINE = re.compile(r"^• Node (\S+) \(errors\): (.*)$", re.MULTILINE)
_HEADLINE = "Workflow validation failed:"
_UNKNOWN = frozenset({"invalid_prompt", "missing_node_type"})
_NODE_ID = re.compile(r"Node ID '#(.+?)'")
_MOST_OFFERED = 20


def refusal_of(job: Job) -> Refusal | None:
    """What ComfyUI had against the graph of a job; None where it ended in another way, or nobody can read how."""
    text = _sentence(job.error)
    if job.state is not JobState.FAILED or len(text) > MOST_CHARS:
        return None
    if text.startswith(_HEADLINE):
        return _listed(text)
    _, raw, body = text.partition(_RAW)
    return _raw(body) if raw else None


def _sentence(error: Any) -> str:
    """The worker's sentence; of an exception of its own, the message."""
    if not isinstance(error, str):
        return ""
    if error.lstrip().startswith("{"):
        told = _json(error)
        message = told.get("error_message") if isinstance(told, Mapping) else None
        return message if isinstance(message, str) else ""
    return error


def _listed(text: str) -> Refusal | None:
    errors: dict[str, tuple[NodeError, ...]] = {}
    for node_id, printed in _LINE.findall(text):
        told = _literal(printed)
        if not isinstance(told, list):
            return None
        errors[node_id] = tuple(_errors(told))
    return Refusal(errors=errors) if errors else None


def _raw(body: str) -> Refusal | None:
    told = _json(body)
    error = told.get("error") if isinstance(told, Mapping) else None
    if not isinstance(error, Mapping) or error.get("type") not in _UNKNOWN:
        return None
    extra = error.get("extra_info")
    named = extra.get("node_id") if isinstance(extra, Mapping) else None
    found = _NODE_ID.search(str(error.get("details", "")))
    node_id = str(named) if named is not None else found[1] if found else None
    return Refusal(unknown=node_id) if node_id else None


def _errors(told: list[Any]) -> Iterator[NodeError]:
    for one in told:
        if not isinstance(one, Mapping):
            yield NodeError("unreadable", one_line(one))
            continue
        extra = one.get("extra_info")
        extra = extra if isinstance(extra, Mapping) else {}
        value = extra.get("received_value")
        yield NodeError(
            type=one_line(one.get("type")),
            message=one_line(one.get("message")),
            details=one_line(one.get("details")),
            input=one_line(extra.get("input_name")),
            value=None if value is None else one_line(value),
            offered=_offered(extra.get("input_config")),
        )


def _offered(config: Any) -> tuple[str, ...]:
    """What a choice offers; both of ComfyUI's spellings, `[[..], {}]` and `["COMBO", {"options": [..]}]`."""
    head, options = (config[0], config[-1]) if isinstance(config, list | tuple) and config else (None, None)
    if isinstance(options, Mapping) and isinstance(options.get("options"), list):
        head = options["options"]
    return tuple(one_line(one) for one in head[:_MOST_OFFERED]) if isinstance(head, list) else ()


def _literal(printed: str) -> Any:
    try:
        return ast.literal_eval(printed)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
