"""A cohort on real local Rays: workers and nodes are killed at random moments, and no scan is lost or done twice."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import numpy as np
import pytest
from small_cohort import begun, copies, journal_rows, many

from SAMedCore.cli import main
from SAMedCore.cohort.scanner import AT_A_TIME
from SAMedCore.files.read import read_labelmap

HERE = Path(__file__).parent
PATIENCE_S = 300
SETTINGS = {
    "OMP_NUM_THREADS": "1",
    "PYTHONPATH": str(HERE),
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
    # Ray's workers let all other programs go before: on a busy machine they would never begin.
    "RAY_worker_niceness": "0",
    "SMALL_COHORT_PAUSE_S": "0.3",
}


@pytest.fixture
def cluster(monkeypatch) -> Iterator:
    """A head without cores, so that no scan is done there, and two nodes of one core each; each is a few processes."""
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    from ray.cluster_utils import Cluster

    running = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        for _ in range(2):
            running.add_node(num_cpus=1)
        yield running
    finally:
        running.shutdown()


class Driver:
    """`samed segment` on that cluster, and everything that it says."""

    def __init__(self, arguments: list[str]) -> None:
        command = [sys.executable, str(HERE / "small_cohort.py"), *arguments, "--json"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def wait_for(self, journal: Path, lines: int) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not journal.exists() or journal.read_bytes().count(b"\n") < lines:
            assert self.process.poll() is None, self.process.stdout.read()
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def result(self) -> dict:
        said, _ = self.process.communicate(timeout=PATIENCE_S)
        assert self.process.returncode == 0, said
        return json.loads(said.splitlines()[-1])


def actors() -> list[int]:
    """The process numbers of the workers that have loaded the model or are about to."""
    listed = subprocess.run(
        ["ps", "-eo", "pid=,args="], capture_output=True, check=True, encoding="utf-8", errors="replace"
    ).stdout
    return [int(line.split()[0]) for line in listed.splitlines() if "ray::SmallActor" in line]


def kill_worker(random: Random) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not (running := actors()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(random.choice(running), signal.SIGKILL)


def kill_node(cluster) -> None:
    """As a computer that loses its power: the processes of one node at once."""
    node = next(iter(cluster.worker_nodes))
    for process in (each.process for kind in node.all_processes.values() for each in kind):
        os.kill(process.pid, signal.SIGKILL)
    cluster.remove_node(node, allow_graceful=False)


@pytest.mark.slow
@pytest.mark.parametrize(("kills", "nodes"), [(1, 1), (16, 4)])
def test_killed_workers_nodes_and_drivers_lose_no_scan_and_nothing_is_done_twice(files, cluster, tmp_path, kills, nodes):
    random, out = Random(kills), tmp_path / "out"
    source = copies(files, tmp_path / "scans", 6 * (kills + nodes + 1))
    arguments = many(files, source, out, "--address", cluster.address, "--retries", 10)
    driver, lines = Driver(arguments), 1
    order = ["worker"] * kills + ["node"] * nodes
    random.shuffle(order)
    for what in [*order[:1], "driver", *order[1:]]:
        lines += random.randint(2, 5)
        driver.wait_for(out / ".samed" / "journal.jsonl", lines)
        if what == "worker":
            kill_worker(random)
        elif what == "node":
            kill_node(cluster)
            if nodes > 1:
                cluster.add_node(num_cpus=1)
        elif what == "driver":
            driver.process.kill()
            driver.process.wait()
            driver = Driver(arguments)
    result = driver.result()
    names = {path.name.removesuffix(".nii.gz") for path in source.iterdir()}
    assert (result["segmented"], result["failed"]) == (len(names), 0)
    assert Counter(row["scan"]["name"] for row in journal_rows(out)) == Counter(names)
    alike = {read_labelmap(path).voxels.tobytes() for path in out.glob("*.seg.nrrd")}
    assert (len(list(out.glob("*.seg.nrrd"))), len(alike)) == (len(names), 1)
    # A lost worker takes along what it had in memory, the driver what two of them had.
    assert len(begun(out)) - len(names) <= AT_A_TIME * (kills + nodes + 2)


def test_workers_on_one_computer_give_what_one_process_gives_without_a_word_of_ray(files, tmp_path, monkeypatch, capfd):
    source = copies(files, tmp_path / "scans", 4)
    assert main(many(files, source, tmp_path / "one")) == 0
    capfd.readouterr()
    for name in ("OMP_NUM_THREADS", "PYTHONPATH"):
        monkeypatch.setenv(name, SETTINGS[name])
    monkeypatch.setenv("HOME", str(tmp_path))
    folders = set(Path("/tmp").glob("samed-ray-*"))
    driver = Driver(many(files, source, tmp_path / "two", "--workers", 2))
    said, _ = driver.process.communicate(timeout=PATIENCE_S)
    events = [json.loads(line) for line in said.splitlines()]
    assert driver.process.returncode == 0
    loaded = [(event["done"], event["total"]) for event in events if event.get("phase") == "loading"]
    # on a busy machine the first may have done all before the second is there
    assert loaded[-1] in ((1, 2), (2, 2))
    assert len({row["worker"] for row in journal_rows(tmp_path / "two")}) == 1
    for path in (tmp_path / "one").glob("*.seg.nrrd"):
        np.testing.assert_array_equal(read_labelmap(path).voxels, read_labelmap(tmp_path / "two" / path.name).voxels)
    assert set(Path("/tmp").glob("samed-ray-*")) == folders
    assert not (tmp_path / ".ray").exists()


@pytest.mark.slow
def test_one_process_may_have_one_ray_after_the_other():
    twice = "from SAMedCore.cohort.cluster import _connected\nfor _ in 'ab':\n with _connected(None) as ray: assert ray.nodes()"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    subprocess.run([sys.executable, "-c", twice], env=environment, check=True, timeout=PATIENCE_S)


def test_no_cluster_at_the_address_is_refused_in_one_line(files, tmp_path, capsys):
    source = copies(files, tmp_path / "scans", 1)
    assert main(many(files, source, tmp_path / "out", "--address", "127.0.0.1:1")) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith('samed: no Ray cluster answers at "127.0.0.1:1"')
