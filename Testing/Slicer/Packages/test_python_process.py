"""Slicer's Python in a process of its own."""

import itertools

import pytest
import qt
import slicer

import slicerhost
from SAMedLib.setup import pythonProcess


@pytest.mark.parametrize(
    ("settings", "isOwn"),
    [
        ({"PIP_INDEX_URL": "https://mirror.hospital.example/simple"}, True),
        ({"PIP_NO_INDEX": "1"}, True),
        ({"PIP_INDEX_URL": "https://pypi.org/simple"}, False),
        ({"PIP_EXTRA_INDEX_URL": "https://mirror.hospital.example/simple"}, False),
        ({}, False),
    ],
)
def test_a_mirror_is_known_by_pips_own_settings(a_fresh_slicer, monkeypatch, capfd, settings, isOwn):
    for name in ("PIP_NO_INDEX", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert pythonProcess.hasOwnIndex() == isOwn
    assert "mirror" not in capfd.readouterr().out, "an address may hold a password"


def test_slicer_stays_responsive_while_pip_runs(a_fresh_slicer):
    ticks = itertools.count()
    timer = qt.QTimer()
    timer.setInterval(20)
    timer.connect("timeout()", lambda: next(ticks))
    timer.start()
    pythonProcess.runPython(["-c", "import time; time.sleep(0.6)"], "Waiting")
    timer.stop()
    assert next(ticks) >= 10


def test_no_click_gets_through_while_pip_runs(a_fresh_slicer):
    button, clicks, refused = qt.QPushButton("Install"), [], []
    button.connect("clicked()", lambda: clicks.append(1))

    def clickAgain() -> None:
        try:
            slicerhost.click(button)
        except AssertionError as error:
            refused.append(str(error))

    qt.QTimer.singleShot(200, clickAgain)
    pythonProcess.runPython(["-c", "import time; time.sleep(0.6)"], "Waiting")
    assert clicks == []
    assert len(refused) == 1
    assert "SAMed: installing is modal" in refused[0]


def test_the_progress_dialog_shows_how_much_is_downloaded(a_fresh_slicer, monkeypatch):
    values = []
    create = slicer.util.createProgressDialog

    def watchedDialog(**options):
        dialog = create(**options)
        monkeypatch.setattr(slicer.app, "processEvents", lambda: values.append(dialog.value) or slicerhost.processEvents())
        return dialog

    monkeypatch.setattr(slicer.util, "createProgressDialog", watchedDialog)
    code = "import time; print('Progress 30 of 120', flush=True); time.sleep(0.4)"
    pythonProcess.runPython(["-c", code], "Fetching")
    assert 25 in values


def test_the_process_is_known_to_have_failed_by_its_last_error(a_fresh_slicer):
    code = "print('ERROR: the disk is full'); print('[notice] A new release of pip is available'); raise SystemExit(1)"
    with pytest.raises(pythonProcess.PythonFailed, match=r"^the disk is full$"):
        pythonProcess.runPython(["-c", code], "Failing")


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["Collecting torch", "ERROR: no versions", "ERROR: No matching distribution", ""], "No matching distribution"),
        (["Traceback", "OSError: [Errno 28] No space left on device"], "OSError: [Errno 28] No space left on device"),
        ([], "pip gave no reason"),
    ],
)
def test_the_reason_is_pips_last_error_or_its_last_line(lines, reason):
    assert pythonProcess.reasonOf(lines) == reason
