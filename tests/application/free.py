"""Free concurrency: threads run random transactions without a scheduler.

How often transactions fail with 40001 and 40P01 must not depend on our triggers. The runs are
paired: short ones with and without triggers alternate, so that both meet the same load of the
machine.
"""

import collections
import contextlib
import math
import threading
import time

import psycopg
from sessions import Script

THREADS = 6
CONFLICTS = ("40001", "40P01")
SIGMA = 5  # beyond this a difference is not noise
RATIO = 1.5


class Counts(collections.Counter):
    """Statements, and failures by sqlstate."""

    def rate(self, state):
        return self[state] / max(1, self["statements"])

    def __str__(self):
        return ", ".join(f"{name}: {count}" for name, count in sorted(self.items()))


def run(dsn, rng, application, server_version, seconds, prefix):
    """Runs threads for so many seconds."""
    counts = Counts()
    end = time.monotonic() + seconds
    threads = [threading.Thread(target=run_one, args=(dsn, script, end, counts))
               for script in scripts(rng, application, server_version, prefix)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return counts


def scripts(rng, application, server_version, prefix):
    return [Script(type(rng)(rng.random()), application, server_version, number, prefix)
            for number in range(THREADS)]


def run_one(dsn, script, end, counts):
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SET deadlock_timeout = '20ms'")
        name = connection.info.dbname
        for sql, copied in script.actions():
            sql = sql.replace("'@", f"'{name}")
            status = connection.info.transaction_status
            if status == psycopg.pq.TransactionStatus.IDLE and time.monotonic() > end \
                    and "PREPARED" not in sql:
                return
            if status == psycopg.pq.TransactionStatus.INERROR \
                    and not sql.startswith(("ROLLBACK", "COMMIT", "PREPARE")):
                continue
            counts["statements"] += 1
            try:
                execute(connection, sql, copied)
            except psycopg.Error as error:
                counts[error.sqlstate] += 1


def execute(connection, sql, copied):
    with contextlib.ExitStack() as stack:
        if copied is None:
            connection.execute(sql)
            return
        cursor = stack.enter_context(connection.cursor())
        stack.enter_context(cursor.copy(sql)).write(copied)


def compare(without, with_triggers):
    """What differs beyond the noise; "" if nothing does."""
    found = []
    for state in CONFLICTS:
        a, b = without[state], with_triggers[state]
        total = without["statements"] + with_triggers["statements"]
        expected = (a + b) * with_triggers["statements"] / max(1, total)
        sigma = (b - expected) / math.sqrt(max(1, expected))
        if sigma > SIGMA and with_triggers.rate(state) > RATIO * without.rate(state):
            found.append(f"{state}: {b} of {with_triggers['statements']} statements with our"
                         f" triggers, {a} of {without['statements']} without")
    return "\n".join(found)
