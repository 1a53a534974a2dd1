"""The report as files: figures, one page that stands alone, and results with missing parts."""

import json
import math
import re
import struct
from html.parser import HTMLParser

import pytest
from report_results import NETWORKS, full

from tnlearn.errors import ConfigError, FileError
from tnlearn.report import write
from tnlearn.report.reading import Results
from tnlearn.report.style import figure, save
from tnlearn.report.tables import comparison

VOID = {"meta", "link", "img", "input", "br"}


class Page(HTMLParser):
    """Collects addresses, anchors and text, and checks that every element is closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.addresses, self.anchors, self.tags = [], [], set(), []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href"):
                self.addresses.append(value)
            if name == "id":
                assert value not in self.anchors
                self.anchors.add(value)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def size(path):
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert content.endswith(b"IEND\xaeB`\x82")
    return struct.unpack(">II", content[16:24])


def small():
    """One data set, two networks and short curves: quick to draw."""
    raw = full(epochs=3)
    chosen = [r for r in raw["runs"] if r["network"] in ("quartic", "cnn")]
    raw["runs"] = [r for r in chosen if r["data"] == "extended"]
    raw["data"].pop("ssh")
    return raw


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    out = tmp_path_factory.mktemp("report")
    raw = full(epochs=3)
    few = ("quartic", "cnn")
    raw["runs"] = [r for r in raw["runs"] if r["data"] == "extended" or r["network"] in few]
    graph = {"title": "RSWN operator", "naive": 64000000, "path": 33600, "shared": 17600}
    raw["graphs"] = {"operator": graph | {"figure": "figures/graph-operator.png"}}
    (out / "figures").mkdir()
    save(figure(1, 1, 2.0)[0], out / "figures" / "graph-operator.png")
    # Through JSON, as a study writes it and a user reads it again.
    path = write(json.loads(json.dumps(raw)), out)
    return path, path.read_text(encoding="utf-8")


def test_the_figures_are_whole_and_of_the_expected_size(report):
    path, _ = report
    figures = {png.stem: size(png) for png in (path.parent / "figures").glob("*.png")}
    for data in ("extended", "ssh"):
        for kind in ("overview", "disorder", "learning-accuracy", "learning-loss", "calibration"):
            assert figures[f"{kind}-{data}"][0] == 1500
    for name in ("learned-d", "pruning", "trainability"):
        assert figures[name][0] == 1500
    assert figures["singular-values"] == (900, 510)
    assert figures["disorder-extended"] == (1500, 645)


def test_nothing_unfinished_is_left(report):
    path, _ = report
    assert path.name == "report.html"
    assert not list(path.parent.rglob("*.partial"))


def test_the_page_stands_alone(report):
    page = Page(report[1])
    assert not page.open
    for address in page.addresses:
        assert address.startswith(("data:", "#"))
    assert "script" not in page.tags
    assert not re.search(r"https?://", report[1])
    assert "@import" not in report[1]
    assert "url(" not in report[1]


def test_links_lead_to_sections(report):
    page = Page(report[1])
    links = {address[1:] for address in page.addresses if address.startswith("#")}
    assert links <= page.anchors
    sections = {"comparison", "disorder", "learning", "weights", "pruning", "trainability"}
    assert sections | {"graphs", "calibration", "made"} <= links


def test_all_is_said(report):
    text = report[1]
    assert text.count("<img") == 15
    for title, *_ in NETWORKS.values():
        assert title in text
    assert "its weights are tied to 20 cells" in text
    assert "tnlearn benchmark --profile quick --out benchmark-quick" in text
    assert "naive flops 64,000,000, path flops 33,600, shared flops 17,600" in text
    assert "networks.quartic.lr" in text
    assert "nan" not in re.sub(r"base64,[^\"]*", "", text).lower()


def test_the_table_holds_the_numbers():
    raw = small()
    raw["runs"][0]["accuracy"]["clean"] = [0.90, 0.92, 0.91, 0.93, 0.90, 0.92, 0.91, 0.93]
    table = comparison(Results(raw), "extended")
    # t(0.975, 7) = 2.3646, s = 0.011952: half the interval is 1.0 points.
    assert "<b>91.5</b> ±1.0<small>90.0 – 93.0</small>" in table
    assert "unambiguous" not in table
    assert "n = 963" in comparison(Results(raw), "extended", clear=True)


def test_the_same_results_give_the_same_files(tmp_path):
    raw = small()
    raw["runs"], raw["learned"], raw["trainability"] = raw["runs"][:1], None, None
    one, two = (write(raw, tmp_path / name) for name in "ab")
    assert one.read_bytes() == two.read_bytes()
    for png in (tmp_path / "a" / "figures").iterdir():
        assert png.read_bytes() == (tmp_path / "b" / "figures" / png.name).read_bytes()


@pytest.mark.parametrize(
    "part",
    ["exact", "markers", "pruning", "trainability", "learned", "graphs", "environment", "config"],
)
def test_a_part_may_be_missing(tmp_path, part):
    raw = {key: value for key, value in small().items() if key in ("format", "data", "networks")}
    whole = small()
    # The part that is missing and one that is not, so that neither leans on the other.
    raw |= {"runs": whole["runs"][:1], part: None}
    left = "learned" if part != "learned" else "exact"
    raw[left] = whole[left]
    Page(write(raw, tmp_path).read_text())
    assert not (tmp_path / "figures" / f"{part}.png").exists()


def test_members_may_diverge_and_shifts_be_null(tmp_path):
    raw = small()
    raw["learned"] = raw["trainability"] = raw["pruning"] = None
    entry = raw["runs"][0]
    entry["accuracy"]["clean"][2] = None
    entry["accuracy"]["disorder-1"] = [math.nan] * 8
    entry["accuracy"]["ring"] = None
    entry["accuracy_clear"] = None
    entry["history"] = {"loss": [[1.0, math.nan]] * 8, "accuracy": [[0.3], [0.3, 0.5, None]]}
    entry["calibration"] = {}
    entry["success"] = None
    text = write(raw, tmp_path).read_text()
    Page(text)
    assert "1 of 8 members diverged and are left out" in text
    assert "every member diverged" in text
    assert "not measured in this run" in text
    assert "1 member diverged" in text


def test_one_member_only(tmp_path):
    raw = small()
    for entry in raw["runs"]:
        entry["members"] = 1
        for table in ("accuracy", "accuracy_clear", "calibration"):
            entry[table] = {k: v and v[:1] for k, v in entry[table].items()}
        entry["history"] = {k: v[:1] for k, v in entry["history"].items()}
    text = write(raw, tmp_path).read_text()
    assert "too few members for an interval" in text
    assert not re.search(r"<td[^>]*>[^/]*±", text)


@pytest.mark.parametrize("scales", [[0.0, 0.1, 1.0], [0.0], [0.3]])
def test_a_scale_may_be_zero(tmp_path, scales):
    raw = small()
    entry = raw["trainability"][0]
    entry |= {"scales": scales, "accuracy": entry["accuracy"][: len(scales)]}
    raw = {key: raw[key] for key in ("format", "data", "networks")} | {"trainability": [entry]}
    write(raw, tmp_path)
    assert size(tmp_path / "figures" / "trainability.png") == (1500, 600)


def test_reasons_share_a_footnote():
    raw = small()
    for entry in raw["runs"]:
        for shift, cells in (("size-12", 12), ("size-40", 40)):
            name = entry["network"]
            entry["not_applicable"][shift] = f"{name} has another shape at {cells}: it is fixed"
    table = comparison(Results(raw), "extended")
    assert table.count("<sup>a</sup>") == 5
    assert "<sup>b</sup>" not in table
    assert "<sup>a</sup>&nbsp;it is fixed.</p>" in table
    assert 'title="quartic has another shape at 12: it is fixed"' in table


def test_nothing_at_all(tmp_path):
    text = write({"format": "tnlearn-benchmark/1"}, tmp_path / "new").read_text()
    Page(text)
    assert "No network was trained" in text
    assert "<img" not in text


def test_names_are_escaped(tmp_path):
    raw = small()
    raw["runs"] = raw["runs"][:1]
    raw["networks"]["quartic"]["title"] = "<script>alert(1)</script> & co"
    raw["command"] = "tnlearn benchmark --out '<b>'"
    text = write(raw, tmp_path).read_text()
    assert "<script>" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; co" in text
    assert "&#x27;&lt;b&gt;&#x27;" in text


@pytest.mark.parametrize("damage", [None, b"", b"not a picture"])
def test_a_drawing_that_is_missing_is_said(tmp_path, damage):
    if damage is not None:
        (tmp_path / "figures").mkdir()
        (tmp_path / "figures" / "graph-a.png").write_bytes(damage)
    raw = {"format": "tnlearn-benchmark/1", "graphs": {"a": {"title": "A graph", "naive": 5}}}
    text = write(raw, tmp_path).read_text()
    assert "figures/graph-a.png was not made" in text
    assert "naive flops 5" in text


@pytest.mark.parametrize("raw", [{}, {"format": "tnlearn-benchmark/2"}, [], None])
def test_another_format_is_refused(tmp_path, raw):
    with pytest.raises(ConfigError, match="tnlearn-benchmark/1"):
        write(raw, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FileError, match="cannot write the report"):
        write(small(), tmp_path / "file" / "out")
    assert (tmp_path / "file").read_text() == "mine"


def test_pyplot_is_not_touched():
    import subprocess
    import sys

    code = (
        "import sys, tnlearn.report; "
        "print([m for m in ('matplotlib.pyplot', 'torch', 'quimb') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
