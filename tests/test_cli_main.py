"""The command line: what it calls, what it says when the input is wrong, what it loads."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import tnlearn.lab
from tnlearn import __version__
from tnlearn.cli import main
from tnlearn.errors import CheckpointError, ConfigError


@pytest.fixture
def benchmark(monkeypatch):
    """`tnlearn.lab.study` replaced by one that notes how it was called."""
    module = ModuleType("tnlearn.lab.study")
    module.calls = []

    def study(name, profile, out, **given):
        module.calls.append({"name": name, "profile": profile, "out": out, **given})
        return out / "report.html"

    module.study = study
    monkeypatch.setitem(sys.modules, "tnlearn.lab.study", module)
    monkeypatch.setattr(tnlearn.lab, "study", module, raising=False)
    return module


class Drawn:
    """A network that notes what was asked of it."""

    def __init__(self, calls):
        self.calls = calls

    def draw(self, path):
        self.calls.append(("draw", path))

    def draw_tree(self, path):
        self.calls.append(("draw_tree", path))

    def to_html(self, path):
        self.calls.append(("to_html", path))


@pytest.fixture
def models(monkeypatch):
    """The factories of networks replaced by ones that note how they were called."""
    calls = []

    def replace(name):
        module = ModuleType(f"tnlearn.models.{name}")

        def factory(*args, **given):
            calls.append((name, args, given))
            return Drawn(calls)

        setattr(module, "rswn" if name == "rswn" else "baseline", factory)
        monkeypatch.setitem(sys.modules, module.__name__, module)

    replace("rswn")
    replace("baselines")
    return calls


def refused(capsys, *words):
    """Run a command that must fail: status 2, nothing on stdout, and the one line on stderr."""
    assert main(words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("tnlearn: ")
    assert said.err.endswith("\n")
    assert said.err.count("\n") == 1
    return said.err


def test_benchmark_passes_everything_on(benchmark, tmp_path, capsys):
    words = ["benchmark", "--profile", "paper", "--out", str(tmp_path), "--seed", "0"]
    assert main([*words, "--members", "3", "--workers", "2"]) == 0
    assert benchmark.calls == [
        {"name": "comparison", "profile": "paper", "out": tmp_path, "seed": 0, "members": 3}
        | {"workers": 2, "command": "tnlearn benchmark"}
    ]
    assert capsys.readouterr().out == f"The report is {tmp_path / 'report.html'}\n"


@pytest.mark.parametrize(
    ("words", "profile", "out"),
    [
        ([], "quick", "benchmark-quick"),
        (["--profile", "paper"], "paper", "benchmark-paper"),
        (["--profile", "my/own.toml"], "my/own.toml", "benchmark-own"),
    ],
)
def test_benchmark_defaults(benchmark, words, profile, out):
    assert main(["benchmark", *words]) == 0
    (call,) = benchmark.calls
    assert call["profile"] == profile
    assert call["out"] == Path(out)
    assert call["seed"] is call["members"] is call["workers"] is None


@pytest.mark.parametrize(
    "error",
    [
        ConfigError("epochs is -1;\nit must be positive"),
        CheckpointError("the checkpoint\nbelongs to another configuration"),
        PermissionError(13, "Permission denied", "/out"),
    ],
)
def test_an_error_is_one_line(benchmark, monkeypatch, capsys, error):
    def fail(*words, **given):
        raise error

    monkeypatch.setattr(benchmark, "study", fail)
    said = refused(capsys, "benchmark")
    assert said == f"tnlearn: {' '.join(str(error).split())}\n"


def test_a_bug_is_not_hidden(benchmark, monkeypatch):
    def fail(*words, **given):
        raise KeyError("a bug")

    monkeypatch.setattr(benchmark, "study", fail)
    with pytest.raises(KeyError):
        main(["benchmark"])


def test_an_interruption_says_that_it_can_be_resumed(benchmark, monkeypatch, capsys):
    def stop(*words, **given):
        raise KeyboardInterrupt

    monkeypatch.setattr(benchmark, "study", stop)
    assert main(["benchmark"]) == 130
    said = capsys.readouterr().err
    assert said == "tnlearn: interrupted; the same command goes on where it stopped\n"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["benchmrk"], 'Did you mean "benchmark"?'),
        (["draw", "rwsn", "--out", "a.png"], "did you mean 'rswn'?"),
        (["draw", "rswn", "--form", "quatric", "--out", "a.png"], "did you mean 'quartic'?"),
        (["draw", "rswn", "--boundary", "opne", "--out", "a.png"], "did you mean 'open'?"),
        (["draw", "rswn", "--out", "a.pgn"], "did you mean '.png'?"),
        (["draw", "rswn", "--out", "a"], "unknown kind of picture ''"),
        (["draw", "rswn", "--cels", "3", "--out", "a.png"], "Did you mean --cells?"),
        (["draw", "rswn", "--cells", "1", "--out", "a.png"], "Must be >= 2"),
        (["draw", "rswn", "--cells", "x", "--out", "a.png"], 'unable to convert "x" into int'),
        (["draw", "rswn", "--window", "1.5", "--out", "a.png"], "Must be <= 1"),
        (["draw", "rswn", "--window", "nan", "--out", "a.png"], "window"),
        (["draw", "rswn"], "--out"),
        (["draw", "rswn", "--out", "no/such/folder/a.png"], "no/such/folder does not exist"),
        (["draw", "rswn", "--classes", "4", "--out", "a.png"], "--classes is for the baselines"),
        (["draw", "cnn", "--form", "quartic", "--out", "a.png"], "--form: only for rswn"),
        (["draw", "rswn", "--tree", "--out", "a.html"], ".svg or .png"),
        (["benchmark", "--membrs", "3"], "Did you mean --members?"),
        (["benchmark", "--members", "0"], "Must be >= 1"),
        (["benchmark", "--seed", "-1"], "Must be >= 0"),
        (["benchmark", "--seed"], "requires an argument"),
        (["about", "more"], "Unused Tokens: ['more']"),
        (["--nothing"], "tnlearn --help"),
    ],
)
def test_wrong_input(capsys, monkeypatch, tmp_path, benchmark, models, words, expected):
    monkeypatch.chdir(tmp_path)
    assert expected in refused(capsys, *words)
    assert benchmark.calls == []
    assert models == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "name", "asked"),
    [
        ([], "net.png", "draw"),
        ([], "net.SVG", "draw"),
        ([], "net.html", "to_html"),
        (["--tree"], "net.png", "draw_tree"),
    ],
)
def test_draw_rswn(models, tmp_path, capsys, words, name, asked):
    out = tmp_path / name
    assert main(["draw", "rswn", "--cells", "12", *words, "--out", str(out)]) == 0
    built = ("rswn", (12,), {"form": "operator", "boundary": "open", "window": 0.5})
    assert models == [built, (asked, out)]
    assert capsys.readouterr().out == f"The drawing is {out}\n"


def test_draw_with_all_options(models, tmp_path):
    words = ["--form", "lowrank", "--boundary", "periodic", "--window", "0.25"]
    assert main(["draw", "rswn", *words, "--out", str(tmp_path / "a.png")]) == 0
    assert models[0][2] == {"form": "lowrank", "boundary": "periodic", "window": 0.25}


def test_draw_a_baseline(models, tmp_path):
    assert main(["draw", "mlp", "--classes", "2", "--out", str(tmp_path / "a.png")]) == 0
    assert models[0] == ("baselines", ("mlp",), {"cells": 20, "classes": 2})


@pytest.mark.parametrize(("name", "start"), [("net.png", b"\x89PNG"), ("net.svg", b"<?xml")])
@pytest.mark.parametrize("words", [["rswn", "--form", "quartic"], ["cnn", "--tree"]])
def test_a_real_drawing(tmp_path, words, name, start):
    out = tmp_path / name
    assert main(["draw", *words, "--cells", "8", "--out", str(out)]) == 0
    assert out.read_bytes().startswith(start)


def test_about(capsys):
    assert main(["about"]) == 0
    said = capsys.readouterr().out
    for name in ("tnlearn", "python", "torch", "quimb", "threads", "BLAS", "compiler"):
        assert any(line.split()[0] == name for line in said.splitlines())
    assert __version__ in said


@pytest.mark.parametrize("words", [[], ["--help"], ["benchmark", "--help"], ["draw", "-h"]])
def test_help(capsys, words):
    assert main(words) == 0
    assert capsys.readouterr().out.startswith("Usage: tnlearn")


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"tnlearn {__version__}\n"


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["draw", "--help"]])
def test_help_loads_nothing_heavy(words):
    # What makes a start slow is what it loads: that is exact, where a time would not be.
    code = (
        "import sys; from tnlearn.cli import main; "
        f"status = main({words!r}); "
        "heavy = {'numpy', 'scipy', 'numba', 'torch', 'quimb', 'cotengra', 'matplotlib'}; "
        "print('loaded', sorted(heavy & set(sys.modules)), status)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded [] 0"


def test_the_installed_command_fails_without_a_traceback(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tnlearn.cli", "drwa"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith('tnlearn: Unknown command "drwa". Did you mean "draw"?')
    assert done.stderr.count("\n") == 1
