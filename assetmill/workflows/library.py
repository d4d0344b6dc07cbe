"""The workflows that artists keep in `workflows/`: graphs with valid defaults, and which parameter goes where.

Reading is strict about form (files, JSON, the bindings' own shape); whether a graph would run is the linter's
question, so that `assetmill workflows lint` can report everything at once. A loaded graph is never changed: `bind`
copies it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

import assetmill
from assetmill.errors import WorkflowError
from assetmill.workflows.canonical import Target, canonical_hash
from assetmill.workflows.contract import Contract, Scalar, load_contract
from assetmill.workflows.names import did_you_mean, listed

BINDINGS = "bindings.json"
CONTRACT = "contract.json"


class Binding(BaseModel):
    """One entry of bindings.json: how a graph is used from outside."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    description: str = Field(min_length=1, description="What comes out, in one sentence.")
    parameters: dict[str, tuple[tuple[str, str], ...]] = Field(description="Parameter -> (node, input) pairs.")
    required: frozenset[str] = Field(description="Parameters that every request gives.")
    images: tuple[str, ...] = Field((), description="Parameters that name an uploaded picture; always required.")
    outputs: dict[str, str] = Field(min_length=1, description="Role -> id of the SaveImage node that writes it.")
    negative_cfg: float | None = Field(
        None, gt=1, description="cfg taken when a negative prompt comes and the graph's own cfg would ignore it."
    )
    since: str | None = Field(
        None, pattern=r"^\d+(\.\d+)*$", description="Oldest ComfyUI that has all its nodes; absent: every recorded one."
    )

    @model_validator(mode="after")
    def _names_are_parameters(self) -> Binding:
        stray = sorted((self.required | set(self.images)) - set(self.parameters))
        if stray:
            raise ValueError(f"`required` and `images` name parameters that are not bound: {', '.join(stray)}")
        unbound = sorted(name for name, targets in self.parameters.items() if not targets)
        if unbound:
            raise ValueError(f"parameters without a node: {', '.join(unbound)}")
        return self


class _Bindings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = Field(ge=1, le=1)
    workflows: dict[str, Binding]


@dataclass(frozen=True)
class Workflow:
    """A graph and its bindings.

    Args:
        name: file name without `.json`.
        graph: ComfyUI API graph with valid defaults; treat it as immutable.
        parameters: parameter -> the inputs that take its value.
        required: parameters without which `bind` refuses (pictures included).
        images: parameters that name an uploaded picture.
        outputs: role -> node id of the SaveImage that writes it.
        types: parameter -> bool, int, float or str, as the node takes it.
        models: model files that the graph names, sorted.
        negative_cfg: cfg used with a negative prompt where the default cfg would ignore it.
        description: what comes out.
        since: oldest ComfyUI that has all its nodes; None for every recorded one.
    """

    name: str
    graph: Mapping[str, Any]
    parameters: Mapping[str, tuple[Target, ...]]
    required: frozenset[str]
    images: tuple[str, ...]
    outputs: Mapping[str, str]
    types: Mapping[str, type] = field(default_factory=dict)
    models: tuple[str, ...] = ()
    negative_cfg: float | None = None
    description: str = ""
    since: str | None = None

    @property
    def needs_image(self) -> bool:
        """Whether a guide or another picture has to travel with the request."""
        return bool(self.images)

    @cached_property
    def defaults(self) -> Mapping[str, Scalar]:
        """Parameter -> the value in the graph; pictures, and bindings that lead nowhere, are left out."""
        found = {name: _value(self.graph, targets[0]) for name, targets in self.parameters.items()}
        return {
            name: float(value) if self.types.get(name) is float and isinstance(value, int) else value
            for name, value in found.items()
            if value is not None and name not in self.images
        }

    @cached_property
    def bindable(self) -> frozenset[str]:
        """Parameters that lead to a value of the graph, or name a picture."""
        return frozenset(self.defaults) | set(self.images)

    @cached_property
    def needed(self) -> frozenset[str]:
        """Required parameters that are no pictures."""
        return self.required - set(self.images)

    @cached_property
    def template_hash(self) -> str:
        """Sha256 of the graph with each bound input replaced by its parameter's name.

        Together with the effective values (`assetmill.workflows.effective_values`) it determines the bound graph,
        so planning needs to bind nothing. A changed default is seen in the values, not here.
        """
        named = {target: name for name, targets in self.parameters.items() for target in targets}
        return canonical_hash(self.graph, named)

    def part(self, roles: Collection[str]) -> Workflow:
        """What it takes to make some of its outputs: their nodes, and all that those are fed by.

        Parameters that lead nowhere then are gone, so that they are neither asked for nor decide anything. All
        outputs: the workflow itself.

        Raises:
            WorkflowError: it has no such output.
        """
        wanted = frozenset(roles)
        if wanted == self.outputs.keys():
            return self
        if wanted not in self._parts:
            self._parts[wanted] = _part_of(self, wanted)
        return self._parts[wanted]

    @cached_property
    def _parts(self) -> dict[frozenset[str], Workflow]:
        """Parts that were asked for before: a plan asks for the same ones again and again."""
        return {}


@dataclass(frozen=True)
class Library:
    """All workflows of one folder, and the contract that they keep to."""

    folder: Path
    workflows: Mapping[str, Workflow]
    contract: Contract

    @property
    def names(self) -> tuple[str, ...]:
        """Workflow names, in the order of bindings.json."""
        return tuple(self.workflows)

    def get(self, name: str) -> Workflow:
        """A workflow by name.

        Raises:
            WorkflowError: there is none of that name.
        """
        try:
            return self.workflows[name]
        except KeyError:
            raise WorkflowError(f"no workflow is called {name!r}", hint=did_you_mean(name, self.workflows)) from None

    def __iter__(self) -> Iterator[Workflow]:
        return iter(self.workflows.values())


def default_folder() -> Path:
    """Where the workflows lie: inside an installed copy, else at the top of the repository."""
    package = Path(assetmill.__file__).parent
    installed = package / "_workflows"
    return installed if installed.is_dir() else package.parent / "workflows"


def load_library(folder: Path | None = None) -> Library:
    """Read every workflow of a folder.

    Raises:
        WorkflowError: a file is missing or malformed, a graph has no bindings, or bindings have no graph.
    """
    where = folder or default_folder()
    bindings = _read_bindings(where / BINDINGS)
    contract = load_contract(where / CONTRACT)
    stray = sorted({path.stem for path in where.glob("*.json")} - set(bindings) - {"bindings", "contract"})
    if stray:
        raise WorkflowError(
            f"{where / stray[0]}.json has no entry in {BINDINGS}",
            hint="bind it as workflows/README.md says, or take the file away",
        )
    workflows = {name: _workflow(name, binding, where, contract) for name, binding in bindings.items()}
    return Library(where, workflows, contract)


def read_graph(path: Path) -> dict[str, Any]:
    """Read one ComfyUI API graph and check its outer form.

    Raises:
        WorkflowError: the file cannot be read, or is not an API graph.
    """
    graph = _read_json(path)
    if not isinstance(graph, dict) or not graph:
        raise WorkflowError(f"{path} is not a ComfyUI API graph", hint="export it with 'Save (API format)'")
    for node_id, node in graph.items():
        sound = isinstance(node, dict) and isinstance(node.get("class_type"), str)
        if not sound or not isinstance(node.get("inputs"), dict):
            raise WorkflowError(
                f"{path}: node {node_id!r} has no class_type and inputs",
                hint="this looks like ComfyUI's editor format; export it with 'Save (API format)'",
            )
    return graph


def _workflow(name: str, binding: Binding, folder: Path, contract: Contract) -> Workflow:
    graph = read_graph(folder / f"{name}.json")
    parameters = {key: tuple(Target(*pair) for pair in pairs) for key, pairs in binding.parameters.items()}
    return Workflow(
        name=name,
        graph=graph,
        parameters=parameters,
        required=binding.required | set(binding.images),
        images=binding.images,
        outputs=binding.outputs,
        types=_types(graph, parameters, contract),
        models=_models(graph, contract),
        negative_cfg=binding.negative_cfg,
        description=binding.description,
        since=binding.since,
    )


def _part_of(workflow: Workflow, roles: frozenset[str]) -> Workflow:
    outputs = {role: node for role, node in workflow.outputs.items() if role in roles}
    if len(outputs) < len(roles) or not outputs:
        stray = ", ".join(sorted(roles - outputs.keys())) or "nothing"
        raise WorkflowError(f"workflow {workflow.name} does not make {stray}", hint=listed(workflow.outputs))
    graph = _feeding(workflow.graph, outputs.values())
    bound = {name: tuple(one for one in targets if one.node in graph) for name, targets in workflow.parameters.items()}
    parameters = {name: targets for name, targets in bound.items() if targets}
    return replace(
        workflow,
        graph=graph,
        parameters=parameters,
        required=workflow.required & parameters.keys(),
        images=tuple(name for name in workflow.images if name in parameters),
        outputs=outputs,
        types={name: kind for name, kind in workflow.types.items() if name in parameters},
    )


def _feeding(graph: Mapping[str, Any], savers: Iterable[str]) -> dict[str, Any]:
    """The nodes from which some others are fed, and those themselves, in the graph's order."""
    found: set[str] = set()
    waiting = list(savers)
    while waiting:
        node_id = waiting.pop()
        if node_id in graph and node_id not in found:
            found.add(node_id)
            values = graph[node_id]["inputs"].values()
            waiting += [value[0] for value in values if isinstance(value, list) and value and isinstance(value[0], str)]
    return {node_id: node for node_id, node in graph.items() if node_id in found}


def _value(graph: Mapping[str, Any], target: Target) -> Scalar | None:
    value = graph.get(target.node, {}).get("inputs", {}).get(target.input)
    return value if isinstance(value, Scalar) else None


_TYPES: Mapping[str, type] = {"INT": int, "FLOAT": float, "BOOLEAN": bool}


def _types(
    graph: Mapping[str, Any], parameters: Mapping[str, tuple[Target, ...]], contract: Contract
) -> dict[str, type]:
    """From the contract, because ComfyUI's editor exports a FLOAT of 1.0 as 1; from the default where it is silent."""
    types: dict[str, type] = {}
    for name, (first, *_) in parameters.items():
        node = contract.nodes.get(graph.get(first.node, {}).get("class_type", ""))
        spec = node.inputs.get(first.input) if node else None
        types[name] = _TYPES.get(spec.type, str) if spec else type(_value(graph, first))
    return types


def _models(graph: Mapping[str, Any], contract: Contract) -> tuple[str, ...]:
    found: set[str] = set()
    for node in graph.values():
        spec = contract.nodes.get(node["class_type"])
        inputs = spec.inputs if spec else {}
        found |= {str(value) for key, value in node["inputs"].items() if key in inputs and inputs[key].model}
    return tuple(sorted(found))


def _read_bindings(path: Path) -> Mapping[str, Binding]:
    try:
        return _Bindings.model_validate(_read_json(path)).workflows
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise WorkflowError(f"{path}: {where}: {first['msg']}", hint="workflows/README.md explains the form") from None


def _read_json(path: Path) -> Any:
    try:
        return json.loads(
            path.read_text(encoding="utf-8"), object_pairs_hook=_no_key_twice, parse_constant=_no_constant
        )
    except OSError as error:
        raise WorkflowError(f"cannot read {path}: {error.strerror}", hint="is the workflows folder complete?") from None
    except ValueError as error:
        raise WorkflowError(f"{path} is not JSON: {error}") from None


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON lets the last of two equal keys win, which would drop a node that somebody pasted in."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"{next(key for key in keys if keys.count(key) > 1)!r} stands twice in one object")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")
