"""models.lock: base, node packs and models of the worker image, each pinned.

The steps of the build read the same file with Python's own TOML reader, so its form is simple: three kinds of table,
no nesting. Reading is strict about names and types and lets values through that pin nothing: those are findings of
`check`, which reports all of them at once. There is one spelling for one lock, so that filling it in changes only
what changed.
"""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from assetmill.errors import UsageError

LOCK = "models.lock"
CORE = "core"
"""The set of models that every image holds."""
UNKNOWN = "unknown"
"""Stands for a checksum that nobody has found yet; the build refuses it."""
CHECKSUM = re.compile(r"[0-9a-f]{64}")
COMMIT = re.compile(r"[0-9a-f]{40}")

HEADER = """\
# What the worker image is made of, to the byte: its base, its node packs by commit, its models by checksum.
# TOML. Written again by `assetmill worker-image lock`, which asks the hub; checked by `assetmill worker-image lint`.
# docs/worker-image.md says what each field means. A model without a checksum cannot be built. Comments are not kept.
"""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Base(_Frozen):
    """The image that ours begins with."""

    image: str = Field(description="Repository.")
    tag: str = Field(description="Tag, of one version.")
    comfyui: str = Field(description="The ComfyUI in it; the build asks it.")
    volume_folders: list[str] = Field(description="Model folders that its extra_model_paths.yaml maps on a volume.")


class NodePack(_Frozen):
    """Custom nodes of one repository."""

    name: str = Field(description="What people call it.")
    folder: str = Field(description="Folder under custom_nodes, which names its Python module.")
    repository: str = Field(description="Where git fetches it.")
    commit: str = Field("", description="The commit, whole.")
    classes: list[str] = Field(description="Node classes of it that graphs use.")
    imports: list[str] = Field(
        [], description="Python modules that these load only with a job; the build imports them."
    )
    licence: str = Field("", description="Its licence.")


class Model(_Frozen):
    """One file of a model."""

    file: str = Field(description="File name.")
    folder: str = Field(description="Folder under models.")
    name: str = Field(description="The value by which graphs name it; several files may make up one name.")
    set: str = Field(description="core, or the variant that has it.")
    place: Literal["anywhere", "image"] = Field(description="image: no volume can hold it.")
    url: str = Field(description="Address of one revision.")
    size: int = Field(0, description="Bytes.")
    sha256: str = Field("", description="Checksum in hex, or unknown.")
    verified: bool = Field(False, description="Whether the hub itself was asked.")
    source: str = Field("", description="Where checksum and size are from.")
    licence: str = Field("", description="Licence of the weights.")

    @property
    def locked(self) -> bool:
        """Whether the build can check what it fetches."""
        return bool(CHECKSUM.fullmatch(self.sha256)) and self.size > 0


class WorkerLock(_Frozen):
    """All of models.lock."""

    base: Base
    node: list[NodePack]
    model: list[Model]

    @property
    def unlocked(self) -> tuple[Model, ...]:
        """Models whose checksum is still to be found; no image can have them until it is."""
        return tuple(model for model in self.model if model.sha256 == UNKNOWN)


def read_lock(path: Path) -> WorkerLock:
    """Read a lock.

    Raises:
        UsageError: it cannot be read, is not TOML, or has other fields than a lock.
    """
    try:
        return WorkerLock.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", hint="name the folder of the worker image") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{path}: {where}: {first['msg']}", hint="docs/worker-image.md names the fields") from None


def render_lock(lock: WorkerLock) -> str:
    """The lock as its file has it."""
    tables = [("[base]", lock.base), *(("[[node]]", one) for one in lock.node)]
    tables += [("[[model]]", one) for one in lock.model]
    return HEADER + "".join(f"\n{head}\n{_fields(one)}" for head, one in tables)


def _fields(table: BaseModel) -> str:
    return "".join(f"{key} = {_value(value)}\n" for key, value in table.model_dump().items())


def _value(value: Any) -> str:
    """A value in TOML; its strings may be written as JSON's are, but for what TOML has no escape for."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
