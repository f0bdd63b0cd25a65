"""From a commit to a query that finds the row: the clients are bench/commits.c and
bench/bare_kafka.c, in turns.

1. 2,500 commits a second, of one row each: one in 50, from the return of the commit to the first
   answer that has it. Against Kafka's own time from produce to consume, at the same rate, to as
   many partitions, acknowledged by all replicas, linger.ms 1.
2. The same at 10 and 100 commits a second, where a window has one row.
3. One commit at a time, from sending the INSERT: against the sum of an INSERT alone, Kafka's own
   time for one message at a time, and two syncs of a small append (fdatasync).
"""

import itertools

import measure
from backlog import make_topic

RATES = {2500: (50, 2.0, 2.0), 100: (2, None, None), 10: (1, None, None)}  # every, aims
SYNC_BYTES = 4096
KAFKA = "Kafka's own, at the same rate"
ALONE = "an INSERT alone + Kafka's own + two syncs"


class Entities:
    """Ids that no earlier client has used."""

    def __init__(self):
        self._blocks = itertools.count(100_000_000, 1_000_000)

    def next(self):
        return next(self._blocks)


def stream_once(demo, topic, entities, rate, count, every):
    """(p50, p99) ours, (p50, p99) of Kafka alone."""
    ((reached, *ours),) = measure.run_client("commits", "stream", demo.dsn, demo.consumer.port,
                                             entities.next(), rate, count, every)
    if reached < 0.9 * rate:
        print(f"  only {reached:,.0f} commits a second were reached, of {rate:,}", flush=True)
    (theirs,) = measure.run_client("bare_kafka", "stream", demo.kafka, topic, rate, count, every)
    return ours, theirs


def rows_of_rate(scene, demo, topic, entities, rate):
    every, *aims = RATES[rate]
    count = max(20, rate * scene.size(6, 2))
    runs = [stream_once(demo, topic, entities, rate, count, every) for _ in range(scene.runs)]
    for place, name in enumerate(("p50", "p99")):
        yield measure.row(f"commit to queryable, {rate:,} commits a second, {name}", KAFKA, "ms",
                          [ours[place] for ours, _ in runs], [theirs[place] for _, theirs in runs],
                          aims[place])


def single_once(demo, topic, entities, count):
    ((ours, _),) = measure.run_client("commits", "single", demo.dsn, demo.consumer.port,
                                      entities.next(), count)
    ((commit, _),) = measure.run_client("commits", "alone", demo.dsn, count)
    ((message, _),) = measure.run_client("bare_kafka", "latency", demo.kafka, topic, count)
    ((sync, _),) = measure.run_client("bare_disk", "sync", demo.directory, count, SYNC_BYTES)
    return ours, commit + message + 2 * sync


def rows_of_single(scene, demo, topic, entities):
    count = scene.size(300, 100)
    runs = [single_once(demo, topic, entities, count) for _ in range(scene.runs)]
    yield measure.row("INSERT to queryable, one commit at a time, p50", ALONE, "ms",
                      [ours for ours, _ in runs], [theirs for _, theirs in runs], 1.3)


def run(scene):
    entities = Entities()
    with scene.pipeline() as demo:
        topic = f"{demo.topic}.bare"
        make_topic(scene.kafka, topic, demo.count_partitions())
        demo.start()
        for rate in scene.size([2500, 100, 10], [2500]):
            yield from rows_of_rate(scene, demo, topic, entities, rate)
        yield from rows_of_single(scene, demo, topic, entities)
