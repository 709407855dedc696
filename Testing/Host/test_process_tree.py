"""Ending processes: what Windows is told."""

import subprocess
import sys

import pytest

from SAMedLib.worker.processTree import killTrees


@pytest.fixture
def commands(monkeypatch) -> list[tuple[list[str], int]]:
    """What Windows would be asked to run, with the flags."""
    asked = []
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(subprocess, "CREATE_NO_WINDOW", 0x08000000, raising=False)
    monkeypatch.setattr(subprocess, "run", lambda command, creationflags=0, **_options: asked.append((command, creationflags)))
    return asked


def test_on_windows_a_tree_is_killed_without_a_console_window(commands):
    killTrees((12, 34))
    assert commands == [(["taskkill", "/T", "/F", "/PID", pid], subprocess.CREATE_NO_WINDOW) for pid in ("12", "34")]
