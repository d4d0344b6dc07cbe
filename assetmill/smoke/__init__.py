"""Smoke tests: one real job of each kind at an endpoint, paid for, in the books, and looked at when it is back.

They answer what a plan cannot: whether this endpoint, with this image and these models, really makes our pictures, how
long each part of it takes, and what it costs. Nothing is taken from the cache, and nothing is published. `run` runs
them, and loads what a run needs; what is named here is light, for whoever only reads the books.
"""

from assetmill.smoke.kinds import FULL, GAME, KINDS, Subject, subject_of
from assetmill.smoke.values import File, Report, Shot, Split, State

__all__ = ["FULL", "GAME", "KINDS", "File", "Report", "Shot", "Split", "State", "Subject", "subject_of"]
