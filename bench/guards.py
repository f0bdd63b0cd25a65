"""What the guards cost the database while nothing happens: the time of planning and execution of
their statements, as pg_stat_statements counts it.
"""

import time

import measure
import servers
from scene import HOME, begin_draining

SETTINGS = {
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.track_planning": "on",
}
WARM_S = 6
RUN_S = 10  # two intervals
AIM_MS = 1.0  # a second, without what other programs of a busy machine add

# A text of each statement that asks guards, and what it asks.
STATEMENTS = {
    "the source": "%seqincrement%",
    "outbox history": "%pg_relation_filenode%",
    "triggers": "%sum(xmin::text::bigint)%pg_catalog.pg_proc%",
    "table history": "%jsonb_to_recordset%",
}
COST = """SELECT sum(calls)::float, sum(total_plan_time + total_exec_time),
    min(min_plan_time + min_exec_time) FROM pg_stat_statements
    WHERE query LIKE %s AND query NOT LIKE '%%pg_stat_statements%%'"""


def costs_once(connection):
    """(calls, ms in all, ms of the shortest) of each statement."""
    connection.execute("SELECT pg_stat_statements_reset()")
    time.sleep(RUN_S)
    costs = {name: connection.execute(COST, (text,)).fetchone()
             for name, text in STATEMENTS.items()}
    for name, (calls, *_) in costs.items():
        assert calls, f"nobody has asked for {name}"
    return costs


def rows_of(demo, runs):
    begin_draining(demo)
    with demo.connect(autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        time.sleep(WARM_S)
        costs = [costs_once(connection) for _ in range(runs)]
    yield measure.figure(
        "guards of an idle producer", "ms of database time a second",
        [sum(all_ms for _, all_ms, _ in one.values()) / RUN_S for one in costs], AIM_MS)
    for name in STATEMENTS:
        yield measure.figure(f"guards: {name}, the shortest time", "ms",
                             [one[name][2] for one in costs])


def run(scene):
    with servers.Postgres(HOME / "guards", SETTINGS) as postgres:
        with scene.on(postgres).pipeline() as demo:
            yield from rows_of(demo, scene.runs)
