"""Which creature a word means, what colour it is by nature, and how it stands.

Tables and one small value; figures are drawn from them elsewhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from assetmill.localpod.draft.palette import word_set
from assetmill.localpod.draft.pixels import Rgb

MOODS = word_set("evil angry hostile spiky fierce grumpy menacing dangerous wicked mean cross")
FOES = word_set("enemy foe monster villain goblin orc boss demon zombie skeleton") | MOODS
FOLK = word_set(
    "hero heroine knight wizard witch mage king queen prince princess boy girl man woman warrior ninja "
    "pirate explorer adventurer farmer villager archer soldier human kid child merchant elf dwarf cowboy "
    "pilot astronaut player"
)
ANIMALS = word_set(
    "cat fox dog puppy wolf bear rabbit bunny hare mouse rat panda frog pig cow sheep goat squirrel "
    "hedgehog lion tiger monkey raccoon dragon dinosaur turtle lizard crab snail"
)
FLIERS = word_set(
    "bird fledgling owl parrot eagle chick chicken duck penguin crow bat bee wasp butterfly moth fly fairy"
)
BLOBS = word_set("slime blob jelly ghost spirit goo gel jellyfish octopus squid")
FISHES = word_set("fish shark whale dolphin piranha eel")
MACHINES = word_set("robot android droid mech machine golem drone")
ANYONE = word_set("character creature being mascot hero animal pet critter npc companion enemy monster")
LONG_EARS = word_set("rabbit bunny hare")
WORN = word_set("scarf bandana cape cloak belt")
BEINGS = FOLK | ANIMALS | FLIERS | BLOBS | FISHES | MACHINES | ANYONE | (FOES - MOODS)
NATURAL: dict[str, Rgb] = {
    "fox": (240, 140, 60), "wolf": (142, 150, 166), "bear": (160, 108, 70), "rabbit": (236, 222, 212),
    "bunny": (236, 222, 212), "mouse": (176, 176, 190), "frog": (108, 190, 84), "pig": (248, 164, 176),
    "penguin": (66, 82, 130), "bee": (252, 206, 64), "wasp": (246, 190, 50), "bird": (250, 206, 92),
    "fledgling": (250, 206, 92),
    "chick": (254, 220, 96), "chicken": (250, 244, 232), "duck": (252, 214, 80), "owl": (166, 124, 88),
    "bat": (124, 92, 176), "fish": (250, 150, 60), "shark": (128, 150, 178), "dragon": (214, 72, 66),
    "dinosaur": (112, 182, 108), "goblin": (122, 178, 76), "orc": (104, 156, 84), "ghost": (226, 234, 250),
    "spirit": (190, 226, 250), "slime": (116, 206, 92), "robot": (132, 164, 206), "golem": (158, 152, 148),
    "skeleton": (238, 232, 214), "zombie": (138, 172, 112), "dog": (206, 152, 96), "puppy": (222, 172, 112),
    "cat": (246, 168, 84), "lion": (240, 184, 84), "tiger": (246, 152, 56), "panda": (240, 240, 244),
    "sheep": (246, 244, 238), "cow": (240, 238, 236), "squirrel": (208, 124, 66), "demon": (190, 50, 66),
    "octopus": (226, 110, 150), "jellyfish": (204, 150, 236), "turtle": (104, 172, 104), "crab": (236, 92, 72),
}  # fmt: skip
"""Colour of a being when nobody names one."""


@dataclass(frozen=True, slots=True)
class Pose:
    """A moment of a movement.

    Args:
        phase: radians; one walk is a full turn.
        lean: how far arms and feet swing, 0 stands still.
        lift: how far off the ground, in the unit square.
    """

    phase: float = 0.0
    lean: float = 0.0
    lift: float = 0.0

    @property
    def swing(self) -> float:
        """-1 to 1."""
        return math.sin(self.phase) * self.lean

    @property
    def bob(self) -> float:
        """How far the body has sunk, in the unit square."""
        return 0.022 * abs(math.cos(self.phase)) * self.lean
