"""What the guards cost the database while nothing happens: the time of planning and execution of
their statements, as pg_stat_statements counts it, for each second of `run`.
"""

import time

SETTINGS = {
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.track_planning": "on",
}
WARM_S = 6
SECONDS = 60
LIMIT_MS = 1.0  # without what other programs of a busy machine add to the times

# A text of each statement that asks guards, and what it asks.
STATEMENTS = {
    "the source": "%seqincrement%",
    "outbox history": "%pg_relation_filenode%",
    "triggers": "%sum(xmin::text::bigint)%pg_catalog.pg_proc%",
    "table history": "%jsonb_to_recordset%",
}
COST = """SELECT sum(calls)::float, sum(total_plan_time), sum(total_exec_time),
    sum(min_plan_time + min_exec_time) FROM pg_stat_statements
    WHERE query LIKE %s AND query NOT LIKE '%%pg_stat_statements%%'"""


def run(demo):
    """Prints the figures. `demo` runs over tables with triggers, with the default intervals."""
    demo.producer.start()
    demo.producer.wait_until_state("draining")
    with demo.connect(autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        time.sleep(WARM_S)
        connection.execute("SELECT pg_stat_statements_reset()")
        time.sleep(SECONDS)
        costs = {name: connection.execute(COST, (text,)).fetchone()
                 for name, text in STATEMENTS.items()}
    for name, (calls, *_) in costs.items():
        assert calls, f"nobody has asked for {name}"
    total = sum(plan_ms + execution_ms for _, plan_ms, execution_ms, _ in costs.values()) / SECONDS
    least = sum(calls * least_ms for calls, _, _, least_ms in costs.values()) / SECONDS
    print(f"guards of an idle producer: {total:.2f} ms of database time a second, of at most"
          f" {LIMIT_MS:g} on a quiet machine; {least:.2f} ms if each time was the shortest one")
    for name, (calls, plan_ms, execution_ms, least_ms) in costs.items():
        print(f"  {name:14} {calls / SECONDS:.2f} a second: {plan_ms / calls:.2f} ms of planning"
              f" and {execution_ms / calls:.2f} ms of execution each, {least_ms:.2f} ms at least")
    print(flush=True)
    assert total < LIMIT_MS
