"""What is unusual in a cohort comes first, and nothing is called so where there is too little to go by."""

import numpy as np
import pytest

from SAMedCore.cohort.outliers import FEWEST_SCANS, findings, outliers_first
from SAMedCore.cohort.scans import Scan, ScanRow


def row(name: str, liver: float = 1500.0, spleen: float = 200.0, doubt: float = 0.1, error: str | None = None) -> ScanRow:
    scan = Scan(name, f"{name}.nii.gz", f"{name}.seg.nrrd", (0, 0))
    if error is not None:
        return ScanRow(scan, error)
    return ScanRow(scan, volumes_ml={"liver": liver, "spleen": spleen}, doubt={"liver": doubt, "spleen": doubt})


@pytest.fixture
def cohort() -> list[ScanRow]:
    random = np.random.default_rng(0)
    return [
        row(
            f"scan{n:02}",
            1500 * np.exp(random.normal(0, 0.2)),
            200 * np.exp(random.normal(0, 0.3)),
            0.1 + random.normal(0, 0.01),
        )
        for n in range(40)
    ]


def test_an_ordinary_cohort_has_next_to_nothing_unusual(cohort):
    assert sum(len(each) for each in findings(cohort).values()) <= 1


@pytest.mark.parametrize(
    ("odd", "kind", "said"),
    [
        (row("odd", liver=300), "volume", "liver 300 ml (usual 1,"),
        (row("odd", liver=6000), "volume", "liver 6,000 ml (usual 1,"),
        (row("odd", spleen=0), "missing", "spleen not found (usual"),
        (row("odd", doubt=0.4), "doubt", "0.40 (usual 0.10)"),
    ],
)
def test_what_is_far_from_the_others_is_first_and_said(cohort, odd, kind, said):
    rows = [*cohort, odd]
    found = findings(rows)
    assert outliers_first(rows, found)[0] is odd
    assert found["odd"][0].kind == kind
    assert said in str(found["odd"][0])


def test_little_doubt_is_nothing_unusual(cohort):
    assert findings([*cohort, row("sure", doubt=0.0)])["sure"] == []


def test_half_as_large_is_as_unusual_as_twice_as_large(cohort):
    found = findings([*cohort, row("half", liver=1500 / 5), row("twice", liver=1500 * 5)])
    assert found["half"][0].score == pytest.approx(found["twice"][0].score, rel=0.1)


def test_scans_that_are_all_alike_are_not_told_apart():
    rows = [row(f"scan{n}", liver=1500 + n) for n in range(20)]
    assert not any(findings(rows).values())


def test_a_structure_that_few_have_is_not_missed(cohort):
    rows = [row(f"scan{n}", spleen=200 if n % 2 else 0) for n in range(20)]
    assert not any(findings(rows).values())


def test_a_few_scans_have_no_outliers_and_come_by_doubt():
    rows = [row(f"scan{n}", liver=10.0**n, doubt=n / 10) for n in range(FEWEST_SCANS - 1)]
    found = findings(rows)
    assert not any(found.values())
    assert outliers_first(rows, found) == rows[::-1]


def test_failed_scans_come_before_all(cohort):
    failed = row("failed", error="broken")
    rows = [*cohort, failed, row("odd", liver=100)]
    assert [each.scan.name for each in outliers_first(rows, findings(rows))[:2]] == ["failed", "odd"]
