"""What is known of a way to make a picture, whoever makes it: a ComfyUI graph, or a pipeline of Scenario's calls.

A plan asks only for what decides the pixels; nothing is bound and nothing is drawn here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from assetmill.manifest.models import Asset, Parallax
from assetmill.manifest.parallax import is_layer, layer_roles
from assetmill.providers.endpoint import SCENARIO
from assetmill.workflows.bind import effective_values
from assetmill.workflows.choose import workflow_for
from assetmill.workflows.contract import Scalar
from assetmill.workflows.library import Library, Workflow


class Recipe(Protocol):
    """One way to make a picture."""

    @property
    def name(self) -> str:
        """As plans and books name it."""
        ...

    @property
    def template_hash(self) -> str:
        """Sha256 of all that decides the pixels beside the values."""
        ...

    @property
    def needs_image(self) -> bool:
        """Whether a guide or another picture has to travel with the request."""
        ...

    @property
    def outputs(self) -> Collection[str]:
        """Roles of the pictures that can come back."""
        ...

    @property
    def calls(self) -> tuple[str, ...]:
        """Calls that are charged one by one, in their order: `txt2img`, `remove-background`; none for a graph."""
        ...

    def values(self, offered: Mapping[str, Any]) -> Mapping[str, Scalar]:
        """Every value that decides the pixels: of those that are offered the ones that it takes, and its defaults.

        Raises:
            WorkflowError: a value that it needs is missing, or none that it could take.
        """
        ...


@dataclass(frozen=True, slots=True)
class GraphRecipe:
    """A ComfyUI graph of the library."""

    workflow: Workflow

    @property
    def name(self) -> str:
        """Name of the workflow."""
        return self.workflow.name

    @property
    def template_hash(self) -> str:
        """Sha256 of the graph without its bound values."""
        return self.workflow.template_hash

    @property
    def needs_image(self) -> bool:
        """Whether the graph loads a picture."""
        return self.workflow.needs_image

    @property
    def outputs(self) -> Collection[str]:
        """Roles that its SaveImage nodes write."""
        return self.workflow.outputs

    @property
    def calls(self) -> tuple[str, ...]:
        """None: a worker is paid by the second."""
        return ()

    def values(self, offered: Mapping[str, Any]) -> Mapping[str, Scalar]:
        """Values that are bound into the graph."""
        taken = {name: value for name, value in offered.items() if name in self.workflow.parameters}
        return effective_values(self.workflow, taken)


def recipe_for(asset: Asset, kind: str, model: str, library: Library) -> Recipe:
    """How an asset is made by a kind of provider, with its model.

    Raises:
        WorkflowError: there is no such way; the message says why.
    """
    if kind == SCENARIO:
        from assetmill.providers.scenario.pipelines import pipeline_for  # noqa: PLC0415  most plans need none

        return pipeline_for(asset, model)
    return GraphRecipe(_part_for(asset, library.get(workflow_for(asset))))


def _part_for(asset: Asset, workflow: Workflow) -> Workflow:
    """What of a graph an asset needs: a layer that nobody asked for decides nothing, and is not made."""
    if not isinstance(asset, Parallax):
        return workflow
    wanted = set(layer_roles(asset))
    roles = [role for role in workflow.outputs if role in wanted or not is_layer(role)]
    return workflow.part(roles) if roles else workflow
