"""How work is done: profiles, tasks kept by hash, trained ensembles, and the study that joins them.

It knows no question of physics: what a study asks stands in `tnlearn.studies`, what is said of its
table in `tnlearn.report`.  Nothing here imports `tnlearn.audits`, `analysis`, `phase` or `studies`.
"""
