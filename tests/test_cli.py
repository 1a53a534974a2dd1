"""The command line: what it calls, prints and keeps, what it refuses, what it loads."""

import csv
import shlex
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import tnlearn as tnl
from tnlearn import __version__
from tnlearn.cli import main
from tnlearn.errors import CheckpointError, ConfigError

CHAINS = tnl.ssh(10, 0.5, 1.0, 0.8, 0.8, samples=12, seed=2)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Every command runs in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(words, status=0):
    assert main(shlex.split(words)) == status


@pytest.fixture
def refused(capsys):
    """Run a command that must fail: status 2, nothing on stdout, and the one line on stderr."""

    def refuse(words):
        run(words, status=2)
        shown = capsys.readouterr()
        assert shown.out == ""
        assert shown.err.startswith("tnlearn: ")
        assert shown.err.endswith("\n")
        assert shown.err.count("\n") == 1
        return shown.err

    return refuse


@pytest.fixture
def calls(monkeypatch):
    """How the study and the drawings were asked for, in place of their work."""
    noted = []

    def study(*words, **options):
        noted.append((*words, options))
        return options["out"] / "report.html"

    monkeypatch.setattr("tnlearn.lab.study.study", study)
    for name in ("draw", "draw_tree", "to_html"):
        note = lambda net, path, name=name: noted.append((name, net.recipe, path))  # noqa: E731
        monkeypatch.setattr(tnl.Network, name, note)
    return noted


def stopping(monkeypatch, place, error):
    def stop(*words, **options):
        raise error

    monkeypatch.setattr(place, stop)


# ------------------------------------------------------------------ benchmark and study


@pytest.mark.parametrize(
    ("words", "profile", "out"),
    [
        ("", "quick", "benchmark-quick"),
        ("--profile paper", "paper", "benchmark-paper"),
        ("--profile my/own.toml", "my/own.toml", "benchmark-own"),
        ("--profile paper --out some --seed 0 --members 3 --workers 2", "paper", "some"),
    ],
)
def test_benchmark_passes_everything_on(calls, capsys, here, words, profile, out):
    run(f"benchmark {words}")
    numbers = {"seed": 0, "members": 3, "workers": 2}
    if "--seed" not in words:
        numbers = dict.fromkeys(numbers)
    options = {"profile": profile, "out": Path(out), **numbers, "command": "tnlearn benchmark"}
    assert calls == [("comparison", options)]
    assert capsys.readouterr().out == f"The report is {here / out / 'report.html'}\n"


@pytest.mark.parametrize(
    "error",
    [
        ConfigError("epochs is -1;\nit must be positive"),
        CheckpointError("the checkpoint\nbelongs to another configuration"),
        PermissionError(13, "Permission denied", "/out"),
    ],
)
def test_an_error_is_one_line_and_a_bug_is_not_hidden(monkeypatch, refused, error):
    stopping(monkeypatch, "tnlearn.lab.study.study", error)
    assert refused("benchmark") == f"tnlearn: {' '.join(str(error).split())}\n"
    stopping(monkeypatch, "tnlearn.lab.study.study", KeyError("a bug"))
    with pytest.raises(KeyError):
        main(["benchmark"])


@pytest.mark.parametrize(
    ("words", "place"),
    [
        ("benchmark", "tnlearn.lab.study.study"),
        ("label blocks.npy --out o.csv", "tnlearn.data.label_file.label_file"),
        ("phase-diagram", "tnlearn.phase.diagram.phase_diagram"),
    ],
)
def test_an_interruption_says_that_it_can_be_resumed(monkeypatch, capsys, words, place):
    stopping(monkeypatch, place, KeyboardInterrupt())
    run(words, status=130)
    again = "the same command goes on where it stopped"
    assert capsys.readouterr().err == f"tnlearn: interrupted; {again}\n"


# ------------------------------------------------------------------ draw


@pytest.mark.parametrize(
    ("words", "net", "name"),
    [
        ("rswn --cells 12 --out net.png", lambda: tnl.rswn(12, "operator"), "draw"),
        ("rswn --out net.SVG", lambda: tnl.rswn(20, "operator"), "draw"),
        ("rswn --out net.html", lambda: tnl.rswn(20, "operator"), "to_html"),
        ("rswn --tree --out net.png", lambda: tnl.rswn(20, "operator"), "draw_tree"),
        (
            "rswn --form lowrank --boundary periodic --window 0.25 --out net.png",
            lambda: tnl.rswn(20, "lowrank", "periodic", 0.25),
            "draw",
        ),
        ("mlp --classes 2 --out net.png", lambda: tnl.baseline("mlp", 20, 2), "draw"),
    ],
)
def test_what_is_drawn(calls, here, capsys, words, net, name):
    run(f"draw {words}")
    out = words.split()[-1]
    assert calls == [(name, net().recipe, Path(out))]
    assert capsys.readouterr().out == f"The drawing is {here / out}\n"


@pytest.mark.parametrize(("name", "start"), [("net.png", b"\x89PNG"), ("net.svg", b"<?xml")])
@pytest.mark.parametrize("words", ["rswn --form quartic", "cnn --tree"])
def test_a_real_drawing(here, words, name, start):
    run(f"draw {words} --cells 8 --out {name}")
    assert (here / name).read_bytes().startswith(start)


# ------------------------------------------------------------------ label


@pytest.fixture
def blocks(here):
    np.save(here / "blocks.npy", CHAINS.block())


def rows_of(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_file_is_labelled(blocks, here, capsys):
    run("label blocks.npy --method lyapunov --out labels.csv")
    expected = tnl.winding(CHAINS.block(), "lyapunov")
    rows = rows_of(here / "labels.csv")
    assert [int(r["integer"]) for r in rows] == expected.integer.tolist()
    assert {r["method"] for r in rows} == {"lyapunov"}
    assert list(rows[0])[:6] == ["sample", "value", "integer", "gap", "reliable", "method"]
    shown = capsys.readouterr()
    assert f"12 samples labelled, {expected.reliable.sum()} reliably" in shown.out
    assert shown.out.endswith(f"The table is {here / 'labels.csv'}\n")
    assert shown.err == ""


@pytest.mark.parametrize("more", ["--sublattice signs.npy", "--chiral gamma.npy", ""])
def test_options_reach_the_labels(here, more):
    order = np.concatenate([[0], 1 + np.random.default_rng(1).permutation(19)])
    signs = np.tile([1, -1], 10)[order]
    np.savez("a.npz", x=CHAINS.hamiltonian()[:, order][:, :, order], y=np.eye(4))
    for name, array in (("places", (np.arange(20) // 2)[order]), ("signs", signs)):
        np.save(f"{name}.npy", array)
    np.save("gamma.npy", np.diag(signs))
    run(f"label a.npz --key x --positions places.npy {more} --window 0.3 --chunk 5 --out o.npz")
    with np.load("o.npz") as table:
        expected = tnl.winding(CHAINS, window=0.3).value
        assert np.allclose(table["value"], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("cells", ["", "--cells 20"])
def test_what_has_two_readings_is_read_by_the_word(here, refused, cells):
    np.save("a.npy", np.kron(np.eye(2), tnl.ssh(20, 0.5, 1.0).hamiltonian()[0]))
    words = "label a.npy --method lyapunov --out o.npz"
    assert "order=" in refused(words)
    assert "cells=7 does not divide" in refused(f"{words} --order orbital --cells 7")
    run(f"{words} --order orbital {cells}")
    with np.load("o.npz") as table:
        assert (table["integer"][0], table["reliable"][0]) == (2, True)


def test_what_is_not_chiral_is_one_line_with_the_violation(refused):
    full = CHAINS.hamiltonian()
    full[:, 3, 3] = 0.125
    np.save("a.npy", full)
    error = refused("label a.npy --out o.csv")
    assert "not chiral" in error
    assert "0.125" in error


def test_bad_samples_are_skipped_and_counted(here, capsys, refused):
    blocks = CHAINS.block()
    blocks[4, 2, 2] = np.nan
    np.save("b.npy", blocks)
    words = "label b.npy --kind block --out"
    assert "sample 4" in refused(f"{words} o.csv")
    run(f"{words} p.csv --on-error skip")
    shown = capsys.readouterr()
    assert "11 samples labelled" in shown.out
    assert "1 samples skipped: 1 NaN or infinite" in shown.out
    assert shown.err.startswith("skipped: sample 4")
    rows = rows_of(here / "p.csv")
    assert [r["reason"] for r in rows] == [""] * 4 + ["NaN or infinite"] + [""] * 7
    assert rows[4]["value"] == "nan"
    assert "did you mean" in refused(f"{words} p.csv --on-error stopp")


# ------------------------------------------------------------------ phase-diagram

DIAGRAM = "phase-diagram --out d.png --size 12x8 --cells 20 --samples 5"


def test_both_conventions(here, capsys):
    run(f"{DIAGRAM} --seed 4")
    assert sorted(p.name for p in here.iterdir()) == ["d-inter.npz", "d-intra.npz", "d.png"]
    assert (here / "d.png").read_bytes().startswith(b"\x89PNG")
    shown = capsys.readouterr().out
    assert shown.count("sign of the infinite chain") == 2
    assert shown.endswith(f"The diagram is {here / 'd.png'}\n")
    axes = {"intra": np.linspace(0, 2.5, 12), "W": np.linspace(0, 6, 8)}
    for name, disorder in (("intra", {0: "W", 1: (0.5, "W")}), ("inter", {0: (0.5, "W"), 1: "W"})):
        kept = tnl.PhaseDiagram.load(here / f"d-{name}.npz")
        direct = tnl.phase_diagram(axes, disorder=disorder, cells=20, samples=5, seed=4)
        np.testing.assert_array_equal(kept.mean, direct.mean)
        np.testing.assert_array_equal(kept.exponent, direct.exponent)


def test_options_and_resuming(here, refused):
    words = f"{DIAGRAM} --convention inter --intra -1 1 --disorder 0.5 3 --inter 0.7 --kind twist"
    run(words)
    assert sorted(p.name for p in here.iterdir()) == ["d-inter.npz", "d.png"]
    kept = tnl.PhaseDiagram.load(here / "d-inter.npz")
    np.testing.assert_allclose(kept.columns, np.linspace(-1, 1, 12))
    np.testing.assert_allclose(kept.rows, np.linspace(0.5, 3, 8))
    assert kept.recipe["kind"] == "twist"
    assert kept.recipe["fixed"] == {"inter": 0.7}
    before = (here / "d-inter.npz").stat().st_mtime_ns
    run(f"{words} --workers 2")
    assert (here / "d-inter.npz").stat().st_mtime_ns == before


def test_another_seed_is_refused(capsys):
    run(f"{DIAGRAM} --convention inter")
    run(f"{DIAGRAM} --convention inter --seed 1", status=2)
    error = capsys.readouterr().err
    assert "d-inter.npz belongs to a diagram of other settings (seed)" in error.splitlines()[-1]


def test_a_killed_run_goes_on(here, capsys):
    # A real process, killed without warning once it has written something.
    words = "phase-diagram --convention intra --size 150x100 --samples 20 --out d.png"
    start = "from tnlearn.phase import diagram as p; p._PAUSE = 0.0; "
    start += f"from tnlearn.cli import main; main({words.split()!r})"
    kept = here / "d-intra.npz"

    def finished():
        if not kept.exists():
            return np.zeros(1, dtype=bool)
        with np.load(kept, allow_pickle=False) as content:
            return content["done"]

    process = subprocess.Popen([sys.executable, "-c", start], stderr=subprocess.DEVNULL)
    try:
        limit = time.monotonic() + 30
        while process.poll() is None and time.monotonic() < limit and not finished().any():
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()
    done = finished()
    assert 0 < done.sum() < done.size
    run(words)
    assert f"{done.sum()}/{done.size}" in capsys.readouterr().err
    axes = {"intra": np.linspace(0, 2.5, 150), "W": np.linspace(0, 6, 100)}
    direct = tnl.phase_diagram(axes, disorder={0: "W", 1: (0.5, "W")}, cells=50, samples=20)
    np.testing.assert_array_equal(tnl.PhaseDiagram.load(kept).mean, direct.mean)


# ------------------------------------------------------------------ mistakes

MISTAKES = {
    "benchmrk": 'Did you mean "benchmark"?',
    "--nothing": "tnlearn --help",
    "about more": "Unused Tokens: ['more']",
    "benchmark --membrs 3": "Did you mean --members?",
    "benchmark --members 0": "Must be >= 1",
    "benchmark --seed -1": "Must be >= 0",
    "benchmark --seed": "requires an argument",
    "study maps --status --part 1/2": "leave --part out",
    "study maps --part 3/2": "not a share such as 1/4",
    "draw rwsn --out a.png": "did you mean 'rswn'?",
    "draw rswn --form quatric --out a.png": "did you mean 'quartic'?",
    "draw rswn --boundary opne --out a.png": "did you mean 'open'?",
    "draw rswn --out a.pgn": "did you mean '.png'?",
    "draw rswn --out a": "unknown kind of picture ''",
    "draw rswn --cels 3 --out a.png": "Did you mean --cells?",
    "draw rswn --cells 1 --out a.png": "Must be >= 2",
    "draw rswn --cells 1000000 --out a.png": "would need",
    "draw rswn --cells x --out a.png": 'unable to convert "x" into int',
    "draw rswn --window 1.5 --out a.png": "Must be <= 1",
    "draw rswn --window nan --out a.png": "window",
    "draw rswn": "--out",
    "draw rswn --out no/such/folder/a.png": "no/such/folder does not exist",
    "draw rswn --classes 4 --out a.png": "--classes is for the baselines",
    "draw cnn --form quartic --out a.png": "--form: only for rswn",
    "draw rswn --tree --out a.html": ".svg or .png",
    "label blocks.npy --out o.csv --method rwsn": "did you mean 'rswn'",
    "label blocks.npy --out o.txt": ".csv, .npz",
    "label none.npy --out o.csv": "No such file",
    "label blocks.npy --out o.csv --kind blok": "did you mean 'block'",
    "label blocks.npy --out o.csv --window 2": "Must be <= 1",
    "label blocks.npy --out o.csv --chunk 0": "Must be >= 1",
    "label blocks.npy --out o.csv --chiral none.npy": "cannot read",
    "label blocks.npy --out o.csv --metod rswn": "Did you mean --method",
    "label blocks.npy": "--out",
    "phase-diagram --convention intar": "did you mean 'intra'?",
    "phase-diagram --kind rwsn": "did you mean 'rswn'?",
    "phase-diagram --kind momentum": "unknown kind",
    "phase-diagram --size 500": "columns x rows",
    "phase-diagram --size 1x5": "from 2 on",
    "phase-diagram --intra 1 1": "LOW < HIGH",
    "phase-diagram --intra 1 nan": "LOW < HIGH",
    "phase-diagram --disorder -1 1": "from 0 on",
    "phase-diagram --samples 0": "Must be >= 1",
    "phase-diagram --smaples 3": "Did you mean --samples?",
    "phase-diagram --out a.gif": "unknown kind of picture '.gif'",
    "phase-diagram --out no/such/a.png": "no/such does not exist",
}


@pytest.mark.parametrize("words", MISTAKES)
def test_every_mistake_is_one_line_and_leaves_nothing(blocks, here, calls, refused, words):
    assert MISTAKES[words] in refused(words)
    assert calls == []
    assert [path.name for path in here.iterdir()] == ["blocks.npy"]


# ------------------------------------------------------------------ about, help, start


def test_about(capsys):
    run("about")
    shown = capsys.readouterr().out
    for name in ("tnlearn", "python", "torch", "quimb", "threads", "BLAS", "compiler"):
        assert any(line.split()[0] == name for line in shown.splitlines())
    assert __version__ in shown


def test_help_and_version_load_nothing_heavy():
    # What makes a start slow is what it loads: that is exact, where a time would not be.
    code = (
        "import sys; from tnlearn.cli import main; "
        "words = ['', '--help', 'benchmark --help', 'study -h', 'draw -h', 'label --help', "
        "'phase-diagram --help', 'claims --help', '--version']; "
        "status = [main(w.split()) for w in words]; "
        "heavy = {'numpy', 'scipy', 'numba', 'torch', 'quimb', 'cotengra', 'matplotlib'}; "
        "print(sorted(heavy & set(sys.modules)), set(status))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *pages, version, loaded = shown.stdout.splitlines()
    assert sum(line.startswith("Usage: tnlearn") for line in pages) == 8
    assert "E ln|t0| = E ln|t1|" in " ".join(pages)
    assert version == f"tnlearn {__version__}"
    assert loaded == "[] {0}"


def test_the_installed_command_fails_without_a_traceback():
    command = [sys.executable, "-m", "tnlearn.cli", "drwa"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith('tnlearn: Unknown command "drwa". Did you mean "draw"?')
    assert done.stderr.count("\n") == 1
