"""Installing what the worker needs into Slicer's Python, after one question that says what and how large.

    from SAMedLib.setup import install
    if install.install():            # True: everything is there; False: the user said no
        ...

PyTorch comes through light-the-torch, the PyTorch extension's own installer, which chooses the build for the graphics card.
That extension would import torch into Slicer at its end, so light-the-torch runs here as a process of its own. Everything else
goes through `slicer.packaging`. Once everything is installed, nothing here asks the network.
"""

import importlib
import json
import logging
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import slicer
from packaging.requirements import Requirement
from slicer.i18n import tr as _

from SAMedCore.errors import SAMedError
from SAMedLib.setup.packages import (
    RESOURCES,
    TORCH_REQUIREMENTS,
    constraintsFile,
    installedVersion,
    missingPackages,
    otherRequirements,
)
from SAMedLib.setup.pythonProcess import PythonFailed, hasOwnIndex, pipInstall, runPython

LIGHT_THE_TORCH = "light-the-torch>=0.8"
FROM_FOLDER = (
    "import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); "
    'runpy.run_module("light_the_torch", run_name="__main__", alter_sys=True)'
)
"""light-the-torch wants an older pip than Slicer's: both run from a folder of their own, so that Slicer's pip stays."""

CPU_BUILD_MEGABYTES = 200
WINDOWS_CUDA_MEGABYTES = 3000
"""From PyTorch's own index, which the resolving behind download-sizes.json does not ask."""

RunPython = Callable[[list[str], str], None]


@dataclass(frozen=True)
class InstallPlan:
    """What would be installed.

    Attributes:
        torch: requirements that PyTorch's installer gets.
        others: requirements that `slicer.packaging` gets.
        throughLightTheTorch: False where pip asks the user's own index, or the PyTorch extension is not installed.
        text: the question, with sizes.
    """

    torch: list[str]
    others: list[str]
    throughLightTheTorch: bool
    text: str


def installPlan(reinstall: bool = False) -> InstallPlan:
    """What is missing, or everything where `reinstall` is set, and how large it is."""
    wanted = [*TORCH_REQUIREMENTS, *otherRequirements()] if reinstall else missingPackages()
    torch = [line for line in wanted if line in TORCH_REQUIREMENTS]
    others = [line for line in wanted if line not in TORCH_REQUIREMENTS]
    throughLightTheTorch = bool(torch) and hasattr(slicer.modules, "pytorchutils") and not hasOwnIndex()
    return InstallPlan(torch, others, throughLightTheTorch, _question(torch, others, throughLightTheTorch))


def askUser(plan: InstallPlan) -> bool:
    """The one dialog before installing."""
    title = _("SAMed: install Python packages")
    return slicer.util.confirmOkCancelDisplay(plan.text, title, detailedText="\n".join([*plan.torch, *plan.others]))


def install(confirm: Callable[[InstallPlan], bool] = askUser, reinstall: bool = False, run: RunPython = runPython) -> bool:
    """Install what is missing, once the user agrees; nothing is asked where nothing is missing.

    Args:
        confirm: is shown the plan and says whether to go on.
        reinstall: everything again, to repair what is broken; stop the worker first, for Windows cannot replace files in use.
        run: runs Slicer's Python with arguments, under a label.

    Returns:
        False where `confirm` said no.

    Raises:
        SAMedError: it cannot be installed here, or pip failed; the message says what to do.
    """
    if not reinstall and not missingPackages():
        return True
    _checkSlicer()
    _checkComputer()
    plan = installPlan(reinstall)
    if not confirm(plan):
        return False
    flags = ["--force-reinstall", "--no-deps"] if reinstall else []
    try:
        with constraintsFile() as constraints:
            if plan.torch:
                _installTorch(plan, flags, constraints, run)
            if plan.others:
                _installOthers(plan.others, flags, constraints)
    except PythonFailed as failed:
        advice = _("Check the network connection, pip's index and the free disk space, then try again.")
        raise SAMedError(
            _("The Python packages could not be installed: {reason}. {advice}").format(
                reason=str(failed).rstrip("."), advice=advice
            )
        ) from failed
    importlib.invalidate_caches()
    requirePackages()
    return True


def requirePackages() -> None:
    """Raises SAMedError where a package is missing that the worker needs."""
    missing = missingPackages()
    if missing:
        names = ", ".join(missing)
        raise SAMedError(
            _("These Python packages are missing: {names}. Press Apply in the SAMed module to install them.").format(
                names=names
            )
        )


def _checkSlicer() -> None:
    try:
        importlib.import_module("slicer.packaging")
    except ModuleNotFoundError:
        version = slicer.app.applicationVersion
        raise SAMedError(
            _("SAMed needs Slicer 5.12 or newer, and this is {version}: update Slicer.").format(version=version)
        ) from None
    if slicer.app.testingEnabled():
        raise SAMedError(_("Python packages are missing, and nothing is installed while Slicer runs in testing mode."))


def _checkComputer() -> None:
    if sys.platform == "darwin" and platform.machine() == "x86_64":
        raise SAMedError(
            _(
                "PyTorch offers nothing newer than 2.2 for Macs with an Intel processor, nor for Slicer under Rosetta, and "
                "2.2 does not work with Slicer's NumPy. Use a Slicer built for Apple silicon, or Slicer on Windows or Linux."
            )
        )


def _question(torch: list[str], others: list[str], throughLightTheTorch: bool) -> str:
    lines = []
    if torch:
        size = _inWords(_torchMegabytes(throughLightTheTorch))
        lines.append(_("PyTorch ({names}): about {size}").format(names=_names(torch), size=size))
    if others:
        size = _inWords(_measured()["others"])
        lines.append(_("{names}, with what they need: up to {size}").format(names=_names(others), size=size))
    return _(
        "SAMed needs Python packages in Slicer:\n\n{packages}\n\nThey are downloaded and installed now; the packages that "
        "Slicer ships stay as they are. This takes some minutes. Go on?"
    ).format(packages="\n".join(lines))


def _torchMegabytes(throughLightTheTorch: bool) -> float:
    if not throughLightTheTorch or sys.platform == "darwin":
        return _measured()["torch"]
    if shutil.which("nvidia-smi") is None:
        return CPU_BUILD_MEGABYTES
    return WINDOWS_CUDA_MEGABYTES if sys.platform == "win32" else _measured()["torch"]


def _measured() -> dict[str, float]:
    sizes = json.loads((RESOURCES / "download-sizes.json").read_text(encoding="utf-8"))
    return sizes.get(sys.platform, sizes["linux"])


def _names(requirements: list[str]) -> str:
    return ", ".join(Requirement(line).name for line in requirements)


def _inWords(megabytes: float) -> str:
    return _("{size:.1f} GB").format(size=megabytes / 1000) if megabytes >= 1000 else _("{size:.0f} MB").format(size=megabytes)


def _installTorch(plan: InstallPlan, flags: list[str], constraints: Path, run: RunPython) -> None:
    arguments = ["install", *plan.torch, "--constraint", str(constraints), "--progress-bar", "raw"]
    # Without dependencies only what is named is put in anew; the second pass adds what a newer version of it needs.
    passes = [[*arguments, *flags], arguments] if flags else [arguments]
    if plan.throughLightTheTorch:
        try:
            _runLightTheTorch(passes, run)
            return
        except PythonFailed as failed:
            logging.warning("light-the-torch failed (%s): PyTorch comes as pip's own index has it.", failed)
    for onePass in passes:
        run(["-m", "pip", *onePass], _("Installing PyTorch"))


def _runLightTheTorch(passes: list[list[str]], run: RunPython) -> None:
    with tempfile.TemporaryDirectory(prefix="samed-pip-") as folder:
        run(["-m", "pip", "install", "--target", folder, LIGHT_THE_TORCH], _("Fetching light-the-torch"))
        for onePass in passes:
            run(["-c", FROM_FOLDER, folder, *onePass], _("Installing PyTorch"))


def _installOthers(requirements: list[str], flags: list[str], constraints: Path) -> None:
    passes = [[*(_asInstalled(line) for line in requirements), *flags], requirements] if flags else [requirements]
    for onePass in passes:
        pipInstall(onePass, constraints, _("Installing packages"))


def _asInstalled(line: str) -> str:
    """The requirement narrowed to the version that is installed: pip looks at no dependencies while it puts it in anew."""
    name = Requirement(line).name
    version = installedVersion(name)
    return line if version is None else f"{name}=={version}"
