"""From two label maps, or two folders of them, to scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from SAMedCore.errors import InputError
from SAMedCore.evaluate.measures import paper_measures, standard_measures
from SAMedCore.evaluate.scores import MEASURES, OrganScore, Scores
from SAMedCore.files.cases import label_maps_in, name_of, paired
from SAMedCore.files.read import read_labelmap
from SAMedCore.image.labels import Label, LabelTable
from SAMedCore.image.orientation import reorient
from SAMedCore.image.placement import on_common_extent
from SAMedCore.image.volume import LabelMap
from SAMedCore.work import SILENT, Work


def evaluate_case(
    prediction: LabelMap,
    reference: LabelMap,
    protocol: str = "standard",
    tolerance_mm: float = 2.0,
    labels: LabelTable | None = None,
    case: str = "",
) -> list[OrganScore]:
    """Scores one prediction, one row for each organ in the order of the label table.

    Args:
        prediction: on the reference's grid; its axes may be permuted or flipped, and either may be cropped, as Slicer saves
            segmentations: what lies outside is background.
        reference: the truth.
        protocol: "standard" (millimetres, `standard_measures`) or "paper" (voxels, `paper_measures`).
        tolerance_mm: of the surface Dice; not used by the paper's protocol.
        labels: the organs to score; by default the reference's own table.
        case: the name of the case in the rows and in error messages.

    Raises:
        InputError: the grids differ, the prediction has a value that is not in the table, a value has another name in
            the prediction than in the reference, or the protocol is not known.
    """
    if protocol not in MEASURES:
        raise InputError(f'unknown protocol "{protocol}": choose from {", ".join(MEASURES)}.')
    # Measures do not depend on the axes' order, and two tools may store the same grid in different orders.
    prediction, reference = reorient(prediction, "LPS"), reorient(reference, "LPS")
    try:
        prediction, reference = on_common_extent(prediction, reference)
    except InputError as error:
        raise InputError(
            f"{_of(case)}prediction and reference lie on different grids "
            f"({prediction.grid} and {reference.grid}): resample the prediction to the reference's grid first."
        ) from error
    if labels is None:
        _check_names(prediction.labels, reference.labels, case)
        labels = reference.labels
    _check_values(prediction, labels, case)
    return [_score(prediction, reference, label, protocol, tolerance_mm, case) for label in labels]


def evaluate_folder(
    predictions: Path,
    references: Path,
    labels: LabelTable | None = None,
    protocol: str = "standard",
    tolerance_mm: float = 2.0,
    work: Work = SILENT,
) -> Scores:
    """Scores every label map of a folder against that of the same case in another folder.

    Args:
        predictions: folder of label maps, see `files.cases.label_maps_in`.
        references: folder; the names match as `files.cases.paired` says, and give the rows' cases.
        labels: the organs to score; by default all that the references name or, where they name none, hold.
        protocol: see `evaluate_case`.
        tolerance_mm: see `evaluate_case`.
        work: told the number of finished cases and of all cases.

    Raises:
        InputError: a folder is missing or holds no label maps, a case is only in one of them or twice in one, or what
            `read_labelmap` and `evaluate_case` raise.
        Cancelled: the user stopped the work.
    """
    pairs = paired(label_maps_in(Path(predictions)), label_maps_in(Path(references)))
    named = labels is None
    labels = labels or _all_labels([reference for _, reference in pairs])
    rows: list[OrganScore] = []
    for done, (prediction_path, reference_path) in enumerate(pairs, start=1):
        prediction, reference, case = read_labelmap(prediction_path), read_labelmap(reference_path), name_of(reference_path)
        if named:
            _check_names(prediction.labels, labels, case)
        rows += evaluate_case(prediction, reference, protocol, tolerance_mm, labels, case)
        work.step("evaluating", done, len(pairs))
    return Scores(tuple(rows), protocol, tolerance_mm)


def _score(
    prediction: LabelMap, reference: LabelMap, label: Label, protocol: str, tolerance_mm: float, case: str
) -> OrganScore:
    predicted, true = prediction.voxels == label.value, reference.voxels == label.value
    across_mm, down_mm, through_mm = reference.grid.spacing_mm
    voxel_ml = across_mm * down_mm * through_mm / 1000.0
    if protocol == "paper":
        measures = paper_measures(predicted, true)
    else:
        measures = standard_measures(predicted, true, (through_mm, down_mm, across_mm), tolerance_mm)
    return OrganScore(case, label.name, int(true.sum()) * voxel_ml, int(predicted.sum()) * voxel_ml, **measures)


def _all_labels(paths: list[Path]) -> LabelTable:
    # An organ may be absent from one reference and present in another, so one file's table is not enough.
    merged: dict[int, Label] = {}
    for path in paths:
        table = read_labelmap(path).labels
        _check_names(table, LabelTable(tuple(merged.values())), path.name)
        for label in table:
            if label.value not in merged or _is_generic(merged[label.value]):
                merged[label.value] = label
    return LabelTable(tuple(merged.values()))


def _check_names(table: LabelTable, expected: LabelTable, case: str) -> None:
    by_value = {label.value: label for label in expected}
    for label in table:
        other = by_value.get(label.value, label)
        if label.name.casefold() != other.name.casefold() and not (_is_generic(label) or _is_generic(other)):
            raise InputError(
                f'{_of(case)}the value {label.value} means "{label.name}" and elsewhere "{other.name}": '
                "bring both to the same values first."
            )


def _is_generic(label: Label) -> bool:
    """Whether the file named only the value; see `LabelTable.generic`."""
    return label.name == f"label {label.value}"


def _check_values(prediction: LabelMap, labels: LabelTable, case: str) -> None:
    unknown = sorted(set(np.unique(prediction.voxels).tolist()) - {0, *labels.values})
    if unknown:
        raise InputError(
            f"{_of(case)}the prediction holds the value {unknown[0]}, which the reference's labels "
            f"({', '.join(map(str, labels.values)) or 'none'}) do not know: give it the same label values."
        )


def _of(case: str) -> str:
    return f'"{case}": ' if case else ""
