"""What SECURITY.md promises of the code that ships: no pickle, no shell, no telemetry, no network unless it was asked for."""

import ast
import re
import socket
from pathlib import Path

import pytest
from cli_files import finetune, run, segment

import SAMedCore
from SAMedCore.checkpoint import catalogue
from SAMedCore.checkpoint.exchange import QUIETLY
from SAMedCore.cli import main
from SAMedCore.cohort.cluster import SETTINGS
from SAMedCore.demo.sample import SAMPLE

ROOT = Path(__file__).parents[2]
SHIPPED = {
    path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
    for folder in ("SAMedCore", "SlicerSAMed")
    for path in sorted((ROOT / folder).rglob("*.py"))
}

EXECUTE = {"eval", "exec", "compile", "__import__", "execfile"}
FORBIDDEN = {
    "os": {"system", "popen", "execv", "execve", "execvp", "spawnl", "spawnv", "startfile"},
    "pickle": {"load", "loads", "Unpickler"},
    "marshal": {"load", "loads"},
    "shelve": {"open"},
    "joblib": {"load"},
    "yaml": {"load", "unsafe_load", "full_load"},
    "tempfile": {"mktemp"},
    "shutil": {"unpack_archive"},
}
ANYWHERE = {"extractall", "read_pickle", "literal_eval"}

START_PROGRAMS = {
    "SAMedCore/checkpoint/fetch.py",  # pip, and the two programs that download
    "SAMedCore/remote/far_end.py",  # the worker there
    "SAMedCore/remote/installing.py",  # ssh
    "SAMedCore/remote/near_process.py",  # the near end
    "SAMedCore/remote/ssh.py",  # ssh
    "SAMedCore/service/process.py",  # taskkill, on Windows
    "SlicerSAMed/SAMedLib/worker/processTree.py",  # taskkill, on Windows
}
USE_THE_NETWORK = {
    "SAMedCore/checkpoint/card.py",  # no: it has huggingface_hub write a text
    "SAMedCore/checkpoint/hub_program.py",  # what the user asks the Hub for
    "SAMedCore/checkpoint/transfer.py",  # the catalogue's addresses
    "SAMedCore/cohort/cluster.py",  # whether a Ray cluster listens at the address that the user named
}
NETWORK = {"socket", "urllib.request", "http", "http.client", "requests", "httpx", "aiohttp", "ftplib", "huggingface_hub"}


def calls(tree: ast.AST):
    """Each call in it: the name before the dot ("" where there is none), the name, and the call."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute):
                owner = node.func.value
                yield (owner.id if isinstance(owner, ast.Name) else "?"), node.func.attr, node
            elif isinstance(node.func, ast.Name):
                yield "", node.func.id, node


def modules(tree: ast.AST) -> set[str]:
    """All that it imports, `a.b` for `from a import b` too."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{each.name}" for each in node.names)}
    return found


def given(call: ast.Call, name: str):
    """What a keyword argument is given as; None where it is not given, and an AST where it is no constant."""
    value = next((each.value for each in call.keywords if each.arg == name), None)
    return value.value if isinstance(value, ast.Constant) else value


def test_no_shipped_code_executes_data():
    found = [(f"{file}:{call.lineno}", *each, call) for file, tree in SHIPPED.items() for *each, call in calls(tree)]
    assert len(found) > 5000
    for where, owner, name, call in found:
        assert not (owner == "" and name in EXECUTE), where
        assert name not in FORBIDDEN.get(owner, ()), where
        assert name not in ANYWHERE, where
        assert given(call, "shell") is None, where
        if (owner, name) == ("torch", "load"):
            assert given(call, "weights_only") is True, where
        if (owner, name) == ("np", "load"):
            assert given(call, "allow_pickle") in (None, False), where
        if name == "from_pretrained" or name == "load_dataset":
            assert given(call, "trust_remote_code") is None, where
    # Imported under other names, the calls above could not be known.
    renamed = {"pickle.load", "pickle.loads", "os.system", "torch.load", "numpy.load", "subprocess.Popen", "subprocess.run"}
    assert {file for file, tree in SHIPPED.items() if renamed & modules(tree)} == set()


def test_only_these_files_start_programs():
    starting = {"Popen", "run", "call", "check_call", "check_output"}
    found = {
        file for file, tree in SHIPPED.items() for owner, name, _ in calls(tree) if owner == "subprocess" and name in starting
    }
    assert found == START_PROGRAMS


def test_only_these_files_use_the_network():
    assert {file for file, tree in SHIPPED.items() if NETWORK & modules(tree)} == USE_THE_NETWORK


def test_every_download_of_the_catalogue_is_https_and_pinned():
    digests = [SAMPLE.sha256, *SAMPLE.members.values()]
    for base in catalogue.BASE_MODELS:
        assert base.address is None or base.address.startswith("https://"), base
        # What the Hub hosts is known by the SHA-256 that the Hub itself states.
        digests += [] if base.hub is not None else [base.sha256]
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in digests)


def test_nothing_is_told_to_the_makers_of_libraries():
    assert QUIETLY["HF_HUB_DISABLE_TELEMETRY"] == "1"
    assert SETTINGS["RAY_USAGE_STATS_ENABLED"] == "0"


@pytest.fixture
def connections(monkeypatch) -> list:
    """Every attempt to look a name up or to reach another computer, each of which fails."""
    tried = []

    def refuse(*arguments, **options):
        tried.append(arguments)
        raise OSError("no network in this test")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    for name in ("getaddrinfo", "gethostbyname", "create_connection"):
        monkeypatch.setattr(socket, name, refuse)
    return tried


def test_no_command_reaches_for_the_network_unless_it_is_to_fetch(files, tmp_path, capsys, monkeypatch, connections):
    for name in ("HF_HUB_OFFLINE", "SAMED_HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    for command in ([], ["segment"], ["finetune"], ["prompt"], ["complete"], ["evaluate"], ["models"], ["demo"], ["remote"]):
        assert main([*command, "--help"]) == 0
    capsys.readouterr()
    run(capsys, "models", "list")
    run(capsys, "models", "info", files.checkpoint)
    run(capsys, *segment(files, tmp_path / "out.seg.nrrd"))
    run(capsys, *finetune(files, tmp_path / "checkpoint"), "--epochs", 1)
    run(capsys, "models", "info", tmp_path / "checkpoint")
    assert connections == []


def test_the_package_says_where_to_report():
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    assert "Report a vulnerability" in text
    assert "@" not in re.sub(r"`[^`]*`", "", text)
    assert SAMedCore.__version__.rsplit(".", 1)[0] in text
