"""Stand-in for `slicer.packaging`: looks at what is really installed, notes what would be installed.

`installed` has what each call would have given to pip. A test that wants more sets `onInstall`. As in Slicer, where pip fails
behind Slicer's own progress dialog an error is displayed before one is raised.
"""

from __future__ import annotations

import importlib.metadata
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import slicer
import slicer.util
from packaging.markers import default_environment
from packaging.requirements import Requirement
from PySide6 import QtCore

Requirements = str | Requirement | list[str | Requirement]
installed: list[dict] = []
"""The arguments of every `pip_install` and `pip_uninstall` so far."""
onInstall: Callable[[list[str]], str | None] | None = None
"""Called with the requirements of each `pip_install`; returns pip's output, may raise subprocess.CalledProcessError with it."""


def clear() -> None:
    """Forget what was noted."""
    global onInstall
    installed.clear()
    onInstall = None


def load_requirements(path: str | Path) -> list[Requirement]:
    """The requirements of a file, without its comments and pip's options."""
    lines = (line.strip() for line in Path(path).read_text().splitlines())
    return [Requirement(line) for line in lines if line and line[0] not in "#-"]


def load_pyproject_dependencies(path: str | Path) -> list[Requirement]:
    project = tomllib.loads(Path(path).read_text())["project"]
    return [Requirement(dependency) for dependency in project.get("dependencies", [])]


def pip_check(req: Requirements, _seen: set | None = None) -> bool:
    """Whether the requirements are met, by the packages' metadata alone."""
    return all(_isMet(requirement) for requirement in _listed(req))


def pip_ensure(
    requirements: Requirements,
    constraints: str | Path | None = None,
    skip_packages: list[str] | None = None,
    prompt_install: bool = True,
    prompt_restart: bool = True,
    requester: str | None = None,
    skip_in_testing: bool = True,
    show_progress: bool = True,
) -> list[str] | None:
    """Install what is missing.

    Raises:
        RuntimeError: the user declined.
    """
    missing = [requirement for requirement in _listed(requirements) if not pip_check(requirement)]
    if not missing or (skip_in_testing and slicer.app.testingEnabled()):
        return None
    if prompt_install and not slicer.util.confirmOkCancelDisplay(f"{len(missing)} Python packages need to be installed."):
        raise RuntimeError("User declined package installation")
    return pip_install(
        [str(requirement) for requirement in missing],
        constraints=constraints,
        skip_packages=skip_packages,
        show_progress=show_progress,
        requester=requester,
    )


def pip_install(
    requirements: str | list[str],
    constraints: str | Path | None = None,
    no_deps_requirements: str | list[str] | None = None,
    skip_packages: list[str] | None = None,
    blocking: bool = True,
    show_progress: bool = True,
    requester: str | None = None,
    logCallback: Callable[[str], None] | None = None,
    completedCallback: Callable[[int], None] | None = None,
) -> list[str] | None:
    """Note that this would be installed; where it does not block, the callbacks are called from the event loop.

    Raises:
        subprocess.CalledProcessError: pip failed, and the call blocks.
    """
    if skip_packages is not None and (no_deps_requirements is not None or not blocking):
        raise ValueError("skip_packages goes with neither no_deps_requirements nor blocking=False")
    listed = requirements.split() if isinstance(requirements, str) else list(requirements)
    installed.append({"requirements": listed, "constraints": constraints, "requester": requester, "skipped": skip_packages})
    said, exitCode = _pip(listed)

    def tell() -> None:
        for line in said.splitlines():
            (logCallback or print)(line)
        if completedCallback is not None:
            completedCallback(exitCode)

    if not blocking:
        QtCore.QTimer.singleShot(0, tell)
        return None
    print(said)
    if exitCode:
        if show_progress:
            slicer.util.errorDisplay("Package installation failed.", detailedText=said)
        raise subprocess.CalledProcessError(exitCode, "pip install")
    return [] if skip_packages is not None else None


def _pip(requirements: list[str]) -> tuple[str, int]:
    """What it says and its exit code."""
    try:
        return (onInstall(requirements) if onInstall is not None else None) or "", 0
    except subprocess.CalledProcessError as error:
        return error.output, error.returncode


def pip_uninstall(requirements: str | list[str], blocking: bool = True, **_options: object) -> None:
    """Note that this would be taken away."""
    listed = requirements.split() if isinstance(requirements, str) else list(requirements)
    installed.append({"uninstalled": listed})


def isPipInstallInProgress() -> bool:
    return False


def _listed(requirements: Requirements) -> list[Requirement]:
    if isinstance(requirements, Requirement):
        return [requirements]
    items = requirements.split() if isinstance(requirements, str) and ";" not in requirements else requirements
    items = [items] if isinstance(items, str) else items
    return [item if isinstance(item, Requirement) else Requirement(item) for item in items]


def _isMet(requirement: Requirement) -> bool:
    environment = default_environment()
    if requirement.marker is not None and not requirement.marker.evaluate(environment):
        return True
    try:
        version = importlib.metadata.version(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        return False
    if version not in requirement.specifier:
        return False
    further = [Requirement(text) for text in importlib.metadata.requires(requirement.name) or []]
    activated = [
        dependency
        for dependency in further
        if dependency.marker is not None
        and any(dependency.marker.evaluate({**environment, "extra": extra}) for extra in requirement.extras)
    ]
    return all(_isMet(Requirement(str(dependency).partition(";")[0])) for dependency in activated)
