"""A training is compared with what it started from, on slices that it did not learn from."""

import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from cli_files import SMALL_FEW_SHOT
from tiny_training import bright_squares

from SAMedCore.checkpoint.folder import CARD_FILE, read_info
from SAMedCore.errors import Cancelled, InputError, SAMedError
from SAMedCore.evaluate.before_after import BeforeAfter
from SAMedCore.evaluate.measures import dice
from SAMedCore.files.read import read_labelmap, read_volume
from SAMedCore.image.placement import placed_on
from SAMedCore.options import FinetuneOptions
from SAMedCore.segment import Segmenter, load_model
from SAMedCore.train import finetune as finetuning
from SAMedCore.train.cases import Case
from SAMedCore.train.finetune import finetune
from SAMedCore.train.held_out import HeldOut, compare
from SAMedCore.train.slices import split
from SAMedCore.work import SILENT, Notice, Progress, TrainingProgress, Work

LIVER = 5


@dataclass
class Trained:
    """A checkpoint, how it compares, and what was held out for that."""

    out: Path
    comparison: BeforeAfter | None
    held_out: HeldOut | None


@pytest.fixture(scope="module")
def scan(files) -> Case:
    """Four real slices three times over."""
    volume = read_volume(files.ct)
    labels = placed_on(read_labelmap(files.labels), volume.grid)
    volume, labels = (replace(image, voxels=np.tile(image.voxels, (3, 1, 1))) for image in (volume, labels))
    return Case(volume, labels)


@pytest.fixture
def train(files, tmp_path, monkeypatch):
    """Trains the small network for seconds; the fields of `FinetuneOptions` by name."""

    def trained(name: str, cases: list[Case], work: Work = SILENT, stages=None, recipe=SMALL_FEW_SHOT, **options) -> Trained:
        held_out: list[HeldOut] = []
        with monkeypatch.context() as patch:
            patch.setattr(finetuning, "compare", lambda *given: held_out.append(given[2]) or compare(*given))
            asked = {"base": str(files.base), "classes": ("liver", "aorta"), "validation": 0.25, "device": "cpu", **options}
            facts = replace(recipe, augmentation=None, stages=stages or (of(2),))
            found = finetune(cases, FinetuneOptions(str(tmp_path / name), **asked), work, recipe=facts)
        return Trained(tmp_path / name, found.comparison, held_out[0] if held_out else None)

    return trained


def of(epochs: int, **changes):
    """A stage of so many epochs."""
    return replace(SMALL_FEW_SHOT.stages[0], epochs=epochs, planned_epochs=epochs, **changes)


def without_liver(case: Case, *slices: int) -> Case:
    voxels = case.labelmap.voxels.copy()
    learnt = [k for k in range(len(voxels)) if k not in slices]
    voxels[learnt] = np.where(voxels[learnt] == LIVER, 0, voxels[learnt])
    return replace(case, labelmap=replace(case.labelmap, voxels=voxels))


def test_a_structure_that_was_unlearnt_is_named_and_all_is_as_it_is_measured_in_use(
    train, sample_ct, sample_labels, lite_weights
):
    """The shipped checkpoint learns that what it takes for the liver is none."""
    volume, labels = (replace(image, voxels=image.voxels[66:76]) for image in (sample_ct, sample_labels))
    start = {"checkpoint": "abdomen-demo", "base": str(lite_weights), "classes": None}
    decoder_alone = replace(SMALL_FEW_SHOT, last_stage_rate=0.0)
    stages = (of(12, base_rate=5e-4),)
    slices = split(bright_squares(len(labels.voxels), None), 0.25, SMALL_FEW_SHOT.seed)[1].slice_numbers.tolist()
    other = train("other", [without_liver(Case(volume, labels), *slices)], recipe=decoder_alone, stages=stages, **start)
    assert other.held_out.slices[0] == slices
    assert other.comparison.start == "the checkpoint that it went on from"
    assert "liver" in other.comparison.worse
    assert re.search(r"Worse than before: .*liver 0\.9", other.comparison.summary())
    for checkpoint, said in (("abdomen-demo", other.comparison.before), (other.out, other.comparison.after)):
        found = load_model(checkpoint, "cpu", base_weights=lite_weights).segment(volume, slices=tuple(slices))
        for label, value in zip(found.labels, said, strict=True):
            both = [image.voxels[slices] == label.value for image in (found, labels)]
            assert value == (pytest.approx(dice(*both)) if any(mask.any() for mask in both) else None), label.name


def test_the_checkpoint_says_and_shows_it_and_names_no_folder(train, scan):
    first = train("Doe, Jane", [scan])
    second = train("second", [scan], checkpoint=str(first.out))
    assert BeforeAfter.from_json(read_info(second.out).metrics["before_after"]) == second.comparison
    card = (second.out / CARD_FILE).read_text(encoding="utf-8")
    assert second.comparison.table() in card
    assert second.comparison.summary() in card
    assert "Doe" not in card
    assert (second.out / "before-after.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(("trains", "times"), [("decoder", 1), ("all", 2)])
def test_slices_are_encoded_once_where_the_encoder_was_left_alone(train, scan, monkeypatch, trains, times):
    encoded, encode = [], Segmenter._encode
    monkeypatch.setattr(
        Segmenter, "_encode", lambda self, slices, *more: encoded.append(len(slices)) or encode(self, slices, *more)
    )
    train("out", [scan], stages=(of(1, trains=trains),))
    assert sum(encoded) == times * 3


def test_whole_scans_are_told_from_slices_of_a_scan_that_was_learnt_from(train, scan):
    several = train("several", [scan, scan, scan], validation=0.4)
    assert (several.comparison.scans, several.comparison.slices, several.comparison.whole_scans) == (1, 12, True)
    assert "Measured on a whole scan that was not learnt from" in several.comparison.summary()


def test_slices_that_nobody_annotated_do_not_count(train, scan):
    kept = train("kept", [scan], slices=(0, 1, 2, 3, 4, 5), keep_others=True, validation=0.5)
    assert set(kept.held_out.slices[0]) <= {0, 1, 2, 3, 4, 5}
    assert kept.comparison.slices == len(kept.held_out.slices[0])


def test_where_nothing_is_held_out_it_is_said_before_the_training_begins(train, scan):
    seen = []
    assert train("out", [scan], Work(seen.append), validation=0).comparison is None
    notices = [place for place, event in enumerate(seen) if isinstance(event, Notice)]
    assert "nobody will know" in seen[notices[-1]].message
    assert notices[-1] < next(place for place, event in enumerate(seen) if isinstance(event, TrainingProgress))


def until(condition) -> Work:
    """Cancelled once an event is so."""
    seen: list[bool] = []
    return Work(lambda event: seen.append(condition(event)), lambda: any(seen))


def test_a_resumed_run_is_compared_with_what_it_started_from_in_the_first_place(train, scan):
    whole = train("whole", [scan], stages=(of(4),))
    with pytest.raises(Cancelled, match="can be resumed"):
        train("out", [scan], until(lambda event: isinstance(event, TrainingProgress) and event.epoch == 3), (of(4),))
    out = whole.out.with_name("out")
    assert "before_after" not in read_info(out).metrics
    assert train("out", [scan], stages=(of(4),), resume=True).comparison == whole.comparison


def test_a_comparison_that_is_cancelled_leaves_the_checkpoint_and_is_made_up_for(train, scan, tmp_path):
    with pytest.raises(Cancelled, match="before it was compared with the start; the checkpoint is"):
        train("out", [scan], until(lambda event: isinstance(event, Progress) and event.phase == "comparing"))
    assert "before_after" not in read_info(tmp_path / "out").metrics
    assert train("out", [scan], resume=True).comparison is not None


def test_another_start_is_no_start_to_go_on_with(train, scan, tmp_path):
    for name, epochs in (("one", 1), ("other", 2)):
        train(name, [scan], stages=(of(epochs),))
    train("out", [scan], checkpoint=str(tmp_path / "one"))
    shutil.rmtree(tmp_path / "out")
    with pytest.raises(InputError, match="begun with another base model or checkpoint"):
        train("out", [scan], checkpoint=str(tmp_path / "other"), resume=True)


def test_a_training_whose_comparison_fails_has_not_failed(train, scan, monkeypatch, tmp_path):
    def fail(*_):
        raise SAMedError("the GPU has too little memory for one slice.")

    seen = []
    monkeypatch.setattr("SAMedCore.train.held_out._score", fail)
    assert train("out", [scan], Work(seen.append)).comparison is None
    assert read_info(tmp_path / "out").metrics["epochs"] > 0
    assert "could not be compared with the start: the GPU has too little memory" in seen[-1].message
