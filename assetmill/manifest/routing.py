"""Who makes which type of asset, as a manifest says it. What the names mean stands in `assetmill.providers.routing`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from assetmill.manifest.frozen import Model

Maker = Annotated[str, Field(pattern=r"^(runpod|custom|scenario|comfyui|[a-z0-9]{10,20})$")]
Chain = Annotated[tuple[Maker, ...], Field(max_length=4)]


class Routing(Model):
    """Who makes which type of asset, and who takes over when that one cannot.

    A chain names `runpod`, `custom`, `scenario`, `comfyui` or a RunPod endpoint id; the first makes the pictures, the
    others take over in their order. Nobody takes over who is not named.
    """

    default: Chain = Field((), description="For types that have no chain of their own.")
    entity: Chain = Field((), description="For entities.")
    background: Chain = Field((), description="For backgrounds.")
    title_hero: Chain = Field((), description="For title heroes.")
    parallax: Chain = Field((), description="For parallax backgrounds.")
    sheet: Chain = Field((), description="For sheets.")

    @model_validator(mode="after")
    def _nobody_twice(self) -> Routing:
        for name in type(self).model_fields:
            chain: tuple[str, ...] = getattr(self, name)
            if len(set(chain)) < len(chain):
                raise ValueError(f"`{name}` names somebody twice: {', '.join(chain)}")
        return self

    def chain(self, asset_type: str) -> tuple[str, ...]:
        """Names for a type: its own, or the default ones; none where the manifest leaves it open."""
        own: tuple[str, ...] = getattr(self, asset_type)
        return own or self.default
