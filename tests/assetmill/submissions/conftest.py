"""A studio that artists hand manifests in to: a store, a folder of theirs, and a clock that a test sets forward."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from assetmill.clock import Clock
from assetmill.settings import Settings
from assetmill.storage import FileStore, Store, open_store
from assetmill.submissions import Arrival, Desk, Record, State, open_desk
from assetmill.submissions.keys import INBOX, is_id

HEAD = "game: {id: tiny, title: Tiny}\npack: {id: default, name: Default, seed: 1}\nassets:\n"
SLIME = "  - {id: slime, type: entity, prompt: a slime, shape: circle, silhouette: {canvas: 64x64}}\n"
WRONG = "  - {id: crate, type: entty, prompt: a crate}\n"

PAID = {"IMAGE_GENERATION_PROVIDER": "runpod", "RUNPOD_API_KEY": "made-up-key-for-tests",
        "RUNPOD_COMFYUI_ENDPOINT_ID": "abcdefghij0123"}  # fmt: skip
PRICED = {**PAID, "ASSETMILL_GPU_POOL": "ADA_24"}


def manifest(prompt: str = "a slime") -> str:
    return HEAD + SLIME.replace("a slime", prompt)


@dataclass
class Studio:
    """One home with its settings; the store's own inbox unless `folder` is used."""

    home: Path
    more: dict[str, Any] = field(default_factory=dict)
    ahead_s: float = 60.0

    def settings(self, **more: Any) -> Settings:
        values = {"ASSETMILL_HOME": str(self.home), **self.more, **more}
        return Settings(_env_file=None, **values)

    def clock(self) -> Clock:
        return Clock(now=lambda: datetime.now(UTC) + timedelta(seconds=self.ahead_s))

    def desk(self, owner: str | None = None, *, lease_s: float = 120.0, **more: Any) -> Desk:
        return open_desk(self.settings(**more), self.clock(), owner=owner, lease_s=lease_s)

    @property
    def store(self) -> Store:
        settings = self.settings()
        return open_store(settings.store_url, settings.store_access)

    @property
    def inbox(self) -> Path:
        folder = self.settings().submissions_folder
        path = folder or Path(self.settings().store_url.removeprefix("file://")) / INBOX
        path.mkdir(parents=True, exist_ok=True)
        return path

    def drop(self, name: str, text: str | bytes) -> None:
        """What an artist does: a file appears, or has another content."""
        data = text.encode() if isinstance(text, str) else text
        if isinstance(self.store, FileStore) or self.settings().submissions_folder:
            (self.inbox / name).write_bytes(data)
        else:
            self.store.put(INBOX + name, data, content_type="text/plain")

    def beside(self) -> set[str]:
        """Names of everything in the inbox."""
        if isinstance(self.store, FileStore) or self.settings().submissions_folder:
            return {path.name for path in self.inbox.iterdir()}
        return {info.key.removeprefix(INBOX) for info in self.store.list(INBOX)}

    def page(self, name: str) -> str:
        if isinstance(self.store, FileStore) or self.settings().submissions_folder:
            return (self.inbox / name).read_text()
        return self.store.get(INBOX + name).decode()

    def arrival(self, name: str) -> Arrival:
        return next(one for one in self.desk().arrivals() if one.name == name)

    def states(self) -> dict[tuple[str, int], str]:
        """(file name, version) -> state, of all submissions."""
        return {(record.name, record.version): str(record.state) for record in self.desk().records()}

    def only(self, name: str = "", version: int = 0) -> Record:
        """The one submission, or the one of this name and version."""
        found = [r for r in self.desk().records() if name in ("", r.name) and version in (0, r.version)]
        assert len(found) == 1, found
        assert is_id(found[0].id)
        return found[0]


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path / "home")


@pytest.fixture
def shared_folder(tmp_path: Path) -> Studio:
    """A studio whose artists have a folder of their own, outside the store."""
    return Studio(tmp_path / "home", {"ASSETMILL_SUBMISSIONS_FOLDER": str(tmp_path / "share")})


@pytest.fixture(scope="session")
def places() -> Iterator[str]:
    """A place of its own in the bucket for each test."""
    return (f"submissions-{number}" for number in itertools.count())


@pytest.fixture
def bucket(tmp_path: Path, seaweedfs: Any, places: Iterator[str]) -> Studio:
    """A studio whose store is a bucket of a real S3 server."""
    return Studio(
        tmp_path / "home",
        {
            "ASSETMILL_STORE_URL": f"s3://{seaweedfs.bucket}/{next(places)}",
            "ASSETMILL_STORE_ENDPOINT_URL": seaweedfs.endpoint_url,
            "R2_ACCESS_KEY_ID": seaweedfs.key,
            "R2_SECRET_ACCESS_KEY": seaweedfs.secret,
        },
    )


@pytest.fixture(params=("folder", "bucket"))
def any_studio(request: pytest.FixtureRequest) -> Studio:
    """The same on a folder and on a bucket."""
    return request.getfixturevalue("studio" if request.param == "folder" else "bucket")


@pytest.fixture
def text() -> Callable[..., str]:
    return manifest


@pytest.fixture
def wrong() -> str:
    return HEAD + WRONG


@pytest.fixture
def priced() -> dict[str, str]:
    """Settings of an endpoint that costs money, at a known price."""
    return PRICED


@pytest.fixture
def unpriced() -> dict[str, str]:
    """Settings of an endpoint that costs money, nobody knows how much."""
    return PAID


@pytest.fixture
def state() -> type[State]:
    return State
