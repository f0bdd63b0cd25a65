"""Guards during `run` (L13): what stops holding is found within an interval, whatever rests
on it. The producer then stops and says what to do, or consumers say which fields may be wrong, and
why, until these are loaded."""

import contextlib
import signal
import unittest

import test_source_changes as source_changes
from case import GalleryCase

INTERVAL_MS = 200
OUTBOX_FILE = """SELECT (signature->>'file')::oid = pg_relation_filenode('"BitdexOps"')
    FROM bitdex_sources WHERE relation = '"BitdexOps"'"""
OUTBOX_ROW = """SELECT (signature->>'row')::bigint IN (SELECT id FROM "BitdexOps")
    FROM bitdex_sources WHERE relation = '"BitdexOps"'"""
PARTITIONED = """
ALTER TABLE "BitdexOps" RENAME TO old;
CREATE TABLE "BitdexOps" (LIKE old INCLUDING ALL) PARTITION BY RANGE (id);
CREATE TABLE part_1 PARTITION OF "BitdexOps" FOR VALUES FROM (0) TO (1000000);
CREATE TABLE part_2 PARTITION OF "BitdexOps" FOR VALUES FROM (1000000) TO (2000000);
"""


class GuardsCase(source_changes.SourceChangesCase):
    settings = f"{source_changes.SourceChangesCase.settings}, guard_interval_ms: {INTERVAL_MS}"

    def stops(self, *words):
        """`run` has found it by itself, and refuses to start again."""
        self.assertEqual(self.producer.wait(), 1)
        again = self.producer.command("run", check=False)
        self.assertEqual(again.returncode, 1)
        for word in words:
            self.assertIn(word, self.producer.log_tail())
            self.assertIn(word, again.stderr)

    def setUp(self):
        super().setUp()
        self.healed = self.count_voided()

    def start(self):
        self.producer.start()
        self.producer.wait_until_state("draining")

    def voids(self, *words):
        """Consumers say what may be wrong, and why."""
        def say():
            reasons = " ".join(partition["reason"] for partition in self.pipeline.partitions())
            return not self.is_complete() and all(word in reasons for word in words)

        self.wait_until(say, ("says nothing of", words))

    def wait_until_voided(self, word):
        """Consumers were told once more, and everything is healed."""
        self.wait_until(
            lambda: self.count_voided() > self.healed and word in self.status()["voided_reason"],
            ("does not void", word))
        self.wait_until_healed()
        self.healed = self.count_voided()

    @contextlib.contextmanager
    def between_two_polls(self):
        """The producer does not see what is undone inside."""
        self.producer.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.producer.signal(signal.SIGCONT)


class Triggers(GuardsCase):
    def triggers(self, table):
        return self.execute(f"""SELECT quote_ident(tgname), pg_get_triggerdef(oid),
                quote_literal(obj_description(oid, 'pg_trigger'))
            FROM pg_trigger WHERE tgrelid = '{table}'::regclass AND NOT tgisinternal""").fetchall()

    def disable(self, table):
        self.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")

    def enable(self, table):
        for name, *_ in self.triggers(table):
            self.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}")

    def drop(self, table):
        triggers = self.triggers(table)
        for name, *_ in triggers:
            self.execute(f"DROP TRIGGER {name} ON {table}")
        return triggers

    def test_l13_f99_triggers(self):
        """Disabled in one partition, dropped, replaced; and altered or created by hand between two
        looks, so that they are in place each time."""
        self.disable("item_1")
        self.execute("UPDATE item SET level = 60")
        self.voids("item_1")
        self.wait_until(lambda: "do not write" in self.producer.log_tail(200), "covers the fields")
        self.enable("item_1")
        self.wait_until_healed()

        self.drop("item_tag")
        self.execute("INSERT INTO item_tag VALUES (1, 90)")
        self.voids("do not write tags any more", "triggers apply")
        self.producer.command("triggers", "apply")
        self.wait_until_healed()

        with self.between_two_polls():
            self.disable("item_tag")
            self.execute("INSERT INTO item_tag VALUES (3, 91)")
            self.enable("item_tag")
        self.wait_until_voided("of item_tag was altered")
        with self.between_two_polls():
            triggers = self.drop("item_tag")
            self.execute("INSERT INTO item_tag VALUES (5, 92)")
            for name, definition, comment in triggers:
                self.execute(definition)
                self.execute(f"COMMENT ON TRIGGER {name} ON item_tag IS {comment}")
            self.enable("item_tag")
        self.wait_until_voided("was created by another command than triggers apply")

        self.producer.command("triggers", "apply")
        (function,) = self.execute("""SELECT tgfoid::regproc::text FROM pg_trigger
            WHERE tgrelid = 'post'::regclass AND tgtype & 16 <> 0 AND NOT tgisinternal
            """).fetchone()
        self.execute(f"""CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql
            AS 'BEGIN RETURN NULL; END'""")
        self.execute("UPDATE post SET title = 'replaced'")
        self.voids("do not write title any more")
        self.producer.command("triggers", "apply")
        self.wait_until_healed()
        self.assertEqual(self.entity(1)["fields"]["title"], "replaced")


class SlowGuards(GuardsCase):
    settings = f"{source_changes.SourceChangesCase.settings}, guard_interval_ms: 6000"

    def test_f100_a_row_is_sent_after_truncate(self):
        """A row that is written after the TRUNCATE is sent before the outbox is looked at."""
        with self.between_two_polls():
            self.execute("UPDATE item SET level = 61")
            self.execute('TRUNCATE "BitdexOps"')
        self.execute("UPDATE item SET level = 62 WHERE id = 1")
        self.wait_until_voided("was truncated")

    def test_f99_triggers_that_cannot_be_read_for_a_moment(self):
        """While a column has another name, the triggers do not fit the configuration, and no plan
        of them can be made. Nothing is voided when it has its name again a moment later."""
        voided = self.count_voided()
        rename = "ALTER TABLE post RENAME {} TO {}".format
        function = self.execute("""SELECT pg_get_functiondef(tgfoid) FROM pg_trigger
            WHERE tgrelid = 'item_tag'::regclass AND NOT tgisinternal LIMIT 1""").fetchone()[0]
        with self.pipeline.connect() as owner:
            owner.execute(rename("title", "other"))
            owner.execute(function)  # so that the producer looks at the triggers
        self.wait_until(lambda: "is not known" in self.producer.log_tail(), "does not read them")
        with self.pipeline.connect() as owner:
            owner.execute(rename("other", "title"))
        self.wait_until(lambda: "known again" in self.producer.log_tail(), "does not read again")
        self.assertEqual(self.count_voided(), voided)
        self.assertTrue(self.is_complete())


class Outbox(GuardsCase):
    def test_l13_f99_f100_outbox(self):
        """TRUNCATE with rows that were not sent loads everything, VACUUM FULL nothing. A sequence
        that was altered stops the producer, and everything is loaded. A table of another kind, and
        one that hides it, stop it."""
        with self.between_two_polls():
            self.execute("UPDATE item SET level = 61")
            self.execute('TRUNCATE "BitdexOps"')
        self.wait_until_voided("was truncated")
        self.execute("UPDATE item SET level = 62")
        self.wait_until_healed()
        self.wait_until(lambda: self.execute(OUTBOX_ROW).fetchone()[0], "does not see the row")
        self.voided = self.count_voided()
        self.execute('VACUUM FULL "BitdexOps"')
        self.wait_until(lambda: self.execute(OUTBOX_FILE).fetchone()[0], "does not see the file")
        self.assertEqual(self.count_voided(), self.voided)

        self.execute('ALTER SEQUENCE "BitdexOps_id_seq" CACHE 20')
        self.stops("CACHE 1 and INCREMENT 1")
        self.execute('ALTER SEQUENCE "BitdexOps_id_seq" CACHE 1')
        self.start()
        self.wait_until_voided('the sequence of "BitdexOps" was altered')
        with self.between_two_polls():
            self.execute('ALTER SEQUENCE "BitdexOps_id_seq" CACHE 20')
            self.execute('ALTER SEQUENCE "BitdexOps_id_seq" CACHE 1')
        self.wait_until_voided('the sequence of "BitdexOps" was altered')

        self.execute('ALTER TABLE "BitdexOps" SET UNLOGGED')
        self.stops("must be an ordinary table, logged")
        self.execute('ALTER TABLE "BitdexOps" SET LOGGED')
        self.start()
        (role,) = self.execute("SELECT quote_ident(current_user)").fetchone()
        self.execute(f"CREATE SCHEMA {role}")
        self.execute(f'CREATE TABLE {role}."BitdexOps" (LIKE public."BitdexOps" INCLUDING ALL)')
        self.stops("several schemas of the search_path have a table")
        self.execute(f"DROP SCHEMA {role} CASCADE")
        self.execute(PARTITIONED)
        for command in ("run", "trim"):
            done = self.producer.command(command, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("must be an ordinary table, logged", done.stderr)


    def test_f100_a_table_inherits_the_outbox(self):
        """Its rows, which a SELECT of the outbox shows, have ids of their own: this stops the
        producer."""
        self.execute('CREATE TABLE other () INHERITS ("BitdexOps")')
        self.stops("must be an ordinary table, logged, without partitions and inheritance")
        self.execute("DROP TABLE other")


class Configured(GalleryCase):
    def test_f99_a_field_without_triggers(self):
        """A field is added to the configuration and `triggers apply` forgotten, before the first
        row: the field says that it is not complete, and only the field."""
        without = source_changes.CONFIG.replace(", spare]", "]")
        self.create_schema(source_changes.SCHEMA, without)
        text = self.pipeline.config.read_text()
        self.pipeline.config.write_text(text.replace(without, source_changes.CONFIG))
        self.pipeline.start()
        self.execute("INSERT INTO item (id, level, spare) VALUES (1, 2, 3)")
        self.pipeline.wait_until_fresh()
        ready = self.pipeline.api.get("/api/ready")
        self.assertEqual([field["field"] for field in ready["incomplete_fields"]], ["spare"])


if __name__ == "__main__":
    unittest.main()
