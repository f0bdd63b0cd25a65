"""Compaction and the log (bench/log.c), against a copy of the same bytes that is written and synced
as often.
"""

import shutil

import measure
from scene import HOME

BARE = "copy, write and sync of the received bytes"


def run(scene):
    directory = HOME / "log"
    shutil.rmtree(directory, ignore_errors=True)
    events = scene.size(100_000, 50_000)
    runs = measure.run_client("bench_log", directory, scene.runs, events)
    shutil.rmtree(directory)
    seconds, processor_s, bare_s, bare_processor_s = zip(*runs)
    name = f"compaction and log of {events:,} events"
    yield measure.row(name, BARE, "s", seconds, bare_s, 2)
    yield measure.row(f"{name}, processor time", BARE, "s", processor_s, bare_processor_s)
