"""`bitdex-producer check` reports everything that can be examined in one run, each finding with its
entry, object, reason and remedy."""

import json
import os
import pathlib
import re
import unittest

import gallery
import psycopg
from case import GalleryCase

WRONG = pathlib.Path(__file__).resolve().parent / "check"

# A schema of which `check` has nothing to say.
SOUND = """
CREATE COLLATION caseless (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE post (id bigint PRIMARY KEY, rank integer);
CREATE TABLE item (id bigint PRIMARY KEY, level integer, title text, name text COLLATE caseless,
    post bigint REFERENCES post);
CREATE INDEX item_post ON item (post, id);
CREATE TABLE item_tag (item bigint REFERENCES item ON DELETE CASCADE, tag integer,
    PRIMARY KEY (item, tag));
CREATE TABLE item_mark (item bigint REFERENCES item ON DELETE CASCADE, mark integer,
    PRIMARY KEY (item, mark)) PARTITION BY HASH (item);
CREATE TABLE item_mark_0 PARTITION OF item_mark FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE item_mark_1 PARTITION OF item_mark FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE FUNCTION leave() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
"""

SOUND_CONFIG = """
triggers:
  - { table: item, slot_field: id, sets_alive: true, on_delete: delete_slot,
      track_fields: [level, title, post] }
  - { table: item_tag, slot_field: item, field: tags, value_field: tag }
  - { table: item_mark, slot_field: item, field: marks, value_field: mark }
  - { table: post, query: "post eq {id}", track_fields: [rank],
      children: { table: item, fk: post, slot: id } }
index_config:
  filter_fields:
    - { name: level, field_type: single_value }
    - { name: title, field_type: string }
    - { name: post, field_type: single_value }
    - { name: tags, field_type: multi_value }
    - { name: marks, field_type: multi_value }
    - { name: rank, field_type: single_value }
"""

# Change, check, result, object, a part of the message, and what ends it: SQL, or None for the
# finding's own remedy.
FINDINGS = [
    ("ALTER TABLE item_tag SET UNLOGGED",
     "tables", "warning", '"public"."item_tag"', "unlogged", None),
    ("CREATE TABLE old_item () INHERITS (item)",
     "tables", "warning", '"public"."item"', "inheritance children (old_item)",
     "DROP TABLE old_item"),
    ("ALTER TABLE item_mark_1 ENABLE ROW LEVEL SECURITY",
     "row security", "note", '"public"."item_mark_1"', "reads all rows",
     "ALTER TABLE item_mark_1 DISABLE ROW LEVEL SECURITY"),
    ("ALTER TABLE item_tag DROP CONSTRAINT item_tag_item_fkey",
     "foreign keys", "note", '"public"."item_tag".item', "no foreign key refers to", None),
    ("ALTER TABLE item_tag ALTER CONSTRAINT item_tag_item_fkey DEFERRABLE",
     "foreign keys", "note", '"public"."item_tag".item', "item_tag_item_fkey is deferrable", None),
    ("ALTER TABLE item_tag DROP CONSTRAINT item_tag_item_fkey; ALTER TABLE item_tag ADD CONSTRAINT"
     " late FOREIGN KEY (item) REFERENCES item ON DELETE CASCADE NOT VALID",
     "foreign keys", "note", '"public"."item_tag".item', "late is not validated", None),
    ("ALTER TABLE item ALTER CONSTRAINT item_post_fkey DEFERRABLE",
     "foreign keys", "note", '"public"."item".post', "the one that is committed last decides",
     "ALTER TABLE item ALTER CONSTRAINT item_post_fkey NOT DEFERRABLE"),
    ("CREATE TRIGGER first BEFORE UPDATE ON item FOR EACH ROW EXECUTE FUNCTION leave()",
     "application triggers", "note", '"public"."item"', "BEFORE triggers (first)",
     "DROP TRIGGER first ON item"),
    ("CREATE TRIGGER last AFTER INSERT ON item_mark FOR EACH ROW EXECUTE FUNCTION leave()",
     "application triggers", "note", '"public"."item_mark"', "AFTER triggers (last)",
     "DROP TRIGGER last ON item_mark"),
    ("GRANT CREATE ON SCHEMA public TO PUBLIC",
     "function path", "warning", "schema public", "every role (PUBLIC) may create functions", None),
    ("ALTER TABLE item_tag DROP CONSTRAINT item_tag_pkey; CREATE INDEX by_item ON item_tag (item)",
     "unique keys", "note", '"public"."item_tag"', "every DELETE requests", None),
    ("ALTER TABLE item_tag DROP CONSTRAINT item_tag_pkey",
     "loading", "problem", '"public"."item_tag"', "load refuses it", None),
    ("DROP INDEX item_post",
     "loading", "note", '"public"."post"', "no index finds the child rows", None),
]


class CheckCase(GalleryCase):
    def execute(self, statement):
        with self.pipeline.connect(autocommit=True) as connection:
            connection.execute(statement)

    def findings(self, producer=None, code=None):
        """The results that are not ok."""
        done = (producer or self.pipeline.producer).command("check", "--json", check=False)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        lines = json.loads(done.stdout)
        problems = any(line["result"] == "problem" for line in lines)
        self.assertEqual(done.returncode, 1 if problems else 0, done.stdout + done.stderr)
        if code is not None:
            self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return [line for line in lines if line["result"] != "ok"]

    def of(self, check, **arguments):
        return [line for line in self.findings(**arguments) if line["check"] == check]

    def write_config(self, config):
        """Returns the number of lines before it."""
        head = re.split(r"\n# The tables|\ntriggers:", self.pipeline.config.read_text())[0]
        self.pipeline.config.write_text(f"{head}{config}")
        return head.count("\n")

    def role(self, name, options=""):
        role = f"bitdex_{name}_{os.getpid()}"
        self.execute(f"CREATE ROLE {role} LOGIN {options}")
        self.addCleanup(self.execute, f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")
        return role

    def producer_of(self, role):
        producer = self.pipeline.program(
            "bitdex-producer", self.pipeline.producer.port,
            BITDEX_POSTGRES=psycopg.conninfo.make_conninfo(self.pipeline.dsn, user=role),
        )
        self.addCleanup(producer.kill)
        return producer


class Check(CheckCase):
    def test_each_finding_and_its_absence(self):
        """Each condition is reported with its entry, object and reason while it is there, and no
        longer once the statement in its remedy has been executed."""
        self.create_schema(SOUND, SOUND_CONFIG)
        self.assertEqual(self.findings(code=0), [])
        for change, check, result, name, message, end in FINDINGS:
            with self.subTest(change):
                self.execute(change)
                (found,) = [line for line in self.of(check) if line["object"] == name]
                self.assertEqual(found["result"], result)
                self.assertIn(message, found["message"])
                self.assertIn("entry", found)
                self.execute(end or found["remedy"])
                self.assertEqual(self.of(check), [])
                self.restore()

    def restore(self):
        """What a remedy has made otherwise than SOUND has it."""
        self.execute("ALTER TABLE item_tag DROP CONSTRAINT IF EXISTS late")
        self.execute("DROP INDEX IF EXISTS by_item, item_tag_item_tag_idx, item_tag_item_idx")
        with self.pipeline.connect(autocommit=True) as connection:
            keys = {name for (name,) in connection.execute(
                "SELECT conname FROM pg_constraint WHERE conrelid = 'item_tag'::regclass")}
            if "item_tag_item_fkey" not in keys:
                connection.execute("ALTER TABLE item_tag ADD CONSTRAINT item_tag_item_fkey"
                    " FOREIGN KEY (item) REFERENCES item ON DELETE CASCADE")
            if "item_tag_pkey" not in keys:
                connection.execute("ALTER TABLE item_tag ADD PRIMARY KEY (item, tag)")

    def test_f95_a_partition_whose_trigger_is_disabled(self):
        """A disabled trigger of a partition, or of a table, is a problem."""
        self.create_schema(SOUND, SOUND_CONFIG)
        (trigger,) = self.connection.execute(
            "SELECT tgname FROM pg_trigger WHERE tgrelid = 'item_mark_1'::regclass AND tgparentid"
            " <> 0 AND tgname LIKE 'bitdex%' ORDER BY tgname LIMIT 1").fetchone()
        self.execute(f"ALTER TABLE item_mark_1 DISABLE TRIGGER {trigger}")
        (found,) = self.findings(code=1)
        self.assertEqual((found["check"], found["object"]), ("triggers", '"public"."item_mark"'))
        self.assertIn('is disabled on "public"."item_mark_1"', found["message"])
        self.assertEqual(found["remedy"], "bitdex-producer triggers apply")
        self.pipeline.producer.command("triggers", "apply")
        self.assertEqual(self.findings(), [])
        self.execute("ALTER TABLE post DISABLE TRIGGER USER")
        (found,) = self.findings(code=1)
        self.assertEqual((found["check"], found["object"]), ("triggers", '"public"."post"'))

    def test_f124_a_join_without_a_unique_key(self):
        """A join table without a unique key of slot and value is named, with what it costs."""
        self.create_schema(SOUND, SOUND_CONFIG)
        self.execute("ALTER TABLE item_tag DROP CONSTRAINT item_tag_pkey;"
            " CREATE UNIQUE INDEX ON item_tag (item, tag, (tag + 1))")
        (found,) = self.of("unique keys")
        self.assertEqual((found["entry"], found["result"]), (1, "note"))
        self.execute(found["remedy"])
        self.assertEqual(self.of("unique keys"), [])

    def test_one_entry_hides_no_other(self):
        """Entries that cannot be read are named with every value that Postgres refuses, and the
        rest of the configuration is examined all the same."""
        self.pipeline.init()
        self.execute(SOUND)
        self.execute("CREATE VIEW shown AS SELECT * FROM item_tag; ALTER TABLE item_tag DROP"
            " CONSTRAINT item_tag_item_fkey")
        config = SOUND_CONFIG.replace("[level, title, post]", "[{ column: height, target: level },"
            " title, { column: width, target: post }]")
        self.write_config(config.replace("table: item_mark,", "table: shown,"))
        found = self.findings(code=1)
        refused = [line["message"] for line in found if line["check"] == "entries"]
        self.assertEqual(len(refused), 3, refused)
        self.assertIn("height", refused[0])
        self.assertIn("width", refused[1])
        self.assertIn("shown is a view", refused[2])
        self.assertEqual([line["object"] for line in found if line["check"] == "foreign keys"],
            ['"public"."item_tag".item'])

    def test_everything_at_once(self):
        """One run over a schema in which everything is wrong: the whole text, as an operator reads
        it."""
        self.pipeline.init()
        self.execute((WRONG / "wrong.sql").read_text())
        above = self.write_config("\n" + (WRONG / "wrong.yaml").read_text())
        done = self.pipeline.producer.command("check", check=False)
        self.assertEqual(done.returncode, 1)
        text = re.sub(r"\(line (\d+)\)", lambda m: f"(line {int(m[1]) - above})", done.stdout)
        text = re.sub(r"[^ ]*config.yaml:(\d+)", lambda m: f"wrong.yaml:{int(m[1]) - above}", text)
        if os.environ.get("BITDEX_WRITE_GOLDEN"):
            (WRONG / "wrong.txt").write_text(text)
        self.maxDiff = None
        self.assertEqual(text, (WRONG / "wrong.txt").read_text())

    def test_strict(self):
        """A warning is a failure with --strict only."""
        self.create_schema(SOUND, SOUND_CONFIG)
        check = self.pipeline.producer.command
        self.assertEqual(check("check", "--strict").returncode, 0)
        self.execute("ALTER TABLE item_tag SET UNLOGGED")
        self.assertIn("warning  tables: triggers[1]", check("check").stdout)
        strict = check("check", "--strict", check=False)
        self.assertEqual(strict.returncode, 1)
        self.assertIn("0 problems, 1 warning", strict.stderr)

    def test_guards_do_not_hide_each_other(self):
        """Before `init`, what needs no outbox is examined, and what needs it says so."""
        self.execute(SOUND)
        self.write_config(SOUND_CONFIG)
        self.execute("ALTER TABLE item_tag SET UNLOGGED")
        found = {line["check"]: line for line in self.findings(code=1)}
        self.assertIn("run bitdex-producer init", found["outbox"]["message"])
        self.assertIn("run bitdex-producer init", found["own tables"]["message"])
        self.assertEqual(found["outbox columns"]["message"], "not examined, because of: outbox")
        self.assertEqual(found["tables"]["result"], "warning")
        self.assertNotIn("triggers", found)

    def test_the_gallery(self):
        """Of the gallery, only the fan-out that the index alone resolves is named, also before
        `init`: its fields are not guaranteed."""
        with self.pipeline.connect() as connection:
            gallery.create_tables(connection)
        self.assertEqual(self.of("guarantees", code=1)[0]["object"], '"public"."Model"')
        self.pipeline.init()
        gallery.create_triggers(self.pipeline)
        (found,) = self.findings(code=0)
        self.assertEqual((found["check"], found["result"]), ("guarantees", "warning"))
        self.assertIn("only the index knows", found["message"])
        self.assertIn("`children`", found["remedy"])


    def test_l11_exempt_fields_are_named(self):
        """Readiness of both programs, the status and every verdict name the fields that are not
        guaranteed."""
        self.create_gallery(50)
        producer, consumer = self.pipeline.producer, self.pipeline.consumer
        self.assertIn("not guaranteed: modelPoi: only the index", producer.command("verify").stdout)
        for answer in (producer.api.get("/api/ready"), producer.api.get("/api/status"),
                       consumer.api.get("/api/ready"),
                       consumer.api.get("/api/indexes/gallery/verify")):
            self.assertEqual(answer["exempt_fields"], ["modelPoi"])
        report = json.loads(producer.command("verify", "--json").stdout)
        self.assertEqual([line["field"] for line in report["passes"][-1]["not_guaranteed"]],
            ["modelPoi"])


class CheckRoles(CheckCase):
    """What depends on the role as which `check` runs."""

    def test_f96_row_security(self):
        """A role from which rows may be hidden is a problem; so is an owner from which they
        are, in part: it costs requests."""
        self.create_schema(SOUND, SOUND_CONFIG)
        reader = self.role("reader")
        owner = self.role("owner")
        self.execute(f"ALTER TABLE item_tag OWNER TO {owner}; ALTER TABLE item_tag ENABLE ROW LEVEL"
            f" SECURITY; GRANT SELECT ON item_tag TO {reader}")
        producer = self.producer_of(reader)
        (found,) = self.of("row security", producer=producer, code=1)
        self.assertEqual((found["result"], found["object"]), ("problem", '"public"."item_tag"'))
        self.execute(found["remedy"].split(",")[0])
        (found,) = self.of("row security", producer=producer)
        self.assertEqual(found["result"], "note")

    def test_schemas_and_owners(self):
        """The missing USAGE on a schema is named with its GRANT, and the owner who may apply."""
        self.create_schema(SOUND, SOUND_CONFIG)
        reader = self.role("reader")
        producer = self.producer_of(reader)
        (found,) = self.of("owners", producer=producer)
        self.assertIn("public.item, public.item_mark, public.item_tag, public.post",
            found["message"])
        self.execute("CREATE SCHEMA app; ALTER TABLE item_tag SET SCHEMA app")
        self.write_config(SOUND_CONFIG.replace("table: item_tag", "table: app.item_tag"))
        (found,) = self.of("schemas", producer=producer, code=1)
        self.assertEqual(found["remedy"], f"GRANT USAGE ON SCHEMA app TO {reader}")
        self.execute(found["remedy"])
        self.assertEqual(self.of("schemas", producer=producer), [])

    def test_f97_roles_that_may_create_functions(self):
        """A role with CREATE on a schema of the functions' search_path is named."""
        self.create_schema(SOUND, SOUND_CONFIG)
        role = self.role("intruder")
        self.execute(f"GRANT CREATE ON SCHEMA public TO {role}")
        (found,) = self.of("function path")
        self.assertIn(f"role {role} may create functions", found["message"])
        self.execute(found["remedy"])
        self.assertEqual(self.of("function path"), [])


if __name__ == "__main__":
    unittest.main()
