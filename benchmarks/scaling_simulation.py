"""A plan carried out by a thousand workers that fail, simulated beside the cost model.

    python benchmarks/scaling_simulation.py                  # seconds

Every worker takes the next shard that nobody holds. A worker fails after an exponential time with mean `life`, loses
what it had of its shard, and comes back after `restart` seconds; the shard is handed out again. The events lie in a
heap, as in any discrete-event simulation. The figures of one worker are those that `generation_scaling` measured, where
it has run.
"""

from __future__ import annotations

import argparse
import heapq
import json
import math
import random
from collections import deque
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Simulated:
    """What happened.

    Args:
        seconds: until the last shard was whole.
        work: seconds that workers spent on shards, what was lost included.
        failures: of workers.
        finished: how often each shard came out whole.
    """

    seconds: float
    work: float
    failures: int
    finished: list[int]


def simulate(
    *, shards: int, shard_seconds: float, workers: int, life: float, seed: int, restart: float = 0.0
) -> Simulated:
    """Carry out a plan."""
    draw = random.Random(seed)
    waiting = deque(range(shards))
    finished = [0] * shards
    free = [(0.0, worker) for worker in range(min(workers, shards))]
    heapq.heapify(free)
    idle: list[int] = []
    lost: list[tuple[float, int]] = []  # (when it is known, shard)
    end = work = 0.0
    failures = 0
    while free:
        now, worker = heapq.heappop(free)
        while lost and lost[0][0] <= now:
            waiting.append(heapq.heappop(lost)[1])
        if not waiting:
            if lost:  # somebody's shard is known to be lost later: look again then
                heapq.heappush(free, (lost[0][0], worker))
            else:
                idle.append(worker)
            continue
        shard = waiting.popleft()
        lives = math.inf if math.isinf(life) else draw.expovariate(1 / life)
        if lives < shard_seconds:
            failures += 1
            work += lives
            heapq.heappush(lost, (now + lives, shard))
            heapq.heappush(free, (now + lives + restart, worker))
            continue
        work += shard_seconds
        finished[shard] += 1
        end = max(end, now + shard_seconds)
        heapq.heappush(free, (now + shard_seconds, worker))
    return Simulated(end, work, failures, finished)


def measured() -> tuple[float, str]:
    """Seconds a record of one single-thread worker, and where the figure is from."""
    path = Path(__file__).parent / "results" / "generation_scaling.json"
    if path.exists():
        workers = json.loads(path.read_text())["results"].get("workers", {})
        if "1" in workers:
            return 1 / workers["1"]["records_a_second"], path.name
    return 1 / 500, "assumed: 500 records a second"


def main() -> None:
    """Simulate, compare and record."""
    from record import Recording

    from synthgen.generation.costs import Figures, cost

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds-a-record", type=float, help="of one worker; default: as measured")
    parser.add_argument("--restart", type=float, default=30.0, help="seconds until a failed worker is back")
    arguments = parser.parse_args()
    seconds, origin = measured()
    seconds = arguments.seconds_a_record or seconds
    with Recording("scaling_simulation", seeds=[0]) as recording:
        rows: list[dict[str, Any]] = []
        for n in (10**4, 10**5, 10**6, 10**7, 10**8, 10**9):
            shards = max(1, n // 5000)
            for workers in (1, 2, 10, 100, 1000):
                modelled = cost(Figures(seconds, 64.0, 0.0), n, shards=shards, workers=workers)
                row = {"n": n, "workers": workers, "model_seconds": modelled.seconds}
                if shards <= 200_000 and workers >= 10:
                    for life in (math.inf, 86_400.0, 3_600.0):
                        done = simulate(
                            shards=shards,
                            shard_seconds=n / shards * seconds,
                            workers=workers,
                            life=life,
                            seed=0,
                            restart=arguments.restart,
                        )
                        assert done.finished == [1] * shards
                        facts = {k: v for k, v in asdict(done).items() if k != "finished"}
                        row["none" if math.isinf(life) else f"{life:g}"] = facts
                rows.append(row)
                print(row, flush=True)
        recording.results = {"seconds_a_record": seconds, "from": origin, "rows": rows}


if __name__ == "__main__":
    main()
