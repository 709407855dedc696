"""On a real MR: train, segment, complete and prompt, scaled by its percentiles; and what its checkpoint says of itself."""

import json
from dataclasses import replace

import numpy as np
import pytest
from mr import annotated_slices, only_on, scores
from prompt_dice import from_boxes, in_3d
from prompt_scans import MR_CLASSES, as_case, mr_scan

from SAMedCore.checkpoint.card import model_card
from SAMedCore.checkpoint.folder import INFO_FILE, read_info
from SAMedCore.checkpoint.load import load_promptable
from SAMedCore.cli import main
from SAMedCore.complete.filler import PartialScan
from SAMedCore.complete.network import Network
from SAMedCore.complete.scan import complete
from SAMedCore.complete.shapes import SliceShapes
from SAMedCore.errors import InputError
from SAMedCore.evaluate.measures import dice
from SAMedCore.image.intensities import intensities_of, percentile_window
from SAMedCore.image.volume import LabelMap
from SAMedCore.options import CompleteOptions, FinetuneOptions, RankOptions
from SAMedCore.prompt.session import open_session
from SAMedCore.prompt.through import carry_on
from SAMedCore.rank import rank_slices
from SAMedCore.segment import load_model
from SAMedCore.train.cases import Case, training_intensities
from SAMedCore.train.finetune import finetune
from SAMedCore.train.recipe import PRESETS, Stage
from SAMedCore.work import SILENT, Notice, Work

ONE_STAGE = Stage(trains="decoder", batch_size=2, base_rate=5e-4, warmup_steps=2, planned_epochs=4, epochs=4, versions=1)
"""Too little to segment well by: `make mr` has what a whole training gives."""

LIVER = 1 + list(MR_CLASSES.values()).index("liver")
"""Its value in `as_case`."""


@pytest.fixture(scope="module")
def scan():
    return mr_scan()


@pytest.fixture(scope="module")
def case(scan) -> Case:
    return as_case(scan)


@pytest.fixture(scope="module")
def annotated(case) -> tuple[int, ...]:
    return annotated_slices(len(case.volume.voxels), 4)


@pytest.fixture(scope="module")
def checkpoint(case, annotated, lite_weights, tmp_path_factory):
    out = tmp_path_factory.mktemp("mr") / "checkpoint"
    options = FinetuneOptions(str(out), base=str(lite_weights), classes=["liver"], validation=0, slices=annotated, device="cpu")
    history = finetune([case], options, recipe=replace(PRESETS["few-shot"], stages=(ONE_STAGE,))).history
    assert history[-1]["loss"] < history[0]["loss"]
    return out


def test_it_is_no_ct_by_its_values(scan):
    assert scan.volume.modality is None
    assert intensities_of(scan.volume) == "other"


def test_a_checkpoint_learnt_on_it_segments_and_ranks_it_without_a_notice(checkpoint, case):
    told: list = []
    model = load_model(checkpoint, "cpu")
    found = model.segment(case.volume, slices=[0, 1], work=Work(told.append))
    assert set(np.unique(found.voxels)) <= {0, LIVER}
    assert len(rank_slices(model, case.volume, RankOptions(tuple(range(2, 20))), Work(told.append))) == 2
    assert not [event for event in told if isinstance(event, Notice)]


def test_the_checkpoint_records_the_percentiles_as_format_2(checkpoint, capsys):
    row = json.loads((checkpoint / INFO_FILE).read_text(encoding="utf-8"))
    assert (row["format_version"], row["preprocessing"]["percentiles"]) == (2, [0.5, 99.5])
    assert "window_hu" not in row["preprocessing"]
    assert read_info(checkpoint).preprocessing.percentiles == (0.5, 99.5)
    assert main(["models", "info", str(checkpoint)]) == 0
    assert json.loads(capsys.readouterr().out)["preprocessing"]["percentiles"] == [0.5, 99.5]


def test_its_card_speaks_of_no_ct(checkpoint):
    card = model_card(read_info(checkpoint))
    assert "# SAMed checkpoint: one structure in other scans than CT" in card
    assert "values clipped to the percentiles 0.5..99.5 of those above 0" in card
    assert "computed-tomography" not in card
    assert "HU" not in card


def test_the_checkpoint_on_a_ct_is_pointed_out_and_so_is_training_it_on(checkpoint, sample_ct, sample_labels, tmp_path):
    told: list = []
    load_model(checkpoint, "cpu").segment(sample_ct, slices=[70], work=Work(told.append))
    options = FinetuneOptions(str(tmp_path / "next"), checkpoint=str(checkpoint), validation=0, slices=[80], device="cpu")
    one_epoch = replace(ONE_STAGE, planned_epochs=1, epochs=1, versions=1)
    recipe = replace(PRESETS["few-shot"], stages=(one_epoch,))
    finetune([Case(sample_ct, sample_labels)], options, Work(told.append), recipe=recipe)
    first, second, *_ = [event.message for event in told if isinstance(event, Notice)]
    assert "has the values of a CT, but the checkpoint scales values by percentiles" in first
    assert second.startswith("scan 1 has the values of a CT")
    assert read_info(tmp_path / "next").preprocessing.percentiles == (0.5, 99.5)


def test_the_rest_of_it_is_completed_better_than_by_copying(case, lite_weights):
    """Nine of its slices, of which every fourth is annotated."""
    annotated, missing = [0, 4, 8], [1, 2, 3, 5, 6, 7]
    organs = case.labelmap.labels.subset(["liver", "stomach"])
    drawn = np.where(np.isin(case.labelmap.voxels, organs.values), case.labelmap.voxels, 0)[:9]
    part = Case(replace(case.volume, voxels=case.volume.voxels[:9]), LabelMap(drawn, case.labelmap.ijk_to_lps, organs))
    options = CompleteOptions(tuple(annotated), base=str(lite_weights), device="cpu", steps=4)
    found = complete(part.volume, only_on(part.labelmap, annotated), options)
    copied = drawn[[4 * round(k / 4) for k in range(9)]]
    assert scores(found.labelmap.voxels, part, missing)["mean"] > scores(copied, part, missing)["mean"]
    assert (found.labelmap.voxels[annotated] == drawn[annotated]).all()


def test_the_network_that_completes_sees_it_by_its_percentiles_unless_asked_otherwise(case, lite_weights):
    model = load_promptable(lite_weights, "cpu")
    own_window = percentile_window(case.volume.voxels, (0.5, 99.5))
    as_seen = replace(model, preprocessing=replace(model.preprocessing, window_hu=own_window))
    shapes = SliceShapes((case.labelmap.voxels == LIVER).astype(np.uint8), (0, 4), (3.0, 3.0))

    def seen(by, intensities: str) -> np.ndarray:
        return Network(PartialScan(case.volume, shapes, CompleteOptions(intensities=intensities), SILENT, by))._image(2)

    assert np.array_equal(seen(model, "auto"), seen(as_seen, "ct"))
    assert not np.array_equal(seen(model, "auto"), seen(model, "ct"))


@pytest.mark.parametrize("asked", ["auto", "ct"])
def test_completing_it_as_a_ct_is_pointed_out_once(case, asked):
    """Between two annotated slices nothing is estimated and no network asked."""
    told: list = []
    complete(case.volume, only_on(case.labelmap, (0, 5)), CompleteOptions(intensities=asked), Work(told.append))
    notices = [event.message for event in told if isinstance(event, Notice)]
    expected = "this scan does not have the values of a CT, but values are taken as HU, as was asked for"
    assert [expected in notice for notice in notices] == ([] if asked == "auto" else [True])


def test_boxes_draw_its_liver(scan, lite_weights):
    session = open_session(scan.volume, model=load_promptable(lite_weights, "cpu"))
    assert session.model.preprocessing.window_hu == percentile_window(scan.volume.voxels, (0.5, 99.5))
    liver = scan.structures["liver"]
    kept = from_boxes(session, liver, 5)
    assert dice(in_3d(carry_on(session, kept), kept, liver.shape), liver) >= 0.85


def test_scans_of_different_kinds_are_learnt_from_only_if_it_is_said_as_what(case, sample_ct, sample_labels):
    cases = [Case(sample_ct, sample_labels), case, replace(case, volume=replace(case.volume, modality="MR"))]
    with pytest.raises(InputError, match=r"some scans are CT \(number 1\) and some are not \(number 2, 3\)"):
        training_intensities(cases)
    told: list = []
    assert [training_intensities(cases, asked, Work(told.append)) for asked in ("ct", "other")] == ["ct", "other"]
    first, second, *_ = [event.message for event in told]
    assert first == "scan 2 does not have the values of a CT (and 3 likewise), but values are taken as HU, as was asked for."
    assert second.startswith("scan 1 has the values of a CT, but values are scaled by percentiles")
