"""The endpoint file, read strictly: every problem at its line; all of form at once, then all of meaning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from assetmill.manifest.blocks import Block, locate
from assetmill.manifest.problems import ManifestError, Place, Problems, nearest_name
from assetmill.manifest.textfile import read_text
from assetmill.manifest.yaml_reader import read_yaml
from assetmill.money import PriceList, published_prices
from assetmill.provisioning.flaws import spec_flaws
from assetmill.provisioning.spec import EndpointSpec

HINT = "docs/endpoint.md explains every field"


def load_spec(path: Path, prices: PriceList | None = None, *, to_deploy: bool = True) -> EndpointSpec:
    """Read an endpoint file.

    Args:
        path: a YAML file.
        prices: knows GPU pools and models; those of the package when left out.
        to_deploy: its image is to be put to work: one that is still the placeholder is refused.

    Raises:
        ManifestError: with every problem, each located.
    """
    problems = Problems()
    spec = _read(path, problems, prices or published_prices(), to_deploy=to_deploy)
    if spec is None or len(problems):
        error = ManifestError(problems)
        error.hint = HINT
        raise error
    return spec


def _read(path: Path, problems: Problems, prices: PriceList, *, to_deploy: bool) -> EndpointSpec | None:
    text = read_text(path, str(path), problems)
    root = None if text is None else read_yaml(text, str(path), problems)
    if len(problems):
        return None
    if not isinstance(root, Block):
        problems.add(Place(str(path)), "", "the file holds no endpoint", expected="`name: ..`, `image: ..` and so on")
        return None
    try:
        spec = EndpointSpec.model_validate(root)
    except ValidationError as error:
        for one in error.errors(include_input=False, include_url=False):
            _note(root, one, problems)
        return None
    for flaw in spec_flaws(spec, prices, to_deploy=to_deploy):
        place, name, _ = locate(root, flaw.path)
        problems.add(place or root.place(), name, flaw.message, expected=flaw.expected, nearest=flaw.nearest)
    return spec


def _note(root: Block, error: Any, problems: Problems) -> None:
    """One of pydantic's findings in our words, at its place; a value is never repeated, for it may be a secret."""
    path = tuple(step for step in error["loc"] if step != "[key]")
    place, name, whole = locate(root, path)
    place = place or root.place()
    if error["type"] == "extra_forbidden":
        fields = _fields_at(path[:-1])
        expected, nearest = f"one of {', '.join(fields)}", nearest_name(str(path[-1]), fields)
        problems.add(_key_place(root, path) or place, name, "no such field", expected=expected, nearest=nearest)
    elif error["type"] == "missing":
        problems.add(place, name, f"`{path[-1]}` is missing")
    else:
        expected = error["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
        problems.add(place, name if whole else ".".join(map(str, path)), "a value that cannot be", expected=expected)


def _key_place(root: Block, path: tuple[str | int, ...]) -> Place | None:
    """Where a key itself stands."""
    here: Any = root
    for step in path[:-1]:
        here = here[step]
    return here.place(str(path[-1])) if isinstance(here, Block) else None


def _fields_at(path: tuple[str | int, ...]) -> tuple[str, ...]:
    """Fields of the part of the file that a path leads to."""
    model: type[BaseModel] = EndpointSpec
    for step in path:
        inner = model.model_fields[str(step)].annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            model = inner
    return tuple(model.model_fields)
