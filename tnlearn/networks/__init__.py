"""The network framework: a formula of physics is a tensor network, and every node may be trained.

What lives here, from the foundation up:

    init        initialisations of a trainable node
    graph       `Graph`: named nodes and indices, and replacing one
    formula     operator symbols: Tr(P_B @ Q @ …)
    builder     a formula becomes a graph
    terms       one contraction step, stored once however often it occurs (sharing)
    search      the contraction tree with the least shared cost
    plan        all steps of a graph, what can be folded, what it costs
    functions   what a function node can do (activation, normalisation, stacking, …)
    emit        a plan carried out as `bmm` / `mul` / `mv` on any autoray backend
    lowering    a plan as a torch.fx graph
    evaluate    a graph on arrays: inputs by name, numpy or torch
    tape        the trained steps of a plan as numbers, for a machine of its own
    export      to quimb and tensornetwork
    importing   from quimb
    compiled    one torch module, or an ensemble
    freeing     a constant set free: dense, low rank, by cell, by position
    heads       neural heads
    serial      nodes as JSON and back

Only `lowering` and `compiled` know torch.  Nothing here knows physics; the face of a graph is
`tnlearn.models.network.Network`.
"""
