"""Training of ensembles: many members, each with its own seed.

What lives here, from the foundation up:

    options      the settings of a run, each said once
    losses       what is made small
    optimiser    learning rates, and the optimisers of torch
    machine      whole steps of one member in a compiled loop, read from a tape
    features     a data set folded once through the frozen part of a network
    parts        chains of several lengths as one training set
    modules      any torch module with the interface of a network
    ensemble     learners: one member by the machine or by torch, or a stack of members on a device
    plots        learning curves, confusion, what a node has become
    metrics      accuracy, calibration, confusion, epochs to success; plain numpy
    fitted       what training returns
    run          a network, the data folded for it, and its learners
    loop         batches, epochs, validation; a block of members trained from where it stands
    fit          the public face

Bitwise independence of the members.  BLAS and convolution kernels may choose another order of
summation when the number of matrices in a batch changes.  So on the CPU a member is trained by
itself: by one compiled loop over all steps of an epoch where the network has a tape
(`tnlearn.networks.tape`), by torch elsewhere.  Which of the two does not depend on the ensemble,
and so neither does a bit of the result (same machine, torch and threads).

It imports `tnlearn.networks` and takes data sets by their attributes; it imports no study and no
report.
"""
