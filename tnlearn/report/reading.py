"""Reading access to a results dictionary of the format `tnlearn-benchmark/1`.

A run may lack parts: one data set only, a shift that a network cannot be
applied to (null), members that diverged (null or NaN), no pruning.  Everything
that asks "is it there?" is asked here once, so that figures and tables need not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tnlearn.errors import ConfigError
from tnlearn.report.statistics import Floats, numbers

__all__ = ["FAMILIES", "FORMAT", "DataSet", "Results", "Run", "Shift"]

FORMAT = "tnlearn-benchmark/1"

# The order and the headings of the families in every table and figure.
FAMILIES = {
    "rswn": "RSWN networks",
    "symmetric": "Symmetric networks",
    "generic": "Generic networks",
}


@dataclass(frozen=True)
class Shift:
    """One test set: its name, its title, its disorder strength if it has one, and the rest."""

    name: str
    title: str
    strength: float | None
    samples: int | None
    ambiguous: int | None
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class DataSet:
    """One data set with its shifts, in the order in which they were written."""

    name: str
    facts: Mapping[str, Any]
    shifts: tuple[Shift, ...]

    def shift(self, name: str) -> Shift | None:
        """The shift of that name, or None."""
        return next((shift for shift in self.shifts if shift.name == name), None)

    def disorders(self) -> list[Shift]:
        """The clean test set and those with a disorder strength, by strength."""
        return sorted(
            (shift for shift in self.shifts if shift.strength is not None),
            key=lambda shift: shift.strength or 0.0,
        )

    @property
    def training(self) -> str:
        """On what the networks were trained: `clean`, or the disorder if one is stated."""
        strength = self.facts.get("disorder")
        return f"disorder-{strength}" if strength else "clean"

    @property
    def chance(self) -> float | None:
        """The accuracy of guessing one of the balanced classes."""
        classes = self.facts.get("classes")
        return 1.0 / len(classes) if classes else None


@dataclass(frozen=True)
class Run:
    """One network trained on one data set: an ensemble of members."""

    data: str
    network: str
    title: str
    family: str
    facts: Mapping[str, Any]
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def members(self) -> int:
        """Members trained."""
        return int(self.facts.get("members") or 0)

    def accuracy(self, shift: str, *, clear: bool = False) -> Floats | None:
        """Accuracy per member, shape (members,), or None where there is none.

        `clear`: on the samples that are not ambiguous.
        """
        table = self.facts.get("accuracy_clear" if clear else "accuracy") or {}
        values = table.get(shift)
        return None if values is None else numbers(values)

    def reason(self, shift: str) -> str:
        """Why there is no accuracy on a shift."""
        reasons = self.facts.get("not_applicable") or {}
        return str(reasons.get(shift) or "not measured in this run")

    def history(self, kind: str) -> list[Floats]:
        """A learning curve per member (`loss` or `accuracy`), each of shape (epochs,)."""
        curves = (self.facts.get("history") or {}).get(kind) or []
        return [numbers(curve) for curve in curves if curve]

    def calibration(self, shift: str = "clean") -> Floats | None:
        """Expected calibration error per member, shape (members,), or None."""
        values = (self.facts.get("calibration") or {}).get(shift)
        return None if values is None else numbers(values)

    def success(self) -> tuple[int, int, float] | None:
        """Members that reached the threshold, members, threshold; or None."""
        found = self.facts.get("success")
        if not found or found.get("rate") is None or not self.members:
            return None
        return round(found["rate"] * self.members), self.members, float(found["threshold"])

    def epochs_to_success(self) -> Floats:
        """Epochs until the threshold, per member; NaN where it was never reached."""
        return numbers((self.facts.get("success") or {}).get("epochs"))


class Results:
    """A results dictionary with its parts in reading order.

    Parameters
    ----------
    raw
        The dictionary, as written by a study or read from `results.json`.

    Raises
    ------
    ConfigError
        If it is not of the format `tnlearn-benchmark/1`.
    """

    def __init__(self, raw: Mapping[str, Any]) -> None:
        found = raw.get("format") if isinstance(raw, Mapping) else type(raw).__name__
        if found != FORMAT:
            raise ConfigError(
                f"the results have the format {found!r}, but the report reads {FORMAT!r}; "
                "write them with this version's `tnlearn benchmark`"
            )
        self.raw = raw
        self.networks: Mapping[str, Mapping[str, Any]] = raw.get("networks") or {}
        self.datasets = {name: _dataset(name, d) for name, d in (raw.get("data") or {}).items()}
        self._runs = [self._run(run) for run in raw.get("runs") or []]

    def _run(self, facts: Mapping[str, Any]) -> Run:
        name = str(facts["network"])
        about = self.networks.get(name) or {}
        family = str(about.get("family") or "generic")
        return Run(str(facts["data"]), name, self.title(name), family, facts, about)

    def title(self, network: str) -> str:
        """How a network is called in the report."""
        return str((self.networks.get(network) or {}).get("title") or network)

    def data_title(self, name: str) -> str:
        """How a data set is called in the report."""
        dataset = self.datasets.get(name)
        return str(dataset.facts.get("title") or name) if dataset else name

    @property
    def main(self) -> str | None:
        """The data set that the answer is about: `extended`, else the first one with runs."""
        names = [name for name in self.datasets if self.runs(name)]
        return "extended" if "extended" in names else (names[0] if names else None)

    def ordered_data(self) -> list[str]:
        """Names of the data sets, the main one first."""
        return sorted(self.datasets, key=lambda name: name != self.main)

    def runs(self, data: str, family: str | None = None) -> list[Run]:
        """The runs on a data set, family by family in the order of `FAMILIES`."""
        chosen = [
            run
            for run in self._runs
            if run.data == data and (family is None or run.family == family)
        ]
        order = list(FAMILIES)
        return sorted(chosen, key=lambda run: order.index(run.family) if run.family in order else 9)

    def families(self, data: str) -> list[str]:
        """The families with runs on a data set, in reading order."""
        return list(dict.fromkeys(run.family for run in self.runs(data)))

    def exact(self, data: str) -> Mapping[str, float | None]:
        """Accuracy of the exact, untrained and rounded RSWN, by shift."""
        return (self.raw.get("exact") or {}).get(data) or {}

    def exact_title(self) -> str:
        """How the exact RSWN is called."""
        for about in self.networks.values():
            if about.get("family") == "exact":
                return str(about.get("title") or "RSWN, exact and untrained")
        return "RSWN, exact and untrained"

    def markers(self, data: str) -> Mapping[str, Mapping[str, float | None]]:
        """Accuracy of other markers on the same test sets, by marker and shift."""
        return (self.raw.get("markers") or {}).get(data) or {}

    def part(self, name: str) -> Sequence[Mapping[str, Any]]:
        """A list-valued part (`pruning`, `trainability`); empty if it is missing."""
        return [entry for entry in self.raw.get(name) or [] if entry]

    def best(self, data: str, families: Sequence[str], shift: str) -> Run | None:
        """The run of those families with the best mean accuracy on a shift, or None."""
        scored = []
        for run in self.runs(data):
            values = run.accuracy(shift) if run.family in families else None
            if values is not None and np.isfinite(values).any():
                scored.append((float(np.nanmean(values)), run))
        return max(scored, key=lambda pair: pair[0])[1] if scored else None


def _dataset(name: str, facts: Mapping[str, Any]) -> DataSet:
    shifts = []
    for entry in facts.get("shifts") or []:
        # Other shifts may have a strength too (an end potential): only disorder is an axis.
        strength = entry.get("strength") if entry["name"].startswith("disorder") else None
        if entry["name"] == "clean":
            strength = 0.0
        shifts.append(
            Shift(
                name=str(entry["name"]),
                title=str(entry.get("title") or entry["name"]),
                strength=None if strength is None else float(strength),
                samples=entry.get("samples"),
                ambiguous=entry.get("ambiguous"),
                facts=entry,
            )
        )
    return DataSet(name, facts, tuple(shifts))
