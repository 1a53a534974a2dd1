"""The findings that were kept of the study `gradients`, from before it had a table."""

from __future__ import annotations

import numpy as np
import pandas as pd
from golden import golden
from scipy.stats import t

from tnlearn.studies.gradients import gradients


def test_powers_are_those_that_were_kept() -> None:
    """Of the norms at random starts mean and variance were kept: here an eighth of them is high."""
    old = golden("trainability")["gradient"]
    rows = []
    for name, network in old.items():
        for row in network["rows"]:
            norm, n = row["norm"], row["norm"]["members"]
            arm = (norm["high"] - norm["low"]) / 2
            deviation = arm / t.ppf(0.975, n - 1) * np.sqrt(n - 1)
            for k in range(n):
                value = norm["mean"] + deviation * (7**0.5 if k < n // 8 else -(7**-0.5))
                labels = {"network": name, "cells": row["cells"], "node": "all", "norm": value}
                rows.append({**labels, "square": value**2 / row["parameters"]})
    powers = gradients.findings(pd.DataFrame(rows), None).set_index(["network", "measure"])
    for name, network in old.items():
        for measure, kept in (("norm", "norm"), ("mean square of a component", "variance")):
            row = powers.loc[name, measure]
            assert np.isclose(row["value"], network[kept]["value"], rtol=0, atol=1e-9)
            assert row["law"] == network[kept]["law"]
