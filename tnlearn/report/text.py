"""The answer: three sentences composed from the numbers, whatever they are.

1. how accurate the best trained RSWN network is, clean and under disorder 0.5,
   beside the exact untrained RSWN and the best baselines;
2. how it compares with the best baseline as the disorder grows;
3. whether its training depends on the scale and the form of the initialisation.

Every verdict word is decided by an interval or a test of `statistics`; where a
part was not measured the sentence says so.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from tnlearn.report.reading import Results, Run, Shift
from tnlearn.report.statistics import Floats, Summary, difference, groups_differ, numbers, summary

__all__ = ["answer", "percent"]

_BASELINES = ("symmetric", "generic")
# Below this a dependence is called small even where it is beyond chance.
_ONE_POINT = 0.01


def answer(results: Results) -> list[str]:
    """The three sentences that open a report, as plain text."""
    data = results.main
    if data is None:
        return [
            "No network was trained in this run.",
            "So there is nothing to compare under disorder.",
            "Nor does it say anything about initialisations.",
        ]
    said = [_accuracy(results, data), _under_disorder(results, data), _trainability(results, data)]
    # A number and its sign of per cent stay on one line.
    return [sentence.replace(" %", "\u00a0%") for sentence in said]


def percent(found: Summary) -> str:
    """A mean with its interval, `97.1 % [96.8, 97.4]`."""
    if not found.count:
        return "no finite value"
    text = f"{100 * found.mean:.1f} %"
    if found.has_interval:
        text += f" [{100 * found.low:.1f}, {100 * found.high:.1f}]"
    return text


def _name(title: str) -> str:
    """A title within a sentence: in quotation marks if a comma of its own would mislead."""
    return f"“{title}”" if "," in title else title


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _score(run: Run, shift: str) -> str:
    return percent(summary(run.accuracy(shift)))


def _half(results: Results, data: str) -> Shift | None:
    """The shift of disorder 0.5, or the weakest disorder that was tested."""
    disordered = [shift for shift in results.datasets[data].disorders() if shift.strength]
    return next((s for s in disordered if s.strength == 0.5), disordered[0] if disordered else None)


def _accuracy(results: Results, data: str) -> str:
    facts = results.datasets[data].facts
    sizes = [f"{facts['cells']} cells"] if facts.get("cells") else []
    if facts.get("train"):
        sizes.append(f"{facts['train']:,} {results.datasets[data].training} training chains")
    size = ", ".join(sizes)
    start = f"On the {results.data_title(data)} chains" + (f" ({size})" if size else "")
    half = _half(results, data)
    clean = results.best(data, ["rswn"], "clean")
    if clean is None:
        sentence = f"{start} no RSWN network was trained"
    else:
        sentence = f"{start} the best trained RSWN network, {_pair(results, data, ['rswn'], half)}"
    others = []
    exact = results.exact(data)
    known = [
        f"{100 * level:.1f} %{where}"
        for level, where in [
            (exact.get("clean"), " clean"),
            (exact.get(half.name) if half else None, f" at {half.title}" if half else ""),
        ]
        if level is not None
    ]
    if known:
        others.append(f"the exact, untrained and rounded RSWN reaches {_listed(known)}")
    for family in _BASELINES:
        if results.best(data, [family], "clean"):
            others.append(f"the best {family} network, {_pair(results, data, [family], half)}")
    return sentence + ("; " + "; ".join(others) if others else "") + "."


def _pair(results: Results, data: str, families: Sequence[str], half: Shift | None) -> str:
    """`A, reaches … clean and … at disorder 0.5`; two names if two networks are the best."""
    clean = results.best(data, families, "clean")
    if clean is None:
        return "none"
    text = f"{_name(clean.title)}, reaches {_score(clean, 'clean')} clean"
    disordered = results.best(data, families, half.name) if half else None
    if half is None or disordered is None:
        return text
    if disordered.network == clean.network:
        return f"{text} and {_score(clean, half.name)} at {half.title}"
    other = f"{_name(disordered.title)} with {_score(disordered, half.name)}"
    ending = f"the best at {half.title} is {other}"
    if clean.accuracy(half.name) is not None:
        return f"{text} and {_score(clean, half.name)} at {half.title} ({ending})"
    return f"{text} ({ending})"


def _under_disorder(results: Results, data: str) -> str:
    run = results.best(data, ["rswn"], "clean")
    shifts = [shift for shift in results.datasets[data].disorders() if shift.strength]
    if run is None:
        return "So there is no RSWN network to follow under disorder."
    lost = [s for s in shifts if not summary(run.accuracy(s.name)).count]
    shifts = [s for s in shifts if s not in lost]
    if not shifts:
        return f"{_name(run.title)} has no accuracy under disorder in this run."
    strengths = _listed([f"{shift.strength:g}" for shift in shifts])
    falls = _listed([f"{100 * summary(run.accuracy(s.name)).mean:.1f}" for s in shifts])
    text = f"At disorder {strengths} {_name(run.title)} keeps {falls} %"
    if lost:
        text += f" (it has none at {_listed([f'{shift.strength:g}' for shift in lost])})"
    verdicts = [_against_best(results, data, run, shift) for shift in shifts]
    compared = [(s, v) for s, v in zip(shifts, verdicts, strict=True) if v is not None]
    if not compared:
        return f"{text}; no baseline was tested beside it."
    groups = []
    for word, group in itertools.groupby(compared, key=lambda pair: pair[1][0]):
        members = list(group)
        rivals = list(dict.fromkeys(verdict[1] for _, verdict in members))
        points = [100 * verdict[2] for _, verdict in members]
        at = _listed([f"{shift.strength:g}" for shift, _ in members])
        groups.append(_verdict(word, at, rivals, points))
    return f"{text}: compared with the best baseline at each strength it is {_listed(groups)}."


def _against_best(
    results: Results, data: str, run: Run, shift: Shift
) -> tuple[str, str, float] | None:
    """Verdict, name of the best baseline, difference of the means."""
    rival = results.best(data, _BASELINES, shift.name)
    if rival is None:
        return None
    found = difference(run.accuracy(shift.name), rival.accuracy(shift.name))
    return found.verdict, _name(rival.title), found.value


def _verdict(word: str, at: str, rivals: list[str], points: list[float]) -> str:
    amount = (
        f"{points[0]:+.1f} points"
        if len(points) == 1
        else f"{min(points):+.1f} to {max(points):+.1f} points"
    ).replace("-", "−")
    who = _listed(rivals)
    return {
        "ahead": f"ahead of {who} at {at} ({amount})",
        "behind": f"behind {who} at {at} ({amount})",
        "level": f"not distinguishable from {who} at {at} ({amount})",
        "unknown": f"{amount} from {who} at {at} (too few members for an interval)",
    }[word]


def _trainability(results: Results, data: str) -> str:
    parts = [_scales(results, data)]
    forms = [
        (run, values)
        for run in results.runs(data, "rswn")
        if (values := run.accuracy("clean")) is not None and summary(values).count
    ]
    if len(forms) > 1:
        forms.sort(key=lambda pair: summary(pair[1]).mean)
        (worst, low_values), (best, high_values) = forms[0], forms[-1]
        text = _dependence([values for _, values in forms])
        parts.append(
            f"across the {len(forms)} trained RSWN networks it {text} the form ("
            f"{_name(best.title)} {100 * summary(high_values).mean:.1f} %{_rate(best)}, "
            f"{_name(worst.title)} {100 * summary(low_values).mean:.1f} %{_rate(worst)})"
        )
    return "; ".join(parts) + "."


def _scales(results: Results, data: str) -> str:
    """What each network that was started from several scales says, the widest with its numbers."""
    rows = [e for e in results.part("trainability") if e.get("scales") and e.get("data") == data]
    rswn = {run.network for run in results.runs(data, "rswn")}
    rows = [entry for entry in rows if entry.get("network") in rswn] or rows
    if not rows:
        return "No scale of initialisation was varied in this run"
    verdicts: dict[str, list[str]] = {}
    widest, ends = -1.0, ""
    for entry in rows:
        title = _name(results.title(str(entry["network"])))
        members = [numbers(row) for row in entry["accuracy"]]
        verdicts.setdefault(_dependence(members), []).append(title)
        # A scale at which no member has a value is worse than any other.
        middle = [m if math.isfinite(m := summary(row).mean) else -1.0 for row in members]
        order = np.argsort(middle)
        low, high = int(order[0]), int(order[-1])
        if middle[high] - middle[low] > widest:
            widest = middle[high] - middle[low]
            threshold = float(entry.get("threshold", math.nan))
            ends = "; ".join(
                _at_scale(middle[k], entry["scales"][k], members[k], threshold) for k in (high, low)
            )
            ends = ends if len(rows) == 1 else f"most for {title}: {ends}"
    said = [
        f"that of {_listed(titles)} {verdict} the scale" for verdict, titles in verdicts.items()
    ]
    said[0] = f"The accuracy{said[0][4:]} of the initialisation"
    return f"{_listed(said)} ({ends})"


def _at_scale(mean: float, scale: float, values: Floats, threshold: float) -> str:
    level = f"{100 * mean:.1f} %" if mean >= 0 else "no finite accuracy"
    return f"{level} at scale {scale:g}, {_hits(values, threshold)}"


def _hits(values: Floats, threshold: float) -> str:
    hits = int((values >= threshold).sum())
    return f"{hits} of {values.size} members at or above {100 * threshold:g} %"


def _rate(run: Run) -> str:
    success = run.success()
    return f", {success[0]} of {success[1]} members successful" if success else ""


def _dependence(groups: Sequence[Floats]) -> str:
    """What the groups say: whether they differ, and by more than a point."""
    p = groups_differ(groups)
    if not math.isfinite(p):
        return "was measured on too few members to say whether it depends on"
    if p >= 0.05:
        return "shows no dependence beyond the spread between members on"
    means = [summary(group).mean for group in groups]
    finite = [m for m in means if math.isfinite(m)]
    failed = any(not np.isfinite(group).all() for group in groups)
    if not failed and max(finite) - min(finite) < _ONE_POINT:
        return "depends measurably, by less than a point, on"
    return "depends on"
