"""What the runner on Dask costs against a plain pool of the standard library.

python benchmarks/runner.py [TASKS] [MILLISECONDS]

Tasks that sleep for some milliseconds, on two workers, the two in turns; prints the median of
the ratios runner / pool of wall time (1 is the pool's own time).
"""

import statistics
import sys
import time
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor, as_completed

from physioprep.parallel.run import run_tasks
from physioprep.parallel.workers import prepare_worker, spawn_context

ROUNDS = 5


def by_pool(pool: Executor, items: list[float]) -> float:
    began = time.perf_counter()
    with pool:
        for future in as_completed([pool.submit(time.sleep, item) for item in items]):
            future.result()
    return time.perf_counter() - began


def by_runner(scheduler: str, items: list[float]) -> float:
    began = time.perf_counter()
    run_tasks("sleep", items, {}, lambda *_: None, scheduler=scheduler, workers=2)
    return time.perf_counter() - began


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    items = [(float(sys.argv[2]) if len(sys.argv) > 2 else 10.0) / 1000] * count
    for scheduler in ("threads", "processes"):
        ratios, seconds = [], []
        for _ in range(ROUNDS):
            pool = (
                ThreadPoolExecutor(2)
                if scheduler == "threads"
                else ProcessPoolExecutor(2, spawn_context(), initializer=prepare_worker)
            )
            plain = by_pool(pool, items)
            seconds.append(by_runner(scheduler, items))
            ratios.append(seconds[-1] / plain)
        print(
            f"{scheduler}: runner / pool {statistics.median(ratios):.3f} "
            f"({min(ratios):.3f} to {max(ratios):.3f}), {statistics.median(seconds):.2f} s"
        )


if __name__ == "__main__":
    main()
