"""From two label maps, two folders of them, or a folder and a dataset, to scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from SAMedCore.errors import InputError
from SAMedCore.evaluate.measures import paper_measures, standard_measures
from SAMedCore.evaluate.scores import MEASURES, OrganScore, Scores
from SAMedCore.files.cases import is_dataset, label_maps_in, labelled, listed, name_of, paired
from SAMedCore.files.read import read_labelmap
from SAMedCore.image.labels import Label, LabelTable, is_generic
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
    """Scores every label map of a folder against that of the same case in another folder, or in a dataset.

    Structures are compared by name where the prediction names its values, otherwise by value.

    Args:
        predictions: folder of label maps, see `files.cases.label_maps_in`.
        references: folder; the names match as `files.cases.paired` says, and give the rows' cases. Or a dataset, of which some
            cases may have no prediction.
        labels: the organs to score; by default all that the references name or, where they name none, hold. Of a dataset those
            alone that the predictions name, too, where they name any.
        protocol: see `evaluate_case`.
        tolerance_mm: see `evaluate_case`.
        work: told the number of finished cases and of all cases, and what is not scored.

    Raises:
        InputError: a folder is missing or holds no label maps, a case is only in one of them or twice in one, prediction and
            references have no structure in common, or what `read_labelmap` and `evaluate_case` raise.
        Cancelled: the user stopped the work.
    """
    pairs = _pairs(Path(predictions), Path(references), work)
    labels = labels or _all_labels(pairs)
    if is_dataset(Path(references)):
        labels = _known_to_predictions(labels, pairs, work)
    rows: list[OrganScore] = []
    unscored: set[str] = set()
    for done, pair in enumerate(pairs, start=1):
        prediction, left_out = _by_name(read_labelmap(pair.prediction), labels, pair.case)
        unscored |= left_out
        rows += evaluate_case(prediction, pair.read_reference(), protocol, tolerance_mm, labels, pair.case)
        work.step("evaluating", done, len(pairs))
    if unscored:
        work.note(f"not scored, because the references do not know it: {', '.join(sorted(unscored))}.")
    return Scores(tuple(rows), protocol, tolerance_mm)


def files_of(predictions: Path, references: Path) -> list[Path]:
    """What `evaluate_folder` is given to read, which nothing may be written over. Raises as it does."""
    if not is_dataset(references):
        return [*label_maps_in(predictions), *label_maps_in(references)]
    cases = [path for case in listed(references) for path in (case.image, case.labels) if path is not None]
    return [*label_maps_in(predictions), *cases]


@dataclass(frozen=True)
class _Pair:
    """A prediction's file and its reference's; `table` says what the reference's values mean where a dataset does."""

    case: str
    prediction: Path
    reference: Path
    table: LabelTable | None = None

    def read_reference(self) -> LabelMap:
        return read_labelmap(self.reference, self.table)


def _pairs(predictions: Path, references: Path, work: Work) -> list[_Pair]:
    files = label_maps_in(predictions)
    if not is_dataset(references):
        return [_Pair(name_of(there), here, there) for here, there in paired(files, label_maps_in(references))]
    cases = listed(references)
    found = labelled(files, cases)
    pairs = [_Pair(case.name, file, case.labels, case.table) for file, case in found if case.labels is not None]
    predicted = {pair.case for pair in pairs}
    parts = {case.test for case in cases if case.name in predicted}
    missing = [case.name for case in cases if case.labels is not None and case.test in parts and case.name not in predicted]
    if missing:
        work.note(f'{len(missing)} labelled cases have no prediction and are not scored ("{missing[0]}" is the first).')
    return pairs


def _known_to_predictions(labels: LabelTable, pairs: Sequence[_Pair], work: Work) -> LabelTable:
    """The labels that any prediction names; all, and a note, where no prediction names its values."""
    names = {x.name.casefold() for pair in pairs for x in read_labelmap(pair.prediction).labels if not is_generic(x)}
    if not names:
        work.note("the predictions do not name their values: they are taken as the dataset's.")
        return labels
    unknown = [label.name for label in labels if label.name.casefold() not in names]
    if unknown and len(unknown) < len(labels):
        work.note(f"not scored, because no prediction knows it: {', '.join(unknown)}.")
        return LabelTable(tuple(label for label in labels if label.name not in unknown))
    return labels


def _by_name(prediction: LabelMap, labels: LabelTable, case: str) -> tuple[LabelMap, set[str]]:
    """The prediction in the references' values, and the structures that it names and they do not: these become background."""
    named = [label for label in prediction.labels if not is_generic(label)]
    unnamed_there = {label.value for label in labels if is_generic(label)}
    value_there = {label.name.casefold(): label.value for label in labels}
    targets = {
        label: value_there.get(label.name.casefold(), label.value if label.value in unnamed_there else 0) for label in named
    }
    if named and not any(targets.values()):
        raise InputError(
            f"{_of(case)}the prediction's structures ({', '.join(label.name for label in named)}) are none of the references' "
            f"({', '.join(labels.names) or 'none'}): give them the same names."
        )
    left_out = [label for label, value in targets.items() if value == 0]
    unpredicted = (label for label in labels if label.value not in targets.values())
    # One value with two names that the other side does not have is one structure, spelled in two ways.
    _check_names(LabelTable(tuple(left_out)), LabelTable(tuple(unpredicted)), case)
    new_value = np.arange(65536, dtype=np.uint16)
    for label, value in targets.items():
        new_value[label.value] = value
    renumbered = replace(prediction, voxels=new_value[prediction.voxels], labels=labels) if named else prediction
    return renumbered, {label.name for label in left_out}


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


def _all_labels(pairs: Sequence[_Pair]) -> LabelTable:
    # An organ may be absent from one reference and present in another, so one file's table is not enough.
    merged: dict[int, Label] = {}
    for pair in pairs:
        table = pair.read_reference().labels
        _check_names(table, LabelTable(tuple(merged.values())), pair.reference.name)
        for label in table:
            if label.value not in merged or is_generic(merged[label.value]):
                merged[label.value] = label
    return LabelTable(tuple(merged.values()))


def _check_names(table: LabelTable, expected: LabelTable, case: str) -> None:
    by_value = {label.value: label for label in expected}
    for label in table:
        other = by_value.get(label.value, label)
        if label.name.casefold() != other.name.casefold() and not (is_generic(label) or is_generic(other)):
            raise InputError(
                f'{_of(case)}the value {label.value} means "{label.name}" and elsewhere "{other.name}": '
                "bring both to the same values and names first."
            )


def _check_values(prediction: LabelMap, labels: LabelTable, case: str) -> None:
    unknown = sorted(set(np.unique(prediction.voxels).tolist()) - {0, *labels.values})
    if unknown:
        raise InputError(
            f"{_of(case)}the prediction holds the value {unknown[0]}, which the reference's labels "
            f"({', '.join(map(str, labels.values)) or 'none'}) do not know: give it the same label values."
        )


def _of(case: str) -> str:
    return f'"{case}": ' if case else ""
