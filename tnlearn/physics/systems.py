"""Models of PythTB and systems of kwant, told by what they can do: neither is imported.

PythTB 1 (`tb_model`): `_gen_ham()`, `get_orb()`, `get_lat()`, `_dim_k`, `_nspin`.
PythTB 2 (`TBModel`): `hamiltonian(…)`, `get_orb_vecs(cartesian=True)`, `dim_k`, `nspin`.
kwant: `hamiltonian_submatrix(…)`, `sites`, `discrete_symmetry(…).chiral`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.errors import ConfigError, ShapeError

__all__ = ["System", "read_system"]

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class System:
    """What a model of another package says about itself.

    Attributes
    ----------
    hamiltonian : (n, n) array or sparse array
        In the units of the model.
    positions : (n, dimensions) array or None
        Where each orbital is, Cartesian.
    chiral : (n, n) array or sparse array, or None
        The chiral operator, where the model carries one.
    """

    hamiltonian: Any
    positions: Array | None
    chiral: Any = None


def read_system(given: Any, params: Mapping[str, Any] | None = None) -> System | None:
    """The Hamiltonian of a PythTB model or a kwant system; None for anything else.

    Parameters
    ----------
    given : object
        A finite PythTB model (no periodic direction left) or a finalised finite
        kwant system.
    params : dict, optional
        Values of the parameters that the system names.

    Raises
    ------
    ConfigError
        For an infinite system or one not finalised, saying how to make it finite;
        for missing or unknown parameters, as the package says it.
    """
    if hasattr(given, "hamiltonian_submatrix"):
        return _kwant(given, params)
    if hasattr(given, "finalized") and hasattr(given, "sites"):
        raise ConfigError("this kwant builder is not finalised: pass builder.finalized()")
    if hasattr(given, "_gen_ham") and hasattr(given, "get_orb"):
        return _pythtb_1(given, params)
    if hasattr(given, "hamiltonian") and hasattr(given, "dim_k") and hasattr(given, "norb"):
        return _pythtb_2(given, params)
    return None


def _kwant(system: Any, params: Mapping[str, Any] | None) -> System:
    if hasattr(system, "cell_size"):
        raise ConfigError(
            "this kwant system repeats without end; build a finite chain (fill() a Builder "
            "without symmetry with as many cells as wanted) and finalise that"
        )
    values = dict(params) if params else None
    try:
        full, orbitals, _ = system.hamiltonian_submatrix(
            params=values, sparse=True, return_norb=True
        )
        symmetry = system.discrete_symmetry(params=values)
    except Exception as error:  # value functions of the user's run here
        why = " ".join(str(error.__cause__ or error).split())
        raise ConfigError(
            f"kwant cannot evaluate this system: {why}; its parameters are given as "
            "params={name: value}"
        ) from error
    try:
        places = np.array([np.asarray(site.pos, dtype=float) for site in system.sites])
        positions = np.repeat(places.reshape(len(places), -1), np.asarray(orbitals), axis=0)
    except (AttributeError, TypeError, ValueError):
        # Families of sites need not live in space; their order is all there is then.
        positions = None
    return System(full, positions, getattr(symmetry, "chiral", None))


def _pythtb_1(model: Any, params: Mapping[str, Any] | None) -> System:
    if params:
        raise ConfigError("a model of PythTB 1 has no parameters; set its hoppings instead")
    _check_finite_model(int(model._dim_k))
    full = np.asarray(model._gen_ham())
    spins = int(getattr(model, "_nspin", 1))
    places = np.asarray(model.get_orb(), dtype=float) @ np.asarray(model.get_lat(), dtype=float)
    return _pythtb(full, places, spins)


def _pythtb_2(model: Any, params: Mapping[str, Any] | None) -> System:
    _check_finite_model(int(model.dim_k))
    try:
        full = np.asarray(model.hamiltonian(**(dict(params) if params else {})))
        places = np.asarray(model.get_orb_vecs(cartesian=True), dtype=float)
    except (TypeError, ValueError, KeyError) as error:
        raise ConfigError(f"PythTB refuses this model: {error}") from error
    return _pythtb(full, places, int(getattr(model, "nspin", 1)))


def _check_finite_model(periodic: int) -> None:
    if periodic:
        raise ConfigError(
            f"this PythTB model has {periodic} periodic direction(s); cut a chain out of it: "
            "model.cut_piece(cells, 0), with glue_edgs=True (version 1) for a ring"
        )


def _pythtb(full: Array, places: Array, spins: int) -> System:
    size = len(places) * spins
    # Spinful models come with axes (orbital, spin, orbital, spin).
    if full.size != size * size:
        raise ShapeError(
            f"PythTB gave a Hamiltonian of shape {full.shape} for {len(places)} orbitals of "
            f"{spins} spin component(s); give parameters that are single numbers"
        )
    return System(full.reshape(size, size), np.repeat(places, spins, axis=0))
