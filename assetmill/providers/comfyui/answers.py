"""What a ComfyUI server says, read without trust: its queue, its history, and why it refuses a graph.

Whatever JSON an answer holds, it becomes a value here. Words of a refusal name every node and what is wrong with it;
values of the request that they repeat are shortened. No network. Shapes: ComfyUI's server.py and execution.py
of 2025 and 2026.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from assetmill.providers.base import Job, JobState
from assetmill.providers.words import one_line

ATTEMPT_KEY = "assetmill_attempt"
"""Our own key in a prompt's `extra_data`; ComfyUI keeps that beside the graph and never looks into it."""

DRAFT_MARK = b"assetmill:draft\x00"
"""Begins the text chunk that a draft worker puts into every PNG."""

FORGOTTEN = "forgotten"
"""Raw status of a job that the server does not know any more and whose files are there."""

USUAL_ROLES = ("image", "full", "far", "layer_0")
"""Roles of which every graph of ours writes at least one."""

MOST_NODES = 6
HEX_CHARS = 32
QUEUE_ITEM = 4  # number, id, graph, extra_data, and more
LONGEST_MS = 7 * 24 * 3600 * 1000
_PNG = b"\x89PNG\r\n\x1a\n"
_NAMES = uuid.UUID("a4b77d1c-6f0e-4c5e-9d3b-0f6f3a1f5e21")


@dataclass(frozen=True, slots=True)
class File:
    """A picture in one of the server's folders."""

    name: str
    subfolder: str = ""
    type: str = "output"


@dataclass(frozen=True, slots=True)
class Accepted:
    """A graph that was taken.

    Args:
        job_id: the server's id of it.
        left_out: why some of its outputs will not be made, in words; empty when all will.
    """

    job_id: str
    left_out: str = ""


@dataclass(frozen=True, slots=True)
class QueueLook:
    """The queue at one moment.

    Args:
        running: ids of what runs.
        pending: ids of what waits, the next one first.
        attempts: our own key -> id, for items that carry one.
    """

    running: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()
    attempts: Mapping[str, str] = field(default_factory=dict)

    def job(self, job_id: str) -> Job | None:
        """The job, if it is there."""
        if job_id in self.running:
            return Job(job_id, JobState.RUNNING, raw_status="running")
        if job_id in self.pending:
            return Job(job_id, JobState.QUEUED, raw_status="pending")
        return None

    def ahead(self, job_id: str) -> tuple[str, ...]:
        """What comes before a job that waits."""
        place = self.pending.index(job_id) if job_id in self.pending else 0
        return (*self.running, *self.pending[:place])


def prompt_id_of(attempt_id: str) -> str:
    """The id under which an attempt is sent: a UUID in its canonical form, since newer servers take nothing else."""
    try:
        if len(attempt_id) == HEX_CHARS:
            return str(uuid.UUID(hex=attempt_id))
    except ValueError:
        pass
    return str(uuid.uuid5(_NAMES, attempt_id))


def usual_files(job_id: str) -> tuple[File, ...]:
    """Files of which one is there if the job has written any; none can be told of an id that is not ours."""
    try:
        attempt_id = uuid.UUID(job_id).hex
    except ValueError:
        return ()
    return tuple(first_file(f"{attempt_id}-{role}") for role in USUAL_ROLES)


def first_file(prefix: str) -> File:
    """The first file that SaveImage writes under a prefix that nobody has used before."""
    return File(f"{prefix}_00001_.png")


def read_queue(body: Mapping[str, Any]) -> QueueLook:
    """GET /queue: each item is `[number, id, graph, extra_data, outputs]`; those that wait come as a heap."""
    running = list(_items(body.get("queue_running")))
    pending = sorted(_items(body.get("queue_pending")), key=_number)
    attempts = {key: item[1] for item in (*running, *pending) if (key := _attempt(item)) is not None}
    return QueueLook(tuple(item[1] for item in running), tuple(item[1] for item in pending), attempts)


def attempts_in(history: Mapping[str, Any]) -> dict[str, str]:
    """Our own key -> id, of a history's entries that carry one."""
    found = {}
    for entry in history.values():
        prompt = entry.get("prompt") if isinstance(entry, Mapping) else None
        for item in _items([prompt]):
            if (key := _attempt(item)) is not None:
                found[key] = item[1]
    return found


def began_s(history: Mapping[str, Any]) -> float | None:
    """When the earliest entry began, in seconds of the server's clock; None where no entry tells."""
    moments = [
        moment for entry in history.values() for _, data in _messages(entry) if (moment := _moment(data)) is not None
    ]
    return min(moments) / 1000 if moments else None


def read_history(entry: Any, job_id: str) -> Job:
    """One entry of GET /history: a job that has ended.

    What its messages say counts before its status: a graph of which nothing has to be run anew keeps the status of
    the one before it.
    """
    messages = list(_messages(entry))
    told = dict(messages)
    status = _mapping(entry).get("status")
    word = status.get("status_str") if isinstance(status, Mapping) else None
    state = _ended(told, word)
    delay_ms, execution_ms = _times(entry, messages)
    return Job(
        job_id,
        state,
        delay_ms=delay_ms,
        execution_ms=execution_ms,
        error=_raised(told.get("execution_error")) if state is JobState.FAILED else None,
        output=_mapping(entry).get("outputs"),
        raw_status=one_line(word),
    )


def files_of(output: Any) -> Iterator[File]:
    """Pictures that the output nodes of a job have written; previews are none."""
    for node in _mapping(output).values():
        images = _mapping(node).get("images")
        for image in images if isinstance(images, list) else []:
            told = _mapping(image)
            name, subfolder = told.get("filename"), told.get("subfolder", "")
            if isinstance(name, str) and isinstance(subfolder, str) and told.get("type", "output") == "output":
                yield File(name, subfolder)


def role_of(file: File, outputs: Mapping[str, str]) -> str | None:
    """Role whose filename prefix a file bears."""
    borne = [role for role, prefix in outputs.items() if file.name.startswith(f"{prefix}_")]
    return max(borne, key=lambda role: len(outputs[role])) if borne else None


def refusal(body: Mapping[str, Any]) -> str:
    """Why a graph was refused, every node with what is wrong with it."""
    nodes = node_errors(body.get("node_errors"))
    error = body.get("error")
    if nodes or not isinstance(error, Mapping):
        return nodes or one_line(error) or "no reason given"
    return one_line(" ".join(str(part) for key in ("message", "details") if (part := error.get(key))))


def node_errors(told: Any) -> str:
    """`node_errors` in words; empty where there are none."""
    found = [(key, node) for key, node in _mapping(told).items() if isinstance(node, Mapping)]
    words = [f"node {key} ({node.get('class_type')}): {_reasons(node.get('errors'))}" for key, node in found]
    more = [f"and {len(words) - MOST_NODES} more nodes"] if len(words) > MOST_NODES else []
    return one_line("; ".join([*words[:MOST_NODES], *more]))


def is_draft(data: bytes) -> bool:
    """Whether a PNG says of itself that it is a placeholder."""
    place = len(_PNG)
    while data.startswith(_PNG) and place + 8 <= len(data):
        length, kind = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8]
        if kind == b"IDAT":
            return False
        if kind == b"tEXt" and data.startswith(DRAFT_MARK, place + 8):
            return True
        place += length + 12
    return False


def _items(listed: Any) -> Iterator[Sequence[Any]]:
    for item in listed if isinstance(listed, list) else []:
        if isinstance(item, list) and len(item) >= QUEUE_ITEM and isinstance(item[1], str):
            yield item


def _number(item: Sequence[Any]) -> float:
    return float(item[0]) if isinstance(item[0], int | float) else math.inf


def _attempt(item: Sequence[Any]) -> str | None:
    key = _mapping(item[3]).get(ATTEMPT_KEY)
    return key if isinstance(key, str) else None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _messages(entry: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """`status.messages`: `[event, data]` pairs, each with the server's time in milliseconds."""
    told = _mapping(_mapping(entry).get("status")).get("messages")
    for message in told if isinstance(told, list) else []:
        if isinstance(message, list) and len(message) == 2 and isinstance(message[0], str):  # noqa: PLR2004  a pair
            yield message[0], _mapping(message[1])


def _ended(told: Mapping[str, Any], word: Any) -> JobState:
    if "execution_interrupted" in told:
        return JobState.CANCELLED
    if "execution_error" in told:
        return JobState.FAILED
    return JobState.COMPLETED if "execution_success" in told or word != "error" else JobState.FAILED


def _times(entry: Any, messages: Sequence[tuple[str, Mapping[str, Any]]]) -> tuple[int | None, int | None]:
    """Milliseconds in the queue and at work; newer servers tell when a graph came, all when it began and ended."""
    began = next((_moment(data) for event, data in messages if event == "execution_start"), None)
    ended = _moment(messages[-1][1]) if messages else None
    prompt = next(_items([_mapping(entry).get("prompt")]), None)
    came = _moment({"timestamp": _mapping(prompt[3]).get("create_time")}) if prompt else None
    return _between(came, began), _between(began, ended)


def _moment(data: Mapping[str, Any]) -> float | None:
    value = data.get("timestamp")
    sound = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0
    return value if sound else None


def _between(start: float | None, end: float | None) -> int | None:
    if start is None or end is None or not 0 <= end - start <= LONGEST_MS:
        return None
    return int(end - start)


def _raised(error: Any) -> str:
    """What a node raised, in the words that worker-comfyui has for it, so that failures are told apart alike."""
    told = _mapping(error)
    kind, message = str(told.get("exception_type") or ""), str(told.get("exception_message") or "").strip()
    said = f"{kind}: {message}" if kind and message else kind or message or "no reason given"
    return (
        f"Workflow execution error: Node Type: {told.get('node_type', '?')}, Node ID: {told.get('node_id', '?')}, "
        f"Message: {said}"
    )


def _reasons(errors: Any) -> str:
    told: Iterable[Any] = errors if isinstance(errors, list) else []
    words = [
        ": ".join(str(part) for key in ("message", "details") if (part := error.get(key)))
        for error in told
        if isinstance(error, Mapping)
    ]
    return ", ".join(word for word in words if word) or "it is not valid"
