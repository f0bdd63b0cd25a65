"""How long do queries and ingestion wait for each other? Measures queries to a consumer that is
catching up with a backlog. How long its workers wait for queries is read from the consumer's own
histograms: the figure is the upper bound of the bucket that holds the percentile.
"""

import contextlib
import random
import re
import threading
import time

from pipeline import Api

QUERY = "/api/indexes/gallery/query"
LIGHT_CLIENTS, HEAVY_CLIENTS = 2, 4
PERCENTILES = (0.5, 0.99, 0.999, 1)

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
FAN_OUTS = {
    "a string": '[{"op": "set", "field": "availability", "value": "Private"}]',
    "a sort value": '[{"op": "set", "field": "existedAt", "value": 7}]',
    "a tag": '[{"op": "add", "field": "tagIds", "value": 4999}]',
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

    def percentiles(self):
        times = sorted(self.times_ms)
        return [times[min(len(times) - 1, int(part * len(times)))] for part in PERCENTILES]


class Stage:
    """The histogram of one stage of the workers, counted from now on."""

    def __init__(self, demo, stage):
        self._demo, self._stage = demo, stage
        self._before = self._read()

    def _read(self):
        _, text = self._demo.api.call("/metrics")
        line = rf'^bitdex_consumer_stage_seconds_bucket{{stage="{self._stage}",le="(.*)"}} (\d+)$'
        return {float(end): int(count) for end, count in re.findall(line, text, re.M)}

    def percentiles(self):
        counts = {end: count - self._before[end] for end, count in self._read().items()}
        most = max(counts.values())
        return [min(end for end, count in counts.items() if count >= part * most) * 1000
                for part in PERCENTILES]


def print_row(name, values, more=""):
    print(f"  {name:38} {''.join(f'{value:9.1f}' for value in values)}  {more}", flush=True)


def write(demo, *statement):
    """Puts the rows of a statement onto the topic while the consumer is stopped, then starts it."""
    demo.consumer.stop()
    with demo.connect() as connection:
        connection.execute(*statement)
        (last,) = connection.execute('SELECT max(id) FROM "BitdexOps"').fetchone()
    demo.producer.wait_until(
        lambda: demo.producer.api.get("/api/status")["unacknowledged"] == 0 and
        demo.producer.api.get("/api/status")["rows"] >= last, "does not drain")
    demo.consumer.start()
    demo.consumer.wait_until(
        lambda: {p["state"] for p in demo.partitions()} == {"running"}, "does not recover")


def ingest(demo, entities, changes, name, clients):
    write(demo, CHANGES, (entities, changes))
    lock, apply = Stage(demo, "lock"), Stage(demo, "apply")
    begin = time.monotonic()
    with clients:
        demo.wait_until_fresh(600)
    rate = f"{changes / (time.monotonic() - begin):,.0f} rows/s"
    print_row(f"{name}: wait for the lock", lock.percentiles(), rate)
    print_row("    a batch, applied", apply.percentiles())
    if isinstance(clients, Clients):
        print_row("    a query", clients.percentiles(),
             f"{len(clients.times_ms)} queries, {clients.refused} refused")


def fan_out(demo, ops):
    """A fan-out over all entities: how long its batch takes, and the longest query during it."""
    apply = Stage(demo, "apply")
    with Clients(demo, LIGHT_CLIENTS, light_query) as clients:
        with demo.connect() as connection:
            connection.execute(FAN_OUT, (ops,))
        demo.wait_until_fresh()
    return apply.percentiles()[-1], max(clients.times_ms)


def run(demo, entities):
    """Prints the figures. The outbox of `demo` has to be empty."""
    demo.start()
    write(demo, ENTITIES, (entities,))
    demo.wait_until_fresh(600)
    print(f"{entities:,} entities, ms                            p50      p99    p99.9      max")
    with Clients(demo, LIGHT_CLIENTS, light_query) as clients:
        time.sleep(3)
    print_row("light queries alone", clients.percentiles())
    with Clients(demo, HEAVY_CLIENTS, heavy_query) as clients:
        time.sleep(10)
    print_row("heavy queries alone", clients.percentiles(), f"{clients.refused} refused")
    changes = entities // 2
    ingest(demo, entities, changes, "ingestion", contextlib.nullcontext())
    ingest(demo, entities, changes, "light queries", Clients(demo, LIGHT_CLIENTS, light_query))
    ingest(demo, entities, changes, "heavy queries", Clients(demo, HEAVY_CLIENTS, heavy_query))
    for name, ops in FAN_OUTS.items():
        print("  fan-out of {} to all entities: batch max {:,.0f} ms, query max {:,.0f} ms"
              .format(name, *fan_out(demo, ops)), flush=True)
