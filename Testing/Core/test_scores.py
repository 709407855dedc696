"""Scores as means, table and file, and what they say about themselves."""

import csv
import math
import re

import pytest
from drawn_masks import NOTHING, SCIPY_WARNS, THING, blob, cube, score

from SAMedCore.cli import main
from SAMedCore.draw.boxplot import box_plot
from SAMedCore.errors import InputError
from SAMedCore.evaluate.scores import OrganScore, Scores

pytestmark = SCIPY_WARNS


def test_undefined_values_are_left_out_of_the_mean_and_counted():
    rows = [score(cube(), cube()), score(NOTHING, THING), score(THING, NOTHING), score(NOTHING, NOTHING)]
    (liver,) = Scores(tuple(rows)).summaries()
    assert liver.n == {"dice": 3, "hd95_mm": 1, "mean_surface_distance_mm": 1, "surface_dice": 3}
    assert liver.mean["dice"] == pytest.approx(1 / 3)
    assert liver.sd["dice"] == pytest.approx(math.sqrt(1 / 3))
    assert (liver.missed, liver.invented) == (1, 1)


def test_the_mean_is_over_cases_first_and_organs_then():
    rows = [OrganScore("a", "liver", 1, 1, 1.0), OrganScore("b", "liver", 1, 1, 0.8), OrganScore("a", "aorta", 1, 1, 0.5)]
    assert Scores(tuple(rows)).mean().mean["dice"] == pytest.approx((0.9 + 0.5) / 2)


def test_the_table_shows_missed_organs_and_says_how_they_count():
    lines = Scores((score(NOTHING, THING),)).table().splitlines()
    assert next(line for line in lines if line.startswith("liver")).split() == [
        "liver",
        "0.000",
        "-",
        "-",
        "0.000",
        "1",
        "1",
        "0",
    ]
    assert any("missed" in line and "Dice 0" in line for line in lines[4:])


@pytest.mark.parametrize("protocol", ["standard", "paper"])
def test_a_csv_file_gives_back_every_score(tmp_path, protocol):
    rows = (score(blob(1), blob(2), protocol), score(NOTHING, THING, protocol))
    scores = Scores(rows, protocol)
    scores.write_csv(tmp_path / "scores.csv")
    with (tmp_path / "scores.csv").open(newline="") as file:
        read = list(csv.DictReader(file))
    assert list(read[0]) == ["case", "label", "reference_ml", "prediction_ml", *scores.measures, "hd95_definition"]
    for row, line in zip(rows, read, strict=True):
        for measure in scores.measures:
            assert float(line[measure] or "nan") == pytest.approx(getattr(row, measure), rel=1e-5, nan_ok=True)


@pytest.mark.parametrize(
    ("protocol", "said"),
    [
        ("standard", "greater of the two directed 95th percentiles of the surface distance, weighted by area, in mm"),
        ("paper", "95th percentile of the surface distances of both directions taken together, in voxels (medpy's hd95)"),
    ],
)
def test_table_csv_plot_and_help_say_which_hd95_is_meant(tmp_path, protocol, said, capsys):
    scores = Scores((score(blob(1), blob(2), protocol),), protocol)
    scores.write_csv(tmp_path / "scores.csv")
    box_plot(scores, tmp_path / "plot.svg")
    assert main(["evaluate", "--help"]) == 0
    assert f"HD95: {said}." in scores.table()
    assert said in (tmp_path / "scores.csv").read_text()
    assert said in " ".join(re.findall(r"<!-- (.*?) -->", (tmp_path / "plot.svg").read_text()))
    assert f"HD95 by --protocol {protocol}: {said}." in " ".join(capsys.readouterr().out.split())


def test_an_unwritable_csv_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        Scores((score(THING, THING),)).write_csv(tmp_path / "nowhere" / "scores.csv")
