"""Objects in a database that differ from the configuration, or that no configuration names."""

import unittest

import psycopg
from test_triggers import TriggerCase

PARTS = """
CREATE TABLE part (id bigint, bucket integer, level integer, PRIMARY KEY (id, bucket))
    PARTITION BY LIST (bucket);
CREATE TABLE part_0 PARTITION OF part FOR VALUES IN (0);
CREATE TABLE part_1 PARTITION OF part FOR VALUES IN (1)"""
DIRECT = ("{ table: %s, slot_field: id, sets_alive: true,"
          " track_fields: [{ column: level, target: nsfwLevel }] }")
# The original generator wrote such triggers, and this one on the table of cursors.
ORIGINAL = """
CREATE TABLE old (id bigint PRIMARY KEY, level integer);
CREATE FUNCTION "bitdex_old_ops_0123abcd"() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO "BitdexOps" (entity_id, ops) VALUES (NEW.id, '[{"op": "alive"}]'); RETURN NEW;
END $$;
CREATE TRIGGER "bitdex_old_0123abcd" AFTER INSERT ON old
    FOR EACH ROW EXECUTE FUNCTION "bitdex_old_ops_0123abcd"();
CREATE FUNCTION unrelated() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER "bitdex_old_89abcdef" AFTER INSERT ON old EXECUTE FUNCTION unrelated();
CREATE TRIGGER by_hand AFTER INSERT ON old
    FOR EACH ROW EXECUTE FUNCTION "bitdex_old_ops_0123abcd"()"""
CLEANUP = """
CREATE FUNCTION cleanup() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    DELETE FROM "BitdexOps" WHERE id <= NEW.last_outbox_id; RETURN NEW;
END $$;
CREATE TRIGGER trg_cleanup_bitdex_ops AFTER INSERT OR UPDATE ON bitdex_cursors
    FOR EACH ROW EXECUTE FUNCTION cleanup()"""


class Objects(TriggerCase):
    def configure_one(self, entry):
        self.configure(f"\ntriggers:\n  - {entry}\n")

    def check(self):
        done = self.pipeline.producer.command("check", check=False)
        return done.stdout

    def differences(self):
        return self.triggers("diff", check=False).stdout.splitlines()

    def row_triggers(self, table):
        return [name for (name,) in self.execute(
            "SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass AND tgname NOT LIKE '%%_t'"
            " AND NOT tgisinternal ORDER BY tgname", [table])]

    def test_f95_triggers_of_one_partition(self):
        """Triggers that are disabled in one partition, and the guard against TRUNCATE that a new
        partition lacks, are named by `diff` and `check`; `apply` makes them whole."""
        self.execute(PARTS)
        self.configure_one(DIRECT % "part")
        self.triggers("apply")
        self.assertEqual(self.differences(), [])
        for name in self.row_triggers("part_1"):
            for how in ("DISABLE", "ENABLE", "ENABLE REPLICA"):
                self.execute(f'ALTER TABLE part_1 {how} TRIGGER "{name}"')
                line, *_ = self.differences()
                self.assertIn(f"- trigger {name} on ", line)
                if how != "ENABLE":
                    self.assertIn('is disabled on "public"."part_1"', line)
                self.assertIn(name, self.check())
                self.triggers("apply")
                self.assertEqual(self.differences(), [])
        self.execute("CREATE TABLE part_2 PARTITION OF part FOR VALUES IN (2)")
        lines = self.differences()
        self.assertTrue(lines and all("TRUNCATE" in line for line in lines), lines)
        self.assertIn('on "public"."part_2"', lines[-1])
        self.assertIn("TRUNCATE", self.check())
        self.triggers("apply")
        with self.assertRaisesRegex(Exception, "TRUNCATE"):
            self.execute("TRUNCATE part_2")

    def test_f95_inheritance_children(self):
        """A table with inheritance children is refused, because its triggers do not fire for their
        rows; triggers in place continue."""
        self.execute("CREATE TABLE base (id bigint PRIMARY KEY, level integer);"
                     "CREATE TABLE heir () INHERITS (base)")
        self.configure_one(DIRECT % "base")
        done = self.triggers("apply", check=False)
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr, r"\[0\].table: .*base.* has inheritance children \(heir\)")
        self.assertEqual(self.row_triggers("base"), [])
        self.execute("DROP TABLE heir")
        self.triggers("apply")
        self.execute("CREATE TABLE heir () INHERITS (base)")
        self.assertEqual(self.triggers("apply").stdout, "nothing to do\n")
        self.assertIn("has inheritance children (heir)", self.check())

    def test_triggers_of_the_original_on_other_tables(self):
        """A trigger of the original generator on a table that left the configuration is named by
        `diff`, `check` and `init`, as long as it is there, and nothing removes it."""
        wanted = 'DROP TRIGGER bitdex_old_0123abcd ON old'
        self.execute(ORIGINAL)
        self.execute("CREATE TABLE item (id bigint PRIMARY KEY, level integer)")
        self.configure_one(DIRECT % "item")
        self.triggers("apply")
        done = self.triggers("diff")
        self.assertEqual(len(done.stdout.splitlines()), 1, done.stdout)
        self.assertIn(wanted, done.stdout)
        self.assertIn(wanted, self.pipeline.init().stdout)
        self.assertIn(wanted, self.check())
        self.triggers("drop")
        self.assertIn("bitdex_old_0123abcd", self.row_triggers("old"))
        self.execute(wanted)
        self.triggers("apply")
        self.assertEqual(self.differences(), [])
        self.assertNotIn("bitdex_old", self.pipeline.init().stdout)
        self.execute('CREATE TRIGGER "bitdex_old_0123abcd" AFTER INSERT ON old FOR EACH ROW'
                     ' EXECUTE FUNCTION "bitdex_old_ops_0123abcd"()')
        self.configure_one(DIRECT % "old")  # now its table is in the configuration
        self.assertNotIn("!", self.triggers("diff", check=False).stdout)
        self.triggers("apply")
        self.assertNotIn("bitdex_old_0123abcd", self.row_triggers("old"))

    def test_f08_init_removes_the_legacy_cleanup(self):
        """`init` names the original's trigger that deletes rows of the outbox, and removes it when
        a person says so."""
        self.execute(CLEANUP)
        done = self.pipeline.init()
        self.assertIn("init --remove-legacy-cleanup", done.stdout)
        self.assertEqual(self.row_triggers("bitdex_cursors"), ["trg_cleanup_bitdex_ops"])
        with self.pipeline.connect() as holder:
            holder.execute("LOCK TABLE bitdex_cursors IN ACCESS SHARE MODE")
            init = self.pipeline.producer.begin("init", "--remove-legacy-cleanup")
            self.addCleanup(init.kill)
            for line in init.stdout:
                if "waiting for a lock" in line:
                    break
        self.assertIn("done: removal of the trigger", init.communicate()[0])
        self.assertEqual(init.returncode, 0)
        self.assertEqual(self.row_triggers("bitdex_cursors"), [])
        done = self.pipeline.producer.command("init", "--remove-legacy-cleanup")
        self.assertEqual(done.stdout, "nothing to do\n")


class Rights(TriggerCase):
    """F14: what the role of `triggers apply` needs, and what the functions keep needing."""

    def setUp(self):
        super().setUp()
        self.execute("CREATE SCHEMA shop;"
                     "CREATE TABLE shop.item (id bigint PRIMARY KEY, level integer)")
        self.configure("\ntriggers:\n  - " + DIRECT % "shop.item" + "\n")
        self.role = f"bitdex_apply_{self.connection.info.backend_pid}"
        self.execute(f"CREATE ROLE {self.role} LOGIN")
        self.addCleanup(self.execute, f"DROP OWNED BY {self.role} CASCADE; DROP ROLE {self.role}")
        self.pipeline.producer.set_variable(
            "BITDEX_POSTGRES", psycopg.conninfo.make_conninfo(self.pipeline.dsn, user=self.role))

    def test_f14_apply_names_what_it_lacks(self):
        """`triggers apply` names each right that its role lacks, ownership of the tables included,
        and succeeds with exactly these rights."""
        def grant(statement, wanted):
            done = self.triggers("apply", check=False)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(wanted, done.stderr)
            self.execute(statement.format(role=self.role))
        grant("GRANT USAGE ON SCHEMA shop TO {role}", "schema shop")
        grant('GRANT INSERT ON "BitdexOps" TO {role}', 'lacks INSERT on table "public"."BitdexOps"')
        grant('GRANT USAGE ON SEQUENCE "BitdexOps_id_seq" TO {role}',
              'lacks USAGE on the sequence of "public"."BitdexOps"')
        grant("GRANT CREATE ON SCHEMA public TO {role}", "lacks CREATE on schema public")
        grant("GRANT SELECT ON shop.item TO {role}", 'lacks SELECT on table "shop"."item"')
        grant("ALTER TABLE shop.item OWNER TO {role}",
              f'role {self.role} does not own table "shop"."item"')
        self.triggers("apply")
        self.execute("INSERT INTO shop.item VALUES (1, 1)")
        self.assertEqual([entity for entity, _ in self.ops()], [1])

    def test_f14_check_names_what_the_functions_lost(self):
        """`check` names a right that the owner of the functions has lost since `apply`."""
        self.execute(f'''GRANT INSERT ON "BitdexOps" TO {self.role};
            GRANT USAGE ON SEQUENCE "BitdexOps_id_seq" TO {self.role};
            GRANT CREATE ON SCHEMA public TO {self.role}; GRANT USAGE ON SCHEMA shop TO {self.role};
            ALTER TABLE shop.item OWNER TO {self.role}''')
        self.triggers("apply")
        self.pipeline.producer.set_variable("BITDEX_POSTGRES", self.pipeline.dsn)
        self.assertNotIn("lacks", self.pipeline.producer.command("check", check=False).stdout)
        for right, wanted in (('INSERT ON "BitdexOps"', 'INSERT on table "public"."BitdexOps"'),
                              ("USAGE ON SCHEMA shop", "USAGE on schema shop"),
                              ("SELECT ON shop.item", 'SELECT on table "shop"."item"')):
            self.execute(f"REVOKE {right} FROM {self.role}")
            done = self.pipeline.producer.command("check", check=False)
            self.assertIn(f"role {self.role}, as which the trigger functions run, lacks {wanted}",
                          done.stdout)
            self.execute(f"GRANT {right} TO {self.role}")

    def test_f14_the_producer_needs_the_schema(self):
        """`check` names the schema that the producer's role may not use."""
        done = self.pipeline.producer.command("check", check=False)
        self.assertIn(f"GRANT USAGE ON SCHEMA shop TO {self.role}", done.stdout)


if __name__ == "__main__":
    unittest.main()
