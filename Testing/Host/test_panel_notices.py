"""What a person should read although the work goes on: seen while it does, not lost under the progress, in nobody's way."""

import textwrap

import pytest
import qt

import launchers
import slicerhost
from SAMedLib.worker import client as workerModule
from scans import crop, ctNode

MISFIT = "this scan is of the modality MR, but the checkpoint was made for CT and reads values as HU: take another checkpoint."
SHOWN = "T" + MISFIT[1:]
"""As a line of its own: the library's sentences begin small, to stand after a name."""

CHOSEN = "Without a GPU, the decoder alone is trained."

BODY = """
for request in requests():
    number = request["number"]
    if request["type"] == "Shutdown":
        sys.exit()
    if request["type"] == "Cancel":
        say("Error", number, message="Cancelled.", kind="cancelled")
        continue
    if request["type"] != {kind!r}:
        say("Result", number, values={{}})
        continue
    for message in {notices!r}:
        say("Notice", number, message=message)
    say("Progress", number, phase="segmenting", done=1, total=4)
"""


@pytest.fixture
def noting(monkeypatch, tmp_path):
    """Makes the worker one that notes these sentences when it is asked for that, and goes on for ever."""

    def use(kind: str, *notices: str) -> None:
        body = textwrap.dedent(BODY).format(kind=kind, notices=notices)
        program = launchers.write(tmp_path / "noting", launchers.SCRIPTED, body=body)
        monkeypatch.setattr(workerModule, "pythonSlicerExecutable", lambda: program)
        workerModule.stopSharedWorker()
        monkeypatch.setattr(workerModule, "_shared", None)

    yield use
    workerModule.stopSharedWorker()


def begin(panel) -> None:
    slicerhost.click(panel.ui.applyButton)
    slicerhost.waitUntil(lambda: "Segmenting" in panel.ui.statusLabel.text, seconds=60)


def cancel(panel) -> None:
    slicerhost.click(panel.ui.applyButton)
    slicerhost.waitUntil(lambda: not panel.panel.runner.isBusy, seconds=60)


def test_several_are_kept_together_each_once_and_stay_until_the_next_job(noting, ct, panel):
    noting("Segment", MISFIT, CHOSEN, MISFIT)
    label = panel.ui.noticesLabel
    assert not label.visible
    begin(panel)
    assert label.isVisible()
    assert label.text == f"{SHOWN}\n{CHOSEN}"
    assert panel.ui.statusLabel.text.startswith("Segmenting")
    assert slicerhost.dialogs.shown == []
    cancel(panel)
    assert label.text == f"{SHOWN}\n{CHOSEN}"
    panel.ui.tabWidget.setCurrentWidget(panel.ui.settingsTab)
    assert label.isVisible()
    noting("Segment", CHOSEN)
    begin(panel)
    assert label.text == CHOSEN


def test_where_the_next_job_has_nothing_to_note_the_line_goes(noting, ct, panel):
    noting("Segment", MISFIT)
    begin(panel)
    cancel(panel)
    noting("Segment")
    begin(panel)
    assert not panel.ui.noticesLabel.visible


def test_a_long_one_is_wrapped_and_leaves_the_panel_as_narrow_as_it_is(noting, ct, panel):
    before = panel.parent.layout().totalMinimumSize().width()
    noting("Segment", " ".join([MISFIT] * 3))
    begin(panel)
    slicerhost.processEvents()
    assert panel.parent.layout().totalMinimumSize().width() <= before
    assert panel.ui.noticesLabel.height > 3 * panel.ui.statusLabel.fontMetrics().height()


def test_what_a_scan_is_called_is_no_markup(noting, ct, panel):
    noting("Segment", "scan <b>1</b> has no values like HU.")
    begin(panel)
    assert panel.ui.noticesLabel.textFormat == qt.Qt.PlainText


@pytest.mark.parametrize("kind", ["Prompt", "EncodeAhead"])
def test_the_effect_shows_what_is_noted_of_a_prompt_and_of_encoding_ahead(noting, segmentEditor, ct, kind):
    noting(kind, MISFIT)
    editing = segmentEditor(ct)
    assert not editing.ui.noticesLabel.visible
    editing.jump(1)
    if kind == "Prompt":
        from slicerhost import mouse

        mouse.drag("Red", editing.place(20, 20, 1), editing.place(40, 50, 1))
    slicerhost.waitUntil(lambda: editing.ui.noticesLabel.isVisible(), seconds=60)
    assert editing.ui.noticesLabel.text == SHOWN


def test_in_the_effect_what_was_noted_of_another_volume_goes(noting, segmentEditor, ct, sample_ct):
    noting("EncodeAhead", MISFIT)
    editing = segmentEditor(ct)
    editing.jump(1)
    slicerhost.waitUntil(lambda: editing.ui.noticesLabel.isVisible(), seconds=60)
    noting("EncodeAhead")
    editing.editor.setSourceVolumeNode(ctNode(crop(sample_ct, 84, 88), "other"))
    slicerhost.processEvents()
    assert not editing.ui.noticesLabel.visible
