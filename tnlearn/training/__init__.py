"""Training of ensembles: many members, each with its own seed, in one vectorised step.

What lives here, from the foundation up:

    options      the settings of a run, each said once
    optimiser    Adam on a flat (members, parameters) buffer, a learning rate and a clip per member
    features     a data set folded once through the frozen part of a network
    parts        chains of several lengths as one training set
    ensemble     a block of members: its parameters, its step, its state, its logits
    lanes        how many members a block holds
    loop         batches, epochs, validation; a block trained from where it stands to its end
    plots        learning curves, confusion, what a node has become
    metrics      accuracy, calibration, confusion, epochs to success; plain numpy
    fitted       what training returns
    fit          the public face

Bitwise independence of the members.  BLAS and convolution kernels may choose another order of
summation when the number of matrices in a batch, or the alignment of one of them, changes.  So
members are trained in blocks of a fixed number of lanes, a power of two that depends on the network
and the batch only; member `k` always sits in lane ``k % lanes`` of a block of that size, whatever
the ensemble around it, and an incomplete block is filled up with copies.  Every kernel therefore
sees the same shapes and alignments for member `k` in every run, and its result is the same to the
last bit for any number of members, any chunking and any worker (same machine, torch and threads).

It imports `tnlearn.networks` and takes data sets by their attributes; it imports no study and no
report.
"""
