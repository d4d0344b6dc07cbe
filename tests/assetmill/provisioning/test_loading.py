"""The endpoint file: every mistake at its line, with what would be right, and never a value that may be a secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from assetmill.manifest.problems import ManifestError
from assetmill.provisioning import load_spec

ROOT = Path(__file__).resolve().parents[3]
GOOD = "name: sprites\nimage: studio/worker:1.0.0\ngpu: {pools: [ADA_24]}\n"


def problems(path: Path, text: str) -> list[str]:
    path.write_text(text)
    with pytest.raises(ManifestError) as caught:
        load_spec(path)
    assert caught.value.hint == "docs/endpoint.md explains every field"
    return [str(problem).removeprefix(f"{path}:") for problem in caught.value.problems]


def test_a_short_file_is_enough(tmp_path):
    (tmp_path / "e.yaml").write_text(GOOD)
    spec = load_spec(tmp_path / "e.yaml")
    assert (spec.workers.min, spec.workers.max, spec.flashboot, spec.execution_timeout_s) == (0, 3, "on", 600)


MISTAKES = (
    ("name: sprites\nimage: studio/worker:1.0.0\n", "1:1: `gpu` is missing"),
    (GOOD + "wokers: {max: 3}\n", "4:1: wokers: no such field; expected one of version, name"),
    (GOOD + "wokers: {max: 3}\n", "did you mean 'workers'?"),
    (GOOD + "workers: {max: '3'}\n", "4:16: workers.max: a value that cannot be; expected a valid integer"),
    (GOOD + "workers: {min: 4}\n", "4:16: workers.min: min is above max; expected at most 3"),
    (GOOD + "workers: {idle_timeout_s: 0}\n", "4:27: workers.idle_timeout_s: a value that cannot be"),
    (GOOD.replace("ADA_24", "A10"), "3:15: gpu.pools[0]: RunPod has no GPU pool A10; expected one of AMPERE_24"),
    (GOOD.replace("ADA_24", "ADA_42"), "did you mean 'ADA_24'?"),
    (GOOD.replace("ADA_24", "AMPERE_16"), "3:15: gpu.pools[0]: AMPERE_16 has 16 GB: the models need 24"),
    (GOOD.replace("[ADA_24]", "[ADA_24, ADA_24]"), "a pool is named twice"),
    (GOOD.replace("[ADA_24]", "[ADA_24], exclude: [NVIDIA L4]"), "NVIDIA L4 is no GPU of these pools"),
    (GOOD.replace("[ADA_24]", "[ADA_24], min_cuda: 12.10"), "gpu.min_cuda: a value that cannot be; expected a va"),
    (GOOD.replace(":1.0.0", ""), "2:8: image: the image has no tag; expected a tag with a version"),
    (GOOD.replace(":1.0.0", ":latest"), "2:8: image: the tag 'latest' moves on"),
    (GOOD.replace(":1.0.0", ":main"), "the tag 'main' moves on"),
    (GOOD.replace("studio/worker:1.0.0", "Studio/worker:1.0.0"), "is no image name"),
    (GOOD.replace("studio", "your-name"), "2:8: image: the image is still the placeholder"),
    (GOOD + "scaling: {queue_delay_s: 4, jobs_per_worker: 2}\n", "an endpoint scales by one rule"),
    (GOOD + "scaling: {jobs_per_worker: 2}\nworkers: {idle_timeout_s: 5}\n", "5:27: workers.idle_timeout_s: RunPod"),
    (GOOD + "env:\n  HF_TOKEN: abcdefgh\n", "5:13: env.HF_TOKEN: a secret does not stand in a file"),
    (GOOD + "env:\n  PROXY: http://me:abcdefgh@host\n", "5:10: env.PROXY: a secret does not stand in a file"),
    (GOOD + "env: {A-B: x}\n", "env.A-B"),
    (GOOD + "env: {DEBUG: 1}\n", "4:14: env.DEBUG: a value that cannot be; expected a valid string"),
    (GOOD + "name: twice\n", "4:1: name:"),
    (GOOD.replace("sprites", "sprites -fb"), "1:7: name: ' -fb' is how RunPod notes FlashBoot"),
    (GOOD.replace("sprites", "'sprites '"), "1:7: name: a value that cannot be"),
    ("- a\n", "1:1: the file holds no endpoint"),
)  # fmt: skip


@pytest.mark.parametrize(("text", "words"), MISTAKES)
def test_a_mistake_is_told_at_its_place_with_what_would_be_right(tmp_path, text, words):
    found = problems(tmp_path / "e.yaml", text)
    assert any(words in one for one in found), found
    assert "abcdefgh" not in str(found)


def test_all_mistakes_are_told_at_once(tmp_path):
    found = problems(tmp_path / "e.yaml", GOOD.replace("ADA_24", "AMPERE_16").replace(":1.0.0", ":latest"))
    assert len(found) == 2


@pytest.mark.parametrize("image", ("ghcr.io/studio/worker:0.1.0-5.8.5", "studio/worker:2026-11-22-abc1234",
                                   f"studio/worker@sha256:{'a' * 64}", "host:5000/worker:v1.2"))  # fmt: skip
def test_an_image_that_stays_what_it_is_is_taken(tmp_path, image):
    (tmp_path / "e.yaml").write_text(GOOD.replace("studio/worker:1.0.0", image))
    assert load_spec(tmp_path / "e.yaml").image == image


def test_the_file_of_the_repository_lacks_nothing_but_a_name_of_ones_own():
    path = ROOT / "runpod-worker" / "endpoint.yaml"
    spec = load_spec(path, to_deploy=False)
    assert (spec.workers.min, spec.workers.max, spec.flashboot) == (0, 3, "on")
    with pytest.raises(ManifestError) as caught:
        load_spec(path)
    [problem] = caught.value.problems
    assert problem.message == "the image is still the placeholder"
