"""Anyone's Hamiltonian: sublattices told or found, sparse or dense, PythTB and kwant."""

from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import tnlearn as tnl
from tnlearn.errors import ConfigError, NotChiralError, NotFiniteError, ShapeError
from tnlearn.physics.hamiltonians import read
from tnlearn.physics.sublattices import colours, read_sublattice

CELLS = 12
CHAINS = tnl.chain(
    CELLS, {-1: 0.2, 0: 0.6 + 0.1j, 1: 1.0}, disorder={0: 0.5, 1: 0.5}, samples=4, seed=3
)
FULL = CHAINS.hamiltonian()
VALUE = tnl.winding(CHAINS).value


SIGNS = np.tile([1, -1], CELLS)
PLACES = np.repeat(np.arange(CELLS), 2)[:, None] + np.tile([0.0, 0.5], CELLS)[:, None]
# The orbitals in another order, the first one left in its place.
ORDER = np.concatenate([[0], 1 + np.random.default_rng(0).permutation(2 * CELLS - 1)])
TURNED = FULL[:, ORDER][:, :, ORDER]
ALONG = (np.arange(2 * CELLS) // 2)[ORDER]
AABB = np.concatenate([np.arange(0, 2 * CELLS, 2), np.arange(1, 2 * CELLS, 2)])
AABB = FULL[:, AABB][:, :, AABB]


def turn(kind):
    """A local change of basis per cell and the chiral operator in the new basis."""
    sigma = np.array([[0, -1j], [1j, 0]]) if kind == "y" else np.array([[0, 1.0], [1.0, 0]])
    energies, vectors = np.linalg.eigh(sigma)
    vectors = vectors[:, np.argsort(-energies)]
    return np.kron(np.eye(CELLS), vectors), np.kron(np.eye(CELLS), sigma)


def turned(kind):
    basis, gamma = turn(kind)
    return basis @ FULL @ basis.conj().T, gamma


WAYS = {
    "dense": (FULL, {}),
    "list": (FULL.tolist(), {}),
    "csr": ([sp.csr_array(H) for H in FULL], {}),
    "csc matrix": ([sp.csc_matrix(H) for H in FULL], {}),
    "coo": (tuple(sp.coo_array(H) for H in FULL), {}),
    "positions": (TURNED, {"positions": ALONG}),
    "plane": (TURNED, {"positions": np.stack([np.zeros(2 * CELLS), ALONG + 1e-15], axis=1)}),
    "AABB": (AABB, {}),
    "AABB, said": (AABB, {"sublattice": "sublattice"}),
    "signs": (FULL, {"sublattice": SIGNS}),
    "bool": (FULL, {"sublattice": SIGNS > 0}),
    "01": (FULL, {"sublattice": (SIGNS + 1) // 2}),
    "float": (FULL, {"sublattice": SIGNS.astype(float)}),
    "letters": (FULL, {"sublattice": "AB" * CELLS}),
    "list of letters": (FULL, {"sublattice": list("ab" * CELLS)}),
    "site": (FULL, {"sublattice": "site"}),
    "chiral": (FULL, {"chiral": np.diag(SIGNS)}),
    "chiral, sparse": (FULL, {"chiral": sp.diags_array(SIGNS.astype(float))}),
    "chiral, diagonal": (FULL, {"chiral": SIGNS}),
    **{f"chiral {k}": (turned(k)[0], {"chiral": turned(k)[1]}) for k in "xy"},
    **{
        f"chiral {k}, sparse": (
            [sp.csr_array(H) for H in turned(k)[0]],
            {"chiral": sp.coo_array(turned(k)[1])},
        )
        for k in "xy"
    },
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_give_a_hamiltonian_gives_the_number_of_its_chain(way):
    matrix, words = WAYS[way]
    result = tnl.winding(matrix, **words)
    accuracy = 1e-10 if way.startswith(("chiral x", "chiral y")) else 1e-12
    assert np.allclose(result.value, VALUE, rtol=0, atol=accuracy)
    assert np.array_equal(result.integer, tnl.winding(CHAINS).integer)


def test_one_hamiltonian_is_a_batch_of_one():
    for single in (FULL[1], sp.csr_array(FULL[1])):
        assert np.allclose(tnl.winding(single).value, VALUE[1:2], rtol=0, atol=1e-12)


@pytest.mark.parametrize("method", ["rswn", "lyapunov", "twist", "log"])
@pytest.mark.parametrize("boundary", ["open", "periodic"])
def test_sparse_and_dense_agree_for_every_method(method, boundary):
    chains = CHAINS.with_boundary(boundary)
    full, h = chains.hamiltonian(), chains.block()
    dense = tnl.winding(h, method, boundary)
    for form in (full, [sp.csr_array(H) for H in full], [sp.csr_array(b) for b in h]):
        result = tnl.winding(form, method, boundary)
        assert np.allclose(result.value, dense.value, rtol=0, atol=1e-10)
        assert np.array_equal(result.reliable, dense.reliable)


def test_exchanging_the_sublattices_turns_the_sign():
    # h becomes h†: every displacement is reversed, but the window is now one of A cells.
    ring = CHAINS.with_boundary("periodic").hamiltonian()
    one, other = (tnl.winding(ring, "rswn", "periodic", sublattice=s) for s in (SIGNS, -SIGNS))
    assert np.allclose(other.value, -one.value, rtol=0, atol=1e-12)


@pytest.mark.parametrize("intra", [0.0, 1.0])
def test_a_chain_that_falls_into_pieces_is_read_in_its_order(intra):
    chains = tnl.ssh(8, intra, 1.0 - intra)
    h = chains.block()
    zero = np.zeros_like(h)
    for full in (chains.hamiltonian(), np.block([[zero, h], [h.swapaxes(1, 2), zero]])):
        assert np.array_equal(read(full).source, h)


def test_pieces_that_fit_no_order_are_refused():
    order = [0, 2, 1, 3, 4, 5, 6, 7]
    full = tnl.ssh(4, 1.0, 0.0).hamiltonian()[0][order][:, order]
    with pytest.raises(NotChiralError, match="4 pieces"):
        tnl.winding(full)


@pytest.mark.parametrize("make", [np.asarray, sp.csr_array])
@pytest.mark.parametrize(
    ("where", "size"), [((0, 0), 0.1), ((3, 7), 0.04), ((1, 5), 2.5)], ids=["onsite", "AA", "BB"]
)
@pytest.mark.parametrize("told", [None, "site"])
def test_what_is_not_chiral_is_refused_with_the_size_of_the_violation(make, where, size, told):
    full = FULL[0].copy()
    full[where] += size
    full[where[::-1]] = full[where].conj()
    # A strong bond within a sublattice decides the colours; the smallest largest element is told.
    match = "not chiral" if told is None and size > 1 else f"reach {size}"
    with pytest.raises(NotChiralError, match=match):
        tnl.winding(make(full), sublattice=told)


def test_the_refused_sample_is_named():
    full = FULL.copy()
    full[2, 5, 5] = 0.3
    with pytest.raises(NotChiralError, match=r"sample 2\) is not chiral.*0\.3"):
        tnl.winding(full, sublattice="site")
    full = FULL.copy()
    full[3, 0, 1] += 0.2
    with pytest.raises(NotChiralError, match=r"sample 3\) is not Hermitian.*0\.2"):
        tnl.winding(full, kind="hamiltonian")


def test_a_hermitian_block_can_be_told_to_be_one():
    chains = tnl.chain(12, {-1: 0.4, 0: 0.5, 1: 0.4})
    with pytest.raises(NotChiralError, match='kind="block"'):
        tnl.winding(chains.block())
    found = tnl.winding(chains.block(), kind="block")
    assert np.allclose(found.value, tnl.winding(chains).value, rtol=0, atol=1e-12)


def test_two_orbitals_per_cell_and_sublattice_count_as_two_cells():
    # Two decoupled copies of a topological chain: winding 2 per double cell is 2 in all.
    single = tnl.ssh(40, 0.3, 1.0).block()[0]
    h = np.kron(single, np.eye(2))
    found = tnl.winding(h)
    assert found.integer[0] == tnl.winding(h, "lyapunov").integer[0] == 2


@pytest.mark.parametrize(
    ("error", "match", "words"),
    [
        (ShapeError, "13 orbitals are on", {"sublattice": [1] * 13 + [-1] * 11}),
        (ShapeError, "shape", {"sublattice": [1, -1]}),
        (ShapeError, "entry 1", {"sublattice": [1, 2] * CELLS}),
        (ShapeError, "entry 0", {"sublattice": ["C", "B"] * CELLS}),
        (ShapeError, "positions", {"positions": [1.0, 2.0]}),
        (NotFiniteError, "positions", {"positions": [np.nan] * 24}),
        (ConfigError, "not both", {"sublattice": SIGNS, "chiral": SIGNS}),
        (ShapeError, "chiral operator has shape", {"chiral": np.eye(3)}),
        (NotChiralError, "misses that by 3", {"chiral": 2 * np.eye(24)}),
        (ConfigError, "told already", {"kind": "block", "sublattice": SIGNS}),
        (ConfigError, "params", {"params": {"t": 1.0}}),
        (ConfigError, "sublattice", {"given": CHAINS, "sublattice": SIGNS}),
        *(
            (error, match, {"given": matrix, "kind": kind})
            for kind in ("auto", "block", "hamiltonian")
            for error, match, matrix in (
                (ShapeError, "square", sp.csr_array(np.ones((2, 3)))),
                (NotFiniteError, "NaN", sp.csr_array(np.array([[0, np.nan], [1.0, 0]]))),
                (ShapeError, "one shape", [sp.eye_array(4), sp.eye_array(6)]),
            )
        ),
    ],
)
def test_bad_descriptions_get_one_clear_error(error, match, words):
    with pytest.raises(error, match=match):
        tnl.winding(**{"given": FULL, **words})


@settings(max_examples=40, deadline=None)
@given(
    cells=st.integers(2, 12),
    seed=st.integers(0, 2**32 - 1),
    offsets=st.sets(st.integers(-2, 2), min_size=2, max_size=4),
)
def test_the_sublattices_of_any_chain_are_found(cells, seed, offsets):
    rng = np.random.default_rng(seed)
    hoppings = {m: rng.normal(size=(1, cells)) for m in offsets}
    full = tnl.chain(cells, hoppings).hamiltonian()[0]
    piece, signs = colours(sp.csr_array(full != 0))
    apart = signs[:, None] * signs[None, :]
    assert not np.any(full[apart > 0])
    assert not np.any(full[piece[:, None] != piece])


@pytest.mark.parametrize("order", ["site", "sublattice"])
def test_an_order_needs_an_even_size(order):
    with pytest.raises(ShapeError, match="odd"):
        read_sublattice(order, 5)


def test_a_long_sparse_chain_needs_no_dense_matrix():
    cells = 100_000
    chains = tnl.ssh(cells, 0.5, 1.0, 0.3, 0.3, seed=1)
    off = np.empty(2 * cells - 1)
    off[0::2], off[1::2] = chains.hoppings[0][0], chains.hoppings[1][0, :-1]
    full = sp.diags_array([off, off], offsets=[1, -1], format="csr")
    blocks = read(full)
    bonds = blocks.source.hoppings
    assert blocks.boundary == "open"
    assert np.array_equal(bonds[0], chains.hoppings[0])
    assert np.array_equal(bonds[1][:, :-1], chains.hoppings[1][:, :-1])
    assert bonds[1][0, -1] == 0
    result = tnl.winding(full, "lyapunov", gap=False)
    assert (result.integer[0], result.reliable[0]) == (1, True)


class OldModel:
    """What a finite `tb_model` of PythTB 1 answers."""

    def __init__(self, full, places, dim_k=0, nspin=1):
        self._full, self._places, self._dim_k, self._nspin = full, places, dim_k, nspin

    def _gen_ham(self, k_input=None):
        return self._full

    def get_orb(self):
        return self._places

    def get_lat(self):
        return np.array([[2.0]])


class NewModel:
    """What a finite `TBModel` of PythTB 2 answers."""

    def __init__(self, full, places, dim_k=0, nspin=1):
        self._full, self._places = full, places
        self.dim_k, self.nspin, self.norb = dim_k, nspin, len(places)

    def hamiltonian(self, k_pts=None, flatten_spin_axis=False, **params):
        scale = params.pop("scale", 1.0)
        if params:
            raise ValueError(f"unknown parameters {sorted(params)}")
        return scale * self._full

    def get_orb_vecs(self, cartesian=False):
        return self._places * (2.0 if cartesian else 1.0)


@pytest.mark.parametrize("model", [OldModel, NewModel])
def test_a_finite_model_of_pythtb_is_labelled(model):
    assert np.allclose(
        tnl.winding(model(TURNED[0], PLACES[ORDER])).value, VALUE[:1], rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("model", [OldModel, NewModel])
def test_a_spinful_model_has_two_states_per_orbital(model):
    full = np.einsum("xy,st->xsyt", FULL[0], np.diag([1.0, -1.0]))
    signs = np.repeat(SIGNS, 2)
    found = tnl.winding(model(full, PLACES, nspin=2), "lyapunov", sublattice=signs)
    assert found.integer[0] == 2 * tnl.winding(FULL[0], "lyapunov").integer[0]


@pytest.mark.parametrize("model", [OldModel, NewModel])
def test_a_periodic_model_of_pythtb_is_refused(model):
    with pytest.raises(ConfigError, match="cut_piece"):
        tnl.winding(model(FULL[0], PLACES, dim_k=1))


def test_parameters_of_pythtb_are_passed_on():
    found = tnl.winding(NewModel(FULL[0], PLACES), params={"scale": 3.0})
    assert np.allclose(found.gap, 3 * tnl.winding(FULL[0]).gap)
    with pytest.raises(ConfigError, match="wrong"):
        tnl.winding(NewModel(FULL[0], PLACES), params={"wrong": 3.0})
    with pytest.raises(ConfigError, match="no parameters"):
        tnl.winding(OldModel(FULL[0], PLACES), params={"scale": 3.0})


class System:
    """What a finalised finite system of kwant answers: sites by family, then by tag."""

    def __init__(self, full, places, chiral=None):
        order = np.concatenate([np.arange(0, len(full), 2), np.arange(1, len(full), 2)])
        self._full = full[order][:, order]
        self.sites = [SimpleNamespace(pos=tuple(places[i])) for i in order]
        self._chiral = None if chiral is None else chiral[order][:, order]

    def hamiltonian_submatrix(
        self, args=(), to_sites=None, from_sites=None, sparse=False, return_norb=False, params=None
    ):
        full = self._full * (params or {}).get("t", 1.0)
        norb = np.ones(len(self.sites), dtype=int)
        matrix = sp.coo_matrix(full) if sparse else full
        return (matrix, norb, norb) if return_norb else matrix

    def discrete_symmetry(self, args=(), *, params=None):
        chiral = None if self._chiral is None else sp.coo_matrix(self._chiral)
        return SimpleNamespace(chiral=chiral)


@pytest.mark.parametrize("chiral", [None, np.diag(SIGNS)])
def test_a_finite_system_of_kwant_is_labelled(chiral):
    system = System(FULL[0], PLACES, chiral)
    assert np.allclose(tnl.winding(system).value, VALUE[:1], rtol=0, atol=1e-12)
    assert np.allclose(tnl.winding(system, params={"t": 2.0}).gap, 2 * tnl.winding(FULL[0]).gap)
    with pytest.raises(ConfigError, match="Hamiltonian, not a block"):
        tnl.winding(system, kind="block")


def test_the_chiral_operator_of_a_kwant_system_is_used():
    basis, gamma = turn("y")
    system = System(basis @ FULL[0] @ basis.conj().T, PLACES // 1, gamma)
    assert np.allclose(tnl.winding(system).value, VALUE[:1], rtol=0, atol=1e-10)


def test_a_kwant_system_without_an_end_or_unfinished_is_refused():
    endless = System(FULL[0], PLACES)
    endless.cell_size = 2
    with pytest.raises(ConfigError, match="without end"):
        tnl.winding(endless)
    builder = SimpleNamespace(finalized=lambda: None, sites=lambda: [])
    with pytest.raises(ConfigError, match="finalized"):
        tnl.winding(builder)


def test_a_kwant_system_whose_functions_fail_says_why():
    class Failing(System):
        def hamiltonian_submatrix(self, *args, **options):
            raise RuntimeError("in user code") from TypeError("missing argument: 't'")

    with pytest.raises(ConfigError, match=r"missing argument: 't'; its parameters are given as"):
        tnl.winding(Failing(FULL[0], PLACES))


def test_a_real_system_of_kwant_is_labelled():
    kwant = pytest.importorskip("kwant")
    turned = np.array([[1.0, 1.0], [1.0, -1.0]]) / np.sqrt(2)
    ends, inner, between = (
        np.diag([1.0, -1.0]),
        np.array([[0, 1], [1, 0]]),
        np.array([[0, 1], [0, 0]]),
    )
    expected = tnl.winding(tnl.ssh(30, 0.4, 1.0)).value
    for rotation in (np.eye(2), turned):
        lattice = kwant.lattice.chain(norbs=2)
        builder = kwant.Builder(chiral=rotation @ ends @ rotation)
        turned_inner = rotation @ inner @ rotation

        def within(site, t):
            return t * turned_inner  # noqa: B023

        for x in range(30):
            builder[lattice(x)] = within
        for x in range(29):
            builder[lattice(x + 1), lattice(x)] = rotation @ between @ rotation
        found = tnl.winding(builder.finalized(), params={"t": 0.4})
        assert np.allclose(found.value, expected, rtol=0, atol=1e-10)
        with pytest.raises(ConfigError, match="parameters are given as"):
            tnl.winding(builder.finalized())


def test_a_real_model_of_pythtb_is_labelled():
    pythtb = pytest.importorskip("pythtb")
    if not hasattr(pythtb, "tb_model"):
        pytest.skip("version 1 of PythTB is expected")
    model = pythtb.tb_model(1, 1, [[1.0]], [[-0.25], [0.25]])
    model.set_hop(0.5, 0, 1, [0])
    model.set_hop(1.0, 1, 0, [1])
    expected = tnl.ssh(20, 0.5, 1.0)
    found = tnl.winding(model.cut_piece(20, 0))
    assert np.allclose(found.value, tnl.winding(expected).value, rtol=0, atol=1e-12)
