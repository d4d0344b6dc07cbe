"""Reading what was handed in: the same errors as the command line, or a plan with its figures.

The bytes are read alone, in an empty folder under their plain name: whatever a manifest of a stranger includes, it
finds nothing. Trouble with books, settings or prices is not the artist's fault and leaves as the error that it is.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from assetmill.batch.prepare import Request, plan_only
from assetmill.manifest import ManifestError, Pack, Problem, load_pack
from assetmill.planning.plan import Plan, State
from assetmill.settings import Settings
from assetmill.submissions.gate import expected_cost, needs_approval, set_aside
from assetmill.submissions.names import Provider, plain_file
from assetmill.submissions.records import Figures


def read_manifest(name: str, data: bytes) -> Pack:
    """What a manifest holds.

    Args:
        name: its file name as the artist gave it; problems say it.
        data: the file.

    Raises:
        ManifestError: every problem, each located.
    """
    with _alone(name, data) as path:
        return load_pack(path)


def plan_manifest(settings: Settings, name: str, data: bytes, provider: Provider | None) -> Plan:
    """What a run would do, against the books as they are now.

    Raises:
        ManifestError: every problem, each located.
        UsageError, WorkflowError, LedgerError, ProviderRefused: the artist cannot help it.
    """
    with _alone(name, data) as path:
        return plan_only(settings, Request(path, provider, source=name))


@contextmanager
def _alone(name: str, data: bytes) -> Iterator[Path]:
    """The bytes as a file with nothing beside it; a ManifestError that leaves the block says the artist's file name."""
    with tempfile.TemporaryDirectory(prefix="assetmill-submission-") as folder:
        path = Path(folder) / plain_file(name)
        path.write_bytes(data)
        try:
            yield path
        except ManifestError as error:
            raise ManifestError(_named(problem, path, name) for problem in error.problems) from None


def _named(problem: Problem, path: Path, name: str) -> Problem:
    """A problem in the artist's words: nobody knows the folder in which we read."""
    if problem.path.startswith("include[") and problem.message.startswith("cannot read"):
        return replace(
            problem, file=name, message="a file that was handed in comes alone; there is nothing that it could include",
            expected="its assets in this very file, or a table that is handed in by itself",
        )  # fmt: skip
    file = problem.file.replace(str(path), name).replace(f"{path.parent}/", "")
    message = problem.message.replace(str(path), name).replace(f"{path.parent}/", "")
    return replace(problem, file=file, message=message)


def figures_of(plan: Plan, limit: Decimal) -> Figures:
    """What a plan says, in a few figures; `limit` is what needs no approval, US dollars."""
    low, estimate, high = expected_cost(plan)
    endpoint = plan.endpoint
    return Figures(
        game=plan.pack.game.id,
        game_title=plan.pack.game.title,
        pack=plan.pack.pack.name,
        endpoint=plan.routes.name,
        draft=plan.draft,
        assets=len({item.asset.id for item in plan.items}),
        pictures={str(state): count for state in State if (count := plan.counts()[state])},
        jobs=plan.total.jobs,
        low_usd=low,
        estimate_usd=estimate,
        high_usd=high,
        aside_usd=set_aside(plan),
        elapsed_s=plan.total.elapsed.estimate,
        price_source=endpoint.price_source,
        asks=needs_approval(plan, limit),
    )
