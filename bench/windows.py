"""The cost of windows, as processor time of the producer's two sessions in Postgres, which does not
depend on other work on the machine; and the time from a commit to the topic under a light load.
"""

import pathlib
import statistics
import threading
import time

import confluent_kafka

import pipeline

INSERT = """
INSERT INTO "BitdexOps" (entity_id, ops)
SELECT n, '[{"op": "set", "field": "userId", "value": 1}]' FROM generate_series(1, %s) AS n
"""
SESSIONS = """
SELECT application_name, pid FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'bitdex-producer %'
"""


class Sessions:
    """Processor time that a producer's sessions have used, in microseconds."""

    def __init__(self, connection):
        self._pids = {
            name.split()[-1]: pid for name, pid in connection.execute(SESSIONS).fetchall()
        }

    def used_us(self, name):
        text = pathlib.Path(f"/proc/{self._pids[name]}/schedstat").read_text()
        return int(text.split()[0]) / 1000

    def all_us(self):
        return sum(self.used_us(name) for name in self._pids)


def start(demo):
    demo.producer.start()
    demo.producer.wait_until_state("draining")


def status(demo):
    return demo.producer.api.get("/api/status")


def poll_us(demo, connection, seconds=4):
    """Processor time of one poll of an outbox in which nothing happens, and polls per second."""
    sessions = Sessions(connection)
    used, polls = sessions.all_us(), status(demo)["polls"]
    time.sleep(seconds)
    polls = status(demo)["polls"] - polls
    return (sessions.all_us() - used) / polls, polls / seconds


def first_chunk_ms(demo, connection, holder):
    """Processor time of the first chunk of a backlog. A lock stops the producer after it."""
    holder.execute("LOCK bitdex_windows IN SHARE MODE")
    demo.producer.start()
    demo.producer.wait_until(
        lambda: connection.execute(
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND"
            " application_name = 'bitdex-producer cursor' AND wait_event_type = 'Lock'"
        ).fetchone(), "saves nothing")
    return Sessions(connection).used_us("outbox") / 1000


def save_us(demo, connection, windows):
    """Processor time of poll and save per window, over `windows` windows of at least one row."""
    sessions = Sessions(connection)
    used, first = sessions.used_us("cursor"), status(demo)["tick"]
    tick = first
    while tick < first + windows:
        connection.execute(INSERT, (1,))
        tick = status(demo)["tick"]
    return (sessions.used_us("cursor") - used) / (tick - first)


class Listener(threading.Thread):
    """Records when each message with a key arrives."""

    def __init__(self, demo):
        super().__init__(daemon=True)
        self.arrivals = {}
        self._end = threading.Event()
        self._client = confluent_kafka.Consumer({
            "bootstrap.servers": demo.kafka, "group.id": "bench", "fetch.wait.max.ms": 5,
            "enable.auto.commit": False,
        })
        partitions = self._client.list_topics(demo.topic, timeout=30).topics[demo.topic].partitions
        end = confluent_kafka.OFFSET_END
        self._client.assign(
            [confluent_kafka.TopicPartition(demo.topic, p, end) for p in partitions])
        self._client.poll(2)

    def run(self):
        while not self._end.is_set():
            message = self._client.poll(0.1)
            if message is not None and message.key() is not None:
                self.arrivals[int.from_bytes(message.key(), "big")] = time.monotonic()

    def stop(self):
        self._end.set()
        self.join()
        self._client.close()


def light_load_ms(demo, connection, rate, commits):
    """p50 and p99 of the time from a commit to a reader of the topic, at `rate` commits per second.
    """
    listener = Listener(demo)
    listener.start()
    begun = {}
    for n in range(commits):
        time.sleep(1 / rate)
        entity = 1_000_000 * rate + n
        connection.execute(
            """INSERT INTO "BitdexOps" (entity_id, ops) VALUES (%s, '[{"op": "alive"}]')""",
            (entity,))
        begun[entity] = time.monotonic()
    demo.producer.wait_until(lambda: begun.keys() <= listener.arrivals.keys(), "does not deliver")
    listener.stop()
    times = sorted((listener.arrivals[entity] - at) * 1000 for entity, at in begun.items())
    return statistics.median(times), times[len(times) * 99 // 100]


def run(demo, rows, saves):
    """Prints the figures. The outbox of `demo` is empty, and its producer polls every millisecond.
    """
    with demo.connect(autocommit=True) as connection, demo.connect() as holder:
        connection.execute("SET synchronous_commit = off")
        start(demo)
        print("processor time of the producer's sessions in Postgres", flush=True)
        print("  poll, idle                         {:8,.0f} us, {:.0f} per second"
              .format(*poll_us(demo, connection)), flush=True)
        holder.execute(INSERT, (rows,))
        print("  poll, {:9,} uncommitted rows   {:8,.0f} us, {:.0f} per second"
              .format(rows, *poll_us(demo, connection)), flush=True)
        first = save_us(demo, connection, 200)
        save_us(demo, connection, saves)
        last = save_us(demo, connection, 200)
        print(f"  poll and save of a window          {first:8,.0f} us; "
              f"{saves:,} windows later {last:,.0f} us", flush=True)
        demo.producer.stop()
        holder.commit()
        print("  first chunk of {:9,} rows      {:8,.0f} ms"
              .format(rows, first_chunk_ms(demo, connection, holder)), flush=True)
        demo.producer.kill()
        holder.rollback()


def run_light_load(demo):
    with demo.connect(autocommit=True) as connection:
        start(demo)
        print("commit to topic", flush=True)
        for rate, commits in ((1, 10), (10, 60), (100, 400)):
            print("  {:3} commits per second             p50 {:.1f} ms, p99 {:.1f} ms"
                  .format(rate, *light_load_ms(demo, connection, rate, commits)), flush=True)
