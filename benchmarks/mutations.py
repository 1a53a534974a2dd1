"""Damaged files of every kind that is read: each is refused in one line, or gives the same result.

    python benchmarks/mutations.py [count] [kind …]

Of each kind a small file is written, and read again after each of so many damages: bits turned,
bytes cut out, put in, repeated or zeroed; in a text also a value in place of another (a number of
5,000 digits, 100,000 brackets, a path that leads upwards).  A *forged* archive is one whose record
is altered so, under a checksum that is right again.  Counted are readings that give the same,
refusals, readings that give another result, errors that are not the package's, and crashes;
beside them the memory that the readings took, in MB, and the slowest of them, in seconds.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import re
import resource
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import h5py
import numpy as np
import scipy.sparse as sp

import tnlearn as tnl
from tnlearn import archive
from tnlearn.data import label_file as labelling
from tnlearn.data.sources import read_array
from tnlearn.errors import TnlearnError
from tnlearn.lab.cluster import _address
from tnlearn.lab.folder import add_seconds, claim_folder
from tnlearn.lab.profile import as_toml, read_profile
from tnlearn.lab.results import read_result, write_result
from tnlearn.lab.study import load_study
from tnlearn.models.catalogue import rebuild
from tnlearn.report.kept import FORMAT, collect, write_claims

CHAINS = tnl.ssh(6, 0.5, 1.0, 0.4, 0.4, samples=12, seed=1)
BLOCKS, FULL = CHAINS.block(), CHAINS.hamiltonian()
DATA = tnl.dataset("ssh", cells=6, samples=12)
NET = tnl.rswn(6).trainable("D", channels=2).head(2)
HOSTILE = [
    *(b"null", b"true", b"-1", b"0", b"1e999", b"NaN", b"{}", b'""', b'"../x"', b"[[1]]"),
    *(b"1000000000", b"9" * 5000, b"[" * 100_000, b'"\\ud800"', b'{"a": [1, {"b": null}]}'),
]
VALUE = re.compile(rb'"[^"\\]*"|-?\d+(\.\d+)?([eE][+-]?\d+)?|true|false|null')
MEMORY = 3 * 2**30  # that a reading may take before it is stopped


def damaged(content: bytes, rng: np.random.Generator, text: bool) -> bytes:
    """The content of a file after one damage or a few."""
    if text and rng.random() < 0.5:
        values = list(VALUE.finditer(content))
        at = values[rng.integers(len(values))]
        return content[: at.start()] + HOSTILE[rng.integers(len(HOSTILE))] + content[at.end() :]
    for _ in range(rng.integers(1, 4)):
        a = int(rng.integers(len(content)))
        if rng.random() < 0.6:
            turned = content[a] ^ 1 << int(rng.integers(8))
            content = content[:a] + bytes([turned]) + content[a + 1 :]
            continue
        b = min(len(content), a + int(2 ** rng.uniform(0, 10)))
        part, how = content[a:b], rng.integers(6)
        other = [part, b"", 2 * part, bytes(len(part)), rng.bytes(len(part)), part[::-1]][how]
        content = content[:a] + other + content[b:] or b"x"
    return content[: rng.integers(len(content))] if rng.random() < 0.1 else content


def forged(content: bytes, rng: np.random.Generator, text: bool) -> bytes:
    """An archive with an altered record and the checksum that belongs to it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.npz"
        path.write_bytes(content)
        with np.load(path) as members:
            arrays = {name: members[name] for name in members.files}
        meta = json.loads(arrays.pop(archive._META).tobytes())
        record = meta["record"]
        while record == meta["record"]:
            try:
                record = json.loads(damaged(json.dumps(record).encode(), rng, True))
                archive.write(path, meta["format"], record, arrays)
            except (ValueError, RecursionError):
                record = meta["record"]
        return path.read_bytes()


class Kind(NamedTuple):
    """A kind of file: how one is written, what is read from it, and whether it has a checksum."""

    write: Callable[[Path], Any]
    read: Callable[[Path], Any]
    file: str = "x.npz"
    checked: bool = False
    text: bool = False
    damage: Callable[[bytes, np.random.Generator, bool], bytes] = damaged


def state_of(item: Any) -> Any:
    """Everything that a result holds, such that equal results are equal."""
    if isinstance(item, np.ndarray):
        return item.shape, item.dtype.str, item.tobytes()
    if isinstance(item, dict):
        return sorted((str(key), state_of(value)) for key, value in item.items())
    return [state_of(x) for x in item] if isinstance(item, list | tuple) else repr(item)


def labels(path: Path) -> Any:
    out = path.with_name("out.csv")
    tnl.label_file(path, out, chunk=5, progress=False)
    return out.read_bytes()


def half_labelled(part: Path) -> None:
    """A run of labels that was stopped in its third stretch."""
    np.save(part.parent.with_name("h.npy"), BLOCKS)
    done = [tnl.winding] * 2
    with (
        mock.patch.object(labelling, "winding", lambda *x, **y: done.pop()(*x, **y)),
        contextlib.suppress(IndexError),
    ):
        labels(part.parent.with_name("h.npy"))


def hdf5(path: Path, matlab: bool = False, **content: Any) -> None:
    with h5py.File(path, "w", userblock_size=512 * matlab) as file:
        for name, value in content.items():
            file[name] = value
            if matlab:
                file[name].attrs["MATLAB_class"] = np.bytes_("double")


def sparse(layout: str) -> Callable[[Path], None]:
    return lambda path: sp.save_npz(path, sp.csr_array(FULL[0]).asformat(layout), compressed=False)


def trained(**options: Any) -> Any:
    return tnl.fit(NET, DATA, members=3, epochs=2, lr=0.01, progress=False, **options)


def fitted(path: Path) -> Any:
    one = tnl.load(path)
    return state_of([one.config, one.parameters, one.history, one.predict(DATA[:4])])


def training(path: Path) -> Any:
    one = trained(checkpoint=path.parent)
    return state_of([one.parameters, one.history["loss"]])


def stored(path: Path) -> Any:
    with tnl.open_dataset(path) as data:
        all_of_it = data[:]
    return state_of(
        [
            all_of_it.info,
            all_of_it.states.arrays,
            all_of_it.chains.hoppings,
            all_of_it.labels,
            all_of_it.windings,
            all_of_it.ambiguous,
        ]
    )


def a_run(path: Path) -> Any:
    with archive.Parts(path.parent, {"a": [1, {"b": None}]}) as parts:
        if 0 not in parts:
            parts.write(0, {"x": np.arange(50)})
        return state_of(parts.read(0))


def diagram(path: Path) -> Any:
    one = tnl.phase_diagram({"intra": np.linspace(0, 2, 4)}, cells=6, samples=2, checkpoint=path)
    return state_of(vars(one)) + state_of(vars(tnl.PhaseDiagram.load(path)))


def audited(path: Path) -> None:
    tnl.audit(tnl.rswn(6), DATA, interventions=["gauge"], progress=False).save(path)


def audit(path: Path) -> Any:
    one = tnl.Audit.load(path)
    return str(one), one.scores


def results(path: Path) -> None:
    word = {"claim": "a", "words": "It works.", "source": "us", "verdict": "supported"}
    number = {"claim": "a", "name": "accuracy", "network": "CNN", "data": "ssh", "value": 0.5}
    more = {"low": 0.4, "high": None, "members": 3, "unit": "", "condition": "", "holds": True}
    record = {"format": FORMAT, "study": "one", "title": "Does it?", "command": "tnlearn study one"}
    record |= {"seconds": 5.0, "config": {"profile": "quick"}, "findings": [number | more]}
    record |= {"verdicts": [word | {"holds": "1 of 1", "condition": ""}], "figures": ["a.png"]}
    (path.parent / "figures").mkdir()
    for name in ("table.csv.gz", "figures/a.png"):
        (path.parent / name).write_bytes(b"x")
    path.write_text(json.dumps(record))


def claims(path: Path) -> Any:
    page = write_claims(path.parent, path.with_name("claims.md"), "")
    return page.read_bytes()


def kept(path: Path) -> Any:
    """What is kept of a run, beside what an earlier one kept."""
    (path.parents[2] / "run").mkdir()
    results(path.parents[2] / "run" / "results.json")
    collect(path.parents[2] / "run", path.parents[1])
    return path.read_bytes()


def profile(path: Path) -> Any:
    one = read_profile(load_study("samples").profile, "samples", path)
    return as_toml(one), len(load_study("samples").tasks(one))


def a_profile(path: Path) -> None:
    shipped = read_profile(load_study("samples").profile, "samples", "quick")
    path.write_text(as_toml(shipped))


def same_folder(path: Path) -> Any:
    shipped = read_profile(load_study("samples").profile, "samples", "quick")
    claim_folder(path.parent, shipped, "tnlearn study samples")


def task(path: Path) -> Any:
    columns = read_result(path, "k")
    if columns is None:
        raise TnlearnError("missing: made again")
    return columns


def rebuilt(path: Path) -> Any:
    try:
        description = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:  # the caller's own reading
        raise TnlearnError(str(error)) from None
    return state_of(rebuild(description).describe())


KINDS = {
    "ensemble": Kind(lambda p: trained().save(p), fitted, checked=True),
    "ensemble, forged": Kind(lambda p: trained().save(p), fitted, damage=forged),
    "marker": Kind(
        lambda p: shutil.copy(str(resources.files("tnlearn.markers") / "extended.npz"), p),
        lambda p: state_of(vars(tnl.marker(p))),
        checked=True,
    ),
    "marker, forged": Kind(
        lambda p: shutil.copy(str(resources.files("tnlearn.markers") / "extended.npz"), p),
        lambda p: state_of(tnl.marker(p)(CHAINS).value),
        damage=forged,
    ),
    "network": Kind(
        lambda p: p.write_text(json.dumps(NET.describe())), rebuilt, "x.json", text=True
    ),
    "data set": Kind(lambda p: DATA.save(p, chunk=5).close(), stored, "x.h5", checked=True),
    "part of a run": Kind(a_run, a_run, "run/part-000000.npz", checked=True),
    "head of a run": Kind(a_run, a_run, "run/run.json", checked=True, text=True),
    "training": Kind(training, training, "run/part-000000.npz", checked=True),
    "labels": Kind(
        half_labelled,
        lambda p: labels(p.parent.with_name("h.npy")),
        "out.csv.parts/part-000001.npz",
        checked=True,
    ),
    "diagram": Kind(diagram, diagram, checked=True),
    "diagram, forged": Kind(diagram, diagram, damage=forged),
    "source .npy": Kind(lambda p: np.save(p, BLOCKS), labels, "x.npy"),
    "source .npz": Kind(lambda p: np.savez(p, h=BLOCKS), labels, checked=True),
    "compressed": Kind(lambda p: np.savez_compressed(p, H=FULL), labels, checked=True),
    "hoppings": Kind(
        lambda p: np.savez(p, t0=CHAINS.hoppings[0], t1=CHAINS.hoppings[1]), labels, checked=True
    ),
    "sparse csr": Kind(sparse("csr"), labels, checked=True),
    "sparse coo": Kind(sparse("coo"), labels, checked=True),
    "sparse bsr": Kind(sparse("bsr"), labels, checked=True),
    "source .h5": Kind(lambda p: hdf5(p, H=FULL), labels, "x.h5"),
    "source .mat": Kind(lambda p: hdf5(p, True, h=BLOCKS), labels, "x.mat"),
    "sublattices": Kind(
        lambda p: np.save(p, np.tile([1, -1], 6)), lambda p: state_of(read_array(p)), "x.npy"
    ),
    "audit": Kind(audited, audit, "x.json", text=True),
    "results": Kind(results, claims, "results.json", text=True),
    "kept": Kind(
        results,
        kept,
        "kept/one/results.json",
        text=True,
    ),
    "task": Kind(
        lambda p: write_result(p, "k", {"title": "t"}, {"x": [1.5, None], "y": ["a", "b"]}),
        task,
        "k.json",
        checked=True,
        text=True,
    ),
    "profile": Kind(a_profile, profile, "x.toml", text=True),
    "configuration": Kind(same_folder, same_folder, "run/config.toml", text=True),
    "seconds": Kind(
        lambda p: add_seconds(p.parent, 1.0), lambda p: add_seconds(p.parent, 1.0), "seconds.json"
    ),
    "scheduler": Kind(
        lambda p: p.write_text('{"type": "Scheduler", "address": "tcp://10.0.0.1:8786"}'),
        lambda p: _address(str(p)),
        "x.json",
        text=True,
    ),
}
OUTCOMES = ("same", "refused", "other", "strange", "crashed")


def attack(name: str, folder: Path, seeds: range) -> Counter[str]:
    """Outcomes of the damages of these seeds to one kind of file; what is not in order is told."""
    kind, outcomes = KINDS[name], Counter[str]()
    whole, now = folder / "whole", folder / "now"
    path = whole / kind.file
    path.parent.mkdir(parents=True)
    kind.write(path)
    content = path.read_bytes()
    shutil.copytree(whole, now)
    expected = kind.read(now / kind.file)
    for seed in seeds:
        shutil.rmtree(now)
        shutil.copytree(whole, now)
        rng = np.random.default_rng(seed)
        (now / kind.file).write_bytes(kind.damage(content, rng, kind.text))
        began = time.perf_counter()
        try:
            outcome = "same" if kind.read(now / kind.file) == expected else "other"
        except TnlearnError as error:
            outcome = "refused" if "\n" not in str(error).strip() else "strange"
        except Exception as error:
            outcome = "strange"
            print(f"  {name}, seed {seed}: {type(error).__name__}: {error}"[:300], flush=True)
        seconds = time.perf_counter() - began
        if outcome == "other" and kind.checked:
            print(f"  {name}, seed {seed}: another result", flush=True)
        if seconds > 5:
            print(f"  {name}, seed {seed}: {seconds:.1f} s ({outcome})", flush=True)
        outcomes[outcome] += 1
    return outcomes


def alone(name: str, seeds: range, answers: Any) -> None:
    """The same in a process of its own, with a bound on its memory."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, size + MEMORY))
    with tempfile.TemporaryDirectory() as folder:
        outcomes = attack(name, Path(folder), seeds)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    answers.put((outcomes, grown))


def main(count: int, names: list[str]) -> None:
    """Print the table, a row a kind."""
    print(f"{'kind':20} checksum {' '.join(f'{o:>8}' for o in OUTCOMES)}       MB  seconds")
    context = multiprocessing.get_context("fork")
    for name in names or KINDS:
        began, answers = time.perf_counter(), context.SimpleQueue()
        process = context.Process(target=alone, args=(name, range(count), answers))
        process.start()
        process.join()
        if process.exitcode == 0:
            outcomes, grown = answers.get()
        else:
            outcomes, grown = Counter({"crashed": 1}), 0
        row = " ".join(f"{outcomes[o]:8d}" for o in OUTCOMES)
        seconds = time.perf_counter() - began
        check = "yes" if KINDS[name].checked else "no"
        print(f"{name:20} {check:>8} {row} {grown:8d} {seconds:8.1f}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000, sys.argv[2:])
