"""The command `tnlearn label`."""

import csv

import numpy as np
import pytest

import tnlearn as tnl
from tnlearn.cli import main

CHAINS = tnl.ssh(10, 0.5, 1.0, 0.8, 0.8, samples=12, seed=2)


@pytest.fixture
def blocks(tmp_path):
    path = tmp_path / "blocks.npy"
    np.save(path, CHAINS.block())
    return path


def refused(capsys, *words):
    """Run a command that must fail: status 2, nothing on stdout, and the one line on stderr."""
    assert main([str(w) for w in words]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("tnlearn: ")
    assert said.err.count("\n") == 1
    return said.err


def test_a_file_is_labelled(blocks, tmp_path, capsys):
    out = tmp_path / "labels.csv"
    assert main(["label", str(blocks), "--method", "lyapunov", "--out", str(out)]) == 0
    expected = tnl.winding(CHAINS.block(), "lyapunov")
    with out.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [int(r["integer"]) for r in rows] == expected.integer.tolist()
    assert {r["method"] for r in rows} == {"lyapunov"}
    assert list(rows[0])[:6] == ["sample", "value", "integer", "gap", "reliable", "method"]
    said = capsys.readouterr()
    assert f"12 samples labelled, {expected.reliable.sum()} reliably" in said.out
    assert str(out) in said.out
    assert said.err == ""


def test_options_reach_the_labels(tmp_path, capsys):
    order = np.concatenate([[0], 1 + np.random.default_rng(1).permutation(19)])
    np.savez(tmp_path / "a.npz", x=CHAINS.hamiltonian()[:, order][:, :, order], y=np.eye(4))
    np.save(tmp_path / "places.npy", (np.arange(20) // 2)[order])
    np.save(tmp_path / "signs.npy", np.tile([1, -1], 10)[order])
    np.save(tmp_path / "gamma.npy", np.diag(np.tile([1, -1], 10)[order]))
    given = ["label", tmp_path / "a.npz", "--key", "x", "--positions", tmp_path / "places.npy"]
    expected = tnl.winding(CHAINS, window=0.3).value
    for more in (["--sublattice", "signs.npy"], ["--chiral", "gamma.npy"], []):
        extra = [more[0], tmp_path / more[1]] if more else []
        words = [*given, *extra, "--window", "0.3", "--out", tmp_path / "o.npz", "--chunk", "5"]
        assert main([str(w) for w in words]) == 0
        with np.load(tmp_path / "o.npz") as found:
            assert np.allclose(found["value"], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (["{in}", "--out", "{dir}/o.csv", "--method", "rwsn"], "did you mean 'rswn'"),
        (["{in}", "--out", "{dir}/o.txt"], ".csv, .npz"),
        (["{dir}/none.npy", "--out", "{dir}/o.csv"], "No such file"),
        (["{in}", "--out", "{dir}/o.csv", "--kind", "blok"], "did you mean 'block'"),
        (["{in}", "--out", "{dir}/o.csv", "--window", "2"], "Must be <= 1"),
        (["{in}", "--out", "{dir}/o.csv", "--chunk", "0"], "Must be >= 1"),
        (["{in}", "--out", "{dir}/o.csv", "--chiral", "{dir}/none.npy"], "cannot read"),
        (["{in}", "--out", "{dir}/o.csv", "--metod", "rswn"], "Did you mean --method"),
        (["{in}"], "--out"),
    ],
)
def test_every_mistake_is_one_line(blocks, tmp_path, capsys, words, match):
    given = [w.replace("{in}", str(blocks)).replace("{dir}", str(tmp_path)) for w in words]
    assert match in refused(capsys, "label", *given)


def test_what_is_not_chiral_is_one_line_with_the_violation(tmp_path, capsys):
    full = CHAINS.hamiltonian()
    full[:, 3, 3] = 0.125
    np.save(tmp_path / "a.npy", full)
    said = refused(capsys, "label", tmp_path / "a.npy", "--out", tmp_path / "o.csv")
    assert "not chiral" in said
    assert "0.125" in said


def test_an_interruption_says_how_to_go_on(blocks, tmp_path, capsys, monkeypatch):
    def stop(*args, **given):
        raise KeyboardInterrupt

    monkeypatch.setattr("tnlearn.data.label_file.winding", stop)
    assert main(["label", str(blocks), "--out", str(tmp_path / "o.csv")]) == 130
    assert "goes on where it stopped" in capsys.readouterr().err


def test_bad_samples_are_skipped_and_counted(tmp_path, capsys):
    blocks = CHAINS.block()
    blocks[4, 2, 2] = np.nan
    np.save(tmp_path / "b.npy", blocks)
    words = ["label", tmp_path / "b.npy", "--kind", "block", "--out", tmp_path / "p.csv"]
    assert "sample 4" in refused(capsys, *words[:-1], tmp_path / "o.csv")
    assert main([str(w) for w in [*words, "--on-error", "skip"]]) == 0
    said = capsys.readouterr()
    assert "11 samples labelled" in said.out
    assert "1 samples skipped: 1 NaN or infinite" in said.out
    assert said.err.startswith("skipped: sample 4")
    with (tmp_path / "p.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [r["reason"] for r in rows] == [""] * 4 + ["NaN or infinite"] + [""] * 7
    assert rows[4]["value"] == "nan"
    assert "did you mean" in refused(capsys, *words, "--on-error", "stopp")
