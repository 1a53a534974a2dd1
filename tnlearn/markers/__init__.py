"""Learned finite-size markers, shipped as small files, and what applies them to chains.

    marker    `tnl.marker`: the winding number of open chains from their states
    format    the file of a marker: weights, how it was made, what it was measured to do

Imports `physics`, the functions of `models.scaling` and the file format of `training.archive`;
no torch.  They are made by ``python -m tnlearn.studies.make_marker``.
"""
