"""The floor of the coverage cannot be passed by a file, or a record, that is not there."""

import json

import pytest

import covered

WHOLE = {"num_statements": 8, "num_branches": 2, "covered_lines": 8, "covered_branches": 2}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Of one file, wholly covered."""
    (tmp_path / "SAMedCore").mkdir()
    (tmp_path / "SAMedCore" / "one.py").write_text("a = 1\n")
    monkeypatch.setattr(covered, "ROOT", tmp_path)
    monkeypatch.setattr(covered, "RECORD", tmp_path / "coverage.json")
    report = tmp_path / "report.json"
    report.write_text(json.dumps({"files": {"SAMedCore/one.py": {"summary": WHOLE}}}))
    assert covered.main("record", str(report)) == 0
    return tmp_path


def test_a_file_that_was_not_measured_counts_as_not_covered(project, capsys):
    assert covered.main("check") == 0
    (project / "SAMedCore" / "two.py").write_text("def f():\n    return 1\n" * 10)
    assert covered.main("check") == 1
    said = capsys.readouterr().out
    assert "33.3%" in said
    assert "two.py 0%" in said


def test_a_file_that_has_changed_is_told_of(project, capsys):
    (project / "SAMedCore" / "one.py").write_text("a = 2\n")
    assert covered.main("check") == 0
    assert "changed since, or new: 1 of 1" in capsys.readouterr().out


def test_without_a_record_the_check_fails(project):
    covered.RECORD.unlink()
    assert covered.main("check") == 1
