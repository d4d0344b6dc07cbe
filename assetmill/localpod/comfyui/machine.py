"""Runs the prompts of the local ComfyUI, one at a time, with the draft worker.

Drawing happens in a thread that cannot be stopped: a prompt that is interrupted, or that a crash takes with it, ends
at once for everybody who asks, and its drawing is thrown away. What becomes of a prompt is told in ComfyUI's own
messages.
"""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from assetmill.clock import Clock
from assetmill.localpod.comfyui.config import ComfyConfig
from assetmill.localpod.comfyui.faults import Fault, Faults, Kind
from assetmill.localpod.comfyui.files import Files, loaded, unmarked
from assetmill.localpod.comfyui.queue import Prompt, PromptQueue
from assetmill.localpod.draft import render
from assetmill.localpod.workers import woken

OF_RUNS = (
    Kind.NODE_ERROR,
    Kind.OUT_OF_MEMORY,
    Kind.SLOW,
    Kind.INTERRUPTED,
    Kind.CRASH,
    Kind.CRASH_AFTER_WRITING,
)
SUCCESS, ERROR, INTERRUPTED = "execution_success", "execution_error", "execution_interrupted"
_RAISED = re.compile(r"Node Type: (?P<kind>.*?), Node ID: (?P<node>.*?), Message: (?P<said>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Ran:
    """One prompt that was begun.

    Args:
        prompt_id: its id.
        attempt: the sender's own key, out of its extra data.
        how: ComfyUI's last message about it; `lost` where the server died over it.
    """

    prompt_id: str
    attempt: str | None
    how: str


class _RaisedError(Exception):
    """A node raised."""

    def __init__(self, node: str, kind: str, said: str, error: str = "RuntimeError") -> None:
        super().__init__(said)
        self.told = {"node_id": node, "node_type": kind, "exception_message": said, "exception_type": error}


class Machine:
    """One GPU, so to speak.

    Args:
        config: how long things take.
        queue: what is to be run.
        files: where pictures are.
        faults: what goes wrong.
        clock: time.
    """

    def __init__(self, config: ComfyConfig, queue: PromptQueue, files: Files, faults: Faults, clock: Clock) -> None:
        self._config = config
        self._queue = queue
        self._files = files
        self._faults = faults
        self._clock = clock
        self._up_at = clock.monotonic()
        self._going = asyncio.Event()
        self._going.set()
        self.ran: list[Ran] = []

    @property
    def down(self) -> bool:
        """Whether the server is starting again just now."""
        return self._clock.monotonic() < self._up_at

    def hold(self) -> None:
        """Begin nothing until `go`."""
        self._going.clear()

    def go(self) -> None:
        """Go on."""
        self._going.set()

    def restart(self) -> None:
        """Die, and be back after the start-up time with nothing but the files."""
        self._up_at = self._clock.monotonic() + self._config.restart_s
        self._queue.forget()

    async def keep_running(self) -> None:
        """Run one prompt after another, until cancelled."""
        while True:
            await self._queue.wait()
            await self._going.wait()
            if (prompt := self._queue.take()) is not None:
                await self._run(prompt)

    async def _run(self, prompt: Prompt) -> None:
        fault = self._faults.draw(prompt.graph, *OF_RUNS)
        messages: list[list[Any]] = []
        self._say(messages, prompt, "execution_start", {})
        self._say(messages, prompt, "execution_cached", {"nodes": []})
        outputs: Mapping[str, Any] = {}
        told: Mapping[str, Any] = {}
        try:
            outputs, event = await self._outcome(prompt, fault), SUCCESS
        except _RaisedError as error:
            event = ERROR
            told = error.told | {"executed": [], "traceback": [], "current_inputs": {}, "current_outputs": []}
        if self._queue.running is prompt and (prompt.interrupted.is_set() or _is(fault, Kind.INTERRUPTED)):
            outputs, event, told = {}, INTERRUPTED, {"node_id": "", "node_type": "", "executed": []}
        attempt = prompt.extra.get("assetmill_attempt")
        lost = self._queue.running is not prompt
        self.ran.append(Ran(prompt.id, attempt if isinstance(attempt, str) else None, "lost" if lost else event))
        self._say(messages, prompt, event, told)
        fine = event == SUCCESS
        status = {"status_str": "success" if fine else "error", "completed": fine, "messages": messages}
        self._queue.done(prompt, outputs, status)

    async def _outcome(self, prompt: Prompt, fault: Fault | None) -> Mapping[str, Any]:
        """What the output nodes have written.

        Raises:
            _RaisedError: a node raised.
        """
        seconds = self._config.exec_seconds + (fault.seconds if fault else 0.0)
        if seconds:
            await woken(prompt.interrupted, seconds, self._clock)
        if _is(fault, Kind.CRASH):
            self.restart()
        if prompt.interrupted.is_set():
            return {}
        if fault is not None and fault.kind in (Kind.NODE_ERROR, Kind.OUT_OF_MEMORY):
            raise _raised(prompt, fault.kind)
        pictures = await asyncio.to_thread(self._draw, prompt)
        if prompt.interrupted.is_set():
            return {}
        written = self._write(prompt, pictures)
        if _is(fault, Kind.CRASH_AFTER_WRITING):
            self.restart()
        return written

    def _draw(self, prompt: Prompt) -> list[bytes]:
        graph = _needed(prompt)
        sent = [
            {"name": name, "image": base64.b64encode(data).decode("ascii")}
            for name, data in loaded(graph, self._files).items()
        ]
        answer = render({"workflow": graph, "images": sent})
        if "error" in answer:
            raise _read_error(answer)
        pictures = [base64.b64decode(image["data"]) for image in answer["images"]]
        return pictures if self._config.placeholders else [unmarked(picture) for picture in pictures]

    def _write(self, prompt: Prompt, pictures: list[bytes]) -> Mapping[str, Any]:
        """The draft worker draws for every SaveImage in the graph's order, and then for the rest of a batch."""
        savers = [key for key in prompt.graph if key in prompt.outputs]
        savers = [key for key in savers if prompt.graph[key]["class_type"] == "SaveImage"]
        written: dict[str, Any] = {}
        for place, picture in enumerate(pictures):
            key = savers[place % len(savers)]
            try:
                file = self._files.write(str(prompt.graph[key]["inputs"]["filename_prefix"]), picture)
            except ValueError as error:
                raise _RaisedError(key, "SaveImage", str(error), "Exception") from error
            written.setdefault(key, {"images": []})["images"].append(file)
        return written

    def _say(self, messages: list[list[Any]], prompt: Prompt, event: str, told: Mapping[str, Any]) -> None:
        moment = int(self._clock.now().timestamp() * 1000)
        messages.append([event, {"prompt_id": prompt.id, **told, "timestamp": moment}])


def _is(fault: Fault | None, kind: Kind) -> bool:
    return fault is not None and fault.kind is kind


def _needed(prompt: Prompt) -> dict[str, Any]:
    """The part of a graph that its sound outputs need: nothing else runs."""
    kept: set[str] = set()
    waiting = list(prompt.outputs)
    while waiting:
        key = waiting.pop()
        if key not in kept:
            kept.add(key)
            links = (value for value in prompt.graph[key]["inputs"].values() if isinstance(value, list))
            waiting += [link[0] for link in links]
    return {key: node for key, node in prompt.graph.items() if key in kept}


def _raised(prompt: Prompt, kind: Kind) -> _RaisedError:
    """A fault's own words, from the sampler if there is one."""
    node = next((key for key, node in prompt.graph.items() if node["class_type"] == "KSampler"), prompt.outputs[0])
    of = prompt.graph[node]["class_type"]
    if kind is Kind.OUT_OF_MEMORY:
        said = "Allocation on device 0 would exceed allowed memory. (out of memory)"
        return _RaisedError(node, of, said, "torch.OutOfMemoryError")
    return _RaisedError(node, of, "mat1 and mat2 shapes cannot be multiplied (77x768 and 4096x3072)")


def _read_error(answer: Mapping[str, Any]) -> _RaisedError:
    """What the draft worker reports, taken apart."""
    said = " ".join(str(part) for part in (*answer.get("details", ()), answer["error"])[:1]).strip()
    with suppress(AttributeError):
        found = _RAISED.search(said)
        return _RaisedError(found["node"], found["kind"], found["said"].strip())  # type: ignore[index]  # see suppress
    return _RaisedError("", "", said)
