"""The estimator: what scikit-learn expects of it, as far as its input is one of theirs."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.utils.estimator_checks import estimator_checks_generator

import tnlearn as tnl
from tnlearn.errors import ShapeError, UnknownNameError
from tnlearn.sklearn import TopologyClassifier

DATA = tnl.dataset("ssh", cells=8, samples=240, seed=1)
BLOCKS, NAMES = DATA.chains.block(), np.array(["trivial", "topological"])[DATA.windings]
SMALL = TopologyClassifier(members=2, epochs=6, lr=0.03)


@pytest.mark.parametrize("given", ["blocks", "chains", "states"])
def test_it_learns_any_labels_from_what_describes_a_chain(given):
    x = {"blocks": BLOCKS, "chains": DATA.chains, "states": DATA.chains.states()}[given]
    model = clone(SMALL).fit(x, NAMES)
    assert list(model.classes_) == ["topological", "trivial"]
    assert model.score(x, NAMES) > 0.9
    probability = model.predict_proba(x)
    assert np.allclose(probability.sum(axis=1), 1)
    assert np.array_equal(model.classes_[probability.argmax(axis=1)], model.predict(x))


def test_cross_validation_and_grids():
    assert cross_val_score(SMALL, BLOCKS, NAMES, cv=2).mean() > 0.8
    grid = {"channels": [1, 2]}
    search = GridSearchCV(clone(SMALL).set_params(epochs=1), grid, cv=2).fit(BLOCKS, NAMES)
    assert search.best_params_["channels"] in grid["channels"]


def test_the_checks_of_scikit_learn_that_its_input_allows():
    """It takes matrices; most checks are of flat features, and scikit-learn leaves those out."""
    with pytest.warns(match="Can't test estimator"):
        checks = list(estimator_checks_generator(TopologyClassifier()))
    assert checks
    for estimator, check in checks:
        check(estimator)
    for name, value in SMALL.get_params().items():
        assert clone(SMALL).get_params()[name] == value


def test_mistakes():
    with pytest.raises(UnknownNameError, match="quartic"):
        clone(SMALL).set_params(network="quartics").fit(BLOCKS, NAMES)
    with pytest.raises(ShapeError, match="as many labels"):
        clone(SMALL).fit(BLOCKS, NAMES[:-1])
