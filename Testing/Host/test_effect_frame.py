"""The effect's options, what it asks before it fetches anything, and what it does before it is asked."""

import pytest
import slicer

import slicerhost
from slicerhost import mouse


def test_the_effect_is_registered_once_with_icon_and_help(editing):
    assert editing.editor.availableEffectNames().count("SAMed") == 1
    assert not editing.effect.icon().isNull()
    text = editing.effect.helpText()
    for word in ("Ctrl", "Cmd", "Backspace", "Esc", "Through the volume", "research use only"):
        assert word in text


def test_it_is_registered_when_slicer_has_started_where_the_editor_comes_later(monkeypatch):
    import SegmentEditorSAMed

    registered = []
    monkeypatch.setattr(SegmentEditorSAMed.SegmentEditorSAMed, "registerEffect", lambda self: registered.append(self))
    monkeypatch.delattr(slicer.modules, "segmenteditor")
    module = slicerhost.registerModule("SegmentEditorSAMed")
    assert module.hidden
    assert registered == []
    slicer.app.startupCompleted.emit()
    assert registered


def test_choices_are_kept_in_the_editors_parameter_node(editing):
    ui = editing.ui
    assert (ui.baseComboBox.currentText, ui.deviceComboBox.currentIndex) == ("lite", 0)
    ui.baseComboBox.setCurrentIndex(ui.baseComboBox.findData("vit_b"))
    ui.baseComboBox.activated.emit(ui.baseComboBox.currentIndex)
    ui.lowestSpinBox.value = 2
    ui.allSegmentsCheckBox.checked = True
    assert editing.node.GetAttribute("SAMed.Base") == "vit_b"
    assert editing.node.GetAttribute("SAMed.LowestSlice") == "2"
    editing.choose("")
    editing.choose()
    assert ui.baseComboBox.currentText == "vit_b"
    assert ui.lowestSpinBox.value == 2
    assert ui.allSegmentsCheckBox.checked


def test_what_is_chosen_goes_with_the_request(editing, promptedWorker):
    editing.effect.scriptedEffect.setParameter("Device", "cpu")
    editing.box(1)
    options = promptedWorker.heard("Prompt")[-1]["options"]
    assert (options["base"], options["device"]) == ("lite", "cpu")


def test_devices_are_listed_once_the_worker_runs(editing):
    editing.keep(1)
    editing.choose("")
    editing.choose()
    assert "CPU, 1 thread" in editing.ui.deviceComboBox.itemText(0)


def test_the_slice_that_is_shown_is_encoded_ahead(editing, promptedWorker):
    slicerhost.waitUntil(lambda: promptedWorker.heard("EncodeAhead"))
    editing.jump(3)
    slicerhost.waitUntil(lambda: promptedWorker.heard("EncodeAhead")[-1]["slice"] == 3)


def test_nothing_is_encoded_ahead_where_packages_are_missing(promptedWorker, segmentEditor, ct, monkeypatch):
    from SAMedLib.effect import prompting

    monkeypatch.setattr(prompting, "isReady", lambda base: False)
    editing = segmentEditor(ct)
    editing.jump(3)
    with pytest.raises(AssertionError):
        slicerhost.waitUntil(lambda: promptedWorker.heard("EncodeAhead"), seconds=1)


@pytest.mark.parametrize("agreed", [True, False])
def test_a_missing_base_model_is_asked_about_once_at_the_first_prompt(editing, promptedWorker, monkeypatch, tmp_path, agreed):
    from SAMedLib.running import ready

    fetched = []
    monkeypatch.setenv("SAMED_CACHE", str(tmp_path / "empty"))
    found = ready.cachedFiles
    monkeypatch.setattr(ready, "cachedFiles", lambda: fetched or found())
    editing.activity.prompting._readyBase = None
    slicerhost.dialogs.answers["okcancel"] = agreed
    editing.jump(1)
    mouse.drag("Red", editing.place(20, 20, 1), editing.place(40, 50, 1))
    slicerhost.waitUntil(lambda: slicerhost.dialogs.texts("okcancel"))
    (question,) = slicerhost.dialogs.texts("okcancel")
    assert "39 MB" in question
    if agreed:
        slicerhost.waitUntil(lambda: promptedWorker.heard("Prompt"))
        editing.wait()
        editing.key("Return")
    assert editing.slicesOf() == ([1] if agreed else [])
    assert len(promptedWorker.heard("Fetch")) == agreed


def test_the_frame_fits_into_slicers_column(editing):
    editing.ui.limitsButton.collapsed = editing.ui.settingsButton.collapsed = False
    slicerhost.processEvents()
    assert editing.effect.scriptedEffect.optionsFrame().minimumSizeHint.width() <= 480
