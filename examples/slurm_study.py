"""Run a study on a SLURM cluster: dask-jobqueue asks for the jobs, tnlearn gives them the tasks.

    pip install distributed dask-jobqueue
    python examples/slurm_study.py sizes --profile paper --out sizes-paper --jobs 4 --show
    python examples/slurm_study.py sizes --profile paper --out sizes-paper --jobs 4

Start it where jobs may be submitted, in tmux or as a small job of its own: it must live as long as
the study, takes next to no processor time, and can be started again whenever it was ended.  Put
--out on a file system that the nodes share.
"""

import argparse

from dask_jobqueue import SLURMCluster

import tnlearn as tnl


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study")
    parser.add_argument("--profile", default="quick")
    parser.add_argument("--out", required=True)
    parser.add_argument("--jobs", type=int, default=1, help="how many to ask for")
    parser.add_argument("--cores", type=int, default=16, help="of a job; a worker each")
    parser.add_argument("--memory", default="32GB", help="of a job, for all its workers")
    parser.add_argument("--hours", type=int, default=12, help="of a job")
    parser.add_argument("--queue")
    parser.add_argument("--account")
    parser.add_argument("--show", action="store_true", help="show the job's script and stop")
    given = parser.parse_args()

    # As many processes as cores: a task has a process, and a thread, of its own.
    with SLURMCluster(
        cores=given.cores,
        processes=given.cores,
        memory=given.memory,
        walltime=f"{given.hours}:00:00",
        queue=given.queue,
        account=given.account,
        job_script_prologue=["export OMP_NUM_THREADS=1"],
    ) as cluster:
        if given.show:
            print(cluster.job_script())
            return
        cluster.scale(jobs=given.jobs)
        report = tnl.study(
            given.study,
            profile=given.profile,
            out=given.out,
            scheduler=cluster.scheduler_address,
        )
        print(f"The report is {report}")


if __name__ == "__main__":
    main()
