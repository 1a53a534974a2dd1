"""The network: an immutable, named graph of tensors whose every node may be trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from tnlearn.errors import ConfigError, check_choice
from tnlearn.networks.builder import Builder
from tnlearn.networks.freeing import check_channels, constants, freed
from tnlearn.networks.heads import head_nodes
from tnlearn.networks.init import Init, as_init
from tnlearn.networks.nodes import Input, Node, Parameter, Shape, sizes_of
from tnlearn.networks.plan import Cost, Plan, count_cost, find_trees, make_plan
from tnlearn.networks.rewrite import in_order
from tnlearn.networks.search import Tree
from tnlearn.networks.serial import encode_nodes
from tnlearn.networks.terms import count

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tnlearn.networks.compiled import Compiled
    from tnlearn.networks.export import Exported
    from tnlearn.networks.module import NetworkModule
    from tnlearn.networks.operators import Scalar

__all__ = ["Network"]


class Network:
    """An immutable graph of named nodes: inputs, constants, parameters, contractions, functions.

    Made by `tnl.rswn`, `tnl.baseline` or from a formula; every method that
    changes something returns a new network.

    >>> import tnlearn as tnl
    >>> net = tnl.rswn(20, form="quartic")
    >>> net = net.trainable("D", channels=4, init=tnl.init.normal(0.1)).head(classes=4)
    >>> module = net.module(seed=0)          # a torch.nn.Module: module(u, v) -> (batch, 4)
    """

    def __init__(
        self,
        nodes: Mapping[str, Node],
        output: str,
        *,
        recipe: Sequence[Mapping[str, Any]] | None = None,
        written: Mapping[str, Tree] | None = None,
        formula: tuple[Scalar, str, str] | None = None,
        trees: Mapping[str, Tree] | None = None,
    ) -> None:
        self._nodes = in_order(nodes, output)
        for node in self._nodes.values():
            sizes_of(node, self._nodes)
        self.output = output
        self._written = dict(written or {})
        self._formula = formula
        self._trees = None if trees is None else dict(trees)
        self._plans: dict[bool, Plan] = {}
        if recipe is None:
            entry: dict[str, Any] = {"call": "graph", "output": output}
            recipe = [entry | {"nodes": encode_nodes(self._nodes)}]
        self._recipe = tuple(recipe)

    # ------------------------------------------------------------------ the graph

    @classmethod
    def from_formula(
        cls,
        formula: Scalar,
        *,
        name: str = "W",
        part: str = "real",
        recipe: Sequence[Mapping[str, Any]] | None = None,
        dense: frozenset[str] = frozenset(),
    ) -> Network:
        """The network of a formula; diagonal operators named in `dense` become matrices."""
        nodes, written = Builder(dense).build(formula, name, part)
        return cls(nodes, name, recipe=recipe, written=written, formula=(formula, name, part))

    @property
    def nodes(self) -> Mapping[str, Node]:
        """All nodes by name, in order of computation."""
        return MappingProxyType(self._nodes)

    @property
    def inputs(self) -> dict[str, Input]:
        """The nodes that states are fed into."""
        return {n.name: n for n in self._nodes.values() if isinstance(n, Input)}

    @property
    def parameters(self) -> dict[str, Parameter]:
        """The trainable nodes."""
        return {n.name: n for n in self._nodes.values() if isinstance(n, Parameter)}

    @property
    def cells(self) -> int:
        """Number of unit cells of the chains it takes."""
        return int(next(iter(self.inputs.values())).shape[-1] or 0)

    @property
    def output_shape(self) -> Shape:
        """Shape of the result: (None,) or (None, classes), None being the batch."""
        return self._nodes[self.output].shape

    def parameter_count(self) -> int:
        """Number of trainable numbers."""
        return sum(count(node.shape, 1) for node in self.parameters.values())

    def __repr__(self) -> str:
        kinds = [node.kind for node in self._nodes.values()]
        counts = ", ".join(f"{kinds.count(k)} {k}s" for k in dict.fromkeys(kinds))
        shape = ("batch", *self.output_shape[1:])
        return (
            f"Network({self.cells} cells -> {self.output} {shape}: {counts}; "
            f"{self.parameter_count():,} parameters)"
        )

    # ------------------------------------------------------------------ changing it

    def trainable(
        self,
        *names: str,
        structure: str | None = None,
        channels: int | None = None,
        init: Init | str = "exact",
        bond: int | None = None,
    ) -> Network:
        """Set constants free.

        Parameters
        ----------
        names
            The nodes to free, such as ``"D"`` or ``"X", "window"``.
        structure
            ``"dense"``: every entry free (a diagonal operator becomes a full matrix);
            ``"diagonal"``: only the diagonal; ``"lowrank"``: two factors of bond
            dimension `bond`; ``"cells"``: one value a cell, for both sublattices;
            ``"spacings"``: the same as a running sum of spacings; ``"position"``: a function
            of position, the same weights for every length (with `bond`: as factors);
            ``"position-short"``: one that also knows x - y in cells.  Default: each entry.
        channels
            Number of independent copies; the output gets a channel index.
        init
            An initialisation from `tnl.init`; ``"exact"`` reproduces the formula.
        bond
            Bond dimension of ``"lowrank"``; of ``"position"`` if it is to have factors.

        Raises
        ------
        UnknownNameError
            For a node or structure that does not exist.
        ConfigError
            For inputs, computed nodes, or a structure the node cannot have.
        """
        if not names:
            raise ConfigError(
                f"name at least one node to train: {', '.join(constants(self._nodes))}"
            )
        if channels is not None and (not isinstance(channels, int) or channels < 1):
            raise ConfigError(f"channels must be a whole number >= 1, not {channels!r}")
        how = as_init(init)
        for name in names:
            check_choice("trainable node", name, constants(self._nodes))
        if bond is not None and structure not in ("lowrank", "position"):
            raise ConfigError(
                f"bond={bond!r} goes with structure='lowrank' or 'position', not {structure!r}"
            )
        check_channels(self._nodes, names, channels)
        network = self._promoted(names) if structure in ("dense", "lowrank") else self
        for name in names:
            nodes = freed(network._nodes, name, structure, channels, how, bond, self.cells)
            network = network._changed(nodes=nodes)
        step = {
            "call": "trainable",
            "names": list(names),
            "structure": structure,
            "channels": channels,
            "init": {"kind": how.kind, "scale": how.scale},
            "bond": bond,
        }
        return network._changed(recipe=[*self._recipe, step])

    def _promoted(self, names: Sequence[str]) -> Network:
        """The same network with its diagonal operators of these names as full matrices."""
        vectors = frozenset(name for name in names if len(self._nodes[name].inds) == 1)
        if not vectors or self._formula is None:
            return self
        if len(self._recipe) > 1 or self.parameters:
            raise ConfigError(
                f"to make {', '.join(sorted(vectors))} full matrices, call "
                "trainable(…, structure='dense') before any other change of the network"
            )
        formula, output, part = self._formula
        # A user's own formula is described by its nodes, which are other nodes now.
        recipe = None if self._recipe[0]["call"] == "graph" else self._recipe
        return Network.from_formula(formula, name=output, part=part, recipe=recipe, dense=vectors)

    def head(
        self,
        classes: int | Sequence[int] = 2,
        hidden: Sequence[int] = (),
        *,
        kind: str = "mlp",
        activation: str = "relu",
        sharpness: float = 10.0,
    ) -> Network:
        """Attach a neural head that turns the output into class logits.

        Parameters
        ----------
        classes
            Number of classes; for the rounding head the windings they stand for.
        hidden
            Widths of hidden layers; none makes the head affine.
        kind
            ``"mlp"`` (affine if there is no hidden layer) or ``"rounding"``: the exact
            rounding of W to the nearest winding c, logits ``sharpness (2 c W - c²)``.
        activation
            ``"relu"``, ``"gelu"`` or ``"tanh"``.
        sharpness
            Scale of the rounding head's logits.
        """
        if isinstance(classes, np.integer):
            classes = int(classes)
        hidden = (int(hidden),) if isinstance(hidden, (int, np.integer)) else tuple(hidden)
        nodes, output = head_nodes(
            self._nodes, self.output, classes, hidden, kind, activation, sharpness
        )
        step = {
            "call": "head",
            "classes": classes if isinstance(classes, int) else [int(c) for c in classes],
            "hidden": list(hidden),
            "kind": kind,
            "activation": activation,
            "sharpness": sharpness,
        }
        return self._changed(nodes=nodes, output=output, recipe=[*self._recipe, step])

    def resize(self, cells: int) -> Network:
        """The same construction for chains of another length.

        Parameters that are functions of position, and heads, keep their shapes,
        so weights trained at one length can be used at another.
        """
        base = dict(self._recipe[0])
        if "cells" not in base:
            raise ConfigError(
                "only networks made by tnl.rswn or tnl.baseline can be resized; "
                "build your formula for the other length"
            )
        base["cells"] = int(cells)
        from tnlearn.networks.recipes import from_description

        return from_description({"recipe": [base, *self._recipe[1:]]})

    def _changed(
        self,
        *,
        nodes: Mapping[str, Node] | None = None,
        output: str | None = None,
        recipe: Sequence[Mapping[str, Any]] | None = None,
    ) -> Network:
        """The same network but for what is given; its contraction trees are to be found anew."""
        return Network(
            self._nodes if nodes is None else nodes,
            self.output if output is None else output,
            recipe=self._recipe if recipe is None else recipe,
            written=self._written,
            formula=self._formula,
        )

    def describe(self) -> dict[str, Any]:
        """The network as a JSON-able dictionary: how it was made, and its contraction trees."""
        return {"recipe": [dict(step) for step in self._recipe], "trees": dict(self.trees)}

    # ------------------------------------------------------------------ computing it

    @property
    def trees(self) -> Mapping[str, Tree]:
        """The contraction tree of every contraction; searched once, on first use."""
        if self._trees is None:
            self._trees = find_trees(self._nodes, self._written)
        return MappingProxyType(self._trees)

    def plan(self, *, complex: bool = False) -> Plan:
        """How it is carried out, for real or complex states."""
        if complex not in self._plans:
            self._plans[complex] = make_plan(self._nodes, self.output, self.trees, complex=complex)
        return self._plans[complex]

    def cost(self, batch: int = 1) -> Cost:
        """Flops (naive, of the path, with repeated steps shared), peak memory, parameters."""
        return count_cost(self._nodes, self.plan(), batch)

    def __call__(self, states: Any, v: Any = None, *, seed: int = 0) -> Any:
        """The output for states: numpy in, numpy out; torch in, torch out, differentiable.

        Takes states (with ``.u`` and ``.v``), chains, or two arrays u and v of shape
        (samples, states, cells).  Trainable nodes stand at their initial values of `seed`.

        Raises
        ------
        ShapeError
            If the states are not of the network's length.
        NotFiniteError
            If they hold NaN or infinity.
        """
        from tnlearn.networks.evaluate import evaluate

        return evaluate(self, states, v, seed=seed)

    def module(
        self, seed: int = 0, *, dtype: str = "float32", complex: bool = False
    ) -> NetworkModule:
        """The compiled torch module: ``module(u, v) -> (batch, classes)``.

        Parameters
        ----------
        seed
            Of the initial values; member `k` of an ensemble of this seed starts alike for k = 0.
        dtype
            ``"float32"`` or ``"float64"``: of the parameters and of the arithmetic.
        complex
            Whether u and v are complex.
        """
        from tnlearn.networks.module import NetworkModule

        return NetworkModule(self, seed=seed, dtype=dtype, complex=complex)

    def compile(
        self,
        *,
        members: int,
        own_batches: bool = True,
        dtype: str = "float32",
        complex: bool = False,
        fold: bool = True,
    ) -> Compiled:
        """An ensemble of `members` copies as one function; see `Compiled`."""
        from tnlearn.networks.compiled import Compiled

        return Compiled(
            self,
            members=members,
            own_batches=own_batches,
            dtype=dtype,
            complex=complex,
            fold=fold,
        )

    # ------------------------------------------------------------------ showing it

    def tensor_network(
        self, batch: int = 4, *, contraction: str | None = None, seed: int = 0
    ) -> Any:
        """One contraction as a plain `quimb.tensor.TensorNetwork` with native hyperindices.

        The data are those of `batch` random chains of `seed`; tags are node names.
        ``tn.contract(output_inds=…)`` gives what the network computes.
        """
        from tnlearn.networks.export import tensor_network

        return tensor_network(self, batch, contraction=contraction, seed=seed)

    def to_tensornetwork(
        self, batch: int = 4, *, contraction: str | None = None, seed: int = 0
    ) -> Exported:
        """The same contraction as nodes of the tensornetwork library, hyperindices as copy tensors.

        ``tensornetwork.contractors.greedy(*net.to_tensornetwork(batch=4))`` contracts it.
        """
        from tnlearn.networks.export import to_tensornetwork

        return to_tensornetwork(self, batch, contraction=contraction, seed=seed)

    @property
    def title(self) -> str:
        """What the network is, in one line."""
        base = dict(self._recipe[0])
        if base.get("kind") == "symmetric":
            base["kind"] = f"symmetric ({base.get('variant', 'dense')})"
        shown = {
            "rswn": "Winding number, {form} form, {cells} cells, {boundary}",
            "scaling": "Moments of the winding number, {cells} cells",
            "baseline": "Baseline {kind}, {cells} cells",
        }.get(base["call"], f"Network of {self.output}, {self.cells} cells").format(**base)
        if base.get("boundary") == "open":
            shown += f", window {base['window']:g}"
        steps = self._recipe[1:]
        freed = [name for step in steps if step["call"] == "trainable" for name in step["names"]]
        shown += f", {' and '.join(freed)} trainable" if freed else ""
        return shown + (", with a head" if any(step["call"] == "head" for step in steps) else "")

    def draw(self, path: str | Path | None = None, *, ax: Axes | None = None) -> Figure:
        """A picture of the graph; written to `path` (.png, .svg, .pdf) if one is given.

        On the axes `ax`, scaled to fit, or as a figure of its own.
        """
        from tnlearn.drawing.show import draw

        return draw(self, path, title=self.title, ax=ax)

    def draw_tree(
        self,
        path: str | Path | None = None,
        *,
        contraction: str | None = None,
        ax: Axes | None = None,
    ) -> Figure:
        """A picture of a contraction tree, with the cost of each step and what is shared."""
        from tnlearn.drawing.show import draw_tree

        return draw_tree(self, path, contraction=contraction, title=self.title, ax=ax)

    def to_html(self, path: str | Path) -> Path:
        """One self-contained HTML page to explore the graph, its trees and its costs in."""
        from tnlearn.drawing.show import to_html

        return to_html(self, path, title=self.title)
