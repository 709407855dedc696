"""The group "Another computer" of the Settings tab: its address, the test of the connection, and what was found there."""

from slicer.i18n import tr as _

from SAMedCore.errors import InputError
from SAMedCore.remote.ssh import INSTALL
from SAMedLib.setup.locations import coreFolder, pythonSlicerExecutable
from SAMedLib.setup.otherComputer import addressOf, keepAddress, keepDevices, keptAddress
from SAMedLib.worker.connectionTest import ConnectionTest

RUN_SAMED = "import sys; sys.path.insert(0, '{folder}'); from SAMedCore.cli import main; sys.exit(main())"


class OtherComputerGroup:
    """Binds the group's widgets; `panel` as in `SegmentTab`."""

    def __init__(self, panel) -> None:
        self.panel = panel
        self.ui = ui = panel.ui
        self._test = ConnectionTest(self._onTested, ui.logText.appendPlainText)
        self._testText, self._testTip = ui.testConnectionButton.text, ui.testConnectionButton.toolTip
        address = keptAddress()
        ui.otherComputerEdit.text = "" if address is None else str(address)
        self._say("")
        ui.otherComputerEdit.connect("editingFinished()", self.onAddressEdited)
        ui.otherComputerEdit.connect("textChanged(QString)", lambda text: self.refresh())
        ui.testConnectionButton.connect("clicked(bool)", self.onTestClicked)
        self.refresh()

    def refresh(self) -> None:
        button, isTesting = self.ui.testConnectionButton, self._test.isRunning
        hasAddress = bool(self.ui.otherComputerEdit.text.strip())
        button.text = _("Cancel") if isTesting else self._testText
        button.enabled = isTesting or hasAddress
        button.toolTip = _("Stop.") if isTesting else self._testTip if hasAddress else _("Write the computer's address first.")
        self.ui.otherComputerEdit.enabled = not isTesting

    def close(self) -> None:
        """The panel goes away."""
        self._test.stop()

    def onAddressEdited(self) -> None:
        """Take what is written, if it is an address; "" for none."""
        text = self.ui.otherComputerEdit.text.strip()
        try:
            address = addressOf(text) if text else None
        except InputError as error:
            self._say(str(error))
            return
        self.ui.otherComputerEdit.text = "" if address is None else str(address)
        if address != keptAddress():
            keepAddress(address)
            self._say("")
            self.panel.listDevices()

    def onTestClicked(self, checked=False) -> None:
        if self._test.isRunning:
            self._test.stop()
            self._say(_("Cancelled."))
            self.refresh()
            return
        # A click on a button need not take the focus from what is edited.
        self.onAddressEdited()
        address = keptAddress()
        if address is not None and self.ui.otherComputerEdit.text == str(address):
            self._say(_("Connecting to {host}...").format(host=address.host))
            self._test.start(str(address))
            self.refresh()

    def _onTested(self, found: dict) -> None:
        if "error" in found:
            self._say(_inWordsWhyNot(found["error"]))
        else:
            keepDevices([(device["name"], device["description"]) for device in found["devices"]])
            self._say(_inWords(found))
        self.panel.listDevices()
        self.refresh()

    def _say(self, text: str) -> None:
        self.ui.otherComputerLabel.text = text
        self.ui.otherComputerLabel.visible = bool(text)


def _inWords(found: dict) -> str:
    devices = [_("{name} ({description})").format(**device) for device in found["devices"]]
    packages = [f"{name} {version}" for name, version in found["packages"].items()]
    lines = [
        _("Connected to {host}: SAMed {version}, Python {python} ({executable}).").format(**found),
        _("Devices: {devices}.").format(devices=", ".join(devices)),
        _("Packages: {packages}.").format(packages=", ".join(packages)),
        _("Free for voxels: {free:.1f} GB; checkpoints are kept in {cache}.").format(
            free=found["free_bytes"] / 2**30, cache=found["cache"]
        ),
        _("There and back in {msec:.1f} ms, {speed:.1f} MB/s.").format(
            msec=1000 * found["round_trip_s"], speed=found["bytes_per_s"] / 1e6
        ),
        _("Its devices can be chosen in the Segment tab, for the other tabs too, and in the Segment Editor's effect."),
    ]
    return "\n".join(lines)


def _inWordsWhyNot(sentence: str) -> str:
    """The sentence, and where it names a command that Slicer's users need not have: the same with Slicer's own Python."""
    if INSTALL not in sentence:
        return sentence
    arguments = sentence.partition(INSTALL)[2].partition('"')[0].strip()
    run = RUN_SAMED.format(folder=coreFolder().as_posix())
    command = f'"{pythonSlicerExecutable()}" -c "{run}" remote install {arguments}'
    return "\n".join([sentence, _("Without the command samed, the same in a terminal:"), command])
