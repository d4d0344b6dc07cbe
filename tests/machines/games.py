"""Manifests of small games, no two of which ask for the same picture."""

from __future__ import annotations

HEAD = """version: 1
game: {{id: {game}, title: Game {game}}}
pack: {{id: default, name: Default, seed: {seed}}}
assets:
"""
FIGURES = (
    "  - {{id: {id}, type: entity, prompt: a foe {words}, shape: circle, silhouette: {{canvas: 64x64}}}}\n",
    "  - {{id: {id}, type: entity, prompt: a crate {words}, silhouette: {{canvas: 64x64}}}}\n",
)
SHEET = (
    "  - {{id: {id}, type: sheet, kind: variation, prompt: a coin {words}, shape: circle,"
    " layout: {{columns: 2, rows: 1, cell: 64x64}},"
    " variants: [{{key: silver, prompt: silver}}, {{key: gold, prompt: gold}}]}}\n"
)
KINDS = (*FIGURES, SHEET)


def manifest(number: int, assets: int, *, kinds: tuple[str, ...] = KINDS) -> tuple[str, str]:
    """A game's id and its manifest, with as many assets, each one job."""
    game = f"game-{number:02d}"
    lines = [
        kinds[n % len(kinds)].format(id=f"asset-{n:04d}", words=f"number {n} of {game}") for n in range(assets)
    ]  # fmt: skip
    return game, HEAD.format(game=game, seed=number + 1) + "".join(lines)
