"""Windows on a real Postgres: whatever transactions do, each committed row is delivered once and in
order, and no row waits for another transaction that is still open.

BITDEX_ROWS sets the size of the large windows.
"""

import os
import random
import re
import signal
import time
import unittest

import psycopg
import topic
from case import SEED
from outbox import OutboxCase

ROWS = int(os.environ.get("BITDEX_ROWS", 20_000))
CHUNK_ROWS = 200  # of large windows
KEPT = 1000  # so many positions are kept at least, and removed at every tick that this divides
SAVES = 30  # after those that are inserted by hand

# Further positions that are equal to the newest one, as those of windows without rows are.
SAVE_AGAIN = """
INSERT INTO bitdex_windows SELECT (jsonb_populate_record(NULL::bitdex_windows,
    to_jsonb(w) || jsonb_build_object('tick', n))).*
FROM (SELECT * FROM bitdex_windows ORDER BY tick DESC, sub_id DESC LIMIT 1) AS w,
    generate_series(w.tick + 1, %s) AS n
"""


def plan_nodes(plan):
    yield plan
    for child in plan.get("Plans", []):
        yield from plan_nodes(child)


class Windows(OutboxCase):
    settings = {"guard_interval_ms": 200}  # what is asked again and again must not read rows
    sections = {"retention": {"interval_s": 3600}}  # each pass may read batch_rows

    def test_f01_rows_below_a_delivered_id(self):
        """Rows that become visible after higher ids were delivered arrive; of transactions with
        savepoints and rollbacks exactly the committed rows arrive."""
        self.start()
        with self.pipeline.connect() as early, self.pipeline.connect() as late:
            self.insert(early, 3)
            self.insert(late, 2)
            late.commit()
            self.check_delivery()
            with late.transaction():
                self.insert(late)
                with self.assertRaises(psycopg.errors.DivisionByZero), late.transaction():
                    self.insert(late, 5)
                    late.execute("SELECT 1 / 0")
                with late.transaction():
                    self.insert(late, 2)
            self.insert(late, 4)
            late.rollback()
            self.check_delivery()
            early.commit()
        rows = sum(len(events) for events in self.check_delivery().values())
        self.assertEqual(rows, 3 + 2 + 3)

    def test_f02_early_xid_late_row_lock(self):
        """Two changes of one entity arrive in commit order although their transaction ids are in
        the other order, in two windows and in one."""
        self.start()
        with self.pipeline.connect() as early, self.pipeline.connect() as late:
            for together in (False, True):
                early.execute("SELECT pg_current_xact_id()")
                self.insert(late, entity=7)
                if together:
                    self.producer.signal(signal.SIGSTOP)
                late.commit()
                if not together:
                    self.wait_until_sent()
                self.insert(early, entity=7)
                early.commit()
                self.producer.signal(signal.SIGCONT)
                self.check_delivery()
        (count,) = (len(events) for events in self.check_delivery().values() if events)
        self.assertEqual(count, 4)

    def test_f03_open_transactions_hold_nothing_up(self):
        """While transactions are open in this database and in another one, prepared, and with row
        locks, rows that others commit are delivered; the rows of the open ones follow."""
        self.start()
        with (
            self.pipeline.connect() as writes,
            self.pipeline.connect() as locks,
            self.pipeline.connect() as prepares,
            psycopg.connect(self.postgres.dsn) as elsewhere,
            self.pipeline.connect() as other,
        ):
            self.insert(other, 3)
            other.commit()
            self.insert(writes)
            locks.execute('SELECT FROM "BitdexOps" FOR UPDATE')
            self.insert(locks)
            elsewhere.execute("SELECT pg_current_xact_id()")
            prepared = prepares.xid(1, self.pipeline.name, "held")
            prepares.tpc_begin(prepared)
            self.insert(prepares, 2)
            prepares.tpc_prepare()
            for _ in range(3):
                self.insert(other, 2)
                other.commit()
                self.check_delivery()
            prepares.tpc_commit()
            self.check_delivery()
            locks.rollback()
            elsewhere.rollback()
            writes.commit()
        rows = sum(len(events) for events in self.check_delivery().values())
        self.assertEqual(rows, 3 + 3 * 2 + 2 + 1)

    def read_rows(self, connection):
        """How many index entries and rows of the outbox all sessions have read so far."""
        connection.execute("SELECT pg_stat_clear_snapshot()")
        return connection.execute(
            "SELECT seq_tup_read + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes i"
            " WHERE i.relid = t.relid) FROM pg_stat_user_tables t WHERE relname = 'BitdexOps'"
        ).fetchone()[0]

    def test_f61_open_transaction_with_many_rows(self):
        """The rows of a transaction that stays open are read once at most, not at every poll."""
        self.start()
        with self.pipeline.connect() as holder, self.pipeline.connect(autocommit=True) as other:
            self.insert(other)
            before = self.read_rows(other)
            self.insert(holder, ROWS)
            for after in range(2):  # first without rows after those of the holder, then with
                for _ in range(30):
                    self.wait_until_sent()
                    self.insert(other, after)
            time.sleep(2)  # sessions report what they have read once a second
            self.assertLess(self.read_rows(other) - before, 2 * ROWS)
            holder.commit()
        self.check_delivery()


class LargeWindows(OutboxCase):
    settings = {"chunk_rows": CHUNK_ROWS}

    def fill(self, rows=ROWS):
        """Writes a backlog that the planner's statistics do not contain."""
        with self.pipeline.connect() as connection:
            connection.execute('ALTER TABLE "BitdexOps" SET (autovacuum_enabled = off)')
            self.insert(connection, rows)

    def explain(self, connection):
        """The plan of the statement that the reading session runs or ran last: (whether its plan is
        pinned, its nodes). It may be the question of a guard."""
        (statement,) = connection.execute(
            "SELECT query FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = 'bitdex-producer outbox'"
        ).fetchone()
        reading = re.fullmatch(
            r"(.*)COPY \((.*)\) TO STDOUT \(FORMAT binary\)", statement, re.DOTALL
        )
        if reading is None:
            return False, []
        settings, select = reading.groups()
        with connection.transaction(force_rollback=True):
            if settings:
                connection.execute(settings)
            ((plan,),) = connection.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + select).fetchone()
        return bool(settings), list(plan_nodes(plan["Plan"]))

    def test_f82_chunks_of_a_large_window_read_what_they_send(self):
        """With stale statistics, every chunk after the first continues in the index on id where the
        previous one ended: there is no sort, and no more rows are read than sent."""
        self.fill()
        self.producer.start()
        filled, seen = ROWS, {}
        with self.pipeline.connect() as connection:
            while len(seen) < 5:
                self.assertTrue(self.producer.is_running(), self.producer.log_tail())
                sent = self.status()["rows"]
                if sent == filled - ROWS or sent == max(seen, default=0):
                    continue
                if sent == filled:  # all chunks were sent before one was examined
                    self.fill()
                    filled += ROWS
                    continue
                self.producer.signal(signal.SIGSTOP)
                pinned, nodes = self.explain(connection)
                self.producer.signal(signal.SIGCONT)
                if not pinned:
                    continue
                seen[sent] = nodes
                scans = [node for node in nodes if "Scan" in node["Node Type"]]
                self.assertIn("BitdexOps_pkey", [scan.get("Index Name") for scan in scans])
                self.assertNotIn("Sort", [node["Node Type"] for node in nodes])
                for node in nodes:
                    self.assertLessEqual(node["Actual Rows"], self.settings["chunk_rows"])
                    self.assertEqual(node.get("Rows Removed by Filter", 0), 0)
        self.check_delivery()

    def kill_inside_window(self, connection):
        """Kills the producer after it has saved a place inside a window; returns that place."""
        while True:
            self.wait_until_sent()
            before = self.status()["rows"]
            self.fill()
            self.producer.wait_until(lambda: self.status()["rows"] > before, "sends nothing")
            self.producer.signal(signal.SIGSTOP)
            time.sleep(1.1)  # a place is saved once a second
            self.producer.signal(signal.SIGCONT)

            def places():
                return connection.execute("""SELECT sub_id, (SELECT max(id) FROM "BitdexOps")
                    FROM bitdex_windows ORDER BY tick DESC, sub_id DESC LIMIT 1""").fetchone()

            self.producer.wait_until(
                lambda: places()[0] > 0 or self.status()["rows"] == before + ROWS, "is stuck")
            self.producer.kill()
            sub_id, last_id = places()
            if 0 < sub_id < last_id:
                return sub_id
            self.start()  # the window was sent as a whole before a place was saved

    def test_l2_window_resumed_where_it_was_acknowledged(self):
        """A producer that is killed in the middle of a large window continues after the last place
        that it saved inside the window, with the same seqs."""
        self.start()
        with self.pipeline.connect(autocommit=True) as connection:
            sub_id = self.kill_inside_window(connection)
        self.start()
        self.check_delivery()
        events = [event for records in topic.read(self.pipeline.kafka, self.pipeline.topic).values()
                  for _, _, event in records if "row_id" in event["body"][1]]
        last = max(event["generation"] for event in events)
        before, after = (
            {event["body"][1]["row_id"] for event in events
             if (event["generation"] == last) == is_last}
            for is_last in (False, True))
        self.assertGreater(min(after), sub_id)
        self.assertGreaterEqual(max(before), sub_id)
        print(f"{len(before):,} rows before the kill, {len(before & after):,} of them sent again",
              flush=True)


class SmallWindows(OutboxCase):
    settings = {"poll_interval_ms": 1}

    def test_f73_positions_stay_few(self):
        """While a transaction stays open, thousands of windows leave a bounded number of rows in
        bitdex_windows."""
        self.start()
        self.producer.stop()
        with self.pipeline.connect() as holder, self.pipeline.connect() as other:
            holder.execute("SELECT pg_current_xact_id()")
            other.execute(SAVE_AGAIN, (2 * KEPT - SAVES // 2,))
            other.commit()
            self.start()
            while self.status()["tick"] < 2 * KEPT + SAVES // 2:
                self.insert(other)
                other.commit()
            self.wait_until_sent()
            first, positions = other.execute(
                "SELECT min(tick), count(*) FROM bitdex_windows"
            ).fetchone()
            self.assertEqual(first, KEPT)
            self.assertLess(positions, KEPT + 2 * SAVES)
        self.check_delivery()


class LostSessions(OutboxCase):
    settings = {"chunk_rows": 500}

    def terminate(self, pid):
        with self.pipeline.connect() as connection:
            connection.execute("SELECT pg_terminate_backend(%s)", (pid,))

    def check_recovered(self, sessions):
        self.producer.wait_until(
            lambda: self.status()["sessions"] > sessions and self.status()["state"] == "draining",
            "does not begin another session",
        )
        self.check_delivery()

    def test_f74_before_the_window_is_saved(self):
        """The session is lost between the poll of the source and the commit of the window; no row
        is lost."""
        self.start()
        with self.pipeline.connect() as locks, self.pipeline.connect() as other:
            locks.execute("LOCK bitdex_windows IN SHARE MODE")
            self.insert(other, 10)
            other.commit()
            sessions = self.status()["sessions"]
            self.terminate(self.wait_for_session("cursor", wait_event_type="Lock"))
            self.producer.wait_until(lambda: self.status()["error"], "shows no error")
            self.insert(other, 10)
            other.commit()
            locks.commit()
        self.check_recovered(sessions)

    def test_f74_in_the_middle_of_a_window(self):
        """Either session is lost while a saved window is being read; no row is lost."""
        self.start()
        with self.pipeline.connect() as windows, self.pipeline.connect() as rows:
            for what in ("outbox", "cursor"):
                windows.execute("LOCK bitdex_windows IN SHARE MODE")
                self.insert(rows, 2000)
                rows.commit()
                cursor = self.wait_for_session("cursor", wait_event_type="Lock")
                rows.execute('LOCK "BitdexOps"')
                windows.commit()  # saves the window, and then waits for its second chunk
                outbox = self.wait_for_session("outbox", wait_event_type="Lock")
                sessions = self.status()["sessions"]
                self.terminate({"outbox": outbox, "cursor": cursor}[what])
                rows.commit()
                self.insert(rows, 10)
                rows.commit()
                self.check_recovered(sessions)

    def test_f74_at_random_moments(self):
        """Sessions are lost repeatedly under load, while the producer is frozen; no row is lost."""
        rng = random.Random(SEED)
        self.start()
        with self.pipeline.connect() as other:
            for _ in range(8):
                self.insert(other, 2000)
                other.commit()
                time.sleep(rng.random() * 0.1)
                self.producer.signal(signal.SIGSTOP)
                self.insert(other, 10)
                other.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND application_name LIKE %s",
                    (f"bitdex-producer {rng.choice(['cursor', 'outbox', '%'])}",),
                )
                other.commit()
                self.producer.signal(signal.SIGCONT)
                self.producer.wait_until(lambda: self.status()["state"] == "draining", "is stuck")
        self.check_delivery()


class LostCommits(OutboxCase):
    own_servers = ("postgres",)
    # A commit that waits for the WAL writer is lost in a crash, unless another commit flushes it.
    # So does a page that is written, or a checkpoint.
    postgres_settings = {"wal_writer_delay": "10s", "autovacuum": "off",
                         "bgwriter_lru_maxpages": "0", "checkpoint_timeout": "1h"}

    def stop_wal_writer(self):
        """Freezes the WAL writer; killing the server ends it."""
        with self.pipeline.connect() as connection:
            (pid,) = connection.execute(
                "SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'"
            ).fetchone()
        os.kill(pid, signal.SIGSTOP)

    def test_f74_snapshot_of_a_commit_that_was_lost(self):
        """The database crashes and loses a commit that the producer has seen. The row of the next
        transaction, which gets the same id, is delivered."""
        self.start()
        locks, other = self.pipeline.connect(), self.pipeline.connect()
        other.execute("SET synchronous_commit = off")
        self.insert(other)
        other.commit()
        self.wait_until_sent()
        locks.execute("LOCK bitdex_windows IN SHARE MODE")
        self.stop_wal_writer()
        lost = []
        for _ in range(2):
            self.insert(other)
            lost.append(other.execute("SELECT pg_current_xact_id()").fetchone()[0])
            other.commit()
        self.wait_for_session("cursor", wait_event_type="Lock")
        self.postgres.kill()
        locks.close()
        other.close()
        self.postgres.start()
        with self.pipeline.connect() as other:
            (kept,) = other.execute(
                'SELECT count(*) FROM "BitdexOps" WHERE txid = ANY(%s::xid8[])', (lost,)
            ).fetchone()
            self.assertEqual(kept, 0, "the crash did not lose the commits")
            self.insert(other)
            (again,) = other.execute("SELECT pg_current_xact_id()").fetchone()
        self.assertLessEqual(int(again), int(max(lost)), "the id was not used again")
        self.check_delivery()


class RewrittenOutbox(OutboxCase):
    settings = {"guard_interval_ms": 60000}  # no guard waits for the lock first

    def test_f100_the_outbox_is_rewritten_while_a_read_waits(self):
        """An ALTER TABLE rewrites the outbox while the producer waits to read a window from it. To
        a snapshot from before the rewrite the table is empty; no row is skipped."""
        self.start()
        with self.pipeline.connect() as writer, self.pipeline.connect() as owner:
            self.insert(writer, 2)
            writer.commit()
            self.check_delivery()
            self.producer.signal(signal.SIGSTOP)
            self.insert(writer, 5)
            writer.commit()
            owner.execute('LOCK TABLE "BitdexOps" IN ACCESS EXCLUSIVE MODE')
            self.producer.signal(signal.SIGCONT)
            self.producer.wait_until(self.outbox_waits, "does not read the outbox")
            owner.execute("""ALTER TABLE "BitdexOps" ALTER created_at TYPE timestamptz
                USING created_at + interval '0'""")
            owner.commit()
        rows = sum(len(events) for events in self.check_delivery().values())
        self.assertEqual(rows, 7)

    def outbox_waits(self):
        """Does the statement that reads the outbox wait for a lock?"""
        with self.pipeline.connect(autocommit=True) as connection:
            return connection.execute("""SELECT count(*) > 0 FROM pg_stat_activity
                WHERE application_name = 'bitdex-producer outbox' AND wait_event_type = 'Lock'
                AND datname = current_database()""").fetchone()[0]


if __name__ == "__main__":
    unittest.main()
