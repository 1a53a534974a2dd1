"""What do the amplitudes know of the label, and what does disorder leave of it?

Of every |u_n(x)|², |v_n(y)|² and |q_xy|² it is measured which share of its variance the label
explains, at every strength of the disorder.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import pandas as pd
from msgspec import Meta

from tnlearn.analysis import correlation
from tnlearn.analysis.places import outer
from tnlearn.data.dataset import Dataset
from tnlearn.errors import ConfigError
from tnlearn.lab.ensembles import chains
from tnlearn.lab.job import Task
from tnlearn.lab.profile import Amount, Count, DataName, Settings
from tnlearn.lab.study import Study
from tnlearn.report.claims import PAPER, claim, decided
from tnlearn.report.figures import Figure, lines
from tnlearn.report.table import spread
from tnlearn.studies import pictures

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

# Each amplitude, and what its two indices are.
KINDS = {
    "u2": ("|u_n(x)|²", "state n", "cell x"),
    "v2": ("|v_n(y)|²", "state n", "cell y"),
    "q2": ("|q_xy|²", "cell x", "cell y"),
}


class Amplitudes(Settings, kw_only=True):
    """What the study runs on."""

    cells: Count
    chains: DataName
    samples: Count
    resamples: Count
    test_at: list[Amount]  # strengths of disorder, units of the hopping
    edge: Annotated[float, Meta(gt=0, lt=0.5)]  # of the chain at each end
    edge_states: Count  # pairs of states nearest zero energy

    def __post_init__(self) -> None:
        """Refuse strengths without the clean chains, which are the reference."""
        super().__post_init__()
        if 0 not in self.test_at:
            raise ConfigError("test_at must hold 0: the clean chains are the reference")

    @property
    def titles(self) -> dict[str, str]:
        """Titles of the amplitudes."""
        return {kind: words[0] for kind, words in KINDS.items()}


def grid(profile: Amplitudes) -> Iterator[Task]:
    """A task for each strength."""
    for strength in profile.test_at:
        yield Task({"strength": strength}, {}, kind="correlate")


def run(task: Task, profile: Amplitudes, store: Path) -> pd.DataFrame:
    """Correlation ratio of the amplitudes with the label: a row a kind and region, and a map.

    The row of no region has the mean over all amplitudes, the map, and the cosine of the class
    means with those of the clean chains: 1 if disorder only weakens them.
    """
    data, clean = (_chains(profile, strength) for strength in (task.labels["strength"], 0.0))
    places = regions(profile.cells, profile.edge, profile.edge_states)
    reference, rows = _squares(clean), []
    for kind, squares in _squares(data).items():
        ratio = correlation.correlation_ratio(squares, data.labels)
        again = correlation.resampled_ratios(squares, data.labels, profile.resamples, profile.seed)
        a, b = (
            correlation.class_means(squares, data.labels),
            correlation.class_means(reference[kind], clean.labels),
        )
        everywhere = np.ones((profile.cells, profile.cells), dtype=bool)
        for region, mask in ({"": everywhere} | places[kind]).items():
            value = float(ratio[mask.ravel()].mean())
            low, high = correlation.spread(value, again[:, mask.ravel()].mean(axis=1))
            rows.append({"amplitude": kind, "region": region, "entries": int(mask.sum()),
                         "value": value, "low": low, "high": high, "members": len(data),
                         "largest": float(ratio[mask.ravel()].max())})  # fmt: skip
        rows[-len(places[kind]) - 1] |= {
            "map": np.round(ratio.reshape(profile.cells, profile.cells), 4).tolist(),
            "pattern": float((a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum())),
        }
    return pd.DataFrame(rows)


def _chains(profile: Amplitudes, strength: float) -> Dataset:
    """Test chains at a strength: the shifts of the clean test set, as in the comparison."""
    config = {"data": {"name": profile.chains}, "cells": profile.cells, "seed": profile.seed}
    how = f"disorder-{strength:g}" if strength else "clean"
    return chains(config, "test", how, samples=profile.samples)


def _squares(data: Dataset) -> dict[str, Floats]:
    """|u_n(x)|², |v_n(y)|² and |q_xy|², each (samples, cells²)."""
    arrays = {"u2": data.states.u, "v2": data.states.v, "q2": data.states.q()}
    return {
        kind: (np.abs(x).astype(np.float64) ** 2).reshape(len(x), -1) for kind, x in arrays.items()
    }


def regions(cells: int, edge: float, edge_states: int) -> dict[str, dict[str, Mask]]:
    """Where amplitudes sit: masks over |u_n(x)|², |v_n(y)|² (state, cell) and |q_xy|² (x, y)."""
    at_edge = outer(np.arange(cells, dtype=np.float64), cells, edge)
    near = np.arange(cells) < edge_states
    left = at_edge & (np.arange(cells) < cells / 2)
    right = at_edge & ~left
    states = {
        "nearest zero, outer cells": np.outer(near, at_edge),
        "nearest zero, inner cells": np.outer(near, ~at_edge),
        "gapped, outer cells": np.outer(~near, at_edge),
        "gapped, inner cells": np.outer(~near, ~at_edge),
    }
    corners = np.outer(left, right) | np.outer(right, left)
    ends = np.outer(left, left) | np.outer(right, right)
    inner = np.outer(~at_edge, ~at_edge)
    blocks = {
        "from end to end": corners,
        "within one end": ends,
        "inner cells": inner,
        "between end and inner cells": ~(corners | ends | inner),
    }
    return {"u2": states, "v2": states, "q2": blocks}


def falls(rows: pd.DataFrame, profile: Amplitudes) -> pd.Series:
    """Holds where it is less at the strongest disorder than clean, at 95 %; not where as much."""
    last = rows[rows["strength"] == max(profile.test_at)]
    by = ["amplitude", "region"]
    clean = rows[rows["strength"] == 0.0].set_index(by).reindex(pd.MultiIndex.from_frame(last[by]))
    less = last["high"] < clean["low"].to_numpy()
    return decided(less, last["value"] >= clean["value"].to_numpy()).reindex(rows.index)


@claim(PAPER, falls, by="amplitude")
def disorder_erodes(table: pd.DataFrame, profile: Amplitudes) -> pd.DataFrame:
    """Disorder erodes answers that rest on correlation.

    Share of the variance of an amplitude that the label explains (Kelley's ε²), mean over a region.

    The correlation itself: it is less at the strongest disorder than clean, beyond the 95 %
    intervals of resampled chains.
    """
    labels = ["amplitude", "region", "entries", "strength"]
    return table[table["region"] != ""][[*labels, "value", "low", "high", "members"]]


def maps(table: pd.DataFrame, profile: Amplitudes) -> Figure:
    """Share of the variance of an amplitude that the label explains; states ascend in energy; one
    scale for a row.
    """
    return pictures.maps(table[table["region"] == ""], KINDS, "ε² with the label")


@disorder_erodes.picture
def in_regions(rows: pd.DataFrame, profile: Amplitudes) -> Figure:
    """The same, averaged over regions, with 95 % intervals of resampled chains: nearest zero are
    the pairs of lowest energy, outer cells those at either end.
    """
    return lines(
        rows, "strength", "region", column="amplitude", label="mean ε² with the label",
        names=profile.titles, height=3.6,
    )  # fmt: skip


def patterns(table: pd.DataFrame, profile: Amplitudes) -> pd.DataFrame:
    """Does the pattern stay? Cosine of the class means with those of clean chains"""
    rows = table[table["region"] == ""]
    shown = pd.DataFrame({"amplitude": rows["amplitude"].map(profile.titles)})
    shown["strength"] = rows["strength"].map("{:g}".format)
    return spread(shown, "strength", rows["pattern"].map("{:.3f}".format))


STUDY = Study(
    __name__,
    __doc__,
    Amplitudes,
    grid,
    run,
    claims=(disorder_erodes,),
    figures=(maps, in_regions),
    tables=(patterns,),
    columns="strength",
)
