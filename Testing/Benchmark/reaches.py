"""What the project wants of its speed and memory, and whether a result reaches it."""

from __future__ import annotations

from dataclasses import dataclass

from results import Result


@dataclass(frozen=True)
class Reach:
    """A limit: `text` for people, and whether a value keeps it."""

    text: str
    is_reached: bool

    def __str__(self) -> str:
        return f"{self.text}: {'reached' if self.is_reached else '**not reached**'}"


def at_least(value: float, limit: float, unit: str = "") -> Reach:
    return Reach(f"≥ {limit:g}{unit}", value >= limit)


def at_most(value: float, limit: float, unit: str = "") -> Reach:
    return Reach(f"≤ {limit:g}{unit}", value <= limit)


def below(value: float, limit: float, unit: str = "") -> Reach:
    return Reach(f"< {limit:g}{unit}", value < limit)


def of_ratio(result: Result) -> Reach | None:
    """Of the speed beside the plain procedure."""
    if result.name == "training_step":
        return at_least(result.ratio, 1.4, " x")
    if result.machine["gpu"]:
        return at_least(result.ratio, 20, " x") if result.variant == "vit_b" else None
    if result.variant == "lite":
        return at_least(result.ratio, 2, " x")
    if result.machine["allocator"] == "default":
        return at_least(result.ratio, 1.5, " x")
    return at_least(result.ratio, 1.25 if result.machine["capability"] == "AVX512" else 1.2, " x")


def of_seconds(result: Result) -> Reach | None:
    """Of a time by itself."""
    on_gpu = {("segment", "vit_b"): 1.5, ("segment_vit_h", ""): 5, ("warm_worker", ""): 1} if result.machine["gpu"] else {}
    limit = {("import", ""): 0.2, ("help", ""): 0.5, ("prompt", ""): 0.15, ("effect_mask", ""): 0.15, **on_gpu}.get(
        (result.name, result.variant)
    )
    return None if limit is None else below(result.median_s, limit, " s")


def of_dice(result: Result) -> Reach | None:
    """Of a GPU's agreement with the plain procedure, which computes in float32."""
    return at_least(result.facts["dice_of_plain"], 0.999) if result.variant == "vit_b" else None


def of_encoder_share(result: Result) -> Reach | None:
    """Of the share of the matrix product's rate."""
    is_meant = result.variant == "vit_b" and not result.machine["gpu"]
    return at_least(100 * result.gflops / result.facts["product_gflops"], 80, " %") if is_meant else None


def of_memory(result: Result) -> Reach | None:
    """Of the host's memory for a CT of 512 x 512 x 1,000 voxels above the loaded model."""
    return below(result.facts["host_mb"] / 1000, 2, " GB") if result.variant == "1000" else None
