"""GPUs that workers of the local endpoint may say they have, so that its workers have a price and its bill an amount.

The models are RunPod's, with its own ids; what a GPU-hour costs is the project's price list and stands in no second
place. A worker that nobody gave a GPU is LOCAL: no catalogue lists it, it belongs to no pool, and it costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from typing import Final

from assetmill.errors import UsageError
from assetmill.money import load_prices

SECONDS_AN_HOUR: Final = 3600


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU model.

    Args:
        id: RunPod's id, as the workers listing tells it (`gpuTypeId`), such as `NVIDIA GeForce RTX 4090`.
        name: what people call it, such as `RTX 4090`.
        pool: GPU pool that hands it out, such as `ADA_24`; None for one of no pool.
        memory_gb: its memory.
        usd_per_hour: list price of one such GPU in a serverless worker; None when nobody has published it: then the
            catalogue tells none, and its workers are billed nothing.
    """

    id: str
    name: str
    pool: str | None
    memory_gb: int
    usd_per_hour: Decimal | None

    @property
    def usd_per_s(self) -> Decimal:
        """What a worker with one such GPU is billed for a second."""
        return (self.usd_per_hour or Decimal(0)) / SECONDS_AN_HOUR


LOCAL_GPU: Final = Gpu("LOCAL", "this machine", None, 0, Decimal(0))

MODELS: Final[dict[str, tuple[str, str]]] = {
    "NVIDIA RTX A4000": ("RTX A4000", "AMPERE_16"),
    "NVIDIA RTX A4500": ("RTX A4500", "AMPERE_16"),
    "NVIDIA RTX 4000 Ada Generation": ("RTX 4000 Ada", "AMPERE_16"),
    "NVIDIA RTX 2000 Ada Generation": ("RTX 2000 Ada", "AMPERE_16"),
    "NVIDIA L4": ("L4", "AMPERE_24"),
    "NVIDIA RTX A5000": ("RTX A5000", "AMPERE_24"),
    "NVIDIA GeForce RTX 3090": ("RTX 3090", "AMPERE_24"),
    "NVIDIA GeForce RTX 4090": ("RTX 4090", "ADA_24"),
    "NVIDIA GeForce RTX 5090": ("RTX 5090", "ADA_32_PRO"),
    "NVIDIA RTX A6000": ("RTX A6000", "AMPERE_48"),
    "NVIDIA A40": ("A40", "AMPERE_48"),
    "NVIDIA L40": ("L40", "ADA_48_PRO"),
    "NVIDIA L40S": ("L40S", "ADA_48_PRO"),
    "NVIDIA RTX 6000 Ada Generation": ("RTX 6000 Ada", "ADA_48_PRO"),
    "NVIDIA A100 80GB PCIe": ("A100 PCIe", "AMPERE_80"),
    "NVIDIA A100-SXM4-80GB": ("A100 SXM", "AMPERE_80"),
    "NVIDIA H100 PCIe": ("H100 PCIe", "ADA_80_PRO"),
    "NVIDIA H100 80GB HBM3": ("H100 SXM", "ADA_80_PRO"),
    "NVIDIA RTX PRO 6000 Blackwell Server Edition": ("RTX PRO 6000", "BLACKWELL_96"),
    "NVIDIA H200": ("H200 SXM", "HOPPER_141"),
    "NVIDIA B200": ("B200", "BLACKWELL_180"),
}
"""Id -> name and pool. Source: RunPod documentation, references/gpu-types (2026-08-20)."""


def known_gpus() -> tuple[Gpu, ...]:
    """Every model of RunPod's serverless pools, at the list price of its pool."""
    prices = load_prices()
    return tuple(
        Gpu(
            id=gpu_id,
            name=name,
            pool=pool,
            memory_gb=prices[pool].memory_gb or 0,
            usd_per_hour=None if (usd := prices[pool].usd_per_s) is None else usd * SECONDS_AN_HOUR,
        )
        for gpu_id, (name, pool) in MODELS.items()
    )


def gpus_named(words: Iterable[str]) -> tuple[Gpu, ...]:
    """Models by pool, id or name, however they are capitalised; a pool means all of its models.

    Raises:
        UsageError: no such pool or model; the hint names the nearest. Or none is named at all.
    """
    found: dict[str, Gpu] = {}
    known = known_gpus()
    for word in words:
        wanted = word.strip().lower()
        matching = [gpu for gpu in known if wanted in (gpu.id.lower(), gpu.name.lower(), str(gpu.pool).lower())]
        if not matching:
            raise UsageError(f"no GPU or GPU pool is called {word!r}", hint=_nearest(wanted, known))
        found |= {gpu.id: gpu for gpu in matching}
    if not found:
        raise UsageError("no GPU is named", hint=_nearest("", known))
    return tuple(found.values())


def _nearest(wanted: str, known: Iterable[Gpu]) -> str:
    names = {name.lower(): name for gpu in known for name in (str(gpu.pool), gpu.name, gpu.id)}
    near = get_close_matches(wanted, names, n=1, cutoff=0.5)
    return f"did you mean {names[near[0]]}?" if near else "a pool such as ADA_24, or a model such as RTX 4090"
