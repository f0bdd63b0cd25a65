"""`init` on an outbox in use: it has rows, writers, and other sessions hold locks on it.

BITDEX_ROWS sets the number of rows that exist before.
"""

import os
import threading
import unittest

import gallery
import psycopg
import topic
from case import GalleryCase

ROWS = int(os.environ.get("BITDEX_ROWS", 200_000))
WRITERS = 4
BEFORE = """
CREATE TABLE "BitdexOps" (
    id BIGSERIAL PRIMARY KEY, entity_id BIGINT NOT NULL, ops JSONB NOT NULL,
    created_at TIMESTAMPTZ DEFAULT now());
INSERT INTO "BitdexOps" (entity_id, ops)
SELECT n, '[{"op": "set", "field": "userId", "value": 1}]' FROM generate_series(1, %s) AS n
"""
INSERT = """INSERT INTO "BitdexOps" (entity_id, ops) VALUES (%s, '[{"op": "alive"}]')"""


class Writer(threading.Thread):
    """Inserts ops rows as the application did before. A statement that waits for 60 s fails."""

    def __init__(self, dsn, entity):
        super().__init__(daemon=True)
        self.rows = 0
        self.failure = None
        self._dsn = dsn
        self._entity = entity
        self._end = threading.Event()

    def run(self):
        try:
            options = "-c statement_timeout=60s"
            with psycopg.connect(self._dsn, autocommit=True, options=options) as connection:
                while not self._end.wait(0.005):
                    connection.execute(INSERT, (self._entity,))
                    self.rows += 1
        except Exception as failure:  # stop() raises it
            self.failure = failure

    def wait_for_more(self):
        """Returns when it has committed some rows after this call."""
        wanted = self.rows + 5
        while self.rows < wanted and self.is_alive():
            self.join(0.01)
        if self.failure is not None:
            raise self.failure

    def stop(self):
        self._end.set()
        self.join()
        if self.failure is not None:
            raise self.failure


class Init(GalleryCase):
    def setUp(self):
        super().setUp()
        with self.pipeline.connect() as connection:
            connection.execute("SET client_min_messages = warning")
            for statement in BEFORE.split(";\n"):
                connection.execute(statement, (ROWS,) if "%s" in statement else None)
            gallery.create_tables(connection)
            self.file = self.file_of(connection)
        self.writers_of_ops = [Writer(self.pipeline.dsn, entity) for entity in range(WRITERS)]
        for writer in self.writers_of_ops:
            self.addCleanup(writer.stop)
            writer.start()

    def file_of(self, connection):
        return connection.execute("""SELECT pg_relation_filenode('"BitdexOps"')""").fetchone()

    def start_init(self):
        process = self.pipeline.producer.begin("init")
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def read_until(self, process, word):
        for line in process.stdout:
            if word in line:
                return
        self.fail(f"init exited before it printed: {word}")

    def check_end(self):
        """Checks that nothing is left to do, the table was not rewritten, and every row arrives."""
        self.assertIn("nothing to do", self.pipeline.init().stdout)
        for writer in self.writers_of_ops:
            writer.wait_for_more()
            writer.stop()
        with self.pipeline.connect() as connection:
            self.assertEqual(self.file_of(connection), self.file)
        gallery.create_triggers(self.pipeline)
        self.pipeline.start()
        self.pipeline.wait_until_fresh()
        with self.pipeline.connect() as connection:
            events = topic.read(self.pipeline.kafka, self.pipeline.topic)
            delivered = topic.check_delivery(connection, events)
        self.assertGreater(sum(map(len, delivered.values())), ROWS)

    def test_killed_after_every_step(self):
        """When `init` is killed after each of its steps, the next run continues after that step,
        and writers are not affected."""
        kills = 0
        while True:
            process = self.start_init()
            line = process.stdout.readline()
            if "nothing to do" in line:
                if kills > 2:
                    break
                self.undo()  # it has done several steps before a kill arrived
            process.kill()
            process.wait()
            kills += line.startswith("done:")
        self.assertEqual(process.wait(), 0)
        self.check_end()

    def undo(self):
        """There are steps to do again."""
        with self.pipeline.connect() as connection:
            connection.execute("""DROP INDEX bitdex_ops_txid; DROP TABLE bitdex_producers,
                bitdex_sources, bitdex_windows, bitdex_dead_letters, bitdex_jobs, bitdex_cursors""")

    def test_locks_and_an_unfinished_index(self):
        """While a long transaction reads the outbox, `init` retries, and no writer has to wait for
        it. An index whose creation was interrupted is created again."""
        with self.pipeline.connect() as older:
            older.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            older.execute("SELECT 1")  # CREATE INDEX CONCURRENTLY waits for older snapshots
            with self.pipeline.connect() as reader:
                reader.execute('SELECT FROM "BitdexOps" LIMIT 1')
                process = self.start_init()
                self.wait_for_lock("ALTER TABLE")
                for writer in self.writers_of_ops:
                    writer.wait_for_more()
                self.read_until(process, "waiting for a lock")
                self.assertIsNone(process.poll())
            session = self.wait_for_lock("CREATE INDEX")
            process.kill()
            second = self.start_init()
            self.read_until(second, "waiting for another init")
            with self.pipeline.connect() as other:
                other.execute("SELECT pg_terminate_backend(%s)", (session,))
            self.read_until(second, "unfinished")
        self.assertEqual(second.wait(), 0)
        self.check_end()

    def wait_for_lock(self, statement):
        """Waits until a session runs `statement` and waits for a lock; returns its process id."""
        row = None
        while not row:
            with self.pipeline.connect() as connection:
                row = connection.execute(
                    """SELECT pid FROM pg_stat_activity WHERE datname = current_database()
                    AND strpos(query, %s) > 0 AND pid <> pg_backend_pid()
                    AND wait_event_type = 'Lock'""",
                    (statement,),
                ).fetchone()
        return row[0]


if __name__ == "__main__":
    unittest.main()
