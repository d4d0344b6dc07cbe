"""Styles: `extends` followed to its end, words joined, and the fields that a style gives to its assets.

A chain that never ends, is too long or leads nowhere is an error at the style that breaks it. The words of the
built-in looks are not here: they belong to the prompts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from assetmill.manifest.blocks import Block
from assetmill.manifest.layers import Layer
from assetmill.manifest.limits import MAX_EXTENDS
from assetmill.manifest.models import BUILTIN_STYLES, ID_PATTERN, Style
from assetmill.manifest.problems import Problems, nearest_name

_OWN = ("extends", "prompt_suffix", "negative_prompt")


class StyleBook:
    """The styles of a manifest.

    Args:
        blocks: canonical styles by name.
        owner: the block that holds them, for places of names.
        problems: collector.
    """

    def __init__(self, blocks: Mapping[str, Block], owner: Block | None, problems: Problems) -> None:
        self._blocks = blocks
        self._owner = owner
        self._problems = problems
        self.names = dict.fromkeys((*blocks, *BUILTIN_STYLES))
        """Every name that an asset may choose."""
        self._chains = {name: self._chain(name) for name in blocks}

    def resolved(self) -> dict[str, Style]:
        """The styles as the models know them."""
        return {name: self._style(name, chain) for name, chain in self._chains.items()}

    def layers(self, name: str | None) -> tuple[Layer, ...]:
        """Fields that a style gives to its assets, the style itself first and then what it extends."""
        return tuple(
            Layer(_given(self._blocks[link]), f"styles.{link}")
            for link in self._chains.get(name or "", ())
            if link in self._blocks
        )

    def check_names(self) -> None:
        """Note styles with names that cannot be."""
        for name in self._blocks:
            place = self._owner.place(name) if self._owner is not None else self._blocks[name].place()
            if name in BUILTIN_STYLES:
                self._problems.add(place, f"styles.{name}", f"{name!r} is a built-in look: choose another name")
            elif not re.fullmatch(ID_PATTERN, name):
                self._problems.add(
                    place, f"styles.{name}", f"{name!r} cannot be a name", expected="a plain name of a-z, 0-9, _ and -"
                )  # fmt: skip

    def _chain(self, name: str) -> tuple[str, ...]:
        chain: list[str] = []
        link: str | None = name
        while link is not None:
            chain.append(link)
            block = self._blocks.get(link)
            base = block.get("extends") if block is not None else None
            if len(chain) > MAX_EXTENDS:
                self._note(name, f"the chain of styles that {name!r} extends is longer than {MAX_EXTENDS}")
                return tuple(chain)
            if base in chain:
                self._note(link, f"styles extend each other in a circle: {' -> '.join([*chain, base])}")
                return tuple(chain)
            if base is not None and base not in self.names:
                self._note(link, f"there is no style {base!r}", nearest_name(base, self.names))
                return tuple(chain)
            link = base
        return tuple(chain)

    def _note(self, name: str, message: str, nearest: str = "") -> None:
        block = self._blocks[name]
        expected = "" if nearest else f"one of {', '.join(self.names)}"
        self._problems.add(
            block.place("extends", value=True), f"styles.{name}.extends", message, expected=expected, nearest=nearest
        )  # fmt: skip

    def _style(self, name: str, chain: tuple[str, ...]) -> Style:
        base = chain[-1] if chain and chain[-1] in BUILTIN_STYLES else None
        return Style.model_validate(
            {
                "name": name,
                "base": base,
                "prompt_suffix": ", ".join(self._words(chain, "prompt_suffix")),
                "negative_prompt": ", ".join(self._words(chain, "negative_prompt")),
            }
        )

    def _words(self, chain: tuple[str, ...], field: str) -> Iterator[str]:
        for link in reversed(chain):
            words = self._blocks[link].get(field) if link in self._blocks else None
            if words:
                yield words.strip().strip(",")


def _given(block: Block) -> Block:
    """The fields of a style that its assets inherit; its words stay with the style."""
    given = block.twin()
    given.update({key: value for key, value in block.items() if key not in _OWN})
    return given
