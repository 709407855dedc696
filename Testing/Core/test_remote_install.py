"""SAMed installed on another computer over a real sshd: this very version, in an environment of its own or in the one named."""

import subprocess
import sys

import pytest

from SAMedCore import __version__
from SAMedCore.address import Address
from SAMedCore.cli import main
from SAMedCore.errors import SAMedError
from SAMedCore.remote.installing import install
from SAMedCore.remote.ssh import SSH_VARIABLE, CannotConnect, Connection


@pytest.fixture(autouse=True)
def over_ssh(server, monkeypatch) -> None:
    monkeypatch.setenv(SSH_VARIABLE, server.command)


def test_this_version_is_put_there_and_found(server, tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    # What pip would do with an index is pip's business.
    lines = ['if [ "$1 $2" = "-m pip" ]; then echo "asked: $*"; exit 0; fi', f'exec "{tmp_path}/venv/bin/python" "$@"']
    address = Address.parse(f"ssh://far?python={server.script('bare', *lines)}")
    said: list[str] = []
    for _ in range(2):
        install(address, said.append)
    assert any(line.startswith("asked: -m pip install") and "torch>=2.4" in line for line in said)
    (package,) = (tmp_path / "venv").glob("lib/python*/site-packages/SAMedCore")
    assert (package / "remote" / "far.py").is_file()
    assert not list(package.rglob("__pycache__"))
    connection = Connection(address)
    with pytest.raises(CannotConnect, match=r"on far lacks .*numpy.*torch"):
        connection.greet()
    connection.close()
    assert connection.facts["version"] == __version__


def test_what_pip_says_last_is_told(server, capsys):
    failing = server.script("failing", 'if [ "$1" = "-m" ]; then echo "ERROR: no such index"; exit 1; fi', "exit 0")
    with pytest.raises(SAMedError, match=r"could not be installed on far \(ERROR: no such index\)"):
        install(Address.parse(f"ssh://far?python={failing}"), lambda line: None)
    assert main(["remote", "install", f"ssh://far?python={failing}"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "ERROR: no such index",
        "samed: What SAMed needs could not be installed on far (ERROR: no such index): see the lines above.",
    ]


def test_an_old_python_there_is_not_enough(server):
    old = server.script("old", "exit 1")
    with pytest.raises(CannotConnect, match=r"There is no Python 3\.11 or newer on far"):
        install(Address.parse(f"ssh://far?python={old}"), lambda line: None)


def test_no_login_no_installation(server, monkeypatch):
    monkeypatch.setenv(SSH_VARIABLE, f"ssh -F {server.client_config(IdentityFile=server.folder / 'host_key')}")
    with pytest.raises(CannotConnect, match="far refuses the login"):
        install(Address.parse("ssh://far"), lambda line: None)
