"""What the guards cost the database while nothing happens: the time of planning and execution of
their statements, as pg_stat_statements counts it, for each second of `run`.
"""

import time

SETTINGS = {
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.track_planning": "on",
}
WARM_S = 6
SECONDS = 30
LIMIT_MS = 1.0

# A text of each statement that asks guards, and what it asks.
STATEMENTS = {
    "the source": "%seqincrement%",
    "outbox history": "%pg_relation_filenode%",
    "triggers": "%sum(xmin::text::bigint)%pg_catalog.pg_proc%",
    "table history": "%jsonb_to_recordset%",
}
COST = """SELECT sum(calls), sum(total_exec_time + total_plan_time) FROM pg_stat_statements
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
    total = sum(float(ms or 0) for _, ms in costs.values()) / SECONDS
    print(f"guards of an idle producer: {total:.3f} ms of database time a second, of at most"
          f" {LIMIT_MS:g}")
    for name, (calls, ms) in costs.items():
        assert calls, f"nobody has asked for {name}"
        each = float(ms) / float(calls)
        print(f"  {name:16} {calls / SECONDS:6.2f} a second, {each:6.3f} ms each")
    print(flush=True)
    assert total < LIMIT_MS
