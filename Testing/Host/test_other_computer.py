"""Another computer in the panel: its address, the test of the connection, and its devices, which jobs go to."""

import json
import os
import re
import subprocess
import sys

import pytest
import qt
import slicer
from ssh_server import start_server

import launchers
import slicerhost
from SAMedLib.setup import otherComputer
from SAMedLib.worker import client as workerModule
from SAMedLib.worker import connectionTest, elsewhere

PATIENCE_SECONDS = 120

FOUND = {
    "host": "gpu",
    "python": "3.12.3",
    "executable": "/home/me/.samed/bin/python",
    "version": "0.9",
    "packages": {"torch": "2.8.0", "numpy": "2.1.0"},
    "devices": [{"name": "cuda:0", "description": "NVIDIA <b>H200</b>"}, {"name": "cpu", "description": "CPU, 8 threads"}],
    "free_bytes": 20 * 2**30,
    "cache": "/home/me/.cache/samed",
    "round_trip_s": 0.0125,
    "bytes_per_s": 5e7,
}

TESTING = """#!{python}
import sys
assert sys.argv[1:] == ["-m", "SAMedCore.remote", {address!r}, "--test"], sys.argv
print("a line of ssh", file=sys.stderr)
print({answer!r})
"""

HANGING = """#!{python}
import os, pathlib, time
pathlib.Path({note!r}).write_text(str(os.getpid()))
time.sleep(600)
"""

SEGMENTING = """
assert sys.argv[1:3] == ["-m", "SAMedCore.remote"], sys.argv
print("segmented by", sys.argv[3], file=sys.stderr, flush=True)
request = next(requests())
say("Error", request["number"], message="%s on %s" % (request["type"], request["model"]["device"]), kind="failed")
next(requests())
"""


@pytest.fixture
def answering(monkeypatch, tmp_path):
    """Puts a program in the place of PythonSlicer that gives this answer to the test of this address."""

    def use(answer: dict, address: str = "ssh://me@gpu") -> None:
        program = launchers.write(tmp_path / "testing", TESTING, address=address, answer=json.dumps(answer))
        monkeypatch.setattr(connectionTest, "pythonSlicerExecutable", lambda: program)

    return use


@pytest.fixture
def far(monkeypatch):
    """Makes this program the workers elsewhere, of which there are none yet; they are gone afterwards."""
    monkeypatch.setattr(elsewhere, "_workers", {})
    yield lambda program: monkeypatch.setattr(elsewhere, "pythonSlicerExecutable", lambda: program)
    elsewhere.stopWorkersElsewhere()


def write(panel, address: str) -> None:
    panel.ui.tabWidget.setCurrentWidget(panel.ui.settingsTab)
    panel.ui.otherComputerEdit.text = address
    panel.ui.otherComputerEdit.editingFinished.emit()


def test(panel, address: str) -> str:
    """What is said of it at the end."""
    write(panel, address)
    slicerhost.click(panel.ui.testConnectionButton)
    slicerhost.waitUntil(lambda: panel.ui.testConnectionButton.text == "Test connection", seconds=PATIENCE_SECONDS)
    return panel.ui.otherComputerLabel.text


test.__test__ = False


def devices(comboBox) -> dict[str, str]:
    return {comboBox.itemData(index): comboBox.itemText(index) for index in range(comboBox.count)}


def test_what_was_found_is_told_and_its_devices_are_offered(answering, panel):
    answering(FOUND)
    said = test(panel, "me@gpu")
    for part in ("Python 3.12.3", "torch 2.8.0", "cuda:0 (NVIDIA <b>H200</b>)", "20.0 GB", "12.5 ms", "50.0 MB/s"):
        assert part in said
    assert panel.ui.otherComputerEdit.text == "ssh://me@gpu"
    offered = devices(panel.ui.deviceComboBox)
    assert offered["ssh://me@gpu"] == "ssh://me@gpu: automatic (NVIDIA <b>H200</b>)"
    assert offered["ssh://me@gpu/cuda:0"] == "ssh://me@gpu: cuda:0 (NVIDIA <b>H200</b>)"
    assert offered["ssh://me@gpu/cpu"] == "ssh://me@gpu: cpu (CPU, 8 threads)"
    assert "a line of ssh" in panel.ui.logText.plainText
    assert slicerhost.dialogs.shown == []


def test_the_answer_is_text_to_copy_and_no_markup(panel):
    label = panel.ui.otherComputerLabel
    assert label.textFormat == qt.Qt.PlainText
    assert label.textInteractionFlags == qt.Qt.TextSelectableByMouse
    assert not label.visible


def test_an_address_is_a_setting_and_no_part_of_the_scene(answering, panel):
    answering(FOUND)
    test(panel, "me@gpu")
    slicerhost.unloadModule("SAMed")
    again = slicerhost.loadModule("SAMed")
    assert again.ui.otherComputerEdit.text == "ssh://me@gpu"
    assert "ssh://me@gpu/cuda:0" in devices(again.ui.deviceComboBox)


def test_another_address_takes_the_devices_of_the_last_one_away(answering, panel):
    answering(FOUND)
    test(panel, "me@gpu")
    write(panel, "other:2222")
    assert [each for each in devices(panel.ui.deviceComboBox) if "ssh" in each] == ["ssh://other:2222"]
    assert not panel.ui.otherComputerLabel.visible
    write(panel, "")
    assert [each for each in devices(panel.ui.deviceComboBox) if "ssh" in each] == []
    assert not panel.ui.testConnectionButton.enabled


def test_what_is_no_address_is_said_beside_it_and_not_taken(panel):
    write(panel, "gpu; rm")
    assert "is no address: write ssh://host" in panel.ui.otherComputerLabel.text
    slicerhost.click(panel.ui.testConnectionButton)
    assert panel.ui.testConnectionButton.text == "Test connection"
    assert otherComputer.keptAddress() is None
    assert slicerhost.dialogs.shown == []


def test_a_far_device_stays_chosen_through_saving_and_loading_a_scene(panel, tmp_path):
    write(panel, "gpu")
    combo = panel.ui.deviceComboBox
    combo.setCurrentIndex(combo.findData("ssh://gpu"))
    assert panel.panel.parameterNode.device == "ssh://gpu"
    slicer.mrmlScene.SetURL(str(tmp_path / "scene.mrml"))
    slicer.mrmlScene.Commit()
    slicerhost.closeScene()
    assert panel.panel.parameterNode.device == "auto"
    write(panel, "")
    slicer.mrmlScene.Import()
    assert panel.panel.parameterNode.device == "ssh://gpu"
    assert (combo.currentText, combo.itemData(combo.currentIndex)) == ("ssh://gpu", "ssh://gpu")


def test_a_job_goes_to_that_computer_and_free_gpu_memory_ends_its_worker(far, panel, ct, tmp_path):
    far(launchers.write(tmp_path / "far", launchers.SCRIPTED, body=SEGMENTING))
    panel.logic.worker.stop()  # started when the panel was entered
    write(panel, "gpu")
    panel.panel.parameterNode.inputVolume = ct
    panel.panel.parameterNode.device = "ssh://gpu"
    slicerhost.click(panel.ui.applyButton)
    slicerhost.waitUntil(lambda: not panel.panel.runner.isBusy, seconds=PATIENCE_SECONDS)
    assert slicerhost.dialogs.texts("error") == ["Segment on ssh://gpu"]
    slicerhost.waitUntil(lambda: "segmented by ssh://gpu" in panel.ui.logText.plainText)
    assert not panel.logic.worker.isRunning
    worker = elsewhere.workerElsewhere("ssh://gpu")
    assert worker.isRunning
    assert panel.ui.freeMemoryButton.enabled
    slicerhost.click(panel.ui.freeMemoryButton)
    assert not worker.isRunning
    assert not panel.ui.freeMemoryButton.enabled


def test_the_effect_prompts_there(far, promptedWorker, editing):
    otherComputer.keepAddress(otherComputer.addressOf("gpu"))
    far(promptedWorker.program)
    editing.choose("")
    editing.choose()
    combo = editing.ui.deviceComboBox
    combo.setCurrentIndex(combo.findData("ssh://gpu"))
    combo.activated.emit(combo.currentIndex)
    workerModule.stopSharedWorker()  # what was shown before that was encoded here
    editing.keep(1)
    assert promptedWorker.heard("Prompt")[-1]["options"]["device"] == "ssh://gpu"
    assert elsewhere.workerElsewhere("ssh://gpu").isRunning
    assert not workerModule.sharedWorker().isRunning


def test_cancelling_the_test_leaves_no_process(panel, monkeypatch, tmp_path):
    ssh = launchers.write(tmp_path / "ssh", HANGING, note=str(tmp_path / "pid"))
    monkeypatch.setenv("SAMED_SSH", ssh)
    launcher = launchers.write(tmp_path / "launcher", launchers.LAUNCHER)
    monkeypatch.setattr(connectionTest, "pythonSlicerExecutable", lambda: launcher)
    write(panel, "gpu")
    slicerhost.click(panel.ui.testConnectionButton)
    assert panel.ui.otherComputerLabel.text == "Connecting to gpu..."
    slicerhost.waitUntil(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text(), seconds=PATIENCE_SECONDS)
    slicerhost.click(panel.ui.testConnectionButton)
    assert panel.ui.otherComputerLabel.text == "Cancelled."
    assert panel.ui.testConnectionButton.text == "Test connection"
    slicerhost.waitUntil(lambda: not launchers.isRunning(int((tmp_path / "pid").read_text())), seconds=PATIENCE_SECONDS)


def test_a_program_that_dies_or_is_not_there_is_told_in_a_sentence(panel, monkeypatch, tmp_path):
    dying = launchers.write(tmp_path / "dying", "#!{python}\nimport sys\nsys.exit('no numpy here')\n")
    for program, said in ((dying, "no numpy here"), (str(tmp_path / "nothing"), "could not be started")):
        monkeypatch.setattr(connectionTest, "pythonSlicerExecutable", lambda program=program: program)
        assert said in test(panel, "gpu")


@pytest.fixture
def server(monkeypatch, tmp_path):
    """A real sshd, and the interpreter of the tests in the place of PythonSlicer."""
    running = start_server(tmp_path)
    monkeypatch.setenv("SAMED_SSH", running.command)
    monkeypatch.setattr(connectionTest, "pythonSlicerExecutable", lambda: sys.executable)
    yield running
    running.wait_until_gone()
    running.stop()


def test_where_there_is_no_samed_the_command_that_installs_it_works_from_any_folder(server, panel, tmp_path):
    python = server.script("empty", "echo \"No module named 'SAMedCore'\" >&2; exit 1")
    sentence, _words, command = test(panel, f"ssh://far?python={python}").splitlines()
    assert sentence == 'SAMed is not installed for the Python on far: "samed remote install ssh://far" installs what is needed.'
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    run = subprocess.run(f"{command} --help", shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert re.search("usage: .*remote install", run.stdout)


@pytest.mark.slow
def test_a_real_connection_tells_the_devices_there(server, panel):
    said = test(panel, server.address)
    assert said.startswith("Connected to far: SAMed ")
    offered = devices(panel.ui.deviceComboBox)
    assert f"ssh://far/cpu?python={server.python}" in offered
    assert offered[f"ssh://far/cpu?python={server.python}"].startswith("ssh://far: cpu (CPU")
