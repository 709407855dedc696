"""The learning rate follows the paper's code, step by step."""

import pytest

from SAMedCore import options
from SAMedCore.options import FinetuneOptions
from SAMedCore.train.recipe import PRESETS, learning_rate, recipe_of

MAX_STEPS = 200 * 93


def rates_of_the_papers_loop(steps: int, power: float) -> list[float]:
    """What its optimiser runs at: begun at base / 250, set anew after each step."""
    rate, used = 0.005 / 250, []
    for done in range(steps):
        used.append(rate)
        rate = 0.005 * (done + 1) / 250 if done < 250 else 0.005 * (1 - (done - 250) / MAX_STEPS) ** power
    return used


@pytest.mark.parametrize("power", [0.9, 7.0])
def test_every_step_runs_at_the_papers_rate(power):
    steps = 160 * 93
    rates = [learning_rate(step, 0.005, 250, MAX_STEPS, power) for step in range(steps)]
    assert rates == pytest.approx(rates_of_the_papers_loop(steps, power), rel=1e-12)


def test_the_first_two_steps_run_at_the_same_rate():
    assert learning_rate(0, 0.005, 250, 1000, 0.9) == learning_rate(1, 0.005, 250, 1000, 0.9) == 0.005 / 250


def test_without_warm_up_it_begins_at_the_base_rate():
    assert learning_rate(0, 0.01, 0, 100, 0.9) == 0.01


def test_the_rate_never_turns_negative():
    assert learning_rate(10_000, 0.01, 5, 100, 0.9) == 0


def test_the_presets_are_what_was_published():
    samed, samed_h = PRESETS["samed"], PRESETS["samed_h"]
    assert (samed.stages[0].planned_epochs, samed.stages[0].epochs, samed.stages[0].power) == (200, 160, 0.9)
    assert (samed_h.stages[0].planned_epochs, samed_h.stages[0].epochs, samed_h.stages[0].power) == (400, 300, 7)
    assert [name for name, recipe in PRESETS.items() if recipe.lora_in_decoder] == ["samed_s"]
    for recipe in (samed, PRESETS["samed_s"], samed_h):
        stage = recipe.stages[0]
        assert (stage.batch_size, stage.base_rate, stage.warmup_steps, recipe.lora_rank) == (24, 0.005, 250, 4)
        assert (recipe.betas, recipe.weight_decay, recipe.sizes) == ((0.9, 0.999), 0.1, (224, 512))
        assert (stage.average, stage.balanced, stage.ends_at_rate_0, recipe.augmentation) == (0, 0, False, "paper")


def test_the_options_name_the_recipes():
    assert list(options.PRESETS) == list(PRESETS)
    assert [recipe.name for recipe in PRESETS.values()] == list(PRESETS)


def test_options_change_each_stage_of_a_recipe_and_leave_the_rest():
    changed = recipe_of(FinetuneOptions("out", base="lite", epochs=50, minutes=3, batch_size=5))
    assert [(s.epochs, s.planned_epochs, s.minutes, s.batch_size) for s in changed.stages] == [(50, 50, 3, 5), (50, 50, 3, 5)]
    for name, recipe in PRESETS.items():
        assert recipe_of(FinetuneOptions("out", base="lite", preset=name)) == recipe
