"""Godot's text form of resources (`.tres`, format 3): headings in brackets, below them `name = value`.

It knows how values and blocks are spelled, and nothing of sheets. Resources get no uid: Godot gives its own when
it imports them, and one made up here would be taken by another copy of the same file.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Properties = Iterable[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Part:
    """A resource inside another (`sub_resource`).

    Args:
        kind: its class.
        id: unique in the document.
        properties: names and spelled values, in the order in which Godot has to read them.
    """

    kind: str
    id: str
    properties: tuple[tuple[str, str], ...]


def document(kind: str, textures: Sequence[str], parts: Sequence[Part], properties: Properties) -> bytes:
    """A whole resource file.

    Args:
        kind: class of the resource.
        textures: addresses of the pictures; `texture(n)` refers to them.
        parts: resources inside it; `part(id)` refers to them.
        properties: of the resource itself.
    """
    steps = len(textures) + len(parts) + 1
    blocks = [f'[gd_resource type="{kind}" load_steps={steps} format=3]']
    blocks += [
        "\n".join(
            f'[ext_resource type="Texture2D" path={text(address)} id="{_texture_id(number)}"]'
            for number, address in enumerate(textures)
        )
    ]
    blocks += [_block(f'[sub_resource type="{inner.kind}" id={text(inner.id)}]', inner.properties) for inner in parts]
    blocks.append(_block("[resource]", properties))
    return ("\n\n".join(blocks) + "\n").encode()


def texture(number: int) -> str:
    """Reference to one of the document's pictures, from 0."""
    return f'ExtResource("{_texture_id(number)}")'


def part(part_id: str) -> str:
    """Reference to a resource inside the document."""
    return f"SubResource({text(part_id)})"


def text(words: str) -> str:
    """A String."""
    escaped = words.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'"{escaped}"'


def name(words: str) -> str:
    """A StringName."""
    return f"&{text(words)}"


def number(value: float) -> str:
    """A float, never in powers of ten."""
    spelled = f"{value:.6f}".rstrip("0")
    return f"{spelled}0" if spelled.endswith(".") else spelled


def vector(x: float, y: float) -> str:
    """A Vector2."""
    return f"Vector2({_short(x)}, {_short(y)})"


def vector_i(x: int, y: int) -> str:
    """A Vector2i."""
    return f"Vector2i({x}, {y})"


def rect(x: float, y: float, w: float, h: float) -> str:
    """A Rect2: position and size."""
    return f"Rect2({_short(x)}, {_short(y)}, {_short(w)}, {_short(h)})"


def points(corners: Iterable[tuple[float, float]]) -> str:
    """A PackedVector2Array."""
    return f"PackedVector2Array({', '.join(f'{_short(x)}, {_short(y)}' for x, y in corners)})"


def words(several: Iterable[str]) -> str:
    """A PackedStringArray."""
    return f"PackedStringArray({', '.join(text(one) for one in several)})"


def _short(value: float) -> str:
    return number(value).removesuffix(".0")


def _texture_id(number: int) -> str:
    return f"{number + 1}_page"


def _block(heading: str, properties: Properties) -> str:
    return "\n".join((heading, *(f"{name} = {value}" for name, value in properties)))
