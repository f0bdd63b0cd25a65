"""At rest, the index equals what the configuration says of the tables."""

import json
import time

import diagnosis
import truth


class StaleError(AssertionError):
    """An index that differs from the tables, and nothing said so. `diagnosis` is what was known of
    the entities that differ."""

    def __init__(self, found, known):
        super().__init__(found)
        self.diagnosis = known


def check(line, application, patience_s=0):
    """Waits until everything has arrived, and verifies every field of every entity. With patience,
    what differs may become equal for so many seconds."""
    end = time.monotonic() + patience_s
    while True:
        line.wait_until_fresh()
        found = verify(line) or compare_entities(line, application)
        if not found:
            return
        if time.monotonic() > end:
            raise StaleError(found, diagnosis.describe(line, found))
        time.sleep(1)


def compare_entities(line, application):
    with line.connect() as connection:
        return "\n".join(truth.differences(line, connection, application))


def verify(line):
    """What differs or cannot be compared; "" if nothing does."""
    done = line.producer.command("verify", "--json", check=False, is_patient=True)
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
