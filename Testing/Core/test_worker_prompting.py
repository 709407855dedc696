"""Boxes, clicks and kept slices through the worker: its answers are the library's, on the volume's own grid."""

import os
from dataclasses import replace

import numpy as np
import pytest
from worker_process import only_inputs, segmented, written

from SAMedCore.image.grid import same_grid
from SAMedCore.image.labels import LabelTable
from SAMedCore.image.orientation import reorient
from SAMedCore.image.prompts import Limits, SlicePrompt
from SAMedCore.image.volume import LabelMap, Volume
from SAMedCore.options import PromptOptions
from SAMedCore.prompt.placing import labelmap_of_slices, one_slice, slice_of_labelmap
from SAMedCore.prompt.session import PromptSession, open_session
from SAMedCore.prompt.through import carry_on
from SAMedCore.service.events import Error, Result
from SAMedCore.service.messages import Cancel, KeptStructure, Prompt, Propagate

pytestmark = pytest.mark.skipif(os.name == "nt", reason="process groups")

ENCODED = "encoded for prompting"
"""What the small worker logs whenever it encodes a slice for prompting."""

TWO = LabelTable.generic([3, 7])


@pytest.fixture(scope="module")
def options(files) -> PromptOptions:
    return PromptOptions(str(files.base), "cpu", "ct")


@pytest.fixture(scope="module")
def session(volume, options) -> PromptSession:
    """The library's own."""
    return open_session(volume, options)


def point(volume: Volume, k: int, j: int, i: int) -> tuple[float, float, float]:
    """LPS of a voxel of the volume in the orientation LPS."""
    x, y, z, _ = reorient(volume, "LPS").ijk_to_lps @ [i, j, k, 1]
    return float(x), float(y), float(z)


def box(volume: Volume, k: int) -> SlicePrompt:
    return SlicePrompt((point(volume, k, 30, 20), point(volume, k, 70, 80)), (point(volume, k, 45, 50),))


def labelmap(answer: Result) -> LabelMap:
    row = answer.values["labelmap"]
    return LabelMap(segmented([answer]), np.array(row["ijk_to_lps"]), LabelTable.from_json(row["labels"]))


@pytest.mark.parametrize("code", ["LPS", "RAI", "SRA"])
def test_a_prompts_answer_is_the_librarys_on_its_slice_of_the_volumes_grid(worker, volume, session, options, code):
    stored = reorient(volume, code)
    handle = worker.open(stored)
    answer = worker.ask(Prompt(handle, box(volume, 2), options))[-1]
    wanted = session.mask(box(volume, 2))
    assert wanted.mask.any()
    assert answer.values["slice"] == 2
    assert answer.values["quality"] == pytest.approx(wanted.quality, abs=1e-4)
    drawn = labelmap(answer)
    assert drawn.labels.values == (1,)
    assert same_grid(drawn.grid, one_slice(stored.grid, 2, wanted.mask, drawn.labels.labels[0]).grid)
    assert np.array_equal(slice_of_labelmap(drawn, stored.grid, 2, 1), wanted.mask)
    worker.close(handle)


def test_the_mask_so_far_is_taken_on_its_slice_and_keeps_its_label(worker, handle, volume, session, options):
    before = np.zeros(session.volume.voxels.shape[1:], bool)
    before[40:60, 30:60] = True
    file = written(worker.folder, "labels", one_slice(volume.grid, 1, before, TWO.labels[1]))
    click = SlicePrompt(points_in=(point(volume, 1, 65, 45),))
    answer = worker.ask(Prompt(handle, click, options, file))[-1]
    drawn = labelmap(answer)
    assert drawn.labels == LabelTable((TWO.labels[1],))
    assert np.array_equal(slice_of_labelmap(drawn, volume.grid, 1, 7), session.mask(click, before).mask)


def encoded(worker, request) -> int:
    """How many slices are encoded for it."""
    before = worker.log.count(ENCODED)
    segmented(worker.ask(request))
    return worker.log.count(ENCODED) - before


def test_a_slice_is_encoded_once_until_the_volume_the_base_or_its_intensities_are_others(worker, volume, options, files):
    handle = worker.open(volume)
    first = Prompt(handle, box(volume, 0), options)
    assert [encoded(worker, first), encoded(worker, first)] == [1, 0]
    click = replace(first, prompt=SlicePrompt(points_in=(point(volume, 0, 40, 40),)))
    assert encoded(worker, click) == 0
    assert encoded(worker, replace(first, options=replace(options, intensities="other"))) == 1
    assert [encoded(worker, first), encoded(worker, first)] == [1, 0]
    os.utime(files.base)
    assert encoded(worker, first) == 1
    worker.close(handle)
    handle = worker.open(volume)
    assert encoded(worker, replace(first, volume=handle)) == 1
    worker.close(handle)


def test_bad_prompts_are_named_in_one_sentence_and_leave_no_file(worker, handle, volume, options):
    outside, tilted = point(volume, 40, 10, 10), (point(volume, 0, 10, 10), point(volume, 2, 20, 20))
    for request, said in (
        (Prompt(handle, SlicePrompt(points_in=(outside,)), options), "outside"),
        (Prompt(handle, SlicePrompt(box=tilted), options), "one axial slice"),
        (Prompt("gone", box(volume, 0), options), "send it again"),
        (Prompt(handle, box(volume, 0), replace(options, base="nowhere.pth")), "nowhere.pth"),
    ):
        answer = worker.ask(request)[-1]
        assert isinstance(answer, Error)
        assert answer.kind == "input"
        assert said in answer.message
        assert "\n" not in answer.message
    assert only_inputs(worker)


def test_a_cancelled_prompt_is_answered_at_once_and_its_slice_is_encoded_all_the_same(worker, volume, options):
    handle = worker.open(volume)
    before = worker.log.count(ENCODED)
    first = worker.send(Prompt(handle, box(volume, 3), options))
    while getattr(worker.next()[0], "phase", "") != "encoding":
        pass
    worker.send(Cancel(), first)
    second = worker.send(Prompt(handle, box(volume, 3), options))
    told = []
    while not told or not isinstance(told[-1][0], Result):
        told.append(worker.next())
    ends = [(number, type(event)) for event, number in told if isinstance(event, Result | Error)]
    assert ends == [(first, Error), (second, Result)]
    segmented([told[-1][0]])
    assert worker.log.count(ENCODED) == before + 1
    assert only_inputs(worker)
    worker.close(handle)


def test_a_cancelled_propagation_ends_and_leaves_no_file(worker, long_volume, volume, options):
    handle = worker.open(long_volume)
    mask = np.zeros(reorient(long_volume, "LPS").voxels.shape[1:], bool)
    mask[30:70, 20:80] = True
    kept = labelmap_of_slices(volume.grid, {0: mask}, TWO.labels[0])
    structures = (KeptStructure(3, (0, 990)),)
    number = worker.send(Propagate(handle, written(worker.folder, "labels", kept), structures, options))
    while getattr(worker.next()[0], "phase", "") != "propagating":
        pass
    worker.send(Cancel(), number)
    while not isinstance(event := worker.next()[0], Result | Error):
        pass
    assert event == Error("Cancelled.", "cancelled")
    assert only_inputs(worker)
    worker.close(handle)


def test_structures_are_carried_on_as_the_library_does_and_what_was_kept_stays(worker, handle, volume, session, options):
    near, far = np.zeros((2, *session.volume.voxels.shape[1:]), bool)
    near[35:60, 30:60], far[60:80, 70:90] = True, True
    kept = {3: {0: near, 3: near}, 7: {1: far}}
    drawn = labelmap_of_slices(volume.grid, kept[3], TWO.labels[0])
    drawn.voxels[labelmap_of_slices(volume.grid, kept[7], TWO.labels[1]).voxels > 0] = 7
    request = Propagate(
        handle,
        written(worker.folder, "labels", replace(drawn, labels=TWO)),
        (KeptStructure(3, (0, 3)), KeptStructure(7, (1,), limits=Limits((0, 2)))),
        options,
    )
    answer = worker.ask(request)[-1]
    found = labelmap(answer)
    assert same_grid(found.grid, volume.grid)
    wanted = {3: carry_on(session, kept[3]), 7: carry_on(session, kept[7], limits=Limits((0, 2)))}
    for row in answer.values["structures"]:
        carried = wanted[row["label"]]
        assert row["drawn"] == sorted(carried.span)
        assert len(row["confidence"]) == len(row["drawn"])
        assert all(0 <= each <= 1 for each in row["confidence"])
    assert wanted[3].masks
    for k in range(4):
        here = {value: slice_of_labelmap(found, volume.grid, k, value) for value in (3, 7)}
        claimed = {value: wanted[value].masks.get(k, np.zeros(session.volume.voxels.shape[1:], bool)) for value in (3, 7)}
        free = ~(kept[3].get(k, ~near & near) | kept[7].get(k, ~far & far))
        assert np.array_equal(here[3] | here[7], (claimed[3] | claimed[7]) & free)
        assert not (here[3] & here[7]).any()
        for value, other in ((3, 7), (7, 3)):
            assert np.array_equal(here[value] & ~claimed[other], claimed[value] & ~claimed[other] & free)
    assert list(worker.folder.glob("labelmap-*")) == []


def test_a_checkpoints_slices_are_taken_as_the_library_takes_them(worker, handle, volume, session, options):
    rough = {k: drawn_in_a_box(session, volume, k) for k in (1, 2)}
    kept = {0: drawn_in_a_box(session, volume, 0)}
    labels = written(worker.folder, "labels", labelmap_of_slices(volume.grid, {**kept, **rough}, TWO.labels[0]))
    for slices in ((0,), ()):
        request = Propagate(handle, labels, (KeptStructure(3, slices, rough=(1, 2)),), options)
        answer = worker.ask(request)[-1]
        wanted = carry_on(session, {k: kept[k] for k in slices}, rough=rough)
        (row,) = answer.values["structures"]
        assert (row["drawn"], row["believed"]) == (list(wanted.span), list(wanted.believed))
        drawn = labelmap(answer)
        for k in wanted.span:
            empty = np.zeros_like(rough[1])
            assert np.array_equal(slice_of_labelmap(drawn, volume.grid, k, 3), wanted.masks.get(k, empty))


def drawn_in_a_box(session: PromptSession, volume: Volume, k: int) -> np.ndarray:
    return session.mask(box(volume, k)).mask
