"""Studies: questions put to many networks, as lists of independent, resumable tasks.

    profile     what a study runs on (TOML), checked
    tasks       idempotent tasks, keyed by a hash of their configuration
    members     networks of a profile, and data sets, made where a task runs
    compare     the work of one task: train, test, prune
    benchmark   the comparison of all networks, from profile to report

Imports everything below; nothing imports it but the command line.
"""
