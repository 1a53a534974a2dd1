"""The comparison: every network of a profile on every data set and every shift, and its report."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tnlearn.errors import ConfigError
from tnlearn.lab.environment import environment
from tnlearn.models.network import Network
from tnlearn.models.rswn import FORMS, rswn
from tnlearn.report import write
from tnlearn.studies.compare import work
from tnlearn.studies.folder import claim
from tnlearn.studies.members import build_network
from tnlearn.studies.profile import Profile, load_profile
from tnlearn.studies.tasks import Result, Task, read_json, run_tasks, write_json

__all__ = ["run"]

FORMAT = "tnlearn-benchmark/1"
BATCH = 64  # the batch for which costs are reported


def run(
    profile: str | Path = "quick",
    out: str | Path = "benchmark-quick",
    *,
    seed: int | None = None,
    members: int | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> Path:
    """Train every network of a profile, test it on every shift, and write the report.

    Parameters
    ----------
    profile
        ``"quick"``, ``"paper"`` or a TOML file.
    out
        The folder of the results: ``report.html``, ``results.json``, ``figures/*.png``,
        ``config.toml``, and what is needed to go on: ``tasks``, ``checkpoints``, and the
        trained ensembles in ``fitted`` (read them with `tnl.load`).
    seed, members, workers
        Instead of those of the profile.
    progress
        Whether to show a bar on stderr.

    Returns
    -------
    Path
        Of the report.  Run again with the same arguments, it goes on where it stopped.

    Raises
    ------
    ConfigError, UnknownNameError
        If the profile is not as it should be.
    FileError, CheckpointError
        If the folder cannot be used, or holds something else; nothing in it is changed then.
    """
    begin = time.perf_counter()
    chosen = load_profile(profile, seed=seed, members=members, workers=workers)
    if chosen["workers"] < 1 or chosen["members"] < 1:
        raise ConfigError("workers and members must be at least 1")
    networks = _networks(chosen)
    folder = Path(out)
    claim(folder, chosen, "tnlearn benchmark", ("checkpoints", "fitted", "figures"))
    spent = read_json(folder / "seconds.json") or 0.0

    def tasks_done(tasks: list[Task]) -> dict[str, Result]:
        return run_tasks(
            tasks, folder / "tasks", work, workers=chosen["workers"], progress=progress
        )

    rates = list(_rate_tasks(chosen))
    found = tasks_done(rates) if rates else {}
    best = {(t.config["data"]["name"], t.config["name"]): found[t.key] for t in rates}
    tasks = list(_tasks(chosen, networks, best))
    results = tasks_done(tasks)
    total = spent + time.perf_counter() - begin
    report = _assemble(chosen, networks, tasks, results, best, folder)
    report["seconds"] = total
    report["command"] = _command(profile, out, seed, members, workers)
    write_json(folder / "results.json", report)
    write_json(folder / "seconds.json", total)
    return write(report, folder)


def _command(profile: Any, out: Any, seed: Any, members: Any, workers: Any) -> str:
    given = {
        "profile": profile,
        "out": out,
        "seed": seed,
        "members": members,
        "workers": workers,
    }
    options = [f"--{name} {value}" for name, value in given.items() if value is not None]
    return " ".join(["tnlearn benchmark", *options])


def _networks(profile: Profile) -> dict[tuple[str, str], Network]:
    """Every network for every data set; made before anything is written, so mistakes show first."""
    from tnlearn.data.recipes import recipe_for

    return {
        (data, name): build_network(entry, profile["cells"], len(recipe_for(data).classes))
        for data in profile["data"]
        for name, entry in profile["networks"].items()
    }


def _common(profile: Profile, data: str, name: str) -> dict[str, Any]:
    entry = profile["networks"][name]
    described = {k: v for k, v in entry.items() if k not in ("title", "family", "description")}
    return {
        "name": name,
        "network": {k: v for k, v in described.items() if k not in ("lr", "members")},
        "data": {"name": data, **profile["data"][data]},
        "cells": profile["cells"],
        "seed": profile["seed"],
        "members": entry.get("members", profile["members"]),
        "batch_size": profile["batch_size"],
        "batches": profile["batches"],
        "threshold": profile["threshold"],
    }


def _rate_tasks(profile: Profile) -> Iterator[Task]:
    for data in profile["data"]:
        for name, entry in profile["networks"].items():
            if entry["lr"] == "search":
                search = profile["search"]
                config = _common(profile, data, name) | {
                    "rates": search["rates"],
                    "repeats": search["members"],
                    "epochs": search.get("epochs", entry["epochs"]),
                }
                yield Task("rates", f"rates of {name} on {data}", config)


def _rate(entry: dict[str, Any], data: str, best: Result | None) -> float:
    if best is not None:
        return float(best["best"])
    lr = entry["lr"]
    return float(lr[data] if isinstance(lr, dict) else lr)


def _tasks(
    profile: Profile,
    networks: dict[tuple[str, str], Network],
    best: dict[tuple[str, str], Result],
) -> Iterator[Task]:
    pruning, learned = profile.get("pruning"), profile.get("learned")
    for data in profile["data"]:
        first = next(iter(profile["networks"]))
        base = _common(profile, data, first)
        yield Task("exact", f"exact {data}", {k: base[k] for k in ("data", "cells", "seed")}, 0.0)
        for name, entry in profile["networks"].items():
            config = _common(profile, data, name)
            config["lr"] = _rate(entry, data, best.get((data, name)))
            if pruning and data == pruning["data"] and name in pruning["networks"]:
                config["prune"] = pruning["node"]
            if learned and data == learned["data"] and name == learned["network"]:
                config["learned"] = learned["node"]
            # An estimate, good enough to begin with what takes longest.
            flops = networks[data, name].cost(BATCH).shared / BATCH
            steps = config["members"] * entry["epochs"] * profile["data"][data]["train"]
            yield Task("train", f"{name} on {data}", config, flops * steps)
    section = profile.get("trainability")
    if section:
        data = section["data"]
        for name in section["networks"]:
            for scale in section["scales"]:
                config = _common(profile, data, name) | {
                    "scale": scale,
                    "members": section["members"],
                    "epochs": section["epochs"],
                    "train": section["train"],
                    "lr": _rate(profile["networks"][name], data, best.get((data, name))),
                }
                title = f"{name} from scale {scale:g}"
                yield Task("trainability", title, config, 1.0)


def _assemble(
    profile: Profile,
    networks: dict[tuple[str, str], Network],
    tasks: list[Task],
    results: dict[str, Result],
    best: dict[tuple[str, str], Result],
    folder: Path,
) -> dict[str, Any]:
    """Every number of the report, in the format that `tnlearn.report` reads."""
    report: dict[str, Any] = {
        "format": FORMAT,
        "config": profile,
        "environment": environment(profile["workers"]),
        "data": {},
        "networks": {},
        "runs": [],
        "exact": {},
        "markers": {},
        "pruning": [],
        "trainability": [],
        "rates": [{"data": data, "network": name, **found} for (data, name), found in best.items()],
        "graphs": _graphs(profile["cells"], folder),
    }
    for name, entry in profile["networks"].items():
        report["networks"][name] = {
            key: entry[key] for key in ("title", "family", "description")
        } | _cost(networks[next(iter(profile["data"])), name])
    rows: dict[tuple[str, str], list[tuple[float, Result]]] = {}
    for task in tasks:
        result, config = results[task.key], task.config
        data = config["data"]["name"]
        if task.kind == "exact":
            sizes = {key: profile["data"][data][key] for key in ("train", "validation", "test")}
            report["data"][data] = {
                "cells": profile["cells"],
                "classes": result["classes"],
                **sizes,
                "shifts": result["shifts"],
            }
            report["exact"][data] = result["exact"]
            report["markers"][data] = result["markers"]
        elif task.kind == "train":
            cost = _cost(networks[data, config["name"]])
            report["runs"].append(_run(config, result) | cost)
            where = {"data": data, "network": config["name"]}
            if "pruning" in result:
                report["pruning"].append(where | result["pruning"])
            if "learned" in result:
                report["learned"] = where | result["learned"]
        elif task.kind == "trainability":
            rows.setdefault((data, config["name"]), []).append((config["scale"], result))
    for (data, name), found in rows.items():
        found.sort(key=lambda item: item[0])
        report["trainability"].append(
            {
                "data": data,
                "network": name,
                "scales": [scale for scale, _ in found],
                "accuracy": [result["accuracy"] for _, result in found],
                "threshold": profile["threshold"],
            }
        )
    return report


def _cost(network: Network) -> dict[str, Any]:
    cost = network.cost(BATCH)
    return {
        "parameters": cost.parameters,
        "flops": {"naive": cost.naive, "path": cost.path, "shared": cost.shared},
        "peak": cost.peak,
        "batch": BATCH,
    }


def _run(config: dict[str, Any], result: Result) -> dict[str, Any]:
    kept = {k: v for k, v in result.items() if k not in ("pruning", "learned")}
    return {
        "data": config["data"]["name"],
        "network": config["name"],
        "members": config["members"],
        "lr": config["lr"],
        "epochs": config["network"]["epochs"],
        "batches": config["batches"],
        **kept,
    }


def _graphs(cells: int, folder: Path) -> dict[str, Any]:
    """The contraction graph of each form, drawn, with its costs."""
    graphs = {}
    for form in FORMS:
        network = rswn(cells, form=form)
        figure = folder / "figures" / f"graph-{form}.png"
        if not figure.exists():
            network.draw(figure)
        cost = network.cost(BATCH)
        graphs[form] = {
            "figure": f"figures/{figure.name}",
            "title": f"RSWN, {form} form, {cells} cells",
            "naive": cost.naive,
            "path": cost.path,
            "shared": cost.shared,
            "peak": cost.peak,
            "parameters": cost.parameters,
            "batch": BATCH,
        }
    return graphs
