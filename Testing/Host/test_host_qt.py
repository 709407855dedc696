"""Qt in the stand-in behaves as Slicer's Python sees it."""

import functools
import json
import sys

import pytest
import qt
import slicer
import vtk

from slicerhost import processEvents, signals, waitUntil


@pytest.fixture
def button() -> qt.QPushButton:
    return qt.QPushButton("Apply")


def test_properties_are_attributes_to_read_and_to_write(button):
    button.text, button.enabled = "Cancel", False
    assert (button.text, button.isEnabled(), button.name) == ("Cancel", False, "")
    table = qt.QTableWidget(3, 2)
    assert (table.rowCount, table.columnCount, table.horizontalHeader().visible) == (3, 2, False)


@pytest.mark.parametrize(("name", "value"), [("colour", 1), ("clicked", 1), ("setText", 1), ("text", None), ("width", 5)])
def test_attributes_that_pythonqt_refuses_are_refused(button, name, value):
    with pytest.raises(AttributeError, match=name):
        setattr(button, name, value)


@pytest.mark.parametrize("signal", ["clicked(int)", "clicked", "click()", "clicked(bool,int)", "apply(bool)"])
def test_a_signal_that_does_not_exist_is_refused(button, signal):
    with pytest.raises(ValueError, match="has no signal"):
        button.connect(signal, print)


@pytest.mark.parametrize(
    ("signal", "slot", "expected"),
    [
        ("clicked(bool)", lambda seen: lambda checked: seen.append(checked), [False]),
        ("clicked(bool)", lambda seen: lambda: seen.append("no argument"), ["no argument"]),
        ("clicked(bool)", lambda seen: lambda first=1: seen.append(first), [False]),
        ("clicked()", lambda seen: lambda first=1: seen.append(first), [1]),
        ("clicked(bool)", lambda seen: functools.partial(lambda *all: seen.append(all), 5), [(5, False)]),
    ],
)
def test_a_python_function_gets_as_many_arguments_as_it_takes(button, signal, slot, expected):
    seen = []
    button.connect(signal, slot(seen))
    button.click()
    assert seen == expected


def test_a_connection_ends_when_it_is_disconnected(button):
    seen = []

    def slot():
        seen.append(1)

    button.connect("clicked(bool)", slot)
    button.clicked.connect(slot)
    assert button.disconnect("clicked(bool)", slot)
    assert button.clicked.disconnect(slot)
    assert not button.disconnect("clicked(bool)", slot)
    button.click()
    assert seen == []


def test_an_error_in_a_slot_is_noted_and_the_event_loop_goes_on(button, capsys):
    button.connect("clicked()", lambda: 1 / 0)
    button.click()
    assert [type(error) for error in signals.slotErrors] == [ZeroDivisionError]
    assert "ZeroDivisionError" in capsys.readouterr().err
    signals.slotErrors.clear()


def test_an_error_in_a_vtk_observer_is_noted():
    node = slicer.vtkMRMLScriptedModuleNode()
    node.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: 1 / 0)
    node.SetParameter("a", "b")
    assert [type(error) for error in signals.slotErrors] == [ZeroDivisionError]
    signals.slotErrors.clear()


def test_a_timer_calls_a_function_after_a_while_whose_error_is_noted():
    qt.QTimer.singleShot(1, lambda: 1 / 0)
    assert signals.slotErrors == []
    waitUntil(lambda: signals.slotErrors, seconds=2)
    signals.slotErrors.clear()


def test_a_process_is_fed_and_read_in_bytes():
    process = qt.QProcess()
    process.setProcessChannelMode(qt.QProcess.SeparateChannels)
    environment = qt.QProcessEnvironment.systemEnvironment()
    environment.insert("GREETING", "Grüße")
    process.setProcessEnvironment(environment)
    lines, ends = [], []
    process.connect("readyReadStandardOutput()", lambda: lines.append(process.readAllStandardOutput().data()))
    process.connect("finished(int,QProcess::ExitStatus)", lambda code, status: ends.append((code, status)))
    code = "import json, os; print(json.dumps([input(), os.environ['GREETING']]))"
    process.start(sys.executable, ["-c", code])
    assert process.write(qt.QByteArray(b"hello\n")) == 6
    waitUntil(lambda: ends)
    assert json.loads(b"".join(lines)) == ["hello", "Grüße"]
    assert ends == [(0, qt.QProcess.NormalExit)]
    assert process.state() == qt.QProcess.NotRunning


def test_a_program_that_does_not_exist_is_reported_from_the_event_loop():
    process, errors = qt.QProcess(), []
    process.connect("errorOccurred(QProcess::ProcessError)", errors.append)
    process.start("/no/such/program", [])
    assert errors == []
    waitUntil(lambda: errors == [qt.QProcess.FailedToStart])


def letGoOfInItsOwnSignal(process: qt.QProcess) -> None:
    """Its only other reference goes too, with the caller's."""
    held = [process]
    process.connect("errorOccurred(QProcess::ProcessError)", lambda: held.pop().deleteLater())
    process.start("/no/such/program", [])
    del process
    waitUntil(lambda: not held)


def test_an_object_without_a_parent_that_is_let_go_of_in_its_own_signal_is_noted():
    letGoOfInItsOwnSignal(qt.QProcess())
    (error,) = signals.slotErrors
    assert "QProcess without a parent was let go of inside its own signal" in str(error)
    signals.slotErrors.clear()


def test_one_with_a_parent_may_be_let_go_of_there_and_goes_by_delete_later():
    letGoOfInItsOwnSignal(qt.QProcess(slicer.app))
    processEvents()
    assert qt.QApplication.instance().findChildren("QProcess") == []


def test_an_object_without_a_parent_goes_with_its_last_reference_delete_later_or_not(button):
    gone = []
    button.connect("destroyed()", lambda: gone.append(1))
    other = qt.QTimer()
    other.connect("destroyed()", lambda: gone.append(2))
    other.deleteLater()
    del other
    assert gone == [2]


def test_settings_are_those_of_this_process():
    slicer.app.userSettings().setValue("Example/Key", "value")
    assert qt.QSettings().value("Example/Key") == "value"
    assert qt.QSettings().fileName().startswith(slicer.app.temporaryPath)
