"""Fan-outs over many slots (bench/fan_out.c), against CRoaring for every bitmap that changes and a
copy of the column bytes that change. How long a query waits for one: isolation.py.
"""

import measure

BARE = "the bitmaps and bytes that change"
KINDS = ["a string", "a source of a computed field", "a tag"]


def run(scene):
    slots = scene.size(10_000_000, 1_000_000)
    columns = list(zip(*measure.run_client("bench_fan_out", scene.runs, slots)))
    for number, kind in enumerate(KINDS):
        yield measure.row(f"fan-out of {kind} over half of {slots:,} slots", BARE, "ms",
                          columns[2 * number], columns[2 * number + 1], 2)
