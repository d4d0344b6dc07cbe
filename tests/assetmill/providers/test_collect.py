"""What a finished job brings is taken over real HTTP, whole and complete, or refused with the right class."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from decimal import Decimal
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from starlette.responses import JSONResponse, Response

from assetmill.errors import (
    AttemptError,
    InvalidImage,
    NotDelivered,
    ResultInvalid,
    ResultTooLarge,
    WorkerFault,
    WrongCount,
)
from assetmill.images import decode
from assetmill.providers.base import Collected
from assetmill.providers.endpoint import Endpoint
from assetmill.providers.runpod import RunPodProvider

ONE = {"image": "a1-image"}
LAYERS = {role: f"a1-{role}" for role in ("full", "far", "mid", "near", "depth")}
SECRET = "X-Amz-Signature=d6dd3da5"


@pytest.fixture
async def provider(script, time) -> AsyncIterator[RunPodProvider]:
    endpoint = Endpoint("runpod", "runpod", script.url, None, "m", 1, Decimal(0), "made up")
    made = RunPodProvider(endpoint, time.clock(), window=2, stall_s=60)
    yield made
    await made.aclose()


@pytest.fixture
def collect(script, provider):
    """Finish a job with an answer, look at it over HTTP, and take its images."""

    async def take(output: object, outputs: Mapping[str, str] = ONE, **body: object) -> Collected:
        answer = {"id": "j1", "status": "COMPLETED", "output": output, **body}
        script.say("status-sync/j1", JSONResponse(answer))
        return await provider.collect(await provider.wait("j1"), outputs)

    return take


def picture(kind: str = "PNG", mode: str = "RGB", **options: object) -> bytes:
    """Noise, of which every cut-off pixel is missed."""
    noise = np.random.default_rng(7).integers(0, 255, (24, 32, len(mode)), dtype=np.uint8)
    out = BytesIO()
    Image.fromarray(noise).save(out, kind, **options)
    return out.getvalue()


def flat(mode: str, colour: tuple[int, ...]) -> bytes:
    out = BytesIO()
    Image.new(mode, (16, 16), colour).save(out, "PNG")
    return out.getvalue()


def entry(name: str, data: bytes | str, kind: str = "base64") -> dict[str, str]:
    return {"filename": name, "type": kind, "data": data if isinstance(data, str) else base64.b64encode(data).decode()}


async def test_images_come_to_their_roles_in_whatever_order_and_stay_byte_for_byte(collect):
    pictures = {role: picture(compress_level=level) for level, role in enumerate(LAYERS)}
    entries = [entry(f"a1-{role}_00007_.png", data) for role, data in reversed(pictures.items())]
    collected = await collect({"images": [entry("a1-preview_00001_.png", b"not ours"), *entries]}, LAYERS)
    assert collected.images == pictures
    assert not collected.draft


async def test_a_role_whose_name_begins_like_another_keeps_its_own_picture(collect):
    near, nearer = picture(), picture(mode="RGBA")
    entries = [entry("a1-near_er_00001_.png", nearer), entry("a1-near_00001_.png", near)]
    collected = await collect({"images": entries}, {"near": "a1-near", "nearer": "a1-near_er"})
    assert collected.images == {"near": near, "nearer": nearer}


async def test_an_old_workers_nameless_picture_is_the_only_one_that_was_asked_for(collect):
    data = picture()
    assert (await collect({"message": base64.b64encode(data).decode()})).images == {"image": data}


async def test_a_nameless_picture_is_not_guessed_among_several(collect):
    with pytest.raises(WrongCount):
        await collect({"message": base64.b64encode(picture()).decode()}, LAYERS)


async def test_a_signed_address_is_fetched_at_once(script, collect):
    data = picture()
    script.say("files/1.png", Response(data))
    collected = await collect(
        {"images": [entry("a1-image_00001_.png", f"{script.url}/files/1.png?{SECRET}", "s3_url")]}
    )
    assert collected.images == {"image": data}


async def test_an_address_that_fails_leaves_the_job_open_and_its_signature_unsaid(script, collect):
    script.say("files/1.png", Response("no", 503))
    with pytest.raises(NotDelivered) as caught:
        await collect({"images": [entry("a1-image_00001_.png", f"{script.url}/files/1.png?{SECRET}", "s3_url")]})
    assert "Signature" not in f"{caught.value!s}{caught.value!r}"
    assert caught.value.job_id == "j1"


async def test_nothing_is_fetched_of_an_answer_that_is_not_whole(script, collect):
    with pytest.raises(WrongCount, match="4 of 5"):
        await collect({"images": [entry("a1-far_00001_.png", f"{script.url}/files/1.png", "s3_url")]}, LAYERS)
    assert script.calls("files/1.png") == 0


@pytest.mark.parametrize(
    ("output", "error"),
    (
        (None, ResultTooLarge),
        ({"status": "success_no_images", "images": []}, WrongCount),
        ({"images": [entry("b2-image_00001_.png", picture())]}, WrongCount),
        ({"images": [], "errors": ["Workflow execution error: Node Type: X, Message: CUDA error"]}, WorkerFault),
        ({"images": [entry("a1-image_00001_.png", "simulated_uploaded/c72bb581.png", "s3_url")]}, ResultInvalid),
        ({"images": [entry("a1-image_00001_.png", b"")]}, InvalidImage),
        ({"images": [entry("a1-image_00001_.png", b"<html>not found</html>")]}, InvalidImage),
        ({"images": [entry("a1-image_00001_.png", b"GIF89a" + b"x" * 50)]}, InvalidImage),
        ({"images": [entry("a1-image_00001_.png", b"\x89PNG\r\n\x1a\n" + b"\0" * 50)]}, InvalidImage),
        ({"images": [entry("a1-image_00001_.png", base64.b64encode(picture()).decode()[:-7])]}, InvalidImage),
        ({"images": 7}, ResultInvalid),
    ),
)
async def test_what_is_not_what_was_asked_for_has_its_class(collect, output, error):
    with pytest.raises(AttemptError) as caught:
        await collect(output)
    assert type(caught.value) is error
    assert caught.value.job_id == "j1"


async def test_the_workers_notes_are_told_with_what_is_missing(collect):
    with pytest.raises(WrongCount, match=r"missing: image \(Skipping image in node 9\)"):
        await collect({"images": [], "errors": ["Skipping image in node 9"]})


@pytest.mark.parametrize(
    ("kind", "options"),
    (("PNG", {}), ("JPEG", {}), ("JPEG", {"progressive": True}), ("WEBP", {}), ("WEBP", {"lossless": True})),
)
async def test_a_cut_that_takes_any_pixel_is_found_wherever_it_is(script, provider, kind, options):
    """A PNG that lacks only its end mark shows every pixel: it is paid for, and kept."""
    whole = picture(kind, **options)
    pixels = np.asarray(decode(whole))
    script.say("status-sync/j1", JSONResponse({"id": "j1", "status": "COMPLETED"}))
    job = await provider.wait("j1")
    for length in (*range(0, len(whole) - 40, 97), *range(len(whole) - 40, len(whole))):
        cut = whole[:length]
        answered = replace(job, output={"images": [entry("a1-image_00001_.png", cut)]})
        try:
            await provider.collect(answered, ONE)
        except InvalidImage:
            continue
        assert np.array_equal(np.asarray(decode(cut)), pixels), f"{kind} cut to {length} of {len(whole)} bytes"


@pytest.mark.parametrize("share", (0.3, 0.9))
async def test_a_truncated_picture_is_no_picture(collect, share):
    data = picture()
    with pytest.raises(InvalidImage, match="damaged PNG"):
        await collect({"images": [entry("a1-image_00001_.png", data[: int(len(data) * share)])]})


@pytest.mark.parametrize(
    ("data", "words"),
    (
        (flat("RGB", (0, 0, 0)), "the same"),
        (flat("L", (77,)), "the same"),
        (flat("RGBA", (9, 9, 9, 200)), "the same"),
        (flat("RGBA", (9, 9, 9, 0)), "transparent"),
    ),
)
async def test_a_picture_of_nothing_is_blank(collect, data, words):
    collected = await collect({"images": [entry("a1-image_00001_.png", data)]})
    assert collected.images == {"image": data}, "it is paid for, and kept"
    assert [words in said for said in collected.blank] == [True]


async def test_colour_under_full_transparency_is_still_nothing(collect):
    unseen = Image.fromarray(np.random.default_rng(1).integers(0, 255, (8, 8, 4), dtype=np.uint8))
    unseen.putalpha(0)
    out = BytesIO()
    unseen.save(out, "PNG")
    collected = await collect({"images": [entry("a1-image_00001_.png", out.getvalue())]})
    assert "transparent" in collected.blank[0]


async def test_one_pixel_that_differs_is_a_picture(collect):
    nearly = Image.new("RGB", (64, 64), (10, 10, 10))
    nearly.putpixel((63, 63), (11, 10, 10))
    out = BytesIO()
    nearly.save(out, "PNG")
    assert (await collect({"images": [entry("a1-image_00001_.png", out.getvalue())]})).blank == ()


async def test_layers_that_depth_cuts_out_may_be_empty(collect):
    empty = dict.fromkeys(("mid", "near"), flat("RGBA", (0, 0, 0, 0))) | {"depth": flat("L", (0,))}
    drawn = dict.fromkeys(("full", "far"), picture())
    entries = [entry(f"a1-{role}_00001_.png", data) for role, data in (empty | drawn).items()]
    collected = await collect({"images": entries}, LAYERS)
    assert (set(collected.images), collected.blank) == (set(LAYERS), ())


@pytest.mark.parametrize("role", ("full", "far"))
async def test_layers_that_the_sampler_draws_may_not(collect, role):
    entries = [entry(f"a1-{name}_00001_.png", flat("RGB", (0, 0, 0)) if name == role else picture()) for name in LAYERS]
    assert f"output {role}" in (await collect({"images": entries}, LAYERS)).blank[0]


async def test_a_draft_is_marked(collect):
    collected = await collect({"images": [entry("a1-image_00001_.png", picture())], "draft": True})
    assert collected.draft
