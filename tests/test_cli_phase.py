"""`tnlearn phase-diagram`: what it computes, draws and keeps, and what it refuses."""

import subprocess
import sys
import time

import numpy as np
import pytest

import tnlearn as tnl
from tnlearn.cli import main

SMALL = ("--size", "12x8", "--cells", "20", "--samples", "5")


def run(tmp_path, *words):
    return main(["phase-diagram", "--out", str(tmp_path / "d.png"), *SMALL, *words])


def test_both_conventions(tmp_path, capsys):
    assert run(tmp_path, "--seed", "4") == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["d-inter.npz", "d-intra.npz", "d.png"]
    assert (tmp_path / "d.png").read_bytes().startswith(b"\x89PNG")
    said = capsys.readouterr().out
    assert said.count("sign of the infinite chain") == 2
    assert said.endswith(f"The diagram is {tmp_path / 'd.png'}\n")
    for name, shares in (("intra", (1, 0.5)), ("inter", (0.5, 1))):
        kept = tnl.PhaseDiagram.load(tmp_path / f"d-{name}.npz")
        direct = tnl.phase_diagram(
            {"intra": np.linspace(0, 2.5, 12), "W": np.linspace(0, 6, 8)},
            disorder={0: (shares[0], "W"), 1: (shares[1], "W")},
            cells=20,
            samples=5,
            seed=4,
        )
        np.testing.assert_array_equal(kept.mean, direct.mean)
        np.testing.assert_array_equal(kept.exponent, direct.exponent)


def test_options_and_resuming(tmp_path, capsys):
    words = ("--convention", "inter", "--intra", "-1", "1", "--disorder", "0.5", "3")
    more = ("--inter", "0.7", "--kind", "rswn", "--workers", "2")
    assert run(tmp_path, *words, *more) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["d-inter.npz", "d.png"]
    kept = tnl.PhaseDiagram.load(tmp_path / "d-inter.npz")
    np.testing.assert_allclose(kept.columns, np.linspace(-1, 1, 12))
    np.testing.assert_allclose(kept.rows, np.linspace(0.5, 3, 8))
    assert kept.recipe["kind"] == "rswn"
    assert kept.recipe["fixed"] == {"inter": 0.7}
    before = (tmp_path / "d-inter.npz").stat().st_mtime_ns
    assert run(tmp_path, *words, *more) == 0
    assert (tmp_path / "d-inter.npz").stat().st_mtime_ns == before
    capsys.readouterr()
    assert run(tmp_path, *words, *more, "--seed", "1") == 2
    said = capsys.readouterr().err
    assert "d-inter.npz belongs to a diagram of other settings (seed)" in said.splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--convention", "intar"], "did you mean 'intra'?"),
        (["--kind", "rwsn"], "did you mean 'rswn'?"),
        (["--kind", "momentum"], "unknown kind"),
        (["--size", "500"], "columns x rows"),
        (["--size", "1x5"], "from 2 on"),
        (["--intra", "1", "1"], "LOW < HIGH"),
        (["--intra", "1", "nan"], "LOW < HIGH"),
        (["--disorder", "-1", "1"], "from 0 on"),
        (["--samples", "0"], "Must be >= 1"),
        (["--smaples", "3"], "Did you mean --samples?"),
        (["--out", "a.gif"], "unknown kind of picture '.gif'"),
        (["--out", "no/such/a.png"], "no/such does not exist"),
    ],
)
def test_wrong_input(tmp_path, monkeypatch, capsys, words, expected):
    monkeypatch.chdir(tmp_path)
    assert main(["phase-diagram", *words]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("tnlearn: ")
    assert said.err.count("\n") == 1
    assert expected in said.err
    assert list(tmp_path.iterdir()) == []


def test_help(capsys):
    assert main(["phase-diagram", "--help"]) == 0
    assert "E ln|t0| = E ln|t1|" in " ".join(capsys.readouterr().out.split())


def test_an_interruption_says_that_it_can_be_resumed(monkeypatch, tmp_path, capsys):
    def stop(*axes, **given):
        raise KeyboardInterrupt

    monkeypatch.setattr("tnlearn.phase.diagram.phase_diagram", stop)
    assert run(tmp_path) == 130
    assert "the same command goes on where it stopped" in capsys.readouterr().err


def test_help_loads_nothing_heavy():
    code = (
        "import sys; from tnlearn.cli import main; main(['phase-diagram', '--help']); "
        "print('loaded', sorted({'numpy', 'scipy', 'numba', 'torch', 'matplotlib'} "
        "& set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded []"


def done_of(path):
    if not path.exists():
        return np.zeros(1, dtype=bool)
    with np.load(path, allow_pickle=False) as content:
        return content["done"]


def test_a_killed_run_goes_on(tmp_path):
    # A real process, killed without warning once it has written something.
    words = ["--convention", "intra", "--size", "200x150", "--samples", "20"]
    command = [sys.executable, "-m", "tnlearn.cli", "phase-diagram", *words, "--cells", "50"]
    start = "from tnlearn.phase import diagram as p; p._PAUSE = 0.0; "
    start += f"from tnlearn.cli import main; main({command[3:]!r} + ['--out', 'd.png'])"
    kept = tmp_path / "d-intra.npz"
    process = subprocess.Popen(
        [sys.executable, "-c", start], cwd=tmp_path, stderr=subprocess.DEVNULL
    )
    try:
        limit = time.monotonic() + 30
        while process.poll() is None and time.monotonic() < limit and not done_of(kept).any():
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()
    done = done_of(kept)
    assert 0 < done.sum() < done.size
    again = subprocess.run(
        [*command, "--out", "d.png"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert f"{done.sum()}/{done.size}" in again.stderr
    found = tnl.PhaseDiagram.load(kept)
    direct = tnl.phase_diagram(
        {"intra": np.linspace(0, 2.5, 200), "W": np.linspace(0, 6, 150)},
        disorder={0: "W", 1: (0.5, "W")},
        cells=50,
        samples=20,
    )
    np.testing.assert_array_equal(found.mean, direct.mean)
