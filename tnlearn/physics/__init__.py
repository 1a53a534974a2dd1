"""Chiral chains, their states and their winding numbers; anyone's Hamiltonian.

numpy, scipy and numba, and nothing above: no torch, no quimb, no networks.  Conventions are those
of `docs/physics.md`; every public docstring repeats the one it uses.
What lives here, from the foundation up:

    memory        refuse what cannot fit; kernels where they pay
    plots         hoppings, spectrum, states and winding numbers as pictures
    blocks        cells, displacements, windows; the diagonals of a block
    states        the SVD of h
    chains        hoppings, disorder, boundaries
    kernels       how kernels are compiled; vectors in them
    zolotarev     poles of the inverse square root
    spectrum      low end of a bidiagonal spectrum
    bidiagonal    winding numbers of nearest-neighbour chains, by sweeps
    banded        the same of chains of any range
    gaps          the smallest singular value
    rswn          the real-space winding number, in linear time or by the SVD
    pencil        counts of short real rings, eight at a time
    lyapunov      integers of rings by growing exponents
    rings         integers of rings by momentum, flux and logarithm
    exponents     Lyapunov exponents of long chains
    boundary      where a disordered chain changes its phase
    localizer     half signature of the spectral localizer
    matrices      matrices of any kind as plain numbers
    orders        in which order a block is a chain, and where it closes
    sublattices   which orbitals are A and which are B
    systems       models of PythTB and kwant
    rawblocks     blocks of which no more is known than the matrix holds
    hamiltonians  anyone's H to its block
    bulk          the integer of a bulk, and who has to agree
    winding       winding(): six methods, gap, error, flag
    lattices      lattices in the plane, of any shape
    tightbinding  models on them: disorder, flux, occupied states
    inertia       negative eigenvalues of many sparse matrices of one pattern
    chern         chern(): five methods, gap and flag; the local marker
"""
