"""How long do queries and ingestion wait for each other? Measures queries to a consumer that is
catching up with a backlog, and beside a fan-out over all entities. How long its workers wait for
queries is read from the consumer's own histograms: the figure is the upper bound of the bucket that
holds the percentile.
"""

import contextlib
import random
import re
import threading
import time

import measure
from pipeline import Api
from scene import status, wait_until_sent

QUERY = "/api/indexes/gallery/query"
LIGHT_CLIENTS, HEAVY_CLIENTS = 2, 4
ALONE_S = 3
ROUNDS = 3

ENTITIES = """
INSERT INTO "BitdexOps" (entity_id, ops)
SELECT n, format('[{"op": "alive"}, {"op": "set", "field": "nsfwLevel", "value": %%s},
    {"op": "set", "field": "userId", "value": %%s}, {"op": "set", "field": "postId", "value": %%s},
    {"op": "set", "field": "existedAt", "value": %%s},
    {"op": "set", "field": "tagIds", "value": [%%s, %%s, %%s]}]',
    1 << (n %% 6)::int, n %% 1009, n / 5, n,
    n * 7919 %% 5000, n * 104729 %% 500, n * 1299709 %% 50)::jsonb
FROM generate_series(0::bigint, %s - 1) AS n
"""
# Changes of existing entities: sets, tags, deletes, fan-outs over 5 entities and over one in 1,009.
CHANGES = """
INSERT INTO "BitdexOps" (entity_id, ops)
SELECT n * 7919 %% %s, (CASE
    WHEN n %% 20 = 0 THEN '[{"op": "delete"}]'
    WHEN n %% 2000 = 1 THEN format('[{"op": "queryOpSet", "query": "userId eq %%s",
        "ops": [{"op": "set", "field": "availability", "value": "Public"}]}]', n %% 1009)
    WHEN n %% 20 = 2 THEN format('[{"op": "queryOpSet", "query": "postId eq %%s",
        "ops": [{"op": "set", "field": "publishedAt", "value": %%s}]}]', n, n)
    WHEN n %% 2 = 1 THEN format('[{"op": "add", "field": "tagIds", "value": %%s}]', n %% 5000)
    ELSE format('[{"op": "alive"}, {"op": "set", "field": "nsfwLevel", "value": %%s},
        {"op": "set", "field": "existedAt", "value": %%s}]', 1 << (n %% 6)::int, n)
    END)::jsonb
FROM generate_series(1::bigint, %s) AS n
"""
FAN_OUT = """
INSERT INTO "BitdexOps" (entity_id, ops) VALUES (0, jsonb_build_array(jsonb_build_object(
    'op', 'queryOpSet', 'query', 'nsfwLevel in [1, 2, 4, 8, 16, 32]', 'ops', %s::jsonb)))
"""
# Each by the number of the run, so that every one changes all entities.
FAN_OUTS = {
    "a string": '[{{"op": "set", "field": "availability", "value": "value {0}"}}]',
    "a source of a computed field": '[{{"op": "set", "field": "existedAt", "value": {0}}}]',
    "a tag": '[{{"op": "add", "field": "tagIds", "value": 500{0}}}]',
}


def light_query(chance):
    return {"filters": [{"Eq": ["tagIds", chance.randrange(5000)]}], "limit": 50}


def heavy_query(chance):
    """An expensive query: unselective and sorted, with a deep offset, a long list or many clauses.
    """
    sort = {"field": "existedAt", "direction": chance.choice(["Asc", "Desc"])}
    filters = chance.choice([
        [{"In": ["nsfwLevel", [1, 2, 4, 8, 16]]}],
        [{"In": ["tagIds", [chance.randrange(5000) for _ in range(5000)]]}],
        [{"Or": [{"Not": {"Eq": ["userId", n]}} for n in range(2000)]}],
        [{"Gt": ["existedAt", 10]}, {"IsNotNull": "userId"}],
    ])
    return {"filters": filters, "sort": sort, "limit": 1000, "offset": chance.randrange(9000)}


class Clients:
    """Threads that query without a pause, in a `with`."""

    def __init__(self, demo, count, make):
        self.times_ms = []
        self.refused = 0
        self._end = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(demo.consumer.port, make, n), daemon=True)
            for n in range(count)
        ]

    def _run(self, port, make, seed):
        chance = random.Random(seed)
        with contextlib.closing(Api(port)) as api:
            while not self._end.is_set():
                body = make(chance)
                begin = time.monotonic()
                status, _ = api.call(QUERY, body)
                self.times_ms.append((time.monotonic() - begin) * 1000)
                self.refused += status != 200

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        for thread in self._threads:
            thread.join()

    def percentile(self, part):
        """0 when no query has ended."""
        times = sorted(self.times_ms) or [0]
        return times[min(len(times) - 1, int(part * len(times)))]


class Stage:
    """The histogram of one stage of the workers, counted from now on."""

    def __init__(self, demo, stage):
        self._demo, self._stage = demo, stage
        self._before = self._read()

    def _read(self):
        _, text = self._demo.api.call("/metrics")
        line = rf'^bitdex_consumer_stage_seconds_bucket{{stage="{self._stage}",le="(.*)"}} (\d+)$'
        return {float(end): int(count) for end, count in re.findall(line, text, re.M)}

    def percentile(self, part):
        counts = {end: count - self._before[end] for end, count in self._read().items()}
        most = max(counts.values())
        return min(end for end, count in counts.items() if count >= part * most) * 1000


def write(demo, *statement):
    """Puts the rows of a statement onto the topic while the consumer is stopped, then starts it."""
    demo.consumer.stop()
    before = status(demo)["rows"]
    with demo.connect() as connection:
        rows = connection.execute(*statement).rowcount
    wait_until_sent(demo, before + rows)
    demo.consumer.start()
    demo.wait_until_recovered()


def alone_once(demo):
    with Clients(demo, LIGHT_CLIENTS, light_query) as clients:
        time.sleep(ALONE_S)
    return {"p50": clients.percentile(0.5), "p999": clients.percentile(0.999)}


def ingest_once(demo, entities, changes, clients):
    """Rows a second, how long the worker waits for queries, and the queries' own times."""
    write(demo, CHANGES, (entities, changes))
    lock = Stage(demo, "lock")
    begin = time.monotonic()
    with clients:
        demo.wait_until_fresh(600)
    figures = {"rate": changes / (time.monotonic() - begin), "wait": lock.percentile(1)}
    if isinstance(clients, Clients):
        figures |= {"p50": clients.percentile(0.5), "p999": clients.percentile(0.999)}
    return figures


def fan_out_once(demo, kind, run):
    """A fan-out over all entities: the longest query beside it, and how long it is applied."""
    apply = Stage(demo, "apply")
    with Clients(demo, LIGHT_CLIENTS, light_query) as clients:
        with demo.connect() as connection:
            connection.execute(FAN_OUT, (FAN_OUTS[kind].format(run),))
        demo.wait_until_fresh()
    return clients.percentile(1), apply.percentile(1)


def rows_of_rounds(rounds):
    def column(place, name):
        return [figures[place][name] for figures in rounds]

    alone, free, light, heavy = range(4)
    yield measure.figure("light query, nothing else running, p50", "ms", column(alone, "p50"))
    yield measure.row("light query beside ingestion, p50", "alone", "ms", column(light, "p50"),
                      column(alone, "p50"))
    yield measure.row("light query beside ingestion, p99.9", "alone", "ms", column(light, "p999"),
                      column(alone, "p999"))
    for place, name in ((light, "light"), (heavy, "heavy")):
        yield measure.row(f"ingestion beside {name} queries", "alone", "rows/s",
                          column(place, "rate"), column(free, "rate"))
        yield measure.figure(f"ingestion waits for {name} queries, at most", "ms",
                             column(place, "wait"))


def run(scene):
    entities = scene.size(500_000, 20_000)
    changes = entities // 2
    with scene.pipeline() as demo:
        demo.start()
        write(demo, ENTITIES, (entities,))
        demo.wait_until_fresh(600)
        rounds = [
            [alone_once(demo),
             ingest_once(demo, entities, changes, contextlib.nullcontext()),
             ingest_once(demo, entities, changes, Clients(demo, LIGHT_CLIENTS, light_query)),
             ingest_once(demo, entities, changes, Clients(demo, HEAVY_CLIENTS, heavy_query))]
            for _ in range(ROUNDS)]
        yield from rows_of_rounds(rounds)
        for kind in FAN_OUTS:
            queries, batches = zip(*(fan_out_once(demo, kind, run) for run in range(scene.runs)))
            name = f"fan-out of {kind} to all of {entities:,} entities"
            yield measure.figure(f"longest query beside a {name}", "ms", queries, 10)
            yield measure.figure(f"{name}, applied", "ms", batches)
