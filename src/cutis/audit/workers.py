"""On what the audit measures: processes, where there is enough to do for their start to pay, else threads."""

import os
from concurrent.futures import Executor, ThreadPoolExecutor

import cv2


def workers(*, enough: bool) -> Executor:
    """A pool of a worker a core; close it to be rid of its processes.

    Looking at an image takes many short steps in Python, for which threads wait for each other: 10,015 images are
    measured in 140 seconds by threads on 2 cores, in 60 by processes.

    Args:
        enough: whether there is work for some seconds; processes take two to start.
    """
    if not enough:
        return ThreadPoolExecutor(os.cpu_count())
    from loky import ProcessPoolExecutor  # noqa: PLC0415 - unlike multiprocessing it never runs the caller's script again

    # One thread each, or the libraries' own would crowd the cores.
    alone = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    pool: Executor = ProcessPoolExecutor(os.cpu_count(), initializer=_one_thread, env=alone)
    return pool


def _one_thread() -> None:
    cv2.setNumThreads(1)
