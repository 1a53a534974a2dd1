"""Experiments, one a file: a typed profile, a grid of tasks, what is measured, claims and figures.

Stands on everything below; nothing imports it but `lab.study`, by name, and the command line.
"""
