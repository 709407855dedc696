"""Dialogs of slicer.util are noted and answered at once."""

import pytest
import slicer

from slicerhost import dialogs


@pytest.mark.parametrize(
    ("function", "kind", "usual"),
    [
        ("errorDisplay", "error", None),
        ("warningDisplay", "warning", None),
        ("infoDisplay", "info", None),
        ("confirmOkCancelDisplay", "okcancel", True),
        ("confirmYesNoDisplay", "yesno", True),
        ("confirmRetryCloseDisplay", "retry", False),
        ("delayDisplay", "delay", None),
    ],
)
def test_each_dialog_is_noted_with_its_kind(function, kind, usual):
    assert getattr(slicer.util, function)("Some text", windowTitle="SAMed", detailedText="more") is usual
    assert dialogs.texts(kind) == ["Some text"]


def test_a_test_can_decline():
    dialogs.answers["okcancel"] = False
    assert slicer.util.confirmOkCancelDisplay("Delete?") is False


def test_an_error_is_displayed_and_goes_on_as_slicer_does_it():
    with pytest.raises(ValueError, match="cause"), slicer.util.tryWithErrorDisplay("Failed."):
        raise ValueError("cause")
    assert dialogs.shown == [("error", "Failed.\n\ncause")]


def test_a_message_box_says_ok():
    import qt

    assert slicer.util.messageBox("Done", dontShowAgainSettingsKey="Example/DontShow") == qt.QMessageBox.Ok
    assert dialogs.texts("message") == ["Done"]


def test_wait_cursor_and_progress_dialog_are_slicers_own():
    with slicer.util.WaitCursor():
        progress = slicer.util.createProgressDialog(labelText="Working", maximum=10)
        progress.value = 4
    assert (progress.value, progress.labelText) == (4, "Working")
    progress.close()
