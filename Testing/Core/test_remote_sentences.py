"""What keeps a connection from being made is said in one clear sentence, each with what to do; over a real sshd."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from ssh_server import free_port, start_server

from SAMedCore.address import Address
from SAMedCore.errors import InputError
from SAMedCore.remote import ssh
from SAMedCore.remote.far import PACKAGES
from SAMedCore.remote.frames import FRAMES_VERSION
from SAMedCore.remote.ssh import CannotConnect, Connection, ssh_command
from SAMedCore.service.events import PROTOCOL

INSTALL = '"samed remote install ssh://far" installs what is needed'


@pytest.fixture
def greeted(server, monkeypatch):
    """Connect to "far" with a client's configuration and a program in place of Python; the facts, or the sentence."""

    def connect(config: Path = server.config, python: Path | None = None):
        monkeypatch.setenv(ssh.SSH_VARIABLE, f"ssh -F {config}")
        connection = Connection(Address.parse("ssh://far" if python is None else f"ssh://far?python={python}"))
        try:
            return connection.greet()
        except CannotConnect as error:
            return str(error)
        finally:
            connection.close()

    return connect


def test_an_unknown_host_is_to_be_met_in_a_terminal(server, greeted):
    unknown = server.folder / "none_known"
    unknown.touch()
    sentence = greeted(server.client_config(UserKnownHostsFile=unknown))
    assert sentence.startswith('far is not known to ssh yet: connect once by "ssh far" in a terminal')
    assert unknown.read_text() == ""


def test_another_host_key_than_the_known_one_is_refused(server, greeted):
    wrong = server.folder / "wrong_known"
    key = (server.folder / "key.pub").read_text().split()
    wrong.write_text(f"[127.0.0.1]:{server.port} {key[0]} {key[1]}\n")
    sentence = greeted(server.client_config(UserKnownHostsFile=wrong))
    assert sentence.startswith("The host key of far is not the known one, so that somebody else may answer in its place")


def test_a_refused_login_asks_for_a_key(server, greeted):
    sentence = greeted(server.client_config(IdentityFile=server.folder / "host_key"))
    assert sentence.startswith('far refuses the login: set up a key once by "ssh-copy-id far" in a terminal')


def test_a_closed_port_and_an_unknown_name(server, greeted):
    assert greeted(server.client_config(Port=free_port())).startswith("far takes no connection: check the port")
    assert greeted(server.client_config(HostName="no.such.host.invalid")).startswith('There is no computer "far"')


def test_a_wrong_configuration(server, greeted):
    assert "ssh refuses its own configuration" in greeted(server.client_config(NoSuchOption="yes"))


def test_no_python_there(greeted):
    sentence = greeted(python=Path("/nowhere/python"))
    assert sentence == f"There is no Python on far at /nowhere/python: install Python 3.11 or newer there; then {INSTALL}."


def test_samed_is_not_installed_there(server, greeted):
    bare = server.script("bare", f'exec "{sys.executable}" -S "$@"')
    assert greeted(python=bare) == f"SAMed is not installed for the Python on far: {INSTALL}."


def test_an_older_samed_there_that_knows_nothing_of_this(server, greeted):
    old = server.folder / "old" / "SAMedCore"
    old.mkdir(parents=True)
    (old / "__init__.py").touch()
    python = server.script("older", f'PYTHONPATH="{old.parent}" exec "{sys.executable}" -S "$@"')
    assert greeted(python=python) == f"SAMed on far is too old, or its Python is: {INSTALL}."


def test_another_version_there(server, greeted):
    other = server.script(
        "other",
        f"""exec "{sys.executable}" -c '
import os
from SAMedCore.remote.frames import greeting
os.write(1, greeting({{"frames": 1, "protocol": 3, "version": "0.0.9"}}))'""",
    )
    sentence = greeted(python=other)
    assert sentence.startswith("SAMed 0.0.9 (protocol 3) on far does not fit SAMed ")
    assert sentence.endswith(f"{INSTALL}.")


def test_a_missing_package_there_is_named(server, greeted):
    lacking = server.script(
        "lacking",
        f"""exec "{sys.executable}" -c '
from SAMedCore.remote import far
far.PACKAGES = {{"numpy": "1", "no-such-package": "1", "nor-this": "2"}}
far.main()'""",
    )
    sentence = greeted(python=lacking)
    assert sentence.startswith("Python 3.")
    assert sentence.endswith(f"on far lacks no-such-package, nor-this: {INSTALL}.")


def test_what_fails_otherwise_is_told_in_its_own_words(server, greeted):
    odd = server.script("odd", 'echo "the moon is full" >&2', "exit 3")
    assert greeted(python=odd) == "The connection to far could not be made (the moon is full): see the log."


def test_no_ssh_here(monkeypatch):
    monkeypatch.setenv(ssh.SSH_VARIABLE, "/nowhere/ssh")
    with pytest.raises(CannotConnect, match=r'^"/nowhere/ssh" cannot be started'):
        Connection(Address.parse("ssh://far"))
    monkeypatch.setenv(ssh.SSH_VARIABLE, "ssh 'unfinished")
    with pytest.raises(CannotConnect, match=r"^The variable SAMED_SSH is no command"):
        Connection(Address.parse("ssh://far"))


@pytest.mark.parametrize(
    "address",
    [
        "ssh://",
        "ssh://-oProxyCommand=touch%20x",
        "ssh://far;touch",
        "ssh://far touch",
        "ssh://$(touch)",
        "ssh://`touch`",
        "ssh://-l@far",
        "ssh://a@-far",
        "ssh://far\ntouch",
        "ssh://far:0",
        "ssh://far:70000",
        "ssh://far?python=-c",
        "ssh://far?python=a;b",
        "ssh://far?python=$(touch)",
        "far",
    ],
)
def test_a_hostile_address_is_refused(address):
    with pytest.raises(InputError, match="is no address"):
        Address.parse(address)


def test_an_address_becomes_arguments_and_never_a_part_of_one():
    address = Address.parse("ssh://me.too@[fe80::1]:2222/cuda:1?python=~/env/bin/python")
    assert (address.user, address.host, address.port, address.device) == ("me.too", "fe80::1", 2222, "cuda:1")
    assert Address.parse(str(address)) == address
    command = ssh_command(address, "true")
    assert command[-7:] == ["-p", "2222", "-l", "me.too", "--", "fe80::1", "exec sh -c true"]
    assert "StrictHostKeyChecking" not in " ".join(command)
    assert "BatchMode=yes" in command


def test_the_packages_are_those_of_the_project():
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    listed = text.partition("dependencies = [")[2].partition("]")[0]
    assert {part.strip(' ",\n') for part in listed.split(",") if part.strip()} == {f"{n}>={v}" for n, v in PACKAGES.items()}


def answer_of(address: str) -> dict:
    command = [sys.executable, "-m", "SAMedCore.remote", address, "--test"]
    done = subprocess.run(command, capture_output=True, text=True)
    row = json.loads(done.stdout)
    assert done.returncode == ("error" in row)
    return row


@pytest.mark.slow
def test_testing_a_connection_tells_what_is_there(server, monkeypatch):
    monkeypatch.setenv(ssh.SSH_VARIABLE, server.command)
    row = answer_of(server.address)
    assert row["host"] == "far"
    assert row["packages"].keys() == PACKAGES.keys()
    assert row["devices"][-1]["name"] == "cpu"
    assert row["round_trip_s"] > 0
    assert row["bytes_per_s"] > 0
    assert row["cache"] == str(server.cache)


def test_testing_a_connection_that_cannot_be_made_tells_why(server, monkeypatch):
    monkeypatch.setenv(ssh.SSH_VARIABLE, server.command)
    assert answer_of("ssh://far?python=/nowhere/python")["error"].startswith("There is no Python on far")


def test_what_a_login_prints_is_survived(tmp_path_factory, monkeypatch):
    talking = start_server(tmp_path_factory.mktemp("sshd"), 'ForceCommand echo Welcome; eval "$SSH_ORIGINAL_COMMAND"')
    monkeypatch.setenv(ssh.SSH_VARIABLE, talking.command)
    facts = {"frames": FRAMES_VERSION, "protocol": PROTOCOL}
    python = talking.script(
        "greeting",
        f"""exec "{sys.executable}" -c '
import os
from SAMedCore.remote.frames import greeting
os.write(1, greeting({json.dumps(facts)}))'""",
    )
    connection = Connection(Address.parse(f"ssh://far?python={python}"))
    try:
        assert connection.greet() == facts
    finally:
        connection.close()
        talking.stop()
