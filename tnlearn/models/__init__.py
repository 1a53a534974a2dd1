"""The networks people ask for, behind one face: the exact winding number and its neural rivals.

What lives here, from the foundation up:

    network     `Network`, the face of a graph: train, head, compile, draw
    invariants  the catalogue of formulas: winding, Chern and spin Chern numbers
    rswn        the real-space winding number in four forms
    layers      dense, convolutional and attention layers as nodes
    scaling     the quartic form with functions of position that serve at every length
    baselines   linear, MLP, convolutional, residual, attention and symmetric networks
    catalogue   networks by name: of an entry of a profile, or from their descriptions

Imports `tnlearn.networks`, `tnlearn.drawing` and `tnlearn.physics`, and nothing above.
"""
