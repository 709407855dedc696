"""No audit is never taken for a passed one. pip-audit is stood in for, with answers as it gives them."""

import json
import subprocess
from pathlib import Path

import pytest

import audit

FOUND = {"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": [], "description": ""}


@pytest.fixture
def pip_audit(monkeypatch):
    """Lets pip-audit say this of a package: skipped, nothing, or an advisory; of the canary what it says of `django`."""

    def says(**answers):
        def run(command, **options):
            lines = Path(command[command.index("-r") + 1]).read_text().split()
            rows = []
            for name, version in (line.split("==") for line in lines):
                said = answers.get(name, answers["others"])
                kind = {"skip_reason": "Dependency not found on PyPI"} if said == "skipped" else {"vulns": said}
                rows.append({"name": name, "version": version, **kind})
            return subprocess.CompletedProcess(command, 0, json.dumps({"dependencies": rows}), "")

        monkeypatch.setattr(subprocess, "run", run)

    return says


def test_where_every_package_is_skipped_nothing_was_audited(pip_audit, capsys):
    pip_audit(others="skipped")
    assert audit.main([]) == 2
    assert audit.main(["--if-reachable"]) == 0
    assert capsys.readouterr().out.count("NOT DONE") == 2


def test_where_the_canary_is_not_found_nothing_was_audited(pip_audit):
    pip_audit(others=[])
    assert audit.main([]) == 2


def test_where_pip_audit_breaks_off_nothing_was_audited(monkeypatch):
    monkeypatch.setattr(subprocess, "run", lambda command, **options: subprocess.CompletedProcess(command, 1, "", "no network"))
    assert audit.main([]) == 2


def test_an_advisory_fails_the_audit_and_is_named(pip_audit, capsys):
    pip_audit(django=[FOUND], torch=[FOUND], others=[])
    assert audit.main(["--if-reachable"]) == 1
    said = capsys.readouterr().out
    assert "audit: torch 2.4: PYSEC-1" in said
    assert "django" not in said


def test_what_is_accepted_passes(pip_audit, monkeypatch):
    monkeypatch.setattr(audit, "ACCEPTED", {"CVE-1": "not used"})
    pip_audit(django=[{**FOUND, "id": "PYSEC-2", "aliases": []}], torch=[FOUND], others=[])
    assert audit.main([]) == 0


def test_the_oldest_and_the_installed_versions_are_asked_for():
    oldest, installed = dict(audit.oldest()), dict(audit.installed())
    assert {"torch", "numpy", "ray", "h5py", "pydicom", "huggingface-hub", "peft"} <= oldest.keys()
    assert {"torch", "numpy", "transformers", "pillow"} <= installed.keys()
