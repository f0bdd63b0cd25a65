"""At rest, the index equals what the configuration says of the tables."""

import json
import time

import diagnosis
import pipeline
import truth


class StaleError(AssertionError):
    """An index that differs from the tables, and nothing said so. `diagnosis` is what was known of
    the entities that differ."""

    def __init__(self, found, known):
        super().__init__(found)
        self.diagnosis = known


# Whether the producer has voided fields and not loaded them yet; and how often it has voided some.
VOIDED = """
SELECT EXISTS (SELECT FROM bitdex_sources WHERE reason IS NOT NULL)
    OR EXISTS (SELECT FROM bitdex_jobs WHERE kind = 'load' AND state IN ('queued', 'running')),
    voided
FROM bitdex_producers
"""


def check(line, application, patience_s=0):
    """Waits until everything has arrived, and verifies every field of every entity. With patience,
    what differs may become equal for so many seconds. Fields that the producer has voided, as some
    time after a change of partitions, are loaded before."""
    end = time.monotonic() + patience_s
    late = time.monotonic() + pipeline.WAIT_S
    while True:
        line.wait_until_fresh()
        before = read_voided(line)
        found = verify(line) or compare_entities(line, application)
        if not found:
            return
        is_voided = before[0] or before != read_voided(line)
        if time.monotonic() > (late if is_voided else end):
            raise StaleError(found, diagnosis.describe(line, found))
        time.sleep(1)


def read_voided(line):
    with line.connect() as connection:
        return connection.execute(VOIDED).fetchone()


def compare_entities(line, application):
    with line.connect() as connection:
        return "\n".join(truth.differences(line, connection, application))


def verify(line):
    """What differs or cannot be compared; "" if nothing does."""
    done = line.producer.command(
        "verify", "--json", "--timeout", "240", check=False, is_patient=True)
    if not done.stdout:
        return f"verify: {done.stderr}"
    answer = json.loads(done.stdout)
    found = answer["passes"][-1]
    lines = [f"{one['field']} cannot be compared: {one['reason']}"
             for one in found["not_comparable"]]
    lines += [f"entity {one['id']}, {one['field'] or '(existence)'}: {one['source']} in Postgres,"
              f" {one['index']} in the index" for one in found["differences"]]
    if not answer["equal"] and not found["differences"]:
        lines.append(done.stdout + done.stderr)
    return "\n".join(lines)
