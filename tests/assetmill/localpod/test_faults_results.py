"""Faults of results: images missing, in another order, cut, blank, or none at all."""

from __future__ import annotations

import base64
import io
import json
import struct
import zlib
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import pytest
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.PngImagePlugin import PngImageFile, PngInfo

from assetmill.localpod import Faults, Kind, Pod, PodConfig, Rule
from assetmill.localpod.faulty_results import can_spoil, spoilt

Open = Callable[..., AbstractAsyncContextManager[tuple[httpx.AsyncClient, Pod]]]
SIZE = (64, 48)


def png(mode: str, colour: tuple[int, ...]) -> bytes:
    chunks = PngInfo()
    chunks.add_text("assetmill:draft", "1")
    buffer = io.BytesIO()
    Image.new(mode, SIZE, colour).save(buffer, "PNG", pnginfo=chunks)
    return buffer.getvalue()


FILES = (png("RGB", (200, 10, 10)), png("RGBA", (10, 200, 10, 128)), png("RGB", (10, 10, 200)))


def answer(_: Mapping[str, Any]) -> Mapping[str, Any]:
    images = [
        {"filename": f"p{number}_00001_.png", "type": "base64", "data": base64.b64encode(data).decode()}
        for number, data in enumerate(FILES)
    ]
    return {"images": images, "draft": True}


OUTPUT = dict(answer({}))


def files(output: Mapping[str, Any]) -> list[bytes]:
    return [base64.b64decode(one["data"]) for one in output["images"]]


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def spoil(kind: Kind, **figures: Any) -> dict[str, Any]:
    rule = Rule(kind, **figures)
    before = json.dumps(OUTPUT)
    assert can_spoil(rule, OUTPUT)
    output: dict[str, Any] = spoilt(rule, OUTPUT)
    assert json.dumps(OUTPUT) == before, "the worker's own answer is not touched"
    return output


@pytest.mark.parametrize("rule", (Rule(Kind.NO_OUTPUT), Rule(Kind.OVERSIZE_RESULT, size_bytes=100)))
async def test_a_job_completes_without_an_output(open_pod: Open, rule: Rule) -> None:
    async with open_pod(PodConfig(faults=Faults((rule,))), answer) as (client, pod):
        body = (await client.post("runsync", json={"input": {"x": 1}})).json()
        assert body["status"] == "COMPLETED"
        assert not {"output", "error"} & body.keys()
        assert pod.injected() == {rule.kind.value: 1}
        assert [one.subject for one in pod.injections()] == [body["id"]]


async def test_a_result_within_the_limit_is_handed_over(open_pod: Open) -> None:
    rule = Rule(Kind.OVERSIZE_RESULT, size_bytes=1_000_000)
    async with open_pod(PodConfig(faults=Faults((rule,))), answer) as (client, pod):
        body = (await client.post("runsync", json={"input": {"x": 1}})).json()
        assert body["output"] == OUTPUT
        assert pod.injected() == {}


async def test_a_spoilt_answer_is_what_the_client_gets(open_pod: Open) -> None:
    rule = Rule(Kind.NOT_AN_IMAGE, times=1)
    async with open_pod(PodConfig(faults=Faults((rule,)), workers=1), answer) as (client, _):
        bodies = [(await client.post("runsync", json={"input": {"x": 1}})).json() for _ in range(2)]
        assert all(data.startswith(b"<!DOCTYPE html>") for data in files(bodies[0]["output"]))
        assert bodies[1]["output"] == OUTPUT


async def test_a_failed_job_has_nothing_to_spoil(open_pod: Open) -> None:
    config = PodConfig(faults=Faults((Rule(Kind.NO_OUTPUT),)))
    async with open_pod(config, lambda _: {"error": "Job processing failed", "images": []}) as (client, pod):
        body = (await client.post("runsync", json={"input": {"x": 1}})).json()
        assert (body["status"], body["error"]) == ("FAILED", "Job processing failed")
        assert pod.injected() == {}


def test_images_are_left_out_without_a_word() -> None:
    output = spoil(Kind.PARTIAL_OUTPUTS, count=2)
    assert output == {"images": OUTPUT["images"][:1], "draft": True}
    assert spoil(Kind.PARTIAL_OUTPUTS, count=9)["images"] == []


def test_or_with_errors_beside_the_others() -> None:
    output = spoil(Kind.PARTIAL_OUTPUTS, errors=True)
    assert len(output["images"]) == 2
    assert output["errors"] == ["Failed to fetch image data for p2_00001_.png from /view endpoint."]


def test_images_come_in_another_order() -> None:
    assert spoil(Kind.REORDERED_OUTPUTS)["images"] == OUTPUT["images"][::-1]
    assert not can_spoil(Rule(Kind.REORDERED_OUTPUTS), {"images": OUTPUT["images"][:1]})


def test_a_truncated_image_begins_well_and_cannot_be_read() -> None:
    for figures, kept in (({}, len(FILES[0]) // 2), ({"size_bytes": 33}, 33)):
        data = files(spoil(Kind.TRUNCATED_IMAGE, **figures))[0]
        assert data == FILES[0][:kept]
        with pytest.raises((OSError, SyntaxError)):
            opened(data)


def test_what_is_no_image_is_html() -> None:
    with pytest.raises(UnidentifiedImageError):
        opened(files(spoil(Kind.NOT_AN_IMAGE))[0])


def test_an_image_of_another_size_is_a_good_image() -> None:
    for data in files(spoil(Kind.WRONG_SIZE_IMAGE)):
        image = opened(data)
        assert image.size == (32, 49)
        assert image.format == "PNG"


def test_a_blank_image_is_black_of_the_same_size_and_keeps_its_alpha_channel() -> None:
    images = [opened(data) for data in files(spoil(Kind.BLANK_IMAGE))]
    assert [image.mode for image in images] == ["RGB", "RGBA", "RGB"]
    assert {image.size for image in images} == {SIZE}
    for image in images:
        assert image.convert("RGBA").getcolors() == [(SIZE[0] * SIZE[1], (0, 0, 0, 255))]


def test_or_wholly_transparent() -> None:
    for data in files(spoil(Kind.BLANK_IMAGE, transparent=True)):
        assert opened(data).getcolors() == [(SIZE[0] * SIZE[1], (0, 0, 0, 0))]


def test_jpeg_bytes_come_under_a_png_name() -> None:
    output = spoil(Kind.JPEG_AS_PNG)
    assert {opened(data).format for data in files(output)} == {"JPEG"}
    assert all(one["filename"].endswith(".png") for one in output["images"])


def scene(mode: str) -> Image.Image:
    """A picture that no turning leaves as it is."""
    picture = Image.new(mode, SIZE, (200, 10, 10, 128)[: len(mode)])
    picture.paste((10, 10, 200, 255)[: len(mode)], (0, 0, 20, 10))
    return picture


def redrawn(kind: Kind, mode: str) -> Image.Image:
    buffer = io.BytesIO()
    scene(mode).save(buffer, "PNG")
    given = {"images": [{"filename": "p.png", "data": base64.b64encode(buffer.getvalue()).decode()}]}
    assert can_spoil(Rule(kind), given)
    (data,) = files(spoilt(Rule(kind), given))
    return opened(data)


@pytest.mark.parametrize("mode", ("RGB", "RGBA"))
def test_odd_forms_of_a_good_picture_show_it(mode: str) -> None:
    pixels = list(scene("RGBA" if mode == "RGBA" else "RGB").get_flattened_data())
    palette, deep, moving = (redrawn(kind, mode) for kind in (Kind.PALETTE_PNG, Kind.DEEP_PNG, Kind.APNG))
    assert palette.mode == "P"
    assert list(palette.convert(mode).get_flattened_data()) == pixels
    assert list(deep.get_flattened_data()) == pixels
    assert (moving.n_frames, list(moving.get_flattened_data()) == pixels) == (2, True)  # type: ignore[attr-defined]  of animations


def test_a_picture_of_16_bits_says_so_in_its_header() -> None:
    (data, _, _) = files(spoil(Kind.DEEP_PNG))
    assert (data[24], data[25]) == (16, 2)
    assert files(spoil(Kind.DEEP_PNG))[1][25] == 6, "alpha is kept"


def test_inks_stand_for_the_picture() -> None:
    image = redrawn(Kind.CMYK_JPEG, "RGB")
    assert (image.mode, image.format) == ("CMYK", "JPEG")
    assert image.convert("RGB").getpixel((40, 30)) == pytest.approx((200, 10, 10), abs=6)


def test_a_picture_that_lies_on_its_side_is_stood_up_by_its_exif() -> None:
    image = redrawn(Kind.EXIF_ROTATED, "RGB")
    assert image.size == SIZE[::-1]
    assert list(ImageOps.exif_transpose(image).get_flattened_data()) == list(scene("RGB").get_flattened_data())


def test_a_huge_header_promises_what_is_not_there() -> None:
    data = files(spoil(Kind.HUGE_HEADER))[0]
    assert struct.unpack(">II", data[16:24]) == (30_000, 30_000)
    assert zlib.crc32(data[12:29]) == int.from_bytes(data[29:33], "big")
    assert len(data) < 1000
    with pytest.raises(Image.DecompressionBombError):
        opened(data)


def test_the_mark_of_a_draft_outlives_a_redrawing() -> None:
    kinds = (Kind.BLANK_IMAGE, Kind.WRONG_SIZE_IMAGE, Kind.PALETTE_PNG, Kind.DEEP_PNG, Kind.APNG, Kind.EXIF_ROTATED)
    for kind in kinds:
        output = spoil(kind)
        assert output["draft"] is True
        for data in files(output):
            image = opened(data)
            assert isinstance(image, PngImageFile)
            assert image.text["assetmill:draft"] == "1"


@pytest.mark.parametrize("kind", (Kind.NOT_AN_IMAGE, Kind.BLANK_IMAGE, Kind.TRUNCATED_IMAGE, Kind.JPEG_AS_PNG))
def test_as_many_images_are_spoilt_as_asked(kind: Kind) -> None:
    after = files(spoil(kind, count=1))
    assert after[0] != FILES[0]
    assert tuple(after[1:]) == FILES[1:]


@pytest.mark.parametrize(
    "output", (None, 3, [], {}, {"images": "x"}, {"images": [3]}, {"images": [{"data": 3}]}, {"images": [{"url": "x"}]})
)
@pytest.mark.parametrize("kind", (Kind.PARTIAL_OUTPUTS, Kind.NOT_AN_IMAGE, Kind.BLANK_IMAGE))
def test_an_answer_of_another_shape_is_left_alone(kind: Kind, output: Any) -> None:
    assert not can_spoil(Rule(kind), output)


@pytest.mark.parametrize("data", ("aGk=", "https://example.test/x.png", "%", base64.b64encode(FILES[0][:50]).decode()))
def test_what_is_no_picture_cannot_be_redrawn(data: str) -> None:
    assert not can_spoil(Rule(Kind.BLANK_IMAGE), {"images": [{"filename": "x.png", "data": data}]})


def test_an_address_is_not_truncated() -> None:
    output = {"images": [{"filename": "x.png", "type": "s3_url", "data": "https://example.test/x.png"}]}
    assert spoilt(Rule(Kind.TRUNCATED_IMAGE), output) == output
