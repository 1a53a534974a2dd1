"""The study `audit`: what is known of its references, and that its rows are those of the tool."""

from __future__ import annotations

import numpy as np
from tiny import RUNS, table, tiny

import tnlearn as tnl
from tnlearn.audits.audit import Audit
from tnlearn.audits.certify import sample_set
from tnlearn.audits.table import COUNTS
from tnlearn.lab.ensembles import trained
from tnlearn.report.table import where
from tnlearn.studies.audit import CONSTANT, COUNTER, EXACT, STUDY


def test_what_is_known_of_the_references() -> None:
    here = where(table("audit"), cells=10, disorder=0.5)
    audits = {name: Audit(name, (), rows, {}) for name, rows in here.groupby("network")}
    assert audits[CONSTANT].score == 0.5
    assert audits[EXACT].score > audits[COUNTER].score + 0.1
    assert audits[COUNTER]["ring-shift"].followed == (0,)
    assert audits[COUNTER]["mask-gapped"].estimate().value == 1
    assert (here["certified"] + here["refused"].map(lambda r: sum(r.values())) == 60).all()
    assert audits["quartic"].members == 3


def test_the_rows_are_those_of_the_tool() -> None:
    """The same members, audited by `tnlearn.audit` on the samples of the study."""
    rows = where(table("audit"), network="symmetric-dense", disorder=0.5)
    task = next(t for t in STUDY.tasks(tiny("audit")) if t.labels["network"] == "symmetric-dense")
    fitted = trained(task.config, RUNS / "audit" / "trained")
    alone = tnl.audit(fitted, sample_set("extended", 10, 60, 0, 0.5), progress=False).table
    for column in ("intervention", "member", "certified"):
        assert rows[column].tolist() == alone[column].tolist()
    assert np.array_equal(rows[COUNTS], alone[COUNTS], equal_nan=True)
