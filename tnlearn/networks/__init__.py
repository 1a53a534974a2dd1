"""The network framework: a formula of physics is a tensor network, and every node may be trained.

What lives here, from the foundation up:

    nodes       the kinds of node a `Network` is made of
    functions   what a function node can do (activation, normalisation, stacking, …)
    init        initialisations of a trainable node
    formula     operator expressions and how they become contractions
    terms       one contraction step, stored once however often it occurs (sharing)
    search      the contraction tree with the least shared cost
    plan        all steps of a network, what can be folded, what it costs
    emit        a plan carried out as `bmm` / `mul` / `mv` on any autoray backend
    structures  how a freed node is parametrised (dense, diagonal, low rank, position)
    freeing     a constant of the graph replaced by a parameter
    network     the immutable graph itself
    export      quimb and tensornetwork
    lowering, module, compiled   torch (the only files that import it)

It imports `tnlearn.physics` for chains to try a network on, and nothing above.
"""
