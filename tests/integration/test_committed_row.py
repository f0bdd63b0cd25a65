"""The index holds the committed row, whatever else the application does: what single triggers could
not know is asked for. Each test is a smallest input that once left another value in the index."""

import re
import unittest

import index
import psycopg
from case import GalleryCase, SceneCase

ITEM = """
CREATE TABLE item (id bigint PRIMARY KEY, level int, name text);
"""

ITEM_TRIGGERS = """
triggers:
  - { table: item, slot_field: id, sets_alive: true, on_delete: delete_slot,
      track_fields: [level, name] }
"""

TAG = """
CREATE TABLE item (id bigint PRIMARY KEY, level int);
CREATE TABLE item_tag (item bigint, tag int, source text, UNIQUE (item, tag, source));
"""

TAG_TRIGGERS = """
triggers:
  - { table: item, slot_field: id, sets_alive: true, on_delete: delete_slot, track_fields: [level] }
  - { table: item_tag, slot_field: item, field: tags, value_field: tag }
"""

POST = """
CREATE TABLE post (id int PRIMARY KEY, rank int, image_count int DEFAULT 0);
CREATE TABLE image (id bigint PRIMARY KEY, post_id int);
CREATE INDEX ON image (post_id, id);
"""

POST_TRIGGERS = """
triggers:
  - { table: image, slot_field: id, sets_alive: true, on_delete: delete_slot,
      track_fields: [post_id] }
  - { table: post, ENTRY, track_fields: [rank] }
"""

# The same of both kinds of parents.
ENTRIES = {
    "per_row": "rows_from: { table: image, fk: post_id, slot: id }",
    "by_query": "query: 'post_id eq {id}', children: { table: image, fk: post_id, slot: id }",
}

FIELDS = {"level": "single_value", "name": "string", "tags": "multi_value",
          "post_id": "single_value", "rank": "single_value"}


class CommittedRow(GalleryCase):
    def begin(self, schema, triggers):
        fields = "".join(
            f"    - {{ name: {name}, field_type: {kind} }}\n" for name, kind in FIELDS.items()
            if name in triggers)
        self.create_schema(schema, f"{triggers}\nindex_config:\n  filter_fields:\n{fields}")
        self.execute("SET lock_timeout = '60s'")
        self.pipeline.start()

    def session(self):
        """A session of another transaction. It does not wait for ever for a lock of ours."""
        connection = self.pipeline.connect(options="-c lock_timeout=60s")
        self.addCleanup(connection.close)
        return connection

    def clamp(self, body):
        """Creates a trigger of the application's, whose name sorts before ours."""
        self.execute(f"""
            CREATE FUNCTION clamp() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN {body} RETURN NULL; END $$;
            CREATE TRIGGER a_clamp AFTER INSERT OR UPDATE ON item
                FOR EACH ROW EXECUTE FUNCTION clamp()""")

    def entities(self, *ids):
        """{id: fields} of what is alive, read from the index when it is fresh."""
        self.pipeline.wait_until_fresh()
        found = index.read_entities(index.read_owners([self.pipeline.consumer]), list(ids))
        return {number: answer["fields"] for number, answer in found.items() if answer["alive"]}

    def check(self, wanted):
        """Checks the entities 1 to 9, and that a verify finds no difference."""
        found = self.entities(*range(1, 10))
        for fields in found.values():
            for name in [name for name, value in fields.items() if value in (None, [])]:
                del fields[name]
        self.assertEqual(found, wanted)
        index.check_verified(self.pipeline, [self.pipeline.consumer])


class Scene(CommittedRow, SceneCase):
    """Each method begins with empty tables, and without functions of the application's."""

    schema = triggers = None

    def set_scene(self):
        self.begin(self.schema, self.triggers)

    def setUp(self):
        super().setUp()
        self.execute("DROP FUNCTION IF EXISTS clamp, again, other, keep CASCADE")
        for table in re.findall(r"CREATE TABLE (\w+)", self.schema)[::-1]:
            self.execute(f"DELETE FROM {table}")


class Items(Scene):
    """F85: triggers and functions of the application write as well."""

    schema, triggers = ITEM, ITEM_TRIGGERS

    def test_f85_a_trigger_changes_the_row_again(self):
        """A row that a trigger of the application changes again has its last values."""
        self.clamp("IF NEW.level > 10 THEN UPDATE item SET level = 10 WHERE id = NEW.id; END IF;")
        self.execute("INSERT INTO item VALUES (1, 5, 'a'), (2, 50, 'b')")
        self.execute("UPDATE item SET level = level + 20 WHERE id = 1")
        self.execute("INSERT INTO item VALUES (2, 99) ON CONFLICT (id) DO UPDATE SET level = 77")
        self.check({1: {"level": 10, "name": "a"}, 2: {"level": 10, "name": "b"}})

    def test_f85_a_trigger_deletes_or_renames_the_row(self):
        """A row that a trigger of the application deletes is not alive, and one whose key it
        changes is alive under the new key alone."""
        self.clamp("DELETE FROM item WHERE id = NEW.id AND level > 10;"
                   "UPDATE item SET id = id + 4, level = 7 WHERE id = NEW.id AND level = 9;")
        self.execute("INSERT INTO item VALUES (1, 5, 'a'), (2, 50, 'b'), (3, 9, 'c')")
        self.check({1: {"level": 5, "name": "a"}, 7: {"level": 7, "name": "c"}})

    def test_f85_a_trigger_changes_other_rows_of_the_statement(self):
        """Rows that a trigger renumbers while the statement's other rows wait for their triggers
        have their last values."""
        self.execute("INSERT INTO item SELECT n, n FROM generate_series(1, 3) AS n")
        self.clamp("IF NEW.level > 40 THEN UPDATE item SET level = id WHERE level > 40; END IF;")
        self.execute("UPDATE item SET level = 50 WHERE id IN (1, 2, 3)")
        self.check({n: {"level": n} for n in (1, 2, 3)})

    def test_f85_a_function_writes_inside_of_the_statement(self):
        """Functions that change the row in RETURNING, in SET, and over a CTE."""
        self.execute("""
            CREATE FUNCTION again(number bigint) RETURNS int LANGUAGE plpgsql AS $$ BEGIN
                UPDATE item SET level = 10 WHERE id = number; RETURN 10; END $$;
            CREATE FUNCTION other(number bigint) RETURNS int LANGUAGE plpgsql AS $$ BEGIN
                UPDATE item SET level = 3 WHERE id = number; RETURN 4; END $$""")
        self.execute("INSERT INTO item VALUES (1, 50) RETURNING again(id)")
        self.execute("WITH i AS (INSERT INTO item VALUES (2, 50) RETURNING id) "
                     "SELECT again(id) FROM i")
        self.execute("INSERT INTO item VALUES (3, 1), (4, 1)")
        self.execute("UPDATE item SET level = other(id - 1) WHERE id = 4")
        self.check({1: {"level": 10}, 2: {"level": 10}, 3: {"level": 3}, 4: {"level": 4}})

    def test_f85_a_deleted_row_is_inserted_again(self):
        """An entity that a trigger inserts again while it is deleted is alive."""
        self.execute("""
            INSERT INTO item VALUES (1, 5), (2, 6);
            CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                INSERT INTO item VALUES (OLD.id, OLD.level + 1); RETURN NULL; END $$;
            CREATE TRIGGER a_keep AFTER DELETE ON item
                FOR EACH ROW WHEN (OLD.id = 1) EXECUTE FUNCTION keep();
            DELETE FROM item""")
        self.check({1: {"level": 6}})


class Tags(Scene):
    """F78, F123, F124: rows that say the same, and rows that outlive their entity."""

    schema, triggers = TAG, TAG_TRIGGERS

    def test_f123_serializable_transactions_that_never_met(self):
        """Two SERIALIZABLE transactions that each delete a row and insert one conflict no more than
        without our triggers: no trigger reads rows that others write."""
        self.execute("INSERT INTO item SELECT n, n FROM generate_series(1, 4) AS n")
        self.execute("INSERT INTO item_tag SELECT n, 5, 'a' FROM generate_series(1, 4) AS n")
        a, b = self.session(), self.session()
        for number, session in enumerate((a, b)):
            session.execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
            session.execute("INSERT INTO item VALUES (%s, 1)", (number + 5,))
            session.execute("DELETE FROM item WHERE id = %s", (number + 1,))
            session.execute("DELETE FROM item_tag WHERE item = %s", (number + 1,))
        a.commit()
        b.commit()
        self.check({3: {"level": 3, "tags": [5]}, 4: {"level": 4, "tags": [5]}, 5: {"level": 1},
                    6: {"level": 1}})

    def test_f124_two_transactions_delete_the_last_two_rows(self):
        """Each of two transactions deletes, moves or renumbers one of two equal rows."""
        self.execute("INSERT INTO item SELECT n, n FROM generate_series(1, 3) AS n")
        self.execute("INSERT INTO item_tag SELECT n, 5, s FROM generate_series(1, 3) AS n, "
                     "unnest('{a,b}'::text[]) AS s")
        a, b = self.session(), self.session()
        for session, source in ((a, "a"), (b, "b")):
            session.execute("DELETE FROM item_tag WHERE item = 1 AND source = %s", (source,))
            session.execute("UPDATE item_tag SET tag = 6 WHERE item = 2 AND source = %s", (source,))
            session.execute("UPDATE item_tag SET item = 4 WHERE item = 3 AND source = %s",
                            (source,))
        a.commit()
        b.commit()
        self.check({1: {"level": 1}, 2: {"level": 2, "tags": [6]}, 3: {"level": 3}})

    def test_f124_a_row_is_inserted_again_meanwhile(self):
        """One transaction has inserted an equal row and is open while the visible one is deleted.
        """
        self.execute("INSERT INTO item VALUES (1, 1); INSERT INTO item_tag VALUES (1, 5, 'a')")
        self.check({1: {"level": 1, "tags": [5]}})
        self.pipeline.producer.stop()  # both in one window
        b = self.session()
        b.execute("INSERT INTO item_tag VALUES (1, 5, 'c')")
        self.execute("DELETE FROM item_tag WHERE source = 'a'")
        b.commit()
        self.pipeline.producer.start()
        self.check({1: {"level": 1, "tags": [5]}})

    def test_f78_rows_outlive_their_entity(self):
        """An entity that is deleted and inserted again, or whose id changes and returns, has the
        tags that remained."""
        self.execute("INSERT INTO item VALUES (1, 1), (4, 4)")
        self.execute("INSERT INTO item_tag VALUES (1, 5, 'a'), (4, 6, 'a')")
        self.check({1: {"level": 1, "tags": [5]}, 4: {"level": 4, "tags": [6]}})
        with self.connection.transaction():
            self.execute("DELETE FROM item WHERE id = 1")
            self.execute("INSERT INTO item VALUES (1, 2)")
        self.execute("UPDATE item SET id = 7 WHERE id = 4")
        self.check({1: {"level": 2, "tags": [5]}, 7: {"level": 4}})
        self.execute("UPDATE item SET id = 4 WHERE id = 7")
        self.check({1: {"level": 2, "tags": [5]}, 4: {"level": 4, "tags": [6]}})

    def test_f78_the_application_changes_the_row_that_appears(self):
        """The same when a trigger changes the row again, so that ours does not describe it."""
        self.clamp("IF NEW.level > 10 THEN UPDATE item SET level = 10 WHERE id = NEW.id; END IF;")
        self.execute("INSERT INTO item VALUES (1, 1), (2, 2), (3, 3)")
        self.execute("INSERT INTO item_tag VALUES (1, 5, 'a'), (2, 6, 'a')")
        self.assertEqual(len(self.entities(1, 2, 3)), 3)  # later, nothing is owed to them
        self.execute("DELETE FROM item WHERE id < 3")
        self.check({3: {"level": 3}})
        self.execute("INSERT INTO item VALUES (1, 50)")
        self.execute("UPDATE item SET id = 2, level = 60 WHERE id = 3")
        self.check({1: {"level": 10, "tags": [5]}, 2: {"level": 10, "tags": [6]}})


class ParentsPerRow(Scene):
    """F86, F87, F123: children and their parents change at the same time."""

    schema, triggers = POST, POST_TRIGGERS.replace("ENTRY", ENTRIES["per_row"])

    def run_f86(self):
        self.execute("INSERT INTO post VALUES (1, 10), (2, 20)")
        self.execute("INSERT INTO image VALUES (1, 1), (2, 1), (3, 1), (4, 1)")
        a, b = self.session(), self.session()
        a.execute("UPDATE image SET post_id = 2 WHERE id = 1")
        a.execute("UPDATE image SET post_id = NULL WHERE id = 2")
        b.execute("UPDATE post SET rank = rank + 1 WHERE id = 1")
        a.commit()
        b.commit()
        self.check({1: {"post_id": 2, "rank": 20}, 2: {}, 3: {"post_id": 1, "rank": 11},
                    4: {"post_id": 1, "rank": 11}})
        b.execute("UPDATE image SET post_id = 2 WHERE id = 3")
        a.execute("UPDATE post SET rank = rank + 1")
        a.commit()
        b.commit()
        self.check({1: {"post_id": 2, "rank": 21}, 2: {}, 3: {"post_id": 2, "rank": 21},
                    4: {"post_id": 1, "rank": 12}})

    def test_f86_per_row(self):
        """Children that move to another parent or to none while the parent changes, both ways."""
        self.run_f86()

    def test_f87_a_child_that_cannot_see_its_parent(self):
        """Children are inserted while their parent's INSERT is open, without a foreign key and in
        REPEATABLE READ, and before the parent with a deferred one."""
        a, b = self.session(), self.session()
        a.execute("INSERT INTO post VALUES (1, 10)")
        self.execute("INSERT INTO image VALUES (1, 1)")
        a.commit()
        b.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        b.execute("SELECT count(*) FROM post")
        self.execute("INSERT INTO post VALUES (2, 20)")
        b.execute("INSERT INTO image VALUES (2, 2)")
        b.commit()
        self.execute("ALTER TABLE image ADD FOREIGN KEY (post_id) REFERENCES post "
                     "DEFERRABLE INITIALLY DEFERRED")
        a.execute("INSERT INTO image VALUES (3, 3)")
        self.execute("INSERT INTO post VALUES (3, 30)")
        a.commit()
        self.check({n: {"post_id": n, "rank": 10 * n} for n in (1, 2, 3)})
        self.execute("ALTER TABLE image DROP CONSTRAINT image_post_id_fkey")

    def test_f123_children_and_a_counter_fail_nothing(self):
        """A child in REPEATABLE READ whose parent was updated after its snapshot, and a counter
        cache of two transactions, do what they do without our triggers."""
        self.execute("INSERT INTO post VALUES (1, 10)")
        a, b = self.session(), self.session()
        for level in ("REPEATABLE READ", "SERIALIZABLE"):
            a.execute(f"SET TRANSACTION ISOLATION LEVEL {level}")
            a.execute("SELECT 1")
            self.execute("UPDATE post SET rank = rank + 1")
            a.execute("INSERT INTO image SELECT count(*) + 1, 1 FROM image")
            a.commit()
        a.execute("INSERT INTO image VALUES (3, 1)")
        b.execute("INSERT INTO image VALUES (4, 1)")
        a.execute("UPDATE post SET image_count = image_count + 1")
        a.commit()
        b.execute("UPDATE post SET image_count = image_count + 1")
        b.commit()
        self.check({n: {"post_id": 1, "rank": 12} for n in (1, 2, 3, 4)})

    def test_l12_a_table_is_rewritten(self):
        """An ALTER TABLE that rewrites a table with triggers of ours succeeds as without them."""
        self.execute("INSERT INTO post VALUES (1, 10); INSERT INTO image VALUES (1, 1), (2, 1)")
        for table in ["post", "image"]:
            self.execute(f"ALTER TABLE {table} ADD COLUMN dice float DEFAULT random()")
            self.execute(f"ALTER TABLE {table} ALTER COLUMN dice TYPE text")
        self.execute("UPDATE post SET rank = 11; DELETE FROM image WHERE id = 2")
        self.check({1: {"post_id": 1, "rank": 11}})
        for table in ["post", "image"]:
            self.execute(f"ALTER TABLE {table} DROP COLUMN dice")


class ParentsByQuery(Scene):
    """F86, F118: the same of a fan-out by query."""

    schema, triggers = POST, POST_TRIGGERS.replace("ENTRY", ENTRIES["by_query"])
    run_f86 = ParentsPerRow.run_f86

    def test_f86_by_query(self):
        """The same of a fan-out by query."""
        self.run_f86()

    def test_f118_children_move_in_the_window_of_their_parent(self):
        """Many children move in one statement while their parent changes, in one window."""
        self.execute("INSERT INTO post VALUES (1, 10), (2, 20)")
        self.execute("INSERT INTO image SELECT n, 1 FROM generate_series(1, 400) AS n")
        with self.connection.transaction():
            self.execute("UPDATE image SET post_id = 2 WHERE post_id = 1 AND id <= 200")
            self.execute("UPDATE post SET rank = 11 WHERE id = 1")
            self.execute("UPDATE image SET post_id = 2 WHERE post_id = 1")
            self.execute("UPDATE post SET rank = 12 WHERE id = 1")
        found = self.entities(*range(1, 401))
        self.assertEqual({fields["rank"] for fields in found.values()}, {20})
        self.assertEqual(len(found), 400)
        index.check_verified(self.pipeline, [self.pipeline.consumer])


class Application(CommittedRow):
    """F85: triggers and functions of the application write as well."""

    def test_f85_a_join_row_is_deleted_or_inserted_again(self):
        """A tag that a trigger takes away again is gone, one that it adds again stays."""
        self.begin(TAG.replace(", source text", "").replace(", source", ""), TAG_TRIGGERS)
        self.execute("""
            INSERT INTO item VALUES (1, 1), (2, 1), (3, 1);
            CREATE FUNCTION correct() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF TG_OP = 'INSERT' AND NEW.tag = 5 THEN
                    DELETE FROM item_tag WHERE item = NEW.item AND tag = 5;
                ELSIF TG_OP <> 'INSERT' AND OLD.tag = 6 THEN
                    INSERT INTO item_tag VALUES (OLD.item, 6);
                END IF; RETURN NULL; END $$;
            CREATE TRIGGER a_correct AFTER INSERT OR UPDATE OR DELETE ON item_tag
                FOR EACH ROW EXECUTE FUNCTION correct();
            INSERT INTO item_tag VALUES (1, 5), (1, 4), (2, 6), (3, 6);
            DELETE FROM item_tag WHERE item = 2;
            UPDATE item_tag SET tag = 7 WHERE item = 3""")
        self.check({1: {"level": 1, "tags": [4]}, 2: {"level": 1, "tags": [6]},
                    3: {"level": 1, "tags": [6, 7]}})

    def test_f85_partitions(self):
        """The same on a partitioned table, where a row may change its partition."""
        self.begin("""
            CREATE TABLE item (id bigint, level int, name text, bucket int DEFAULT 0,
                PRIMARY KEY (id, bucket)) PARTITION BY LIST (bucket);
            CREATE TABLE item_0 PARTITION OF item FOR VALUES IN (0);
            CREATE TABLE item_1 (name text, bucket int NOT NULL, level int, gone int,
                id bigint NOT NULL);
            ALTER TABLE item_1 DROP gone;
            ALTER TABLE item ATTACH PARTITION item_1 FOR VALUES IN (1)""", ITEM_TRIGGERS)
        self.clamp("IF NEW.level > 10 THEN "
                   "UPDATE item SET level = 10, bucket = 1 - bucket WHERE id = NEW.id; END IF;")
        self.execute("INSERT INTO item VALUES (1, 50, 'a', 0), (2, 50, 'b', 1), (3, 4, 'c', 1)")
        self.execute("UPDATE item SET bucket = 1 - bucket")
        self.execute("UPDATE item SET level = 60 WHERE id = 2; DELETE FROM item WHERE id = 3")
        self.check({1: {"level": 10, "name": "a"}, 2: {"level": 10, "name": "b"}})


class Parents(CommittedRow):
    """F86, F87, F118, F123: children and their parents change at the same time."""

    def test_f87_truncate_under_an_older_snapshot(self):
        """TRUNCATE in REPEATABLE READ takes rows that its snapshot does not see."""
        self.begin(ITEM, ITEM_TRIGGERS.replace("on_delete:", "on_truncate: emit, on_delete:"))
        self.execute("INSERT INTO item VALUES (1, 1)")
        a = self.session()
        a.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        a.execute("SELECT 1")
        self.execute("INSERT INTO item VALUES (2, 2)")
        a.execute("TRUNCATE item")
        a.commit()
        self.execute("INSERT INTO item VALUES (3, 3)")
        self.check({3: {"level": 3}})


class Joins(CommittedRow):
    """F124, F78: rows that say the same, and rows that outlive their entity."""

    def test_l11_no_foreign_key_acts_in_the_replication_role_replica(self):
        """There, rows of a join outlive an item that is deleted and inserted again, although their
        foreign key would have deleted them."""
        self.begin("""
            CREATE TABLE item (id bigint PRIMARY KEY, level int);
            CREATE TABLE item_tag (item bigint REFERENCES item ON DELETE CASCADE, tag int,
                PRIMARY KEY (item, tag))
            """, TAG_TRIGGERS)
        self.execute("INSERT INTO item VALUES (4, 1)")
        self.execute("INSERT INTO item_tag VALUES (4, 5)")
        replica = self.session()
        replica.execute("SET session_replication_role = replica")
        replica.execute("DELETE FROM item")
        replica.execute("INSERT INTO item VALUES (4, 2)")
        replica.commit()
        self.check({4: {"level": 2, "tags": [5]}})

    def test_l11_a_deferrable_key_proves_nothing(self):
        """A row comes while the one that it replaces is there, which is deleted later."""
        self.begin(ITEM.replace("PRIMARY KEY", "PRIMARY KEY DEFERRABLE INITIALLY DEFERRED"),
                   ITEM_TRIGGERS)
        self.execute("INSERT INTO item VALUES (4, 1)")
        new, old = self.session(), self.session()
        new.autocommit = old.autocommit = False
        new.execute("INSERT INTO item VALUES (4, 9)")
        old.execute("DELETE FROM item WHERE level = 1")
        old.commit()
        new.commit()
        self.check({4: {"level": 9}})

    def test_l12_operators_and_functions_fail_no_statement(self):
        """Errors of types, collations, subqueries and functions, and a partition key whose type has
        no operator in pg_catalog."""
        self.begin("""
            CREATE EXTENSION ltree;
            CREATE TABLE other (key int, value int);
            INSERT INTO other VALUES (1, 1), (1, 2);
            CREATE FUNCTION checked(i int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
                $$ BEGIN IF i > 1 THEN RAISE 'no' USING ERRCODE = 'UX001'; END IF; RETURN i; END $$;
            CREATE TABLE item (id bigint, path ltree, level int, a bit varying, b bit varying,
                c text COLLATE "C", d text COLLATE "POSIX") PARTITION BY RANGE (path);
            CREATE TABLE item_rest PARTITION OF item DEFAULT;
            CREATE INDEX ON item (id);
            """, """
triggers:
  - { table: item, slot_field: id, sets_alive: true, on_delete: delete_slot,
      track_fields: ["(SELECT value FROM other WHERE key = {level}) as level",
                     "checked({level}) as rank",
                     "CASE WHEN ({a} & {b}) = {a} THEN 'x' END as name",
                     "CASE WHEN {c} = {d} THEN 1 END as post_id"] }
""")
        self.execute("INSERT INTO item VALUES (1, 'a', 1, B'1', B'10', 'a', 'b')")
        self.execute("INSERT INTO item VALUES (2, 'b', 2, B'1', B'1', NULL, NULL)")
        self.assertEqual(self.entities(1, 2), {1: {"rank": 1}, 2: {"name": "x"}})
        self.execute("DELETE FROM item")
        self.assertEqual(self.entities(1, 2), {})

    def test_f93_a_soft_delete_is_undone(self):
        """An entity that leaves its filter and meets it again has its tags again."""
        self.begin(TAG.replace("level int", "level int, deleted_at timestamptz"),
                   TAG_TRIGGERS.replace("on_delete:", "filter: '{deleted_at} IS NULL', on_delete:"))
        self.execute("INSERT INTO item VALUES (1, 1, NULL), (2, 2, now())")
        self.execute("INSERT INTO item_tag VALUES (1, 5, 'a'), (2, 6, 'a')")
        self.execute("UPDATE item SET deleted_at = now()")
        self.check({})
        self.execute("UPDATE item SET deleted_at = NULL")
        self.check({1: {"level": 1, "tags": [5]}, 2: {"level": 2, "tags": [6]}})

    def test_f93_another_version_meets_the_filter(self):
        """The same when a trigger changes the row again, and when another row replaces it in the
        statement that deletes it, which its foreign keys allow."""
        self.begin(
            TAG.replace("level int", "level int, deleted_at timestamptz").replace(
                "item bigint", "item bigint REFERENCES item"),
            TAG_TRIGGERS.replace("on_delete:", "filter: '{deleted_at} IS NULL', on_delete:"))
        self.clamp("IF NEW.level > 10 THEN UPDATE item SET level = 10 WHERE id = NEW.id; END IF;")
        self.execute("INSERT INTO item VALUES (1, 1, NULL), (2, 2, NULL)")
        self.execute("INSERT INTO item_tag VALUES (1, 5, 'a'), (2, 6, 'a')")
        self.assertEqual(len(self.entities(1, 2)), 2)
        self.execute("UPDATE item SET deleted_at = now()")
        self.check({})
        self.execute("UPDATE item SET deleted_at = NULL, level = 50 WHERE id = 1")
        self.execute("WITH gone AS (DELETE FROM item WHERE id = 2 RETURNING id)"
                     " INSERT INTO item SELECT id, 4 FROM gone")
        self.check({1: {"level": 10, "tags": [5]}, 2: {"level": 4, "tags": [6]}})


class Names(CommittedRow):
    """F91, F92, F98: names change, equal values are not the same, and no name is ours."""

    def test_f91_renames(self):
        """Columns, labels, tables and schemas are renamed: the application's writes succeed, and
        reach the index."""
        self.begin("""
            CREATE TYPE mood AS ENUM ('calm', 'wild');
            CREATE TABLE item (id bigint PRIMARY KEY, level int, mood mood, note text);
            CREATE TABLE item_tag (item bigint REFERENCES item, tag int, PRIMARY KEY (item, tag))
            """, TAG_TRIGGERS.replace(
                "track_fields: [level]",
                "track_fields: ['CASE WHEN {mood} = ''calm'' THEN {level} ELSE -{level} END"
                " as level']"))
        self.execute("INSERT INTO item VALUES (1, 5, 'calm')")
        self.execute("ALTER TABLE item RENAME COLUMN level TO grade")
        self.execute("ALTER TABLE item RENAME COLUMN id TO number")
        self.execute("ALTER TYPE mood RENAME VALUE 'calm' TO 'quiet'")
        self.execute("ALTER TABLE item_tag RENAME COLUMN tag TO label")
        self.execute("INSERT INTO item VALUES (2, 6, 'quiet'), (3, 7, 'wild')")
        self.execute("UPDATE item SET grade = 8 WHERE number = 1")
        self.execute("INSERT INTO item_tag VALUES (1, 1), (2, 2)")
        self.execute("ALTER TABLE item RENAME TO things")
        self.execute("CREATE SCHEMA later; ALTER TABLE things SET SCHEMA later")
        self.execute("UPDATE later.things SET grade = grade + 1")
        self.execute("DELETE FROM item_tag WHERE label = 2; DELETE FROM later.things "
                     "WHERE number = 2")
        wanted = {1: {"level": 9, "tags": [1]}, 3: {"level": -8}}
        found = self.entities(*range(1, 10))
        self.assertEqual({n: {k: v for k, v in fields.items() if v not in (None, [])}
                          for n, fields in found.items()}, wanted)

    def test_f91_names_are_exchanged(self):
        """The name of a tracked column goes to another column: between two statements, inside of a
        transaction, and after the snapshot of a transaction that writes afterwards."""
        self.begin("""
            CREATE TABLE item (id bigint, spare int, level int, other int, name text,
                PRIMARY KEY (id, other)) PARTITION BY RANGE (other);
            CREATE TABLE item_low PARTITION OF item FOR VALUES FROM (0) TO (50);
            CREATE TABLE item_high (other int NOT NULL, name text, level int, spare int,
                id bigint NOT NULL);
            ALTER TABLE item ATTACH PARTITION item_high FOR VALUES FROM (50) TO (100)
            """, ITEM_TRIGGERS)
        older = self.session()
        older.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        older.execute("SELECT * FROM pg_class")
        insert = "INSERT INTO item (id, level, other, name) VALUES (%s, %s, %s, 'a')"
        self.execute(insert, [1, 10, 1])
        self.execute(insert, [2, 20, 60])
        self.check({1: {"level": 10, "name": "a"}, 2: {"level": 20, "name": "a"}})
        exchange = """ALTER TABLE item DROP COLUMN IF EXISTS spare;
            ALTER TABLE item RENAME COLUMN level TO aside;
            ALTER TABLE item RENAME COLUMN other TO level;
            ALTER TABLE item RENAME COLUMN aside TO other"""
        with self.connection.transaction():
            self.execute("UPDATE item SET level = 11 WHERE id = 1")
            self.execute(exchange)
            self.execute("UPDATE item SET other = 21 WHERE id = 2")
        self.execute("UPDATE item SET other = other + 1")
        older.execute("INSERT INTO item (id, other, level) VALUES (3, 30, 3), (4, 40, 64)")
        older.commit()
        self.execute("DELETE FROM item WHERE id = 4; UPDATE item SET id = 5, other = 13,"
                     " level = 61, name = 'b' WHERE id = 1")
        self.assertEqual(self.entities(*range(1, 10)), {
            5: {"level": 13, "name": "b"}, 2: {"level": 22, "name": "a"},
            3: {"level": 30}})
        self.execute(exchange)
        self.execute("UPDATE item SET level = level + 100, name = other")
        self.check({5: {"level": 113, "name": "61"}, 2: {"level": 122, "name": "60"},
                    3: {"level": 130, "name": "3"}})

    def test_f91_a_column_is_dropped(self):
        """DROP COLUMN of a column that is read is refused; with CASCADE the application's writes go
        on, and `diff` says that the triggers are gone. Other columns may be dropped."""
        self.begin("CREATE TABLE item (id bigint PRIMARY KEY, level int, name text, spare text)",
                   ITEM_TRIGGERS)
        self.execute("ALTER TABLE item DROP COLUMN spare")
        self.execute("INSERT INTO item VALUES (1, 5, 'a')")
        self.check({1: {"level": 5, "name": "a"}})
        with self.assertRaises(psycopg.errors.DependentObjectsStillExist):
            self.execute("ALTER TABLE item DROP COLUMN name")
        self.execute("ALTER TABLE item DROP COLUMN name CASCADE")
        self.execute("INSERT INTO item VALUES (2, 6)")
        self.execute("UPDATE item SET level = 7; DELETE FROM item WHERE id = 1")
        config = self.pipeline.config
        config.write_text(config.read_text().replace("[level, name]", "[level]"))
        done = self.pipeline.producer.command("triggers", "diff", check=False)
        self.assertEqual(done.returncode, 1, done)
        self.assertIn("+ trigger", done.stdout)

    def test_f92_equal_values_that_are_not_the_same(self):
        """A column with a collation that is not deterministic, and a number that is printed."""
        self.begin("""
            CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2',
                deterministic = false);
            CREATE TABLE item (id bigint PRIMARY KEY, level int, label text COLLATE loose,
                price numeric, weight float8)
            """, ITEM_TRIGGERS.replace(
                "[level, name]", "['{label} || {price}::text || {weight} as name', level]"))
        self.execute("INSERT INTO item VALUES (1, 1, 'Foo', 1.0, 0)")
        self.execute("UPDATE item SET label = 'foo'")
        self.check({1: {"level": 1, "name": "foo1.00"}})
        self.execute("UPDATE item SET price = 1.00")
        self.execute("UPDATE item SET weight = '-0'")
        self.check({1: {"level": 1, "name": "foo1.00-0"}})

    def test_f98_columns_have_our_names(self):
        """Columns with the names of everything that the generated functions use."""
        names = ["_ops", "_left", "_old1", "_new1", "_is_row", "_row", "_old", "_new", "_renamed",
                 "_value1", "_key1", "trigger", "entity_id", "ops", "new", "old", "tg_op", "found"]
        columns = "".join(f', "{name}" int' for name in names)
        self.begin(f"CREATE TABLE item (id bigint PRIMARY KEY{columns});"
                   f"CREATE TABLE item_tag (item bigint, tag int{columns}, UNIQUE (item, tag))",
                   TAG_TRIGGERS.replace(
                       "[level]", "['" + " + ".join(f"{{{name}}}" for name in names)
                       + " as level']"))
        values = ", ".join(["1"] * len(names))
        self.execute(f"INSERT INTO item VALUES (1, {values}), (2, {values})")
        self.execute("INSERT INTO item_tag VALUES (1, 5), (1, 6), (2, 7)")
        self.execute('UPDATE item SET _ops = 2, "new" = 2')
        self.execute("UPDATE item_tag SET tag = 8, _value1 = 3 WHERE tag = 6")
        self.execute("DELETE FROM item_tag WHERE tag = 7")
        level = len(names) + 2
        self.check({1: {"level": level, "tags": [5, 8]}, 2: {"level": level}})


if __name__ == "__main__":
    unittest.main()
