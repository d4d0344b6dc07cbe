"""What one run of the chaos proof goes through, drawn from one seed: assets, endpoint, faults, settings, kills.

The same seed draws the same scenario for ever; what the operating system makes of it (who gets the processor when)
is its own, so a replay meets the same faults and kill points, and times of its own. Figures are moderate on
purpose: a run in which nothing ever works proves little.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from random import Random
from typing import Any, Final

from faults import drawn_rules

POOL: Final = "ADA_24"
KEY: Final = "made-up-key"

HEAD: Final = """version: 1
game: {id: tiny, title: Tiny}
pack: {id: default, name: Default, seed: 1}
assets:
"""
ASSETS: Final = {
    "slime": "  - {id: slime, type: entity, prompt: a slime, shape: circle, silhouette: {canvas: 64x64}}\n",
    "crate": "  - {id: crate, type: entity, prompt: a crate, candidates: 2, silhouette: {canvas: 64x64}}\n",
    "foe": "  - {id: foe, type: entity, prompt: a hat, silhouette: {canvas: 64x64}, references: [slime]}\n",
    "sky": "  - {id: sky, type: background, prompt: a sky, width: 128, height: 128}\n",
    "dawn": "  - {id: dawn, type: background, prompt: a dawn, width: 128, height: 128, seed: 7}\n",
    "dusk": "  - {id: dusk, type: background, prompt: a dawn, width: 128, height: 128, seed: 7}\n",
    "title": "  - {id: title, type: title_hero, title: Tiny, prompt: a hero, width: 128, height: 128}\n",
    "hills": "  - {id: hills, type: parallax, layer_count: 3, prompt: hills, width: 128, height: 128}\n",
    "coins": (
        "  - {id: coins, type: sheet, kind: variation, prompt: a coin, layout: {columns: 2, rows: 1, cell: 64x64},"
        " shape: circle, variants: [{key: silver, prompt: silver}, {key: gold, prompt: gold}]}\n"
    ),
}  # fmt: skip
"""Assets by id; dawn and dusk ask for the very same picture, and foe is drawn from slime."""

POINTS: Final = (
    "begin_run", "intend", "submit", "submitted", "wait", "collect", "fill", "link", "create", "collected",
    "record_finish", "settle_as", "claim", "find", "cancel", "publish", "swap", "put", "end_run", "release",
)  # fmt: skip
"""Methods before or after which a process may kill itself; `killing` knows them by these names."""


@dataclass(frozen=True, slots=True)
class Kill:
    """An end with SIGKILL: at a named point, or after so many real seconds.

    Args:
        after_s: seconds after the start; None for a point.
        point: one of POINTS.
        nth: at which call.
        before: before the call, or after it.
    """

    after_s: float | None = None
    point: str = ""
    nth: int = 1
    before: bool = True

    @property
    def name(self) -> str:
        """For counting."""
        return "time" if self.after_s is not None else f"{'before' if self.before else 'after'} {self.point}"


@dataclass(frozen=True, slots=True)
class Player:
    """One process.

    Args:
        kind: `run`, `settle` or `settle_wait`.
        start_s: real seconds after the round's start.
        kill: how it is killed, if it is.
        signals: (seconds after its start, name of the signal).
    """

    kind: str
    start_s: float = 0.0
    kill: Kill | None = None
    signals: tuple[tuple[float, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Scenario:
    """One run.

    Args:
        seed: what it was drawn from.
        manifest: YAML text.
        speed: how many times as fast the time of endpoint and processes runs.
        pod: keyword arguments of the endpoint's configuration, faults excepted.
        rules: faults, as a faults file has them.
        settings: environment of the processes.
        rounds: processes of each round; they run at the same time.
    """

    seed: int
    manifest: str
    speed: float
    pod: dict[str, Any]
    rules: list[dict[str, Any]]
    settings: dict[str, str]
    rounds: tuple[tuple[Player, ...], ...] = field(default=())

    @property
    def document(self) -> dict[str, Any]:
        """For a file beside the scratch data."""
        return asdict(self)

    @classmethod
    def of(cls, document: dict[str, Any]) -> Scenario:
        """What `document` gave; missing keys are what they usually are."""
        rounds = tuple(tuple(_player(one) for one in players) for players in document.get("rounds", ()))
        return cls(**USUAL | document | {"rounds": rounds})


def _player(document: dict[str, Any]) -> Player:
    kill = document.get("kill")
    signals = tuple((at_s, name) for at_s, name in document.get("signals", ()))
    return Player(**document | {"kill": Kill(**kill) if kill else None, "signals": signals})


USUAL: Final[dict[str, Any]] = {
    "seed": 0,
    "speed": 20.0,
    "pod": {"workers": 2, "exec_seconds": 0.5},
    "rules": [],
    "settings": {"ASSETMILL_GPU_POOL": POOL, "ASSETMILL_SERVE_KEY": KEY, "ASSETMILL_RESEND_UNKNOWN": "1"},
}
"""A scenario in which nothing goes wrong."""


def draw(seed: int) -> Scenario:
    """The scenario of a seed."""
    dice = Random(seed)
    workers = dice.randint(1, 3)
    timeout_s = dice.choice((10, 20, 60))
    return Scenario(
        seed=seed,
        manifest=_manifest(dice),
        speed=dice.choice((20.0, 40.0, 40.0, 60.0)),
        pod=_pod(dice, workers),
        rules=drawn_rules(dice, seed),
        settings=_settings(dice, workers, timeout_s),
        rounds=tuple(_round(dice, seed, number) for number in range(dice.choice((1, 2, 2, 3)))),
    )


def _manifest(dice: Random) -> str:
    chosen = set(dice.sample(sorted(ASSETS), dice.randint(3, 6)))
    chosen |= {"slime"} if "foe" in chosen else set()
    chosen |= {"dusk"} if "dawn" in chosen and dice.random() < 0.5 else set()
    return HEAD + "".join(text for name, text in ASSETS.items() if name in chosen)


def _pod(dice: Random, workers: int) -> dict[str, Any]:
    return {
        "workers": workers,
        "cold_start_s": dice.choice((0.0, 2.0, 15.0)),
        "exec_seconds": dice.choice((0.0, 0.5, 2.0)),
        "gap_seconds": dice.choice((0.0, 0.9)),
        "lists_requests": dice.random() < 0.6,
    }


def _settings(dice: Random, workers: int, timeout_s: int) -> dict[str, str]:
    values = {
        "MAX_WORKERS": max(1, workers + dice.choice((-1, 0, 0, 1))),
        "QUEUE_AHEAD": dice.randint(0, 2),
        "EXECUTION_TIMEOUT_S": timeout_s,
        "JOB_TTL_S": dice.choice((7_200, 86_400)),
        "QUEUE_STALL_S": dice.choice((10, 60, 900)),
        "LEASE_S": dice.choice((1, 1, 2)),
        "RESEND_UNKNOWN": dice.choice((0, 1, 1, 2)),
        "WORKER_IDLE_S": dice.choice((0, 5, 10)),
        "LOOK_FOR_S": dice.choice((0, 6, 15, 60)),
        "GPU_POOL": POOL,
        "SERVE_KEY": KEY,
    }
    return {f"ASSETMILL_{name}": str(value) for name, value in values.items()}


def _round(dice: Random, seed: int, number: int) -> tuple[Player, ...]:
    players = [Player("run", kill=_kill(dice, seed, number), signals=_signals(dice))]
    if dice.random() < 0.35:
        kind = dice.choice(("run", "run", "settle", "settle_wait"))
        kill = _kill(dice, seed, number + 7) if dice.random() < 0.4 else None
        players.append(Player(kind, dice.uniform(0.0, 1.2), kill))
    return tuple(players)


def _kill(dice: Random, seed: int, number: int) -> Kill | None:
    """The first kill of a seed goes through all points in turn; the others are drawn."""
    if number and dice.random() < 0.15:
        return None
    if dice.random() < 0.35:
        return Kill(after_s=round(dice.uniform(0.02, 1.6), 3))
    point = POINTS[seed % len(POINTS)] if number == 0 else dice.choice(POINTS)
    return Kill(point=point, nth=dice.choice((1, 1, 1, 2, 2, 3, 4)), before=dice.random() < 0.5)


def _signals(dice: Random) -> tuple[tuple[float, str], ...]:
    if dice.random() >= 0.2:
        return ()
    first = dice.uniform(0.05, 1.5)
    names = [dice.choice(("SIGINT", "SIGTERM")) for _ in range(dice.choice((1, 1, 2)))]
    return tuple((round(first + 0.15 * place, 3), name) for place, name in enumerate(names))
