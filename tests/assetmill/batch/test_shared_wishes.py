"""Assets that ask for the very same picture share one attempt, its failures and its bounds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

SAME = "".join(
    f"  - {{id: a{i}, type: background, prompt: one sky, seed: 5, width: 128, height: 128}}\n" for i in range(4)
)
NODE = {"error": "Job processing failed", "details": ["Workflow execution error: Node Type: VAEDecode, Message: no"]}


@pytest.fixture
async def hanging_up() -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"POST"):
                writer.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\ncontent-type: application/json\r\n\r\n{}")
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v2/gpu"


async def test_one_wish_is_paid_once(studio):
    report = await studio.run(SAME)
    assert report.exit_code == 0
    assert len(studio.artist.executed) == len(studio.rows()) == 1
    assert (report.generated, report.shared) == (1, 3)


async def test_a_wish_that_cannot_be_drawn_is_paid_once(studio):
    studio.artist.answers["one sky"] = lambda _: NODE
    report = await studio.run(SAME)
    assert report.failed == 4
    assert len(studio.artist.executed) == 1
    assert {line.error for line in report.failures} == {"execution_failed"}


async def test_a_wish_whose_answers_are_lost_is_sent_no_more_often_than_was_agreed_to(
    studio, hanging_up, make_settings
):
    studio.settings, studio.endpoint = make_settings(ASSETMILL_RESEND_UNKNOWN="0"), hanging_up
    report = await studio.run(SAME)
    assert report.failed == 4
    assert len(studio.rows()) == 1


async def test_a_fault_after_an_empty_picture_is_tried_again_too(studio, tools):
    left = [
        lambda graph: tools.answer(graph, shape="empty"),
        lambda _: {"error": "ComfyUI server (127.0.0.1:8188) not reachable after multiple retries."},
    ]
    studio.artist.answers["slime"] = lambda graph: (left.pop(0) if left else tools.answer)(graph)  # noqa: PLW0108  the list changes
    report = await studio.run("  - {id: slime, type: entity, prompt: a slime, silhouette: {canvas: 64x64}}\n")
    assert (report.exit_code, report.retried) == (0, 2)
    assert [row["error_class"] for row in studio.rows()] == ["blank_image", "startup_failed", None]
