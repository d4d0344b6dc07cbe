"""Whatever an endpoint answers is a value or an attempt's error, and no error repeats what must not be seen."""

from __future__ import annotations

import asyncio
import base64
import copy
import hashlib
import io
import json
import math
import random
import re
import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from assetmill.clock import Clock
from assetmill.errors import AttemptError
from assetmill.providers.base import Collected, Job, JobState
from assetmill.providers.endpoint import Endpoint
from assetmill.providers.runpod import RunPodProvider
from assetmill.providers.runpod.answers import is_draft, output_files, output_notes, to_job
from assetmill.providers.wire import json_object, retry_after_s
from assetmill.providers.words import one_line

RECORDED = json.loads((Path(__file__).parents[1] / "fixtures" / "worker_answers.json").read_text(encoding="utf-8"))
BODIES = [RECORDED[name]["body"] for name in sorted(RECORDED)]
PREFIXES = {"image": "txt2img", "near": "parallax_2_near", "full": "parallax_full"}
ENDPOINT = Endpoint("runpod", "runpod", "http://127.0.0.1:9/v2/e", None, "flux", 1, Decimal(0), "made up")


def picture(seed: int) -> bytes:
    made = Image.frombytes("RGB", (16, 16), random.Random(seed).randbytes(16 * 16 * 3))
    file = io.BytesIO()
    made.save(file, "PNG")
    return file.getvalue()


PIXELS = base64.b64encode(picture(1)).decode()
SIGNED = "https://bucket.invalid/11-26/a.png?X-Amz-Expires=604800&X-Amz-Signature=" + "5ec2e7" * 12 + "&part=LEAKED"


class Deep(NamedTuple):
    """A value that is nested too deep to be copied; made anew for every example."""

    levels: int
    key: str = ""

    def value(self) -> Any:
        made: Any = "end"
        for _ in range(self.levels):
            made = {self.key: made} if self.key else [made]
        return made


STRANGE = (
    None, True, False, 0, -1, 2**53, 10**30, 10**5_000, -(10**5_000), 1.5, -0.0, math.nan, math.inf, -math.inf, 1e308,
    "", " ", "x", "\ud800", "\udfff\ud800", "\x00\x1b[31m\r\n", "\u202e\u2028", "{", '{"error_message": ', "null",
    "1e400", '{"error_type": 5, "error_message": {"a": ["' + SIGNED + '"]}}', "[" * 5_000, '{"a":' * 5_000,
    "a" * 100_000, SIGNED, "HTTP://[::1", "https://", "http://x:99999999/", "data:image/png;base64," + PIXELS, "data:",
    PIXELS,
    f"failed at {SIGNED} and then {PIXELS}", "simulated_uploaded/x.png", "COMPLETED",
    "Workflow validation failed: " + SIGNED, "Workflow execution error: Node Type: X, Message: " + PIXELS, [], {}, [[]],
    [None], [{}], {"data": None}, {"error": {"deep": [SIGNED, PIXELS]}}, {"details": [SIGNED, [PIXELS], 3]},
    {"images": [{"filename": 5, "data": PIXELS}, 7]}, {"images": {}}, {"message": PIXELS}, {"message": SIGNED},
    [SIGNED] * 500, {"filename": SIGNED, "data": "!"}, Deep(10), Deep(200), Deep(900),
    Deep(900, "error"), Deep(900, "k"),
)  # fmt: skip
keys = st.sampled_from(("images", "data", "error", "errors", "details", "message", "filename", "draft", "status", "x"))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


def fresh(index: int) -> Any:
    """One strange value, which an example may change."""
    value = STRANGE[index]
    return value.value() if isinstance(value, Deep) else copy.deepcopy(value)


strange = st.integers(0, len(STRANGE) - 1).map(fresh) | json_values
statuses = st.sampled_from(("COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT", "IN_PROGRESS", "IN_QUEUE", "NEW"))


def spots(value: Any, depth: int = 0) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) of a tree, as deep as the recorded answers go."""
    entries = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
    for key, inner in entries:
        yield value, key
        if isinstance(inner, dict | list) and depth < 8:
            yield from spots(inner, depth + 1)


@st.composite
def damaged(draw) -> dict[str, Any]:
    body = copy.deepcopy(BODIES[draw(st.integers(0, len(BODIES) - 1))])
    for number, image in enumerate((body.get("output") or {}).get("images", ())):
        if image["type"] == "base64":  # the recorded pixels are cut
            image["data"] = base64.b64encode(picture(number)).decode()
    if draw(st.booleans()):
        body["status"] = draw(statuses)
    for _ in range(draw(st.integers(1, 3))):
        found = list(spots(body))
        if not found:
            break
        container, key = found[draw(st.integers(0, len(found) - 1))]
        damage(draw, container, key)
    return body


def damage(draw, container: Any, key: Any) -> None:
    value = container[key]
    how = draw(st.sampled_from(("drop", "replace", "cut", "insert", "add")))
    if how == "drop":
        del container[key]
    elif how == "cut" and isinstance(value, str):
        container[key] = value[: draw(st.integers(0, len(value)))]
    elif how == "insert" and isinstance(value, str):
        place = draw(st.integers(0, len(value)))
        container[key] = value[:place] + draw(st.sampled_from(("!", "=", "\n", "\u00e9", "A", SIGNED))) + value[place:]
    elif how == "add" and isinstance(container, dict):
        container[draw(st.sampled_from(("error", "errors", "details", "draft", "message")))] = draw(strange)
    else:
        container[key] = draw(strange)


def check_words(text: str) -> None:
    """What may be logged and kept in the books."""
    assert len(text) <= 1_000
    assert text.isprintable()
    assert not re.search(r"://\w", text)
    assert "LEAKED" not in text
    assert "5ec2e75ec2e7" not in text
    assert not any(PIXELS[start : start + 60] in text for start in range(len(PIXELS) - 60))


def check_error(error: AttemptError) -> None:
    assert error.message.strip()
    check_words(error.message)
    check_words(error.hint)
    assert error.job_id == "j1"


def check_job(job: Job) -> None:
    assert job.id == "j1"
    assert isinstance(job.state, JobState)
    for time in (job.delay_ms, job.execution_ms):
        assert time is None or (type(time) is int and 0 <= time <= 2**53)
    assert job.worker_id is None or (isinstance(job.worker_id, str) and len(job.worker_id) <= 600)
    check_words(job.worker_id or "")
    check_words(job.raw_status)


def answering(request: httpx.Request) -> httpx.Response:
    """A store of pictures that holds some, is broken for some, and cannot be reached for the rest."""
    kind = hashlib.sha256(str(request.url).encode()).digest()[0] % 4
    if kind == 0:
        raise httpx.ConnectError("nobody there", request=request)
    return httpx.Response((200, 200, 403)[kind - 1], content=(picture(5), b"<html>", b"")[kind - 1], request=request)


@pytest.fixture(scope="module")
def collect():
    """`collect(job)` of a provider whose downloads never leave this process."""
    provider = RunPodProvider(ENDPOINT, Clock(), window=1, stall_s=60)
    runner = asyncio.Runner()
    runner.run(provider.aclose())
    provider._client = httpx.AsyncClient(transport=httpx.MockTransport(answering))
    yield lambda job, outputs: runner.run(provider.collect(job, outputs))
    runner.run(provider.aclose())
    runner.close()


@given(body=damaged())
@settings(max_examples=settings().max_examples * 2)
def test_a_damaged_answer_is_files_or_an_attempts_error_of_clean_words(body):
    read_one(body)


def read_one(body):
    """Reads an answer, and checks what holds for every one."""
    job = to_job(body, "j1")
    check_job(job)
    assert is_draft(job) in (True, False)
    for note in output_notes(job):
        check_words(note)
    try:
        files = output_files(job)
    except AttemptError as error:
        check_error(error)
        return
    assert job.state is JobState.COMPLETED
    for file in files:
        assert isinstance(file.filename, str)
        assert (file.data is None) != (file.url is None)


@given(body=damaged(), wanted=st.sets(st.sampled_from(sorted(PREFIXES)), min_size=1))
def test_what_is_collected_is_every_output_asked_for_or_an_attempts_error(collect, body, wanted):
    outputs = {role: PREFIXES[role] for role in sorted(wanted)}
    try:
        collected = collect(to_job(body, "j1"), outputs)
    except AttemptError as error:
        check_error(error)
        return
    assert isinstance(collected, Collected)
    assert set(collected.images) == wanted
    for data in collected.images.values():
        with Image.open(io.BytesIO(data)) as image:
            image.load()


@pytest.mark.parametrize("index", range(len(STRANGE)))
def test_every_strange_value_in_every_place_is_read(index):
    for status in ("COMPLETED", "FAILED"):
        for body in (
            {"error": fresh(index)}, {"output": fresh(index)}, {"output": {"error": fresh(index)}},
            {"id": fresh(index)}, {"output": {"details": fresh(index)}, "error": "Job processing failed"},
            {"delayTime": fresh(index)},
            {"output": {"images": fresh(index)}}, {"output": {"images": [{"filename": "a", "data": fresh(index)}]}},
            {"output": {"images": [], "errors": fresh(index)}}, {"output": {"message": fresh(index)}},
            {"workerId": fresh(index), "executionTime": fresh(index)}, {"status": fresh(index)},
        ):  # fmt: skip
            read_one({"status": status, **body})


@given(value=strange)
def test_any_value_becomes_one_clean_line(value):
    line = one_line(value)
    check_words(line)
    assert line == " ".join(line.split())


texts = st.text(max_size=20).map(str.encode) | st.binary(max_size=40) | st.sampled_from(
    (b"[" * 100_000, b'{"a":' * 100_000, b"1" * 10_000, b'{"status": NaN}', b'{"id": 1e400}', b"\xff\xfe{}", b"{}", b"")
)  # fmt: skip
kinds = st.sampled_from(
    ("application/json", "application/json; charset=utf-8", "text/html", "", "application/json;x=\x7f")
)


@given(content=texts, kind=kinds)
def test_any_body_is_a_json_object_or_none(content, kind):
    body = json_object(httpx.Response(200, content=content, headers={"content-type": kind}))
    assert body is None or isinstance(body, dict)


@given(value=st.text(max_size=12) | st.sampled_from(
    ("nan", "-inf", "1e400", "-5", "Wed, 21 Oct 2026 07:28:00 GMT", "Wed, 99 Oct 0000 99:99:99 GMT", "1" * 5_000)
))  # fmt: skip
def test_any_retry_after_is_a_finite_time_or_unknown(value):
    seconds = retry_after_s(value, datetime(2026, 1, 1, tzinfo=UTC))
    assert seconds is None or (math.isfinite(seconds) and seconds >= 0)


@pytest.mark.parametrize("width", (64, 76))
def test_image_data_that_is_broken_into_lines_is_not_repeated_either(width):
    check_words(one_line("cannot decode " + "\n".join(textwrap.wrap(PIXELS, width))))


def test_the_check_of_words_would_see_what_it_forbids():
    for text in (SIGNED, PIXELS[:200], "a\nb", "x" * 1_001, SIGNED[-20:]):
        with pytest.raises(AssertionError):
            check_words(text)
