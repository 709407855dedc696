"""The recipes: what the paper published, and one for few annotated slices. A recipe is all facts, no code; imports no torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from SAMedCore.options import FinetuneOptions


@dataclass(frozen=True)
class Stage:
    """One run of the optimiser from its first to its last step.

    Attributes:
        trains: "all" trains LoRA and the decoder end to end; "decoder" encodes each slice once, keeps the embeddings
            and trains on them whatever lies behind the encoder, or behind all but its last stage; see `last_stage_rate`.
        batch_size: slices a step.
        base_rate: highest learning rate; warmup_steps and power: see `learning_rate`.
        planned_epochs: what the decay is planned for.
        epochs: epochs really run, at most `planned_epochs`.
        versions: how often each slice occurs in an epoch, each time augmented anew; for "decoder" these versions are
            encoded once and used in every epoch, fewer of them where there are many slices.
        minutes: the stage ends after the epoch in which so much time has passed since its beginning; None sets no limit. At
            most half of it goes into encoding, in fewer versions if need be. Even where the time is over before, every slice
            is encoded once and one epoch is trained.
        only_on_gpu: left out where there is no GPU.
        average: what is kept, validated and published is the running average of the trained parameters with this decay a step;
            0 for the parameters themselves.
        balanced: 0..1, how far slices with rare structures are shown more often; see `slices.repeats_of`.
        ends_at_rate_0: the decay is planned for the epochs for which `minutes` suffice, `planned_epochs` at most.
    """

    trains: Literal["all", "decoder"] = "all"
    batch_size: int = 24
    base_rate: float = 0.005
    warmup_steps: int = 250
    power: float = 0.9
    planned_epochs: int = 200
    epochs: int = 160
    versions: int = 1
    minutes: float | None = None
    only_on_gpu: bool = False
    average: float = 0.0
    balanced: float = 0.0
    ends_at_rate_0: bool = False


@dataclass(frozen=True)
class Recipe:
    """How a model is trained; the defaults are those of SAMed (section 4.1 and the authors' code).

    Attributes:
        sizes: to which the slices are resized one after another; None is the base model's own input size.
        stages: one after another, each with an optimiser of its own.
        augmentation: a name in `augment.AUGMENTATIONS`, or None.
        lora_rank, lora_in_decoder: see `model.lora.LoraSettings`; alpha equals the rank.
        betas, weight_decay: of AdamW.
        ce_weight, dice_weight: of the two terms of the loss.
        last_stage_rate: share of the rate at which the image encoder's last stage is trained, whole, where the base model's
            architecture has one for that; 0 leaves it as it is under LoRA.
        dice_of_present: the Dice term counts only classes that occur in the batch; see `loss.segmentation_loss`.
        precision: see `optimization.precision_on` for what becomes of it on devices that lack it.
        gradient_checkpointing: compute the encoder blocks' activations twice to keep less of them.
        seed: of the initial LoRA weights, the order of the slices and their augmentation.
    """

    name: str
    sizes: tuple[int, ...] | None = (224, 512)
    stages: tuple[Stage, ...] = (Stage(),)
    augmentation: str | None = "paper"
    lora_rank: int = 4
    lora_in_decoder: bool = False
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.1
    ce_weight: float = 0.2
    dice_weight: float = 0.8
    last_stage_rate: float = 0.0
    dice_of_present: bool = False
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    gradient_checkpointing: bool = False
    seed: int = 1234

    def to_json(self) -> dict[str, Any]:
        """The recipe as plain lists and dictionaries, for samed.json and the resume state."""
        plain = asdict(self)
        return {key: list(value) if isinstance(value, tuple) else value for key, value in plain.items()}


FEW_SHOT = Recipe(
    name="few-shot",
    sizes=None,
    stages=(
        # Two slices a step: with few slices the number of steps is what counts. The paper's rate of 0.005 collapses to
        # background without its long warm-up, and 0.001 mostly does.
        Stage(
            trains="decoder",
            batch_size=2,
            base_rate=5e-4,
            warmup_steps=50,
            planned_epochs=30,
            epochs=30,
            versions=16,
            minutes=40.0,
            average=0.99,
            balanced=0.5,
            ends_at_rate_0=True,
        ),
        Stage(
            batch_size=8,
            base_rate=5e-4,
            warmup_steps=50,
            planned_epochs=60,
            epochs=60,
            versions=8,
            minutes=20.0,
            only_on_gpu=True,
            average=0.99,
            balanced=0.5,
            ends_at_rate_0=True,
        ),
    ),
    augmentation="few-shot",
    last_stage_rate=0.4,
    dice_of_present=True,
    precision="bf16",
)

PRESETS: dict[str, Recipe] = {
    "few-shot": FEW_SHOT,
    "samed": Recipe(name="samed"),
    "samed_s": Recipe(name="samed_s", lora_in_decoder=True),
    "samed_h": Recipe(name="samed_h", stages=(Stage(power=7.0, planned_epochs=400, epochs=300),), precision="fp16"),
}
"""By the names of `options.PRESETS`."""


def recipe_of(options: FinetuneOptions) -> Recipe:
    """The preset, each of its stages with the options' epochs, minutes and batch size where these are given."""

    def changed(stage: Stage) -> Stage:
        epochs = options.epochs or stage.epochs
        return replace(
            stage,
            epochs=epochs,
            # Past the planned end the learning rate is 0.
            planned_epochs=epochs if stage.ends_at_rate_0 else max(epochs, stage.planned_epochs),
            batch_size=options.batch_size or stage.batch_size,
            minutes=options.minutes or stage.minutes,
        )

    preset = PRESETS[options.preset]
    return replace(preset, stages=tuple(changed(stage) for stage in preset.stages))


def learning_rate(step: int, base: float, warmup: int, max_steps: int, power: float) -> float:
    """The rate in force at `step`, counted from 0 (SAMed, section 4.1): a linear warm-up, then a polynomial decay.

    The paper's code sets the rate after each step from the number of the step just done, so step 1 still runs at
    step 0's rate of ``base / warmup``, and each rate comes one step later than the formula reads:
    ``base * s / warmup`` up to s = warmup, then ``base * (1 - (s - 1 - warmup) / max_steps) ** power``.

    Args:
        base: the highest rate.
        warmup: steps of warm-up; 0 begins at `base`.
        max_steps: planned epochs times batches an epoch; the paper stops before it.
        power: exponent of the decay, 0.9 (7 for SAMed_h).
    """
    steps_done = max(step, 1)
    if steps_done <= warmup:
        return base * steps_done / warmup
    decayed = max(0, step - 1 - warmup) / max_steps
    return base * max(0.0, 1.0 - decayed) ** power
