"""Storms of requests, and kills while requests are owed: the stream continues, what is owed can be
seen, and then the index equals the tables.

The tables change silently (refreshes.py), so that only answers can make the index equal to them.
With BITDEX_SECONDS of 60 and more the storms have the size that they are named after.
"""

import contextlib
import random
import re
import threading
import time
import unittest

import index
import refreshes
from case import SECONDS, SEED, GalleryCase

IS_LONG = SECONDS >= 60
ENTITIES = 100_000 if IS_LONG else 8_000
STEP = 20  # between two ids of images: they are read by lists, not by ranges
RATE = 1000  # requests for one entity, each second
OWED_MAX = 2000  # less than the storm asks for at once
STREAM_S = 180  # a row of the stream takes less on a slow machine, whatever is owed

INSERT_IMAGES = f"""
INSERT INTO "Image" (url, "nsfwLevel", flags, "userId", "postId", "scannedAt")
SELECT 'storm', n % 7, n, n % 100, 1, now() FROM generate_series(1, {ENTITIES}) AS n
"""


def read_metric(program, name):
    """The sum over all labels."""
    _, text = program.api.call("/metrics")
    values = re.findall(rf"^{name}(?:\{{[^}}]*\}})? (\S+)$", text, re.MULTILINE)
    assert values, f"no metric {name}"
    return sum(map(float, values))


class RefreshStorms(GalleryCase):
    sections = {"producer": {"refresh": {"owed_max": OWED_MAX}}}

    def setUp(self):
        super().setUp()
        self.producer = self.pipeline.producer
        self.create_tables()
        self.pipeline.start()
        self.most_owed = 0

    def execute(self, *statements):
        """Executes the statements in one transaction that leaves no ops rows of triggers."""
        with self.pipeline.connect() as connection:
            for statement in statements:
                connection.execute(statement)
            refreshes.forget_ops(connection)

    def owed(self):
        owed = read_metric(self.producer, "bitdex_refresh_owed")
        self.most_owed = max(self.most_owed, owed)
        return owed

    def check_stream(self, entity):
        """Checks that a change of another row arrives while requests are owed; returns the seconds
        that this took."""
        level = random.randrange(1, 1 << 30)
        with self.pipeline.connect() as connection:
            connection.execute(
                'UPDATE "Image" SET "userId" = %s WHERE id = %s', (level, entity))
        begun = time.monotonic()
        while index.read_entity(self.pipeline.api, entity)["fields"].get("userId") != level:
            self.owed()
            self.assertLess(time.monotonic(), begun + STREAM_S, "the stream waits")
            time.sleep(0.02)
        return time.monotonic() - begun

    def check_storm(self, name, entity):
        """Waits until nothing is owed, while rows of the stream continue to arrive."""
        begun, slowest = time.monotonic(), 0
        while self.owed() > 0:
            self.assertLess(time.monotonic(), begun + 200 + SECONDS * 10, f"{name}: still owed")
            slowest = max(slowest, self.check_stream(entity))
        print(f"{name}: {self.most_owed:g} owed at most, answered in"
              f" {time.monotonic() - begun:.1f} s, a row of the stream took {slowest:.2f} s",
              flush=True)
        self.pipeline.wait_until_fresh()

    def test_storms(self):
        """Many entities at once, a parent with many children, and one entity a thousand times a
        second: each is answered, and no storm stops the stream."""
        with self.pipeline.connect() as connection:
            connection.execute(f'ALTER SEQUENCE "Image_id_seq" INCREMENT {STEP}')
            connection.execute("""INSERT INTO "Post" ("publishedAt") VALUES (now()), (now())""")
        self.execute(INSERT_IMAGES)
        with self.pipeline.connect() as connection:
            connection.execute(
                """INSERT INTO "Image" (url, "userId", "postId") VALUES ('stream', 1, 2)""")
            (stream,) = connection.execute('SELECT max(id) FROM "Image"').fetchone()
        self.many_entities(stream)
        self.parent_with_many_children(stream)
        self.one_entity()
        self.check_end(changed=False)

    def many_entities(self, stream):
        """A lock holds the answers back until a row of the stream has arrived without them."""
        with self.pipeline.connect() as locking:
            locking.execute('LOCK TABLE "ImageTool" IN ACCESS EXCLUSIVE MODE')
            with self.pipeline.connect() as connection:
                refreshes.insert_many(
                    connection, f'SELECT id FROM "Image" WHERE id <> {stream}', refreshes.whole())
            self.producer.wait_until(lambda: self.owed() > OWED_MAX, "owes too little")
            self.check_stream(stream)
            self.assertGreater(self.owed(), OWED_MAX)
        self.check_storm(f"{ENTITIES} entities", stream)
        index.check_verified(self.pipeline, [self.pipeline.consumer])

    def parent_with_many_children(self, stream):
        """Its children change their parent's values again and again."""
        ends = time.monotonic() + SECONDS
        while time.monotonic() < ends:
            with self.pipeline.connect() as connection:
                connection.execute(
                    'UPDATE "Post" SET "publishedAt" = now() - random() * interval \'500 days\''
                    " WHERE id = 1")
                refreshes.forget_ops(connection)
                refreshes.insert(connection, 1, refreshes.parent(refreshes.PARENTS["Post"], 1))
            self.check_stream(stream)
        self.pipeline.wait_until_fresh()
        self.producer.wait_until(lambda: self.owed() == 0, "owes requests")
        index.check_verified(self.pipeline, [self.pipeline.consumer])

    def one_entity(self):
        """Requests for image 1, which changes silently with each of them."""
        ends, count = time.monotonic() + SECONDS, 0
        with contextlib.ExitStack() as stack:
            connection = stack.enter_context(self.pipeline.connect(autocommit=True))
            stop = threading.Event()
            checker = threading.Thread(target=self._watch_freshness, args=(stop,))
            checker.start()
            stack.callback(checker.join)
            stack.callback(stop.set)
            begun = time.monotonic()
            while time.monotonic() < ends:
                with connection.transaction():
                    connection.execute('UPDATE "Image" SET flags = flags + 1 WHERE id = 1')
                    refreshes.forget_ops(connection)
                    for _ in range(RATE // 50):
                        refreshes.insert(connection, 1, refreshes.whole())
                count += RATE // 50
                time.sleep(max(0, begun + count / RATE - time.monotonic()))
        self.pipeline.wait_until_fresh()
        print(f"{count} requests for one entity; freshness was {self.slowest:.2f} s at most",
              flush=True)
        self.assertLess(self.slowest, STREAM_S)

    def _watch_freshness(self, stop):
        self.slowest = 0
        while not stop.wait(0.1):
            lags = [partition["lag_seconds"] for partition in self.pipeline.partitions()]
            self.slowest = max([self.slowest, *(lag for lag in lags if lag is not None)])
        self.pipeline.api.close()


class KillsWhileOwed(GalleryCase):
    """Requests are answered in small turns, so that many are owed at any time."""

    own_servers = True
    sections = {"producer": {"refresh": {"owed_max": 200}, "load": {"share": 0.1}}}

    def setUp(self):
        super().setUp()
        self.rng = random.Random(SEED)
        self.producer, self.consumer = self.pipeline.producer, self.pipeline.consumer

    def ask_for_everything(self, synchronous="off"):
        """Changes all images silently, tells lies about them, and asks for them, in a transaction
        whose commit the database may lose."""
        with self.pipeline.connect() as connection:
            connection.execute(f"SET synchronous_commit = {synchronous}")
            connection.execute(
                'UPDATE "Image" SET flags = flags + 1, "userId" = %s', (self.rng.randrange(999),))
            refreshes.forget_ops(connection)
            refreshes.insert_many(
                connection, 'SELECT id FROM "Image"',
                {"op": "set", "field": "userId", "value": 777}, refreshes.whole())

    def wait_until_owed(self):
        self.producer.wait_until(
            lambda: read_metric(self.producer, "bitdex_refresh_owed") > 0, "owes nothing")

    def test_kills_while_requests_are_owed(self):
        """Programs, broker and database are killed while requests are owed, and the database loses
        commits: no request is forgotten, none is answered by older rows, and nothing is incomplete.
        """
        self.create_gallery(images=3000)
        kills = [self.producer, self.consumer, self.kafka, self.postgres]
        for victim in self.rng.sample(kills, len(kills)):
            self.ask_for_everything()
            self.wait_until_owed()
            time.sleep(self.rng.random() * 0.5)
            self.ask_for_everything()
            victim.kill()
            time.sleep(self.rng.random())
            victim.start()
            if victim is self.producer:
                self.producer.wait_until_state("draining")
            self.pipeline.wait_until_fresh()
            self.assertGreater(index.check_equal(self.pipeline), 0)
        self.check_end(changed=False)


if __name__ == "__main__":
    unittest.main()
