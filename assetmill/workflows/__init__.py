"""How pixels are made: ComfyUI graphs, their bindings, and the node contract that they keep to.

Graphs are data for artists (`workflows/`); this room loads, binds and checks them. It never sends one: the only HTTP
is `live.fetch_object_info`, and importing this package does not import it.
"""

from assetmill.workflows.bind import BoundGraph, bind, effective_values
from assetmill.workflows.choose import workflow_for
from assetmill.workflows.contract import Contract, contract_from_object_info, load_contract
from assetmill.workflows.library import Library, Workflow, load_library
from assetmill.workflows.lint import Code, Finding, ensure_sound, lint_graph
from assetmill.workflows.lint_bindings import lint_library, lint_workflow
from assetmill.workflows.sizes import generation_size, keeps_aspect

__all__ = [
    "BoundGraph",
    "Code",
    "Contract",
    "Finding",
    "Library",
    "Workflow",
    "bind",
    "contract_from_object_info",
    "effective_values",
    "ensure_sound",
    "generation_size",
    "keeps_aspect",
    "lint_graph",
    "lint_library",
    "lint_workflow",
    "load_contract",
    "load_library",
    "workflow_for",
]
