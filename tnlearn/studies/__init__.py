"""Studies: questions put to many networks, as lists of independent, resumable tasks.

    profile     what a study runs on (TOML), checked
    results     tasks keyed by a hash of their configuration, and the files of their results
    job         one task done where it runs: claimed, on one thread, written
    executors   tasks in turn, or in processes of this machine
    cluster     tasks on the workers of a dask scheduler
    tasks       a list of tasks: what is missing is done
    status      how many tasks of a run are done
    members     networks of a profile, and data sets, made where a task runs
    compare     the work of one task: train, test, prune
    benchmark   the comparison of all networks, from profile to report


Imports everything below; nothing imports it but the command line.
"""
