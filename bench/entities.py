"""What an event costs a worker by the number of entities in the index (bench/workers.c): ids spread
over all of them, the gallery's mix.
"""

import measure

AIM = 1.5


def run(scene):
    counts = scene.size([100_000, 1_000_000], [10_000, 100_000], [100_000, 1_000_000, 10_000_000])
    events = scene.size(100_000, 50_000)
    few, *more = zip(*measure.run_client("bench_workers", scene.runs, events, *counts))
    for count, figures in zip(counts[1:], more):
        yield measure.row(f"processor time of a worker, {count:,} entities",
                          f"{counts[0]:,} entities", "us an event", figures, few, AIM)
