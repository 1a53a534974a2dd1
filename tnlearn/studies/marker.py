"""Which label of a short open chain is right closest to the transition?

All labels are put to the same chains, at distances δ from their transition that are log-uniform in
L δ; learned markers, trained at lengths up to 48, among them.  The closest approach δ* is where the
accuracy reaches a level (`analysis.approach`); its interval holds the luck of chains and members.
"""

from __future__ import annotations

import hashlib
import math
import zlib
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib import colormaps
from msgspec import Meta

from tnlearn.analysis.approach import binned, closest, gain, ratio
from tnlearn.data.sampling import derived_seed
from tnlearn.errors import ConfigError
from tnlearn.lab.ensembles import Config, ensemble
from tnlearn.lab.job import Task
from tnlearn.lab.profile import Amount, Count, Known, Number, Profile, Section
from tnlearn.lab.study import Study
from tnlearn.look import BLACK, COLOURS, MARKERS
from tnlearn.markers.marker import marker as load_marker
from tnlearn.report.claims import PACKAGE, above, claim
from tnlearn.report.figures import FAMILIES, Figure, lines
from tnlearn.report.page import interval
from tnlearn.report.stats import mean, rate
from tnlearn.report.table import Row, spread, where
from tnlearn.studies.labels import (
    LABELS,
    NEAREST_PHASE,
    SEES,
    KnownChains,
    best_option,
    condition,
    integers,
    known_chains,
)
from tnlearn.studies.marker_training import trained_marker

SHIPPED = "shipped"  # tnl.marker("extended") among the answers
ENDS = ["value", "low", "high"]
BINS = 12  # of accuracy against distance
Flags = npt.NDArray[np.bool_]
FEWEST = 15  # chains in a bin that is drawn
FLOOR = 2e-3  # share of wrong answers at the lower edge of a figure


class Training(Section, kw_only=True):
    """What a marker is trained on: chains of each kind at every length and strength."""

    title: str
    near: Number
    clean: Number
    disordered: Number = 0
    disorder: list[Amount] = []


class Chains(Section, kw_only=True):
    """Chains that answers are judged on; `choose` others decide the free number of a label."""

    cells: list[Count]
    samples: list[Count]
    choose: Count
    disorder: Amount = 0.0


class Markers(Profile, kw_only=True):
    """What the study runs on.

    `reach`: L δ of clean chains from, to, and their largest δ; `levels`: accuracies of the closest
    approach, of which the first decides; `judged`: the training whose members the claim is about.
    """

    sizes: list[Count]
    reach: tuple[float, float, float]
    levels: list[Annotated[float, Meta(gt=0, lt=1)]]
    bootstraps: Count
    judged: Annotated[str, Known("training", "training")]
    training: dict[str, Training]
    chains: dict[str, Chains]

    def __post_init__(self) -> None:
        """Refuse distances and lengths that do not fit together."""
        super().__post_init__()
        low, high, farthest = self.reach
        if not 0 < low < high or not farthest > 0:
            raise ConfigError(
                f"reach is [low, high, largest distance], all above zero, not {[*self.reach]}"
            )
        for key, chains in self.chains.items():
            if len(chains.cells) != len(chains.samples):
                raise ConfigError(
                    f"[chains.{key}] has {len(chains.cells)} lengths but {len(chains.samples)} "
                    "numbers of samples"
                )
        if len({chains.disorder for chains in self.chains.values()}) < len(self.chains):
            raise ConfigError("each of [chains] needs a strength of disorder of its own")

    @property
    def trained(self) -> dict[str, tuple[str, str]]:
        """Network and training of every learned answer, by its name."""
        return {f"{name}:{t}": (name, t) for t in self.training for name in self.networks}

    @property
    def ours(self) -> str:
        """The learned answer that the claim is about."""
        return f"{self.networks[0]}:{self.judged}"

    @property
    def titles(self) -> dict[str, str]:
        """Titles of all answers, in the order in which they are shown."""
        learned = {
            answer: f"{self.entries[name].title}, trained on {self.training[t].title}"
            for answer, (name, t) in self.trained.items()
        }
        labels = {name: label.title for name, label in LABELS.items()}
        return {**learned, SHIPPED: "tnl.marker, as shipped", **labels}

    def chunks(self, name: str, training: str) -> Iterator[Config]:
        """What each chunk of members is trained with, as `trained_marker` takes it."""
        kinds = self.training[training]
        recipe = {"sizes": self.sizes, "reach": [*self.reach], "disorder": kinds.disorder}
        recipe |= {kind: getattr(kinds, kind) for kind in ("near", "clean", "disordered")}
        for config in ensemble(self, name, data={"name": "extended"}):
            yield {**{k: v for k, v in config.items() if k != "data"}, "training": recipe}


def grid(profile: Markers) -> Iterator[Task]:
    """Chunks of members to train; chains of each length and disorder to put to every answer."""
    for name, training in profile.trained.values():
        for chunk in profile.chunks(name, training):
            # Before the tests, which need them.
            yield Task({"network": name, "training": training}, chunk, weight=1e9)
    # The answers of the shipped marker are among the results: its file is part of the question.
    shipped = resources.files("tnlearn.markers").joinpath("extended.npz").read_bytes()
    digest = hashlib.sha256(shipped).hexdigest()[:20]
    for chains in profile.chains.values():
        for cells, samples in zip(chains.cells, chains.samples, strict=True):
            labels = {"disorder": float(chains.disorder), "cells": cells}
            config = {"samples": samples, "choose": chains.choose, "shipped": digest}
            yield Task(labels, config, kind="test", weight=samples * cells**2)


def run(task: Task, profile: Markers, store: Path) -> pd.DataFrame:
    """Train a chunk: a row a member; or put chains to all answers: a row a number.

    Rows of a test have ``measure, answer, value, low, high, members``:

    approach    δ* at a `level` of the transitions with so many zeros `crossing` (0: all), and the
                distance of the `nearest` chain; 0 if right down to it, NaN if not reached
    ratio       δ* of a label over that of the judged marker, NaN for infinity
    gain        share of right answers of the judged marker less that of a label
    right       share of right answers on all chains
    accuracy    the same of the `samples` chains about a `distance` δ
    reliable    share of chains whose answer the shipped marker trusts
    sure        share of right answers among these
    option      the free number of a label
    """
    if task.kind == "test":
        return pd.DataFrame(_tested(task, profile, store)).assign(kind="test")
    fitted = trained_marker(task.config, store)
    return pd.DataFrame(
        {
            "member": list(fitted.ids),
            "validation": fitted.history["validation_accuracy"][:, -1],
            "failed": fitted.failed >= 0,
            "parameters": sum(int(np.prod(x.shape[1:])) for x in fitted.parameters.values()),
            "kind": task.kind,
        }
    )


def _tested(task: Task, profile: Markers, store: Path) -> Iterator[Row]:
    cells, disorder, reach = task.labels["cells"], task.labels["disorder"], profile.reach
    chains = known_chains(cells, task.config["samples"], disorder, reach, profile.seed)
    other = derived_seed(profile.seed, "marker/choose") >> 10
    others = known_chains(cells, task.config["choose"], disorder, reach, other)
    right: dict[str, Flags] = {}
    single = chains.states.astype("float32")
    for answer, (name, training) in profile.trained.items():
        parts = []
        for chunk in profile.chunks(name, training):
            fitted = trained_marker(chunk, store)
            logits = fitted.resize(cells).predict(single)
            parts.append(np.asarray(fitted.classes)[logits.argmax(axis=2)] == chains.truth)
        right[answer] = np.concatenate(parts)
    marked = load_marker("extended")(chains.states)
    right[SHIPPED] = (marked.integer == chains.truth)[None]
    for name, label in LABELS.items():
        option = best_option(name, others, profile.levels[0])
        right[name] = (integers(name, chains, option) == chains.truth)[None]
        if label.options:
            yield {"measure": "option", "answer": name, "value": option}
    sure = marked.reliable
    for measure, flags in (("reliable", sure), ("sure", right[SHIPPED][0, sure])):
        yield {"measure": measure, "answer": SHIPPED, "samples": len(flags), **rate(flags)}
    for answer in right:
        for row in _measured(answer, right, chains, disorder, profile):
            yield {"answer": answer, "members": len(right[answer]), **row}


def _measured(
    answer: str, right: dict[str, Flags], chains: KnownChains, disorder: float, profile: Markers
) -> Iterator[Row]:
    """What the answers on chains of one length and disorder come to."""
    cells, flags, turns = chains.chains.cells, right[answer], profile.bootstraps
    place = condition(disorder), cells
    yield {"measure": "right", "value": float(flags.mean()), "samples": len(chains)}
    low, high, farthest = profile.reach
    edges = np.geomspace(low, high, BINS + 1) / cells
    if disorder:
        edges = np.geomspace(NEAREST_PHASE, max(2.0, farthest), BINS)
    edges[-1] *= 1 + 1e-9
    for row in binned(chains.distance, flags, edges):
        yield {"measure": "accuracy", **row}
    for crossing in sorted({0, *chains.crossing.tolist()}):
        some = chains.crossing == crossing if crossing else np.full(len(chains), True)
        distance = chains.distance[some]
        about = {"crossing": crossing, "samples": len(distance), "nearest": distance.min()}
        # The transitions apart at the first level only: a half of the chains each.
        for level in profile.levels if crossing == 0 else profile.levels[:1]:
            rng = _rng(*place, answer, crossing, level)
            row = closest(distance, flags[:, some], level, rng=rng, bootstraps=turns)
            yield {"measure": "approach", **about, "level": level, **row}
    if answer in LABELS and answer != "twist":  # which is the very integer of Lyapunov
        rng, ours, level = _rng("ratio", *place, answer), right[profile.ours], profile.levels[0]
        row = ratio(chains.distance, flags, ours, level, rng=rng, bootstraps=turns)
        yield {"measure": "ratio", "level": level, **row}
        yield {"measure": "gain", **gain(flags, ours, rng=rng, bootstraps=turns)}


def _rng(*key: object) -> np.random.Generator:
    """A stream of its own for every number: none changes with what else is computed."""
    return np.random.default_rng(zlib.crc32("/".join(map(str, key)).encode()))


# ---------------------------------------------------------------------- claim and tables


@claim(PACKAGE, above(1.0), by="against")
def marker(table: pd.DataFrame, profile: Markers) -> pd.DataFrame:
    """A learned marker is right closer to the transition than any label.

    Closest approach δ* of a label over that of the learned marker (times closer).

    On the same chains, chains and members resampled together. Who is right down to the nearest
    chain has its distance for δ*; ∞: the label is not right at any distance. Labels that see the
    hoppings of clean chains repeat the truth.
    """
    rows = where(table, measure="ratio")
    chains = rows["disorder"].map(condition)
    return pd.DataFrame(
        {
            "network": profile.ours,
            "data": "extended, " + chains,
            "against": "labels that see " + rows["answer"].map(_sees) + ", " + chains,
            "label": rows["answer"].map(profile.titles),
            "cells": rows["cells"].astype(int),
            **{end: rows[end].fillna(np.inf) for end in ENDS},
            "members": rows["members"],
        }
    )


def _sees(answer: str) -> str:
    return SEES[LABELS[answer].sees if answer in LABELS else "states"]


def _first(table: pd.DataFrame, profile: Markers) -> pd.DataFrame:
    """The closest approach to any transition, at the level that decides."""
    return where(table, measure="approach", crossing=0, level=profile.levels[0])


def powers(rows: pd.DataFrame) -> pd.Series:
    """Exponents p of δ* ~ L^p of the answer and disorder of every row, from three lengths on."""

    def slope(group: pd.DataFrame) -> float:
        cells, value = (np.log(group[x].to_numpy(float)) for x in ("cells", "value"))
        return float(np.polyfit(cells, value, 1)[0]) if len(group) >= 3 else np.nan

    by = ["disorder", "answer"]
    slopes = rows[rows["value"] > 0].groupby(by)[["cells", "value"]].apply(slope)
    return pd.Series(slopes.reindex(pd.MultiIndex.from_frame(rows[by])).to_numpy(), rows.index)


def approaches(table: pd.DataFrame, profile: Markers) -> pd.DataFrame:
    """Closest approach L δ* (≤: right at every distance; –: not reached)"""
    rows = _first(table, profile)
    power = powers(rows).map(lambda p: f"{p:.2f}".replace("-", "−") if p == p else "")
    return _by_length(rows, _scaled, profile, **{"δ* as L to the": power})


def apart(table: pd.DataFrame, profile: Markers) -> pd.DataFrame:
    """L δ* at other accuracies, and by what crosses the unit circle"""
    rows = where(table, measure="approach")
    rows = rows[(rows["crossing"] > 0) | (rows["level"] != profile.levels[0])]
    crosses = rows["crossing"].map({0: "any", 1: "one zero", 2: "a pair"})
    accuracy = [f"{100 * level:g} %" for level in rows["level"]]
    return _by_length(rows, _scaled, profile, crosses=crosses, accuracy=accuracy)


def shares(table: pd.DataFrame, profile: Markers) -> pd.DataFrame:
    """Chains that are right, and what the learned marker has more (%)"""
    rows = where(table, measure=["right", "gain"])
    words = rows["measure"].map({"right": "right", "gain": "the judged marker has more"})
    return _by_length(rows, _percent, profile, share=words)


def reliable(table: pd.DataFrame, profile: Markers) -> pd.DataFrame:
    """What the shipped marker says of itself, on chains near transitions (%)"""
    words = {"right": "right", "reliable": "called reliable", "sure": "right if reliable"}
    rows = where(table, answer=SHIPPED, measure=list(words))
    shown = pd.DataFrame({"chains": rows["disorder"].map(condition), "cells": rows["cells"]})
    shown = shown.astype({"cells": int}).assign(measure=rows["measure"].map(words))
    wide = spread(shown, "measure", map(_percent, rows.to_dict("records")))
    return wide[["chains", "cells", *words.values()]]


def answered(table: pd.DataFrame, profile: Markers) -> pd.DataFrame:
    """What was put to the chains"""
    rows = []
    for answer, title in profile.titles.items():
        words = "the mean of the members in the file that comes with the package"
        if answer in profile.trained:
            name, training = profile.trained[answer]
            members = where(table, kind="train", network=name, training=training)
            words = f"{profile.entries[name].description}; {len(members)} members "
            words += f"({members['failed'].sum():g} failed) of {members['parameters'].max():g} "
            words += f"parameters, right for {interval(mean(members['validation']))} of the "
            words += "validation chains"
        elif answer in LABELS:
            words = LABELS[answer].words
        chosen = [
            f"{condition(disorder)}: " + ", ".join(f"{x:g}" for x in group["value"])
            for disorder, group in where(table, measure="option", answer=answer).groupby("disorder")
        ]
        of = {"answer": title, "sees": _sees(answer), "what it is": words}
        rows.append({**of, "free number, by length": "; ".join(chosen)})
    return pd.DataFrame(rows)


def _percent(row: Row) -> str:
    return interval({end: 100 * row[end] for end in ENDS}, "%")


def _scaled(row: Row) -> str:
    """L δ* with its interval: ≤ the nearest that was tested, – where it is not reached."""
    if math.isnan(row["value"]):
        return "–"
    value, low, high = (
        f"≤ {row['cells'] * row['nearest']:.2f}" if x == 0.0 else f"{row['cells'] * x:.2f}"
        for x in (row[end] for end in ENDS)
    )
    return f"{value} [{low}, {high}]".replace("nan", "∞") if high != value else value


def _by_length(
    rows: pd.DataFrame, text: Callable[[Row], str], profile: Markers, **more: Any
) -> pd.DataFrame:
    """A row an answer and its chains, a column a length."""
    shown = {
        "chains": rows["disorder"].map(condition),
        "answer": rows["answer"].map(profile.titles),
        "sees": rows["answer"].map(_sees),
        **more,
        "length": [f"{cells:g} cells" for cells in rows["cells"]],
    }
    return spread(pd.DataFrame(shown), "length", map(text, rows.to_dict("records")))


# ---------------------------------------------------------------------- figures


def styles(profile: Markers) -> dict[str, dict[str, str]]:
    """Colour, marker and line of every answer: blue is learned, the line says what is seen."""
    looks = {SHIPPED: {"color": BLACK, "marker": "*", "linestyle": "-"}}
    tones = FAMILIES["rswn"][1]
    for k, answer in enumerate(sorted(profile.trained, key=lambda name: name != profile.ours)):
        looks[answer] = {"color": tones[k % len(tones)], "marker": MARKERS[k % 2]}
    kinds = {
        "states": ("-", "^Dv<", (1, 2, 3, 4)),
        "block": ("--", "PX>p", (6, 7, 2, 1)),
        "ring": (":", "hdsH", (4, 3, 7, 6)),
    }
    for sees, (line, marks, colours) in kinds.items():
        names = [name for name, label in LABELS.items() if label.sees == sees]
        for name, mark, colour in zip(names, marks, colours, strict=True):
            looks[name] = {"color": COLOURS[colour], "marker": mark, "linestyle": line}
    return looks


def approach(table: pd.DataFrame, profile: Markers) -> Figure:
    """Closest approach L δ* against the length, with 95 % bootstrap intervals over chains and
    members; lower is better. Clean: δ = min |ln |zᵢ||, zᵢ the zeros of h(z); disordered: the
    smallest modulus of a Lyapunov exponent of the infinite chain. Rows: strength of disorder W;
    columns: what a label sees, with the judged marker, which sees the states, in each. Who is right
    at every distance stands at the smallest one tested; a missing point never reaches the accuracy.
    """
    rows = _first(table, profile)
    rows = rows[rows["answer"] != "twist"]
    scaled = {end: rows["cells"] * np.maximum(rows[end], rows["nearest"]) for end in ENDS}
    rows = rows.assign(**scaled, sees=rows["answer"].map(_sees))
    ours = where(rows, answer=profile.ours)
    panels = [where(rows, sees=SEES["states"])]
    for kind in ("block", "ring"):
        panels += [ours.assign(sees=SEES[kind]), where(rows, sees=SEES[kind])]
    return lines(
        pd.concat(panels), "cells", "answer", "disorder", "sees", along="cells L",
        label="closest approach L δ*", names=_names(profile), styles=styles(profile), log="xy",
        height=2.9,
    )  # fmt: skip


def collapse(table: pd.DataFrame, profile: Markers) -> Figure | None:
    """Share of wrong answers on clean chains against L δ, with Wilson's 95 % intervals of the
    chains about each distance; at the lower edge none is wrong. Where lengths fall on one line, the
    label depends on L δ alone. Guessing is wrong for three quarters, knowing the transition but not
    the side for a half.
    """
    rows = _wrong(where(table, disorder=0.0))
    rows = rows[~rows["answer"].isin(["lyapunov", "lyapunov-ring", "twist"])]  # never wrong
    lengths = sorted(set(rows["cells"]))
    if not lengths:
        return None
    some = sorted({lengths[round(k * (len(lengths) - 1) / 3)] for k in range(4)})
    shades = colormaps["viridis"](np.linspace(0.0, 0.85, len(some)))
    kinds = zip(some, shades, MARKERS, strict=False)
    rows = where(rows, cells=some)
    return lines(
        rows.assign(scaled=rows["cells"] * rows["distance"]), "scaled", "cells", column="answer",
        along="L δ", styles={cells: {"color": c, "marker": m} for cells, c, m in kinds},
        height=2.3, across=4, **_errors(profile),
    )  # fmt: skip


def disorder(table: pd.DataFrame, profile: Markers) -> Figure | None:
    """Share of wrong answers at a strength W of disorder against the distance of the infinite chain
    from its transition. The exponents of L cells scatter about the infinite ones by some 1/√L: the
    integer of the sample itself shows the bound.
    """
    some = [*profile.trained, "rswn", "log-open", "localizer-best", "rswn-ring", "lyapunov-ring"]
    rows = _wrong(where(table[table["disorder"] > 0], answer=some))
    if rows.empty:
        return None
    return lines(
        rows, "distance", "answer", "disorder", "cells", along="distance δ (1/cells)",
        styles=styles(profile), height=2.9, **_errors(profile),
    )  # fmt: skip


def _wrong(table: pd.DataFrame) -> pd.DataFrame:
    """Share of wrong answers about each distance that has enough chains; none stand at `FLOOR`."""
    rows = where(table, measure="accuracy")
    rows = rows[rows["samples"] >= FEWEST].astype({"cells": int})
    low, high = (1 - rows[end].where(rows["value"] < 1) for end in ("high", "low"))
    ends = {"value": 1 - rows["value"], "low": low, "high": high}
    return rows.assign(**{end: np.maximum(x, FLOOR) for end, x in ends.items()})


def _errors(profile: Markers) -> dict[str, Any]:
    """How shares of wrong answers are drawn."""
    marks = {f"{100 * profile.levels[0]:g} % right": 1 - profile.levels[0]}
    form = {"label": "share wrong", "log": "xy", "marks": marks, "limits": (0.8 * FLOOR, 1.0)}
    return {**form, "names": _names(profile)}


def _names(profile: Markers) -> dict[Any, str]:
    """Answers, strengths of disorder and lengths as they are read."""
    strengths = {how.disorder: f"W = {how.disorder:g}" for how in profile.chains.values()}
    lengths = {n: f"{n} cells" for how in profile.chains.values() for n in how.cells}
    return {**profile.titles, **lengths, **strengths, 0.0: "clean"}


STUDY = Study(
    __name__,
    __doc__,
    Markers,
    grid,
    run,
    claims=(marker,),
    figures=(approach, collapse, disorder),
    tables=(approaches, apart, shares, reliable, answered),
    columns="cells",
)
