"""F97: a role that may create objects in the schema of the outbox cannot make ours run its code.

It defines functions and operators that fit better than those of pg_catalog, which take any type or
a type to which Postgres would convert. Each of them here fails. Configured expressions are resolved
by the search_path when `triggers apply` runs, and at each load, so they are left out where
the test is about these: `check` names the roles that could create such objects.
"""

import itertools
import unittest

from case import GalleryCase

TYPES = ("oid", "regclass", "regtype", "regproc", "regnamespace", "name", "text", "varchar",
         "bpchar", '"char"', "smallint", "integer", "bigint", "numeric", "double precision",
         "boolean", "xid", "xid8", "pg_snapshot", "jsonb", "timestamptz", "timestamp", "date",
         "text[]", "bigint[]", "integer[]", "name[]", "oid[]", "uuid")
OPERATORS = ("=", "<>", "<", "<=", ">", ">=", "||", "&", "+", "-", "@>", "~")
FUNCTIONS = ("to_json", "to_jsonb", "unnest", "cardinality", "quote_literal", "quote_nullable",
             "pg_typeof", "array_to_json", "jsonb_build_array", "concat", "format",
             "obj_description", "to_regclass", "hashtextextended", "jsonb_path_query_array",
             "starts_with", "array_position", "array_length", "array_remove", "current_setting",
             "has_table_privilege", "pg_get_serial_sequence", "string_agg", "btrim", "substr")


def evil_objects():
    """The statements that create them, as SQL that skips what Postgres does not allow."""
    functions = [f"{name}(_ {kind})" for name in FUNCTIONS for kind in TYPES]
    functions += [f"{name}(_ {left}, __ {right})" for name in FUNCTIONS
                  for left, right in itertools.product(("text", "name", "jsonb", "oid", "text[]"),
                                                       ("text", "name", "integer", "bigint"))]
    functions += [f"evil(_ {left}, __ {right})"
                  for left, right in itertools.product(TYPES, TYPES)]
    statements = [f"""CREATE FUNCTION public.{function} RETURNS {result} LANGUAGE plpgsql AS
        $f$ BEGIN RAISE EXCEPTION 'code of another role runs: {function.replace("'", "")}'; END $f$
        """ for function in functions
        for result in ["boolean" if function.startswith("evil") else "text"]]
    statements += [f"CREATE OPERATOR public.{operator} (FUNCTION = public.evil, LEFTARG = {left},"
                   f" RIGHTARG = {right})" for operator in OPERATORS
                   for left, right in itertools.product(TYPES, TYPES)]
    return statements


SCHEMA = """
CREATE TYPE mood AS ENUM ('calm', 'wild');
CREATE DOMAIN amount AS integer;
CREATE TABLE owner (id integer PRIMARY KEY, name varchar(9), rank smallint);
CREATE TABLE item (
    id bigint PRIMARY KEY, level integer, small smallint, cost amount, title varchar(9), kind mood,
    at timestamptz, day date, ok boolean, owner integer REFERENCES owner);
CREATE INDEX ON item (owner, id);
CREATE TABLE item_tag (item bigint REFERENCES item, tag integer, PRIMARY KEY (item, tag));
CREATE TABLE item_part (
    item bigint, place varchar(9), value smallint, PRIMARY KEY (item, place, value))
    PARTITION BY LIST (place);
CREATE TABLE item_part_a PARTITION OF item_part FOR VALUES IN ('a');
CREATE TABLE item_part_b PARTITION OF item_part FOR VALUES IN ('b')"""

CONFIG = """
triggers:
  - table: item
    slot_field: id
    sets_alive: true
    on_delete: delete_slot
    track_fields: [level, small, cost, title, kind, at, day, ok]
  - { table: item_tag, slot_field: item, field: tags, value_field: tag }
  - { table: item_part, slot_field: item, field: parts, value_field: value }
  - { table: owner, type: fan_out_per_row, track_fields: [name, rank],
      rows_from: { table: item, fk: owner, slot: id } }
index_config:
  filter_fields:
    - { name: level, field_type: single_value }
    - { name: small, field_type: single_value }
    - { name: cost, field_type: single_value }
    - { name: title, field_type: string }
    - { name: kind, field_type: string }
    - { name: name, field_type: string }
    - { name: rank, field_type: single_value }
    - { name: ok, field_type: boolean }
    - { name: tags, field_type: multi_value }
    - { name: parts, field_type: multi_value }
  sort_fields:
    - { name: at, bits: 32 }
    - { name: day, bits: 32 }
"""

# The statements call nothing of the other role themselves.
WRITES = """
INSERT INTO public.owner VALUES (1, 'ann', 1), (2, 'bob', 2);
INSERT INTO public.item
    SELECT i, 1, 2, 3, 'title', 'calm', pg_catalog.now(), '2026-01-02', true, 1
    FROM pg_catalog.generate_series(1, 40) AS i;
INSERT INTO public.item_tag SELECT id, 7 FROM public.item;
INSERT INTO public.item_part SELECT id, 'a', 5 FROM public.item;
UPDATE public.item SET level = 9, small = 8, cost = 7, title = 'new', kind = 'wild',
    at = '2026-01-02', day = '2026-02-03', ok = false, owner = 2 WHERE id < 20;
UPDATE public.item_part SET place = 'b' WHERE item < 9;
UPDATE public.item_tag SET tag = 8 WHERE item < 9;
UPDATE public.owner SET name = 'cat', rank = 3 WHERE id = 2;
DELETE FROM public.item_tag WHERE item > 38;
DELETE FROM public.item_part WHERE item > 37;
DELETE FROM public.item WHERE id > 38;
"""


class SearchPath(GalleryCase):
    def create(self, config=CONFIG):
        self.pipeline.init()
        with self.pipeline.connect() as connection:
            connection.execute(SCHEMA)
        head = self.pipeline.config.read_text().split("\n# The tables")[0]
        self.pipeline.config.write_text(f"{head}{config}")

    def become_evil(self):
        """Creates everything that has no equal in pg_catalog, which would be found first."""
        with self.pipeline.connect() as connection:
            connection.execute("SET client_min_messages = warning; SET search_path = pg_catalog;"
                               "CREATE TEMP TABLE statement (number serial, text text)")
            with connection.cursor().copy("COPY statement (text) FROM STDIN") as copy:
                for statement in evil_objects():
                    copy.write_row([statement])
            connection.execute("""DO $$ DECLARE text text; BEGIN
                FOR text IN SELECT statement.text FROM statement ORDER BY number LOOP
                    EXECUTE text;
                END LOOP;
            END $$""")

    def write(self):
        with self.pipeline.connect() as connection:
            connection.execute("SET search_path = pg_catalog")
            connection.execute(WRITES)

    def use_everything(self):
        """Rows are written, sent, loaded and compared; every command that reads the database runs.
        """
        command = self.pipeline.producer.command
        self.pipeline.start()
        self.write()
        self.pipeline.wait_until_fresh()
        command("load")
        command("verify")
        self.assertNotIn("code of another", command("check", check=False).stdout)
        command("triggers", "diff")
        command("cursor", "show")
        command("jobs", "list")
        command("dead-letters", "list")
        command("trim")
        log = self.pipeline.producer.log.read_text()
        self.assertNotIn("code of another role", log)

    def test_f97_objects_that_exist_before(self):
        """None of them is called when they exist before `init` and `triggers apply`."""
        self.become_evil()
        self.create()
        self.pipeline.producer.command("triggers", "apply")
        self.use_everything()

    def test_f97_objects_that_are_created_later(self):
        """None of them is called when they are created afterwards."""
        self.create()
        self.pipeline.producer.command("triggers", "apply")
        self.become_evil()
        self.use_everything()

    def test_f97_expressions_that_were_applied(self):
        """No function or operator that is created after `triggers apply` takes the place of one
        that an expression or a filter had found."""
        self.create(CONFIG.replace("at, day, ok]", """at, day,
      { column: ok, expression: "{title} = 'new' AND ({small} & 1) = 0", target: ok }]
    filter: "{title} <> '' AND {id} & 1 = 0" """))
        self.pipeline.producer.command("triggers", "apply")
        self.become_evil()
        self.write()


if __name__ == "__main__":
    unittest.main()
