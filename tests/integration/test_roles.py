"""Each program works with the privileges of its role alone and with any settings of that role."""

import os
import random
import unittest

import gallery
import psycopg
import refreshes
from case import GalleryCase
from pipeline import ROOT, write_config

TABLES = ", ".join(f'"{table}"' for table in gallery.TABLES)
OURS = ['"BitdexOps"', "bitdex_producers", "bitdex_windows", "bitdex_dead_letters"]
HARMFUL_SETTINGS = {
    "statement_timeout": "1ms",
    "lock_timeout": "1ms",
    "idle_in_transaction_session_timeout": "1ms",
    "default_transaction_read_only": "on",
    "default_transaction_isolation": "serializable",
    "timezone": "Asia/Kathmandu",
    "datestyle": "German",
}


class Roles(GalleryCase):
    def setUp(self):
        """Creates tables, outbox and triggers as the owner, a role for the application and one for
        the producer."""
        super().setUp()
        self.pipeline.init()
        self.writer, self.drain = (f"bitdex_{what}_{os.getpid()}" for what in ("writer", "drain"))
        with self.connect() as owner:
            gallery.create_tables(owner)
        gallery.create_triggers(self.pipeline)
        with self.connect() as owner:
            owner.execute((ROOT / "docs" / "roles.sql").read_text())
            for role in (self.writer, self.drain):
                owner.execute(f"CREATE ROLE {role} LOGIN")
                self.addCleanup(self.drop_role, role)
            owner.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {TABLES} TO {self.writer}")
            for table in ("Image", "Post", "Model", "ModelVersion"):
                owner.execute(f'GRANT USAGE ON SEQUENCE "{table}_id_seq" TO {self.writer}')
        self.producer = self.pipeline.program(
            "bitdex-producer", self.pipeline.producer.port, BITDEX_POSTGRES=self.dsn(self.drain)
        )
        self.addCleanup(self.producer.kill)

    def dsn(self, role):
        return psycopg.conninfo.make_conninfo(self.pipeline.dsn, user=role)

    def connect(self, role=None):
        return psycopg.connect(self.dsn(role) if role else self.pipeline.dsn)

    def drop_role(self, role):
        with self.connect() as owner:
            owner.execute(f"DROP OWNED BY {role}")
            owner.execute(f"DROP ROLE {role}")

    def become_producer(self):
        with self.connect() as owner:
            owner.execute(f"GRANT bitdex_producer TO {self.drain}")
            owner.execute(f"GRANT SELECT ON {TABLES} TO {self.drain}")

    def run_gallery(self):
        """Runs the whole path with rows that the application's role writes."""
        self.pipeline.producer = self.producer
        self.pipeline.start()
        with self.connect(self.writer) as connection:
            for _ in gallery.insert_rows(connection, 100):
                pass
        with gallery.Writers(self.dsn(self.writer), 4, 1) as writers:
            self.producer.wait_until(lambda: writers.committed > 100, "has nothing to do")
        self.check_end()

    def test_f14_own_rights_are_enough(self):
        """The application's role writes its tables without privileges on the outbox; the producer's
        role drains and trims, and cannot write ops."""
        self.become_producer()
        self.run_gallery()
        self.producer.command("check")
        self.producer.command("trim")
        self.producer.stop()
        for command in (["show"], ["set", "now"], ["adopt"], ["remove", "default"]):
            self.producer.command("cursor", *command)
        for role, tables in ((self.writer, OURS), (self.drain, OURS[:1])):
            for table in tables:
                with self.connect(role) as connection:
                    with self.assertRaises(psycopg.errors.InsufficientPrivilege):
                        connection.execute(f"INSERT INTO {table} DEFAULT VALUES")
        with self.connect(self.writer) as connection:
            with self.assertRaises(psycopg.errors.InsufficientPrivilege):
                connection.execute('SELECT FROM "BitdexOps"')

    def test_rights_are_revoked_while_running(self):
        """The producer waits for a right that it loses while it runs, and names it."""
        self.become_producer()
        self.pipeline.producer = self.producer
        self.pipeline.start()
        rights = [('SELECT ON "BitdexOps"', "bitdex_producer"),
                  ("INSERT ON bitdex_windows", "bitdex_producer"),
                  ("USAGE ON SCHEMA public", "PUBLIC, bitdex_producer")]
        for number, (right, role) in enumerate(rights):
            with self.connect() as owner:
                owner.execute(f"REVOKE {right} FROM {role}")
                gallery.insert_image(owner, random.Random(number))
            self.producer.wait_until(
                lambda: "GRANT" in self.producer.api.get("/api/status")["error"],
                f"does not name {right}")
            self.producer.wait_until(
                lambda: self.producer.api.call("/api/ready")[0] == 503, f"is ready without {right}")
            with self.connect() as owner:
                owner.execute(f"GRANT {right} TO {role}")
            self.producer.wait_until(
                lambda: self.producer.api.call("/api/ready")[0] == 200, f"does not get {right}")
        self.check_end(changed=False)

    def test_missing_rights_are_named(self):
        """Without its privileges the producer does not start and names the GRANT that is missing.
        """
        for command in ("check", "run"):
            done = self.producer.command(command, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("GRANT", done.stdout + done.stderr)

    def test_source_tables_are_read_as_a_whole(self):
        """`check`, `load` and the first `run` name the source tables that the role may not read;
        `check` and `load` name those of which row security hides rows."""
        with self.connect() as owner:
            owner.execute(f"GRANT bitdex_producer TO {self.drain}")
            owner.execute(f'GRANT SELECT ON "Image", "Post", "Model" TO {self.drain}')
            owner.execute(f'GRANT SELECT (id) ON "ModelVersion" TO {self.drain}')
        missing = [f'"{t}"' for t in sorted(gallery.TABLES) if t not in ("Image", "Post", "Model")]
        for command in ("check", "load", "run"):
            done = self.producer.command(command, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn(f"GRANT SELECT ON {', '.join(missing)} TO {self.drain}",
                (done.stdout + done.stderr).replace('\\"', '"'))
        self.become_producer()
        self.assertIn("ok       source privileges", self.producer.command("check").stdout)
        with self.connect() as owner:
            owner.execute('ALTER TABLE "Post" ENABLE ROW LEVEL SECURITY')
        for command in ("check", "load"):
            done = self.producer.command(command, check=False)
            self.assertEqual(done.returncode, 1)
            text = done.stdout + done.stderr
            self.assertIn(f'hide rows of "Post" from role {self.drain}', text)
        with self.connect() as owner:
            owner.execute(f"ALTER ROLE {self.drain} BYPASSRLS")
        self.assertIn("ok       source privileges", self.producer.command("check").stdout)

    def test_f96_row_security_is_an_error_of_the_readers(self):
        """Row security that is enabled while the producer runs hides no row from it: what it cannot
        read stays owed, with the reason, and is answered when the role may read it again. Until
        then the index does not stay complete in silence."""
        sections = self.choose_sections() | {"consumer": {"owed_incomplete_s": 1}}
        write_config(self.pipeline.config, sections)
        self.become_producer()
        self.run_gallery()
        with self.connect() as owner:
            owner.execute('ALTER TABLE "Post" ENABLE ROW LEVEL SECURITY')
            refreshes.insert(owner, 0, refreshes.parent("Post.publishedAt", 1))
            refreshes.insert(owner, 7, refreshes.child("Post.publishedAt"))

        def status():
            return self.producer.api.get("/api/status")

        self.producer.wait_until(lambda: status()["refresh_owed"] == 2, "owes no request")
        self.producer.wait_until(
            lambda: "row-level security" in status()["refresh_error"], "does not say why")
        consumer = self.pipeline.consumer
        consumer.wait_until(
            lambda: any(not partition["complete"] and "owed the answers" in partition["reason"]
                        for partition in self.pipeline.partitions()),
            "answers as if nothing were owed")
        with self.connect() as owner:
            owner.execute(f"ALTER ROLE {self.drain} BYPASSRLS")
        self.producer.wait_until(lambda: status()["refresh_owed"] == 0, "does not answer")
        consumer.wait_until(
            lambda: all(partition["complete"] for partition in self.pipeline.partitions()),
            "stays incomplete")
        self.check_end()

    def test_f13_settings_of_the_role(self):
        """Timeouts and other defaults of the producer's role do not affect the programs."""
        self.become_producer()
        with self.connect() as owner:
            for setting, value in HARMFUL_SETTINGS.items():
                owner.execute(f"ALTER ROLE {self.drain} SET {setting} = '{value}'")
        self.run_gallery()
        self.producer.command("trim")


if __name__ == "__main__":
    unittest.main()
