"""The cost of a poll of the outbox, as processor time of the producer's sessions in Postgres, which
does not depend on other work on the machine: when nothing happens, beside the backlog of another
cursor, and beside an open transaction with many rows, in three databases at the same time. And
whether the windows that were saved make the next one dearer.
"""

import contextlib
import os
import time

import measure
import pipeline
import servers
from scene import begin_draining, sessions, status, wait_until_sent

INSERT = """
INSERT INTO "BitdexOps" (entity_id, ops)
SELECT n, '[{"op": "set", "field": "userId", "value": 1}]' FROM generate_series(1, %s) AS n
"""
WINDOWS = 200  # of one figure
AIM = 1.2


class Polls:
    """Processor time of the polls of one producer since the last call of us()."""

    def __init__(self, demo, connection):
        self._demo = demo
        self._pids = sessions(connection).values()
        self._last = self._read()

    def _read(self):
        return sum(map(measure.session_us, self._pids)), status(self._demo)["polls"]

    def us(self):
        """Of one poll."""
        (used_us, polls), self._last = self._last, self._read()
        return (self._last[0] - used_us) / (self._last[1] - polls)


def leave_backlog(demo, rows):
    """Rows that the producer has sent. A second producer, which does not run, has not."""
    config = demo.directory / "other.yaml"
    config.write_text(demo.config.read_text().replace("producer: {", "producer: { name: other,"))
    (port,) = servers.free_ports(1)
    variables = demo.variables | {"BITDEX_TOPIC": f"{demo.topic}.other",
                                  "BITDEX_PRODUCER_PORT": str(port)}
    other = pipeline.Program("bitdex-producer", demo.directory, config, os.environ | variables,
                             port)
    other.command("init")
    other.start()
    other.wait_until_state("draining")  # its cursor exists
    other.stop()
    with demo.connect(autocommit=True) as connection:
        connection.execute(INSERT, (rows,))
        connection.execute('VACUUM ANALYZE "BitdexOps"')
    wait_until_sent(demo, rows)


def rows_of_polls(scene, stack, demos):
    idle, busy, beside = demos
    rows = scene.size(1_000_000, 100_000, 5_000_000)
    leave_backlog(busy, rows)
    holder = stack.enter_context(beside.connect())
    holder.execute(INSERT, (rows,))
    polls = []
    for demo in demos:
        with demo.connect(autocommit=True) as connection:
            polls.append(Polls(demo, connection))
    runs = []
    for _ in range(scene.runs):
        time.sleep(scene.size(3, 1))
        runs.append([one.us() for one in polls])
    holder.rollback()
    alone, *others = zip(*runs)
    for name, figures in zip((f"beside {rows:,} rows of another cursor's backlog",
                              f"beside an open transaction of {rows:,} rows"), others):
        yield measure.row(f"poll of the outbox, {name}", "an idle outbox", "us", figures, alone,
                          AIM)


def save_us(demo, connection, windows):
    """Processor time of poll and save per window, over `windows` windows of at least one row."""
    pid = sessions(connection)["cursor"]
    used, first = measure.session_us(pid), status(demo)["tick"]
    tick = first
    while tick < first + windows:
        connection.execute(INSERT, (1,))
        tick = status(demo)["tick"]
    return (measure.session_us(pid) - used) / (tick - first)


def rows_of_saves(scene, demo):
    windows = scene.size(4000, 0)
    if windows == 0:
        return
    with demo.connect(autocommit=True) as connection:
        connection.execute("SET synchronous_commit = off")
        first = [save_us(demo, connection, WINDOWS) for _ in range(scene.runs)]
        save_us(demo, connection, windows)
        last = [save_us(demo, connection, WINDOWS) for _ in range(scene.runs)]
    yield measure.row(f"poll and save of a window, {windows:,} windows later", "the first windows",
                      "us", last, first, AIM)


def run(scene):
    with contextlib.ExitStack() as stack:
        demos = [stack.enter_context(scene.pipeline(poll_interval_ms=1)) for _ in range(3)]
        for demo in demos:
            begin_draining(demo)
        yield from rows_of_polls(scene, stack, demos)
        yield from rows_of_saves(scene, demos[0])
