"""What pytest-benchmark stored, and the medians of it."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Result:
    """One measure under one allocator, with one kind of the processor's instructions.

    Attributes:
        name: of the test, without "test_".
        variant: the test's parameter: an architecture, or a number as text; "" without one.
        seconds: of each round.
        plain_s: of the plain procedure before each round; empty where there is none.
        facts: what else the test told: "gflop", "product_gflops", "stages_s", "host_mb", "gpu_mb", ...
        machine: as `machine.describe` has it.
    """

    name: str
    variant: str
    seconds: list[float]
    plain_s: list[float] = field(default_factory=list)
    facts: Mapping[str, Any] = field(default_factory=dict)
    machine: Mapping[str, Any] = field(default_factory=dict)

    @property
    def setting(self) -> str:
        """What may differ between two measures of the same: the processor's capability and the allocator."""
        return f"{self.machine['capability']}, {self.machine['allocator']}"

    @property
    def median_s(self) -> float:
        return statistics.median(self.seconds)

    @property
    def plain_median_s(self) -> float:
        return statistics.median(self.plain_s)

    @property
    def ratio(self) -> float:
        """How many times as fast as the plain procedure."""
        return self.plain_median_s / self.median_s

    @property
    def floor_s(self) -> float:
        """What its operations would take at the rate of the machine's matrix product, measured between the rounds."""
        return self.facts["gflop"] / self.facts["product_gflops"]

    @property
    def gflops(self) -> float:
        """1e9 operations a second."""
        return self.facts["gflop"] / self.median_s


class Results:
    """All of them."""

    def __init__(self, results: list[Result]) -> None:
        self._results = results

    @classmethod
    def read(cls, folder: Path) -> Results:
        """From the JSON files in `folder`; what differs in the setting alone stands together."""
        found = [result for path in sorted(folder.glob("*.json")) for result in _results_in(path)]
        first_seen = list(dict.fromkeys((result.name, result.variant) for result in found))
        return cls(sorted(found, key=lambda result: first_seen.index((result.name, result.variant))))

    def machines(self) -> list[Mapping[str, Any]]:
        """Each differing description once."""
        described: list[Mapping[str, Any]] = []
        for result in self._results:
            if result.machine not in described:
                described.append(result.machine)
        return described

    def named(self, name: str, variant: str | None = None, setting: str | None = None) -> list[Result]:
        """Those of that name; None stands for any."""
        return [
            result
            for result in self._results
            if result.name == name and variant in (None, result.variant) and setting in (None, result.setting)
        ]


def _results_in(path: Path) -> list[Result]:
    stored = json.loads(path.read_text(encoding="utf-8"))
    return [_result(row, stored["machine_info"]) for row in stored["benchmarks"]]


def _result(row: Mapping[str, Any], machine: Mapping[str, Any]) -> Result:
    facts = dict(row["extra_info"])
    seconds = facts.pop("seconds", row["stats"]["data"])
    plain_s = facts.pop("plain_s", [])
    variant = next(iter((row["params"] or {}).values()), "")
    return Result(row["name"].split("[")[0].removeprefix("test_"), str(variant), seconds, plain_s, facts, machine)
