"""Networks of an invariant as an estimator of scikit-learn: pipelines, grids, cross-validation.

scikit-learn is needed only here; it is not installed with this package.  Its checks of estimators
are of flat features but for one (cloning), and are left out by themselves: the input here is a
matrix a sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from tnlearn.data.dataset import Dataset
from tnlearn.errors import ShapeError, check_choice
from tnlearn.models.baselines import KINDS
from tnlearn.models.catalogue import build_network
from tnlearn.models.network import Network
from tnlearn.models.rswn import FORMS
from tnlearn.physics.hamiltonians import states
from tnlearn.physics.states import States
from tnlearn.training.fit import fit

__all__ = ["TopologyClassifier"]

Array = NDArray[Any]
_FREED = {"operator": "X", "sublattice": "X", "quartic": "D", "lowrank": "left"}


class TopologyClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Phases of chiral chains, learned from blocks by an ensemble of networks.

    Parameters
    ----------
    network : str or Network
        A form of the winding number ("operator", "sublattice", "quartic", "lowrank") with its
        displacement set free and a head; a baseline ("mlp", "cnn", "resnet", "attention", …); or
        a network with a head of as many classes as there are.
    channels : int
        Copies of the node that is set free.
    hidden : sequence of int
        Widths of the layers of the head.
    members, epochs, lr, batch_size, seed
        As of `tnl.fit`.  Probabilities are the mean over the members.

    Attributes
    ----------
    classes_ : (classes,) array
        The labels, sorted.
    fitted_ : Fitted
        The trained ensemble: `tnl.audit(estimator.fitted_)`, `estimator.fitted_.plot()`.

    Examples
    --------
    >>> import tnlearn as tnl
    >>> from tnlearn.sklearn import TopologyClassifier
    >>> data = tnl.dataset("ssh", cells=12, samples=400, seed=1)
    >>> model = TopologyClassifier(members=2, epochs=5).fit(data.chains.block(), data.windings)
    >>> model.score(data.chains.block(), data.windings) > 0.9
    True
    """

    def __init__(
        self,
        network: str | Network = "quartic",
        *,
        channels: int = 4,
        hidden: Sequence[int] = (16,),
        members: int = 4,
        epochs: int = 40,
        lr: float = 1e-2,
        batch_size: int = 64,
        seed: int = 0,
    ) -> None:
        self.network = network
        self.channels = channels
        self.hidden = hidden
        self.members = members
        self.epochs = epochs
        self.lr = lr
        self.batch_size = batch_size
        self.seed = seed

    def fit(self, X: Any, y: Any) -> TopologyClassifier:
        """Train on blocks h[x, y], (samples, cells, cells), or on chains or states; y any labels.

        Raises
        ------
        ShapeError, ConfigError, UnknownNameError, NotFiniteError
            If these are no blocks, not as many labels, or there is no such network.
        """
        taken = _states(X)
        labels = np.asarray(y)
        check_classification_targets(labels)
        if labels.shape != (len(taken),):
            raise ShapeError(f"{len(taken)} samples need as many labels, got {labels.shape}")
        self.classes_, indices = np.unique(labels, return_inverse=True)
        data = Dataset.from_states(taken, indices, classes=range(len(self.classes_)))
        self.fitted_ = fit(
            self._net(taken.cells, len(self.classes_)), data, members=self.members,
            epochs=self.epochs, lr=self.lr, batch_size=min(self.batch_size, len(data)),
            seed=self.seed, progress=False,
        )  # fmt: skip
        return self

    def _net(self, cells: int, classes: int) -> Network:
        if isinstance(self.network, Network):
            return self.network
        check_choice("network", self.network, (*FORMS, *KINDS))
        entry: dict[str, Any] = {"kind": self.network}
        if self.network in FORMS:
            entry = {"kind": "rswn", "options": {"form": self.network}, "channels": self.channels}
            entry |= {"free": {"nodes": [_FREED[self.network]]}, "hidden": self.hidden}
        return build_network(entry, cells, classes)

    def predict_proba(self, X: Any) -> Array:
        """Probability of each class, (samples, classes): the mean over the members."""
        check_is_fitted(self)
        return np.asarray(self.fitted_.predict(_states(X), proba=True).mean(axis=0))

    def predict(self, X: Any) -> Array:
        """The most probable label of each sample, (samples,)."""
        return np.asarray(self.classes_[self.predict_proba(X).argmax(axis=1)])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        return tags


def _states(given: Any) -> States:
    """States of what scikit-learn hands on: blocks, or slices of chains and of states."""
    if isinstance(given, States):
        return given
    return states(given) if hasattr(given, "states") else states(given, kind="block")
