"""The cursor table: bitdex_cursors follows the offsets that the group has committed."""

import functools
import os
import time
import unittest

import groups
import psycopg
from case import SECONDS, GalleryCase
from pipeline import ROOT

LEGACY_TABLE = """
CREATE TABLE bitdex_cursors (replica_id TEXT PRIMARY KEY, last_outbox_id BIGINT NOT NULL DEFAULT 0,
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now())
"""
LEGACY = """
CREATE FUNCTION cleanup() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    DELETE FROM "BitdexOps" WHERE id <= NEW.last_outbox_id; RETURN NEW;
END $$;
CREATE TRIGGER trg_cleanup_bitdex_ops AFTER INSERT OR UPDATE ON bitdex_cursors
    FOR EACH ROW EXECUTE FUNCTION cleanup();
"""


class CursorTable(GalleryCase):
    # The legacy cleanup ends a producer that asks its guards; here the consumer meets it.
    sections = {"producer": {"guard_interval_ms": 60000}}

    @functools.cached_property
    def group(self):
        return groups.Group(self.pipeline)

    def read_rows(self):
        """{partition: row of bitdex_cursors}"""
        prefix = f"{self.pipeline.name}/{self.pipeline.topic}/"
        with self.pipeline.connect(row_factory=psycopg.rows.dict_row) as connection:
            rows = connection.execute("SELECT * FROM bitdex_cursors").fetchall()
        for row in rows:
            self.assertTrue(row["replica_id"].startswith(prefix), row)
        return {int(row["replica_id"].removeprefix(prefix)): row for row in rows}

    def read_committed(self):
        """{partition: the group's committed offset}"""
        return {partition: offset for partition, (offset, _) in self.group.committed().items()}

    def wait_until_shown(self):
        """Waits until the cursor table has reached the offsets that are applied now."""
        self.pipeline.consumer.wait_until(
            lambda: [p["offset"] is not None for p in self.pipeline.partitions()] == 4 * [True],
            "reads nothing",
        )
        applied = {p["partition"]: p["offset"] for p in self.pipeline.partitions()}

        def is_shown():
            shown = {
                p["partition"]: p["cursor_table_offset"] or 0 for p in self.pipeline.partitions()
            }
            return all(shown[partition] >= applied[partition] for partition in applied)

        self.pipeline.consumer.wait_until(is_shown, "does not write to the cursor table")

    def wait_for_error(self, word):
        def has_error():
            return word in self.pipeline.api.get("/api/internal/sync-lag")["cursor_table_error"]

        self.pipeline.consumer.wait_until(has_error, f"does not say {word}")

    def count_in_log(self, word):
        return self.pipeline.consumer.log.read_text().count(word)

    def test_l5_shown_offsets_are_committed(self):
        """Under load no row is ahead of the group's committed offset or moves back; after a stop
        every row is at the last commit, and the next owner continues the rows."""
        self.create_gallery(images=50)
        self.wait_until_shown()
        before = self.read_rows()
        with self.writers(pause_s=0.05) as writers:
            ends = time.monotonic() + SECONDS / 2
            while time.monotonic() < ends or writers.committed < 100:
                rows = self.read_rows()
                committed = self.read_committed()
                for partition, row in rows.items():
                    self.assertLessEqual(row["committed_offset"], committed[partition])
                    for column in ("last_outbox_id", "committed_offset", "epoch", "seq"):
                        self.assertGreaterEqual(row[column], before[partition][column])
                before = rows
        self.pipeline.wait_until_fresh()
        self.pipeline.producer.stop()
        self.pipeline.consumer.wait_until(  # the time of a stop for its commits is short
            lambda: all(p["cursor_table_offset"] == p["high_offset"]
                        for p in self.pipeline.partitions()), "does not show the end")
        shown = {p["partition"]: p for p in self.pipeline.partitions()}
        self.assertEqual(self.pipeline.consumer.stop(), 0)
        rows, committed = self.read_rows(), self.read_committed()
        self.assertEqual(sorted(rows), [0, 1, 2, 3])
        for partition, row in rows.items():
            self.assertEqual(row["committed_offset"], committed[partition])
            self.assertEqual(row["last_outbox_id"], shown[partition]["last_row_id"])
            self.assertEqual(row["seq"], shown[partition]["seq"])
            self.assertTrue(row["complete"])
            self.assertIsNotNone(row["source_clock"])
        self.pipeline.start()
        self.pipeline.wait_until_fresh()
        self.wait_until_shown()
        for partition, row in self.read_rows().items():
            self.assertGreater(row["ownership"], rows[partition]["ownership"])
            self.assertGreater(row["committed_offset"], rows[partition]["committed_offset"])

    def test_f08_legacy_cleanup_trigger(self):
        """While the legacy cleanup trigger exists, the consumer writes nothing to the table, so no
        outbox row is deleted, and reports once how to drop it."""
        with self.pipeline.connect() as connection:
            connection.execute(LEGACY_TABLE)
        self.create_gallery(images=50)
        self.wait_until_shown()
        self.pipeline.producer.stop()
        self.pipeline.producer.start()  # which asks its guards, and then for a minute no more
        self.pipeline.producer.wait_until_state("draining")
        with self.pipeline.connect() as connection:
            connection.execute(LEGACY)
        self.change_images()
        self.wait_for_error("DROP TRIGGER trg_cleanup_bitdex_ops")
        self.assertIn("DROP TRIGGER", self.pipeline.consumer.command("status").stdout)
        before = self.read_rows()
        self.change_images()
        self.pipeline.wait_until_fresh()
        time.sleep(1.5)  # it would write once a second
        self.assertEqual(self.read_rows(), before)
        with self.pipeline.connect() as connection:
            (rows,) = connection.execute('SELECT count(*) FROM "BitdexOps"').fetchone()
            connection.execute("DROP TRIGGER trg_cleanup_bitdex_ops ON bitdex_cursors")
        self.assertGreater(rows, 0)
        self.wait_until_shown()
        self.assertEqual(self.count_in_log("DROP TRIGGER"), 1)
        self.check_end()

    def test_f09_a_row_is_its_owners(self):
        """A row that a later ownership has written is not overwritten with an older position."""
        self.create_gallery(images=50)
        self.wait_until_shown()
        with self.pipeline.connect() as connection:
            connection.execute("CREATE TABLE seen AS TABLE bitdex_cursors WITH NO DATA")
            connection.execute("""
                CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                    INSERT INTO seen SELECT (NEW).*; RETURN NEW;
                END $$;
                CREATE TRIGGER see AFTER UPDATE ON bitdex_cursors
                    FOR EACH ROW EXECUTE FUNCTION see()""")
            connection.execute(
                "UPDATE bitdex_cursors SET ownership = 100, committed_offset = 1000000")
            connection.commit()
            self.pipeline.consumer.wait_until(
                lambda: min(row["ownership"] for row in self.read_rows().values()) > 100,
                "does not take its rows back",
            )
            written = connection.execute(
                "SELECT min(committed_offset) FROM seen WHERE ownership = 100").fetchone()
            self.assertEqual(written, (1000000,))

    def test_database_away(self):
        """A missing table and lost sessions do not stop the consumer, are reported once, and it
        resumes when they are back."""
        self.create_gallery(images=50)
        self.wait_until_shown()
        with self.pipeline.connect() as connection:
            connection.execute("ALTER TABLE bitdex_cursors RENAME TO hidden")
        self.change_images()
        self.wait_for_error("bitdex_cursors")
        self.pipeline.wait_until_fresh()
        with self.pipeline.connect() as connection:
            connection.execute("ALTER TABLE hidden RENAME TO bitdex_cursors")
        self.wait_until_shown()
        with self.pipeline.connect() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname ="
                " current_database() AND application_name = 'bitdex-consumer cursor table'")
        self.change_images()
        self.pipeline.wait_until_fresh()
        self.wait_until_shown()
        self.assertEqual(self.count_in_log("does not exist"), 1)

    def test_f56_no_database(self):
        """A database that cannot be reached does not stop the consumer, and its password is in no
        log and no answer."""
        self.create_tables()
        dsn = psycopg.conninfo.make_conninfo(self.pipeline.dsn, port=1, password="pg-s3cr3t")
        self.pipeline.consumer.set_variable("BITDEX_POSTGRES", dsn)
        self.pipeline.start()
        self.change_images()
        self.wait_for_error("postgres")
        self.pipeline.wait_until_fresh()
        answer = str(self.pipeline.api.call("/api/internal/sync-lag"))
        self.assertEqual(self.pipeline.consumer.stop(), 0)
        self.assertNotIn("pg-s3cr3t", answer + self.pipeline.consumer.log.read_text())
        self.assertEqual(self.count_in_log("are not written"), 1)

    def test_f14_own_rights_are_enough(self):
        """The consumer's role of docs/roles.sql suffices for the cursor table and cannot read the
        outbox."""
        self.pipeline.init()
        role = f"bitdex_cursor_table_{os.getpid()}"
        with self.pipeline.connect() as owner:
            owner.execute((ROOT / "docs" / "roles.sql").read_text())
            owner.execute(f"CREATE ROLE {role} LOGIN IN ROLE bitdex_consumer")
        self.addCleanup(self.drop_role, role)
        dsn = psycopg.conninfo.make_conninfo(self.pipeline.dsn, user=role)
        self.pipeline.consumer.set_variable("BITDEX_POSTGRES", dsn)
        self.create_gallery(images=50)
        self.pipeline.wait_until_fresh()
        self.wait_until_shown()
        self.pipeline.consumer.stop()
        with psycopg.connect(dsn) as connection:
            with self.assertRaises(psycopg.errors.InsufficientPrivilege):
                connection.execute('SELECT FROM "BitdexOps"')

    def drop_role(self, role):
        with self.pipeline.connect() as owner:
            owner.execute(f"DROP OWNED BY {role}")
            owner.execute(f"DROP ROLE {role}")


if __name__ == "__main__":
    unittest.main()
