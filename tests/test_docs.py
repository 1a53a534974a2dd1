"""What the pages show runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import jupytext
import pytest
from nbclient import NotebookClient

import tnlearn as tnl

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# A remark before a block says that it is not run here; it is compiled.
BLOCK = re.compile(
    r"^(<!-- not run here[^\n]*-->\n)?```python\n(.*?)^```", re.DOTALL | re.MULTILINE
)
BLOCKS = {path.name: rows for path in PAGES if (rows := BLOCK.findall(path.read_text()))}


@pytest.mark.parametrize("page", BLOCKS)
def test_the_blocks_of_a_page_run_in_a_row(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for number, (remark, block) in enumerate(BLOCKS[page], 1):
        code = compile(block, f"{page}, block {number}", "exec")
        if not remark:
            exec(code, names)


def test_the_start_page_is_a_notebook_that_shows_what_it_says(tmp_path):
    """In a fresh kernel: no import of matplotlib, pictures where a cell ends with one, no noise."""
    notebook = jupytext.read(ROOT / "docs" / "start.md", fmt="md:myst")
    assert "matplotlib" not in "".join(cell.source for cell in notebook.cells)
    NotebookClient(
        notebook, kernel_name="python3", timeout=120, resources={"metadata": {"path": tmp_path}}
    ).execute()
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if output.output_type == "stream":
                assert output.name == "stderr"
                assert re.fullmatch(r"(\r|\n|.*\d+%\|.*)*", output.text), output.text  # a bar
            elif ".plot" in cell.source or ".draw" in cell.source:
                assert {"image/png", "image/svg+xml"} <= set(output.data)
            else:
                assert "text/html" in output.data or re.fullmatch(
                    r"[\d.e-]+", output.data["text/plain"]
                )


def test_the_reference_names_everything_public():
    text = (ROOT / "docs" / "api.md").read_text()
    named = set(re.findall(r"auto(?:class|function):: (?:tnlearn\.)?([\w.]+)", text))
    modules = {name.split(".")[-1] for name in re.findall(r"automodule:: tnlearn\.([\w.]+)", text)}
    assert set(tnl.__all__) - {"__version__"} <= named | modules
