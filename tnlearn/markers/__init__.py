"""Learned finite-size markers, shipped as small files, and what applies them to chains.

Imports `physics`, the functions of `models.scaling` and the file format of `archive`; no torch.
The markers are made by ``python -m tnlearn.studies.make_marker``.
"""
