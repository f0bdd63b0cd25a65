"""Random queries to an index of four partitions, compared with SQL over the same rows.

They use every clause, sorts, pages and cursors. A query that gives a different answer is reduced
before it is reported. BITDEX_SEED repeats a run, BITDEX_SECONDS makes it longer. BITDEX_QUERIES is
the number of queries in the form of the original's client.
"""

import json
import os
import random
import time
import unittest

from case import SECONDS, SEED, GalleryCase
from pipeline import write_config
from psycopg import sql

ROWS = 2000
QUERIES = 4000  # at least
CLIENT_QUERIES = int(os.environ.get("BITDEX_QUERIES", 300))
BATCH = 100  # queries of one SQL statement
FILTER_DEPTH = 3
FUTURE_S = 4000000000  # in 2096

TABLE = """
CREATE TABLE thing (
    id bigint PRIMARY KEY, level bigint, post bigint, score bigint, flag boolean, kind text,
    tags bigint[], rank integer, existed bigint, published bigint);
CREATE MATERIALIZED VIEW visible AS
    SELECT *, greatest(existed, published) AS newest, least(existed, score) AS oldest FROM thing
    WHERE published IS NULL OR published <= extract(epoch FROM now());
"""
FIELDS = """
triggers:
  - { table: thing, slot_field: id, sets_alive: true, on_delete: delete_slot,
      track_fields: [level, post, score, flag, kind, tags, rank, existed, published] }
index_config:
  filter_fields:
    - { name: level, field_type: single_value, nullable: LEVEL }
    - { name: post, field_type: single_value }
    - { name: score, field_type: single_value, nullable: false }
    - { name: flag, field_type: boolean }
    - { name: kind, field_type: string, case_insensitive: KIND }
    - { name: tags, field_type: multi_value, nullable: TAGS }
  sort_fields:
    - { name: post, bits: 63 }
    - { name: rank, bits: 10 }
    - { name: existed, bits: 40 }
    - { name: published, bits: 40 }
    - { name: newest, bits: 40, computed: { op: greatest, source_fields: [existed, published] } }
    - { name: oldest, bits: 41, computed: { op: least, source_fields: [existed, score] } }
  visible_from: published
"""
SORTS = ["post", "rank", "existed", "published", "newest", "oldest", "id"]
VALUES = {
    "level": [-(1 << 63), -(1 << 32), -2, -1, 0, 1, 2, 3, 5, 8, 1 << 32, (1 << 63) - 1],
    "post": [*range(-5, 40), 1 << 53, (1 << 53) + 1, (1 << 63) - 1, 1 - (1 << 63)],
    "score": [*range(-9, 9), -(1 << 39), 1 << 39],
    "flag": [False, True],
    "kind": ["", "image", "Image", "it's", 'say "x"', "{a: [1]}", "a\\b", "%s", "naïve", "図🙂",
             "true", "1", "null", "x" * 3000, "line\nbreak", " ", "}", "NAÏVE", "straße", "STRAẞE",
             "strasse", "kilo", "\u212ailo", "İ", "i", "I", "ı", "σς", "ΣΣ", "ſ", "S"],
    "tags": [-(1 << 63), -7, 0, *range(1, 30), 1 << 40, (1 << 63) - 1],
    "rank": [-1023, 1023, 0, 7, 7, 7, *range(-20, 20)],
    "existed": [*range(-10, 10), (1 << 39) - 1, -(1 << 39), *range(1700000000, 1700000020)],
    "published": [*range(-10, 10), FUTURE_S, FUTURE_S + 1, *range(1700000000, 1700000020)],
}  # fmt: skip
VALUES["newest"] = VALUES["existed"] + VALUES["published"]
VALUES["oldest"] = VALUES["existed"] + VALUES["score"]
VALUES["id"] = [-(1 << 63), -4, *range(-1, 9), *range(0, 8 * ROWS, 7), (1 << 32) - 1, (1 << 63) - 1]
WRITTEN = list(VALUES)[:9]
OPERATORS = {"Eq": "=", "In": "IN", "Gt": ">", "Gte": ">=", "Lt": "<", "Lte": "<="}
CLAUSES = [*OPERATORS, "NotEq", "NotIn", "IsNull", "IsNotNull"]
WORDS = {bool: "Bool", int: "Integer", float: "Float", str: "String"}


# --- random queries


def random_value(rng, field):
    """Mostly a value that some row has."""
    value = rng.choice(VALUES[field])
    if field not in ("flag", "kind") and rng.random() < 0.2:
        value = max(-(1 << 63), min(value + rng.choice([-1, 1]), (1 << 63) - 1))
    elif field == "kind" and rng.random() < 0.2:
        value = rng.choice([value + "'", value.swapcase(), value.upper()])
    return value


def written(rng, value):
    """The value as a query writes it: with its type, or plain."""
    if type(value) is int and abs(value) < 1 << 53 and rng.random() < 0.2:
        value = float(value)
    return {WORDS[type(value)]: value} if rng.random() < 0.8 else value


class Settings:
    """What the configuration says of queries."""

    def __init__(self, nullable, ignores_case):
        self.nullable = nullable
        self.ignores_case = ignores_case

    def fields(self):
        flags = {"LEVEL": "level" in self.nullable, "TAGS": "tags" in self.nullable,
                 "KIND": self.ignores_case}
        text = FIELDS
        for name, flag in flags.items():
            text = text.replace(f" {name} }}", f" {str(flag).lower()} }}")
        return text


def folded(text):
    """By the simple case folding of Unicode. (casefold() is the full one, which can make several
    characters of one.)"""
    return "".join(
        "ß" if char == "ẞ" else char.casefold() if len(char.casefold()) == 1 else char
        for char in text)


def random_leaf(rng):
    field = rng.choice(list(VALUES))
    clause = rng.choice(CLAUSES)
    if field in ("flag", "kind") and clause[0] in "GL":
        clause = "Eq"
    if clause in ("IsNull", "IsNotNull"):
        return {clause: field}
    if clause in ("In", "NotIn"):
        values = [random_value(rng, field) for _ in range(rng.choice([0, 1, 2, 5, 20]))]
        return {clause: [field, [written(rng, value) for value in values]]}
    value = random_value(rng, field)
    if field not in ("flag", "kind") and rng.random() < (0.2 if clause[0] in "GL" else 0.05):
        value = rng.choice([value + 0.5 if abs(value) < 1 << 50 else 0.5, 1e19, -1e300])
    return {clause: [field, written(rng, value)]}


def random_filter(rng, depth):
    if depth == 0 or rng.random() < 0.4:
        return random_leaf(rng)
    clause = rng.choice(["And", "Or", "Not"])
    if clause == "Not":
        return {"Not": random_filter(rng, depth - 1)}
    return {clause: [random_filter(rng, depth - 1) for _ in range(rng.choice([0, 1, 2, 2, 3]))]}


def random_cursor(rng, field):
    """At an entity, between two, or before or after all of them."""
    cursor = {"slot_id": rng.choice([rng.randrange(-9, 8 * ROWS), 0, (1 << 63) - 1, -(1 << 63)])}
    if rng.random() < 0.8:
        cursor["sort_value"] = random_value(rng, field) if field else None
    return cursor


def random_query(rng):
    filters = [random_filter(rng, FILTER_DEPTH) for _ in range(rng.choice([0, 1, 1, 1, 2, 3]))]
    query = {"filters": filters, "limit": rng.choice([0, 1, 5, 20, 100, ROWS])}
    field = rng.choice([None, *SORTS])
    if field:
        query["sort"] = {"field": field, "direction": rng.choice(["Asc", "Desc"])}
    if rng.random() < 0.4:
        query["offset"] = rng.choice([0, 1, 7, 100, ROWS])
    if rng.random() < 0.4:
        query["cursor"] = random_cursor(rng, field)
    return query


# --- their meaning in SQL


def plain(value):
    return next(iter(value.values())) if isinstance(value, dict) else value


def literal(value):
    value = plain(value)
    if isinstance(value, float):
        return f"{value!r}::numeric"
    if type(value) is int:
        return str(value)
    return sql.Literal(value).as_string()


def sql_of_leaf(settings, clause, field, values):
    if field == "kind" and settings.ignores_case:
        forms = {folded(value) for value in map(plain, values)}
        values = [kind for kind in VALUES["kind"] if folded(kind) in forms]
        clause = {"Eq": "In", "NotEq": "NotIn"}.get(clause, clause)
    there = f"{field} IS NOT NULL" if field != "tags" else "cardinality(tags) > 0"
    if clause == "IsNotNull":
        return f"coalesce({there}, false)"
    if clause == "IsNull":
        return f"NOT coalesce({there}, false)"
    if clause in ("NotEq", "NotIn"):
        positive = {"NotEq": "Eq", "NotIn": "In"}[clause]
        some = sql_of_leaf(settings, positive, field, values)
        skips = field in settings.nullable and values
        return f"(coalesce({there}, false) AND NOT {some})" if skips else f"(NOT {some})"
    if not values:
        return "false"
    if field == "tags":
        some = sql_of_leaf(settings, clause, "tag", values)
        return f"EXISTS (SELECT FROM unnest(tags) AS tag WHERE {some})"
    return f"coalesce({field} {OPERATORS[clause]} ({', '.join(map(literal, values))}), false)"


def sql_of(settings, tree):
    """A condition that is never null."""
    ((clause, argument),) = tree.items()
    if clause in ("And", "Or"):
        parts = [sql_of(settings, part) for part in argument]
        return f"({f' {clause} '.join(parts)})" if parts else str(clause == "And")
    if clause == "Not":
        return f"NOT {sql_of(settings, argument)}"
    if clause in ("IsNull", "IsNotNull"):
        return sql_of_leaf(settings, clause, argument, [])
    field, value = argument
    return sql_of_leaf(settings, clause, field, value if isinstance(value, list) else [value])


def sql_after(query, sign):
    """The condition for rows after the cursor."""
    value, entity = query["cursor"].get("sort_value"), query["cursor"]["slot_id"]
    sort = query.get("sort") or {}
    if sort.get("field") == "id":
        return f"id {sign} {entity}"
    if not sort or value is None:
        return f"value IS NULL AND id {sign} {entity}"
    return f"(value {sign} {value} OR value = {value} AND id {sign} {entity} OR value IS NULL)"


def sql_of_query(settings, number, query):
    """Selects `number`, how many rows match, and the ids of the page as text."""
    sort = query.get("sort") or {"field": "NULL::bigint", "direction": "Desc"}
    order, sign = ("ASC", ">") if sort["direction"] == "Asc" else ("DESC", "<")
    after, offset = "true", query.get("offset", 0)
    limit = query["limit"] if query.get("limit") is not None else 20
    if query.get("cursor"):
        after, offset = sql_after(query, sign), 0
    return f"""(WITH found AS MATERIALIZED (
        SELECT id, {sort["field"]} AS value FROM visible
        WHERE {sql_of(settings, {"And": query.get("filters") or []})})
    SELECT {number}, (SELECT count(*) FROM found), coalesce(
        (SELECT string_agg(id::text, ',') FROM (SELECT id FROM found WHERE {after}
            ORDER BY value {order} NULLS LAST, id {order} LIMIT {limit} OFFSET {offset}
        ) AS page), ''))"""


def smaller(tree):
    """Yields every filter that has one part less."""
    ((clause, argument),) = tree.items()
    if clause == "Not":
        yield argument
        yield from ({clause: part} for part in smaller(argument))
    elif clause in ("And", "Or"):
        yield from argument
        yield from ({clause: parts} for parts in shorter(argument))
    elif clause in ("In", "NotIn"):
        field, values = argument
        for n in range(len(values)):
            yield {clause: [field, values[:n] + values[n + 1:]]}


def shorter(filters):
    for n, tree in enumerate(filters):
        yield filters[:n] + filters[n + 1:]
        yield from ([*filters[:n], less, *filters[n + 1:]] for less in smaller(tree))


# --- the tests


def random_row(rng, entity, nulls):
    """`nulls` is the share of values that are missing."""
    values = [None if rng.random() < nulls else rng.choice(VALUES[field]) for field in WRITTEN]
    some = [rng.choice(VALUES["tags"]) for _ in range(rng.choice([0, 1, 2, 3, 8]))]
    values[WRITTEN.index("tags")] = None if rng.random() < nulls else some
    return [entity, *values]


class QueryCase(GalleryCase):
    settings = Settings(nullable=["level"], ignores_case=True)
    nulls = 0.2

    def setUp(self):
        super().setUp()
        self.use(self.settings)
        self.rng = random.Random(SEED)
        self.pipeline.init()
        self.connection = self.pipeline.connect(autocommit=True)
        self.addCleanup(self.connection.close)
        self.connection.execute(TABLE)
        self.connection.execute("SET jit = off")
        self.pipeline.producer.command("triggers", "apply")
        self.pipeline.start()

    def use(self, settings):
        """Writes the configuration; programs that are started from now on read it."""
        self.settings = settings
        config = write_config(self.pipeline.config, self.choose_sections())
        head = config.read_text().split("\n# The tables")[0]
        config.write_text(head + settings.fields())

    def write_rows(self):
        """Writes most rows to one partition, so that its bitmaps are large, and values of entities
        that are not alive."""
        ids = [4 * n for n in range(ROWS * 3 // 4)] + self.rng.sample(range(8 * ROWS), ROWS // 4)
        self.ids = sorted({*ids, (1 << 32) - 1})
        self.insert(self.ids)
        self.change_rows(ROWS // 2)
        self.connection.execute(
            '''INSERT INTO "BitdexOps" (entity_id, ops)
            SELECT 8 * %s + n, '[{"op": "set", "field": "level", "value": 1}]'
            FROM generate_series(0, 99) AS n''',
            [ROWS],
        )
        self.settle()

    def change_rows(self, count):
        """Updates `count` rows, deletes a third as many, and inserts some of those again."""
        columns = ", ".join(f"{field} = %s" for field in WRITTEN)
        with self.connection.cursor() as cursor:
            cursor.executemany(
                f"UPDATE thing SET {columns} WHERE id = %s",
                [[*random_row(self.rng, 0, self.nulls)[1:], n]
                 for n in self.rng.sample(self.ids, count)],
            )
        self.replace(self.rng.sample(self.ids, count // 3), count // 4)

    def replace(self, ids, keep):
        """Deletes the rows and inserts the first `keep` of them again with other values."""
        self.connection.execute("DELETE FROM thing WHERE id = ANY(%s)", [ids])
        self.insert(ids[:keep])

    def settle(self):
        """Waits until the index equals the tables, and refreshes the view that SQL reads."""
        self.connection.execute("REFRESH MATERIALIZED VIEW visible")
        self.pipeline.wait_until_fresh()

    def insert(self, ids):
        with self.connection.cursor().copy("COPY thing FROM STDIN") as copy:
            for entity in ids:
                copy.write_row(random_row(self.rng, entity, self.nulls))

    def sql(self, queries):
        """[(how many match, page as text)]"""
        statement = " UNION ALL ".join(
            sql_of_query(self.settings, n, query) for n, query in enumerate(queries))
        return [row[1:] for row in sorted(self.connection.execute(statement).fetchall())]

    def reply(self, query):
        """The complete answer. While a broker stalls, the consumer may lose its place in the group,
        and has to join it again."""

        def is_complete():
            found[:] = [self.pipeline.query(query)]
            return found[0]["complete"]

        found = []
        self.pipeline.consumer.wait_until(is_complete, "has no complete answer")
        return found[0]

    def index(self, query):
        reply = self.reply(query)
        return reply["total_matched"], ",".join(map(str, reply["ids"]))


class SqlCase(QueryCase):
    def check(self, queries):
        for query, wanted in zip(queries, self.sql(queries), strict=True):
            if self.index(query) != wanted:
                self.report(query)

    def differs(self, query):
        return [self.index(query)] != self.sql([query])

    def report(self, query):
        """Fails with the query, reduced as long as a smaller one still gives a different answer."""
        smallest = None
        while smallest is not query:
            smallest = query
            for filters in shorter(smallest.get("filters") or []):
                if self.differs(smallest | {"filters": filters}):
                    query = smallest | {"filters": filters}
                    break
        self.fail(
            f"BITDEX_SEED={SEED}: {json.dumps(query, ensure_ascii=False)}\n"
            f"index {self.index(query)}\nSQL   {self.sql([query])[0]}"
        )

    def walk(self, query):
        """Reads all pages by the cursors of the replies."""
        ids, query = [], dict(query)
        while True:
            reply = self.reply(query)
            ids += reply["ids"]
            if reply["cursor"] is None:
                return reply["total_matched"], ",".join(map(str, ids))
            query["cursor"] = reply["cursor"]


class AgainstSql(SqlCase):
    def test_random_queries_equal_sql(self):
        """Random queries give the answers of SQL, and pages read by cursors are the whole answer.
        """
        self.write_rows()
        queries, end = 0, time.monotonic() + SECONDS
        while queries < QUERIES or time.monotonic() < end:
            self.check([random_query(self.rng) for _ in range(BATCH)])
            queries += BATCH
            if queries % (QUERIES // 5) == 0:
                self.change_rows(BATCH)
                self.settle()
        for _ in range(BATCH):
            query = random_query(self.rng) | {"limit": ROWS, "offset": 0}
            query.pop("cursor", None)
            pages = query | {"limit": self.rng.randrange(1, 200)}
            self.assertEqual(self.walk(pages), self.sql([query])[0], f"BITDEX_SEED={SEED} {pages}")
        print(f"{queries} queries, {BATCH} walks", flush=True)


# --- what the original's client sends


def client_leaf(rng):
    """A filter over fields that most rows lack."""
    field = rng.choice(["level", "score", "flag", "kind", "tags", "post", "id"])
    values = [written(rng, random_value(rng, field)) for _ in range(rng.choice([0, 1, 1, 3, 50]))]
    if field not in ("flag", "kind") and rng.random() < 0.2:
        values.append({"Float": rng.choice([0.5, -1.5, 3.0, 1e19, float(1 << 53), 1e15 + 0.5])})
    leaf = {rng.choice(["In", "NotIn", "NotIn"]): [field, values]}
    if values and rng.random() < 0.5:
        leaf = {rng.choice(["Eq", "NotEq"]): [field, values[-1]]}
    return rng.choice([leaf, leaf, {"Not": leaf}, {rng.choice(["IsNull", "IsNotNull"]): field}])


def client_filter(rng):
    parts = [client_leaf(rng) for _ in range(rng.choice([0, 1, 2, 3, 3]))]
    both = rng.choice([{"And": parts}, {"Or": parts}])
    return rng.choice([client_leaf(rng), both, {"Not": both}])


def client_query(rng):
    """With members that are null or absent."""
    query = {"limit": rng.choice([None, 0, 1, 20, 100, 2 * ROWS]), "cursor": None, "sort": None,
             "filters": [client_filter(rng) for _ in range(rng.choice([0, 1, 1, 2, 3]))] or None,
             "skip_cache": rng.choice([True, False, None])}
    if rng.random() < 0.7:
        query["sort"] = {"field": rng.choice(SORTS), "direction": rng.choice(["Asc", "Desc"])}
    return {name: value for name, value in query.items() if value or rng.random() < 0.5}


EQ_LEVEL = {"Eq": ["level", {"Integer": 1}]}
IN_SCORE = {"In": ["score", [{"Integer": 0}, {"Integer": 2}]]}
SHAPES = [
    {"NotIn": ["kind", [{"String": "image"}, {"String": "1"}]]},
    {"NotEq": ["flag", {"Bool": True}]}, {"NotEq": ["score", {"Integer": 0}]},
    {"NotIn": ["tags", [{"Integer": 3}, {"Integer": 4}]]},
    {"Eq": ["flag", {"Bool": False}]}, {"Eq": ["level", {"Integer": 0}]},
    {"Not": EQ_LEVEL}, {"Not": IN_SCORE}, {"Not": {"And": [EQ_LEVEL, IN_SCORE]}},
    {"Not": {"And": [EQ_LEVEL, {"Not": IN_SCORE}, {"IsNotNull": "kind"}]}},
    {"In": ["level", []]}, {"NotIn": ["level", []]}, {"And": []}, {"Or": []}, {"Not": {"Or": []}},
    {"NotIn": ["kind", []]}, {"In": ["tags", []]}, {"In": ["id", []]}, {"NotIn": ["id", []]},
    {"Or": [EQ_LEVEL, {"Eq": ["kind", {"String": "Image"}]}, {"In": ["tags", [{"Integer": 5}]]}]},
    {"Or": [{"Eq": ["flag", {"Bool": True}]}, {"NotIn": ["kind", [{"String": "image"}]]},
            {"Gt": ["rank", {"Integer": 7}]}]},
    {"Eq": ["level", {"Float": 1.0}]}, {"Eq": ["level", {"Float": 1.5}]},
    {"NotEq": ["level", {"Float": 1.5}]}, {"Gte": ["level", {"Float": 1.5}]},
    {"Lt": ["post", {"Float": float(1 << 53)}]}, {"Gt": ["post", {"Float": 1e300}]},
    {"Eq": ["id", {"Integer": 4}]}, {"NotEq": ["id", {"Float": 4.0}]}, {"Lt": ["id", 400.5]},
    {"IsNull": "id"}, {"IsNotNull": "id"},
]
LONG_SHAPES = [
    {"In": ["id", [{"Integer": n} for n in range(-10, 90000)]]},
    {"NotIn": ["id", [{"Integer": 2 * n} for n in range(50000)]]},
]
BODIES = [
    {}, {"filters": None, "sort": None, "cursor": None, "limit": None}, {"filters": [], "limit": 0},
    {"limit": 0}, {"skip_cache": True}, {"sort": {"field": "id", "direction": "Asc"}, "limit": 7},
]  # fmt: skip


class ClientQueries(SqlCase):
    """Queries in the form of the original's client, to an index whose configuration says nothing
    of nullable fields, over rows that lack most values."""

    settings = Settings(nullable=[], ignores_case=False)
    nulls = 0.85

    def test_its_queries_equal_sql_while_rows_change(self):
        """Every shape that it sends, and BITDEX_QUERIES random queries of these shapes, give the
        answers of SQL; pages read by cursors are the whole answer."""
        self.write_rows()
        shapes = [*BODIES, *({"filters": [shape], "limit": ROWS} for shape in SHAPES)]
        for at in range(0, CLIENT_QUERIES, BATCH):
            self.check(shapes)
            self.check([client_query(self.rng) for _ in range(min(BATCH, CLIENT_QUERIES - at))])
            self.change_rows(BATCH)
            self.settle()
        self.check([*shapes, *({"filters": [shape], "limit": ROWS} for shape in LONG_SHAPES)])
        for sort in SORTS:  # few values and many rows without one
            for direction in ("Asc", "Desc"):
                query = {"filters": [{"NotIn": ["kind", ["image"]]}], "limit": 2 * ROWS,
                         "sort": {"field": sort, "direction": direction}}
                pages = query | {"limit": self.rng.randrange(60, 200)}
                self.assertEqual(self.walk(pages), self.sql([query])[0], f"{SEED} {pages}")

    def test_other_settings_need_no_load(self):
        """A change of nullable and case_insensitive changes what queries match, keeps every value
        and leaves the index complete; fan-outs and removes compare exactly with both."""
        self.write_rows()
        for settings in [Settings(["level", "tags"], True), Settings([], False)]:
            self.pipeline.consumer.stop()
            self.use(settings)
            self.pipeline.consumer.start()
            self.pipeline.wait_until_recovered()
            self.fan_out()
            for partition in self.pipeline.partitions():
                self.assertTrue(partition["complete"], partition)
            self.check([random_query(self.rng) for _ in range(BATCH)])
            self.check([{"filters": [shape], "limit": ROWS} for shape in SHAPES])

    def fan_out(self):
        """The rows follow the fan-out with an UPDATE of exactly those that it must match."""
        value = self.rng.choice(VALUES["score"])
        for kind in ("image", "straße"):
            ops = [{"op": "set", "field": "score", "value": value},
                   {"op": "remove", "field": "kind", "value": kind.upper()}]
            self.connection.execute(
                'INSERT INTO "BitdexOps" (entity_id, ops) VALUES (0, %s)',
                [json.dumps([{"op": "queryOpSet", "query": f"kind eq {kind}", "ops": ops}])],
            )
            self.connection.execute("UPDATE thing SET score = %s WHERE kind = %s", [value, kind])
        self.settle()


class WhileDataChanges(QueryCase):
    """Keyset cursors over data that changes between two pages."""

    def test_cursors_stay_right_while_data_changes(self):
        """An entity that keeps its place in the order is returned exactly once, while others are
        changed, removed and inserted between the pages."""
        self.write_rows()
        query = {"filters": [{"NotEq": ["level", 3]}], "limit": ROWS // 5}
        self.walk(query)
        for field, direction in [
            ("rank", "Desc"), ("rank", "Asc"), ("newest", "Desc"), ("post", "Asc")
        ]:
            self.walk(query | {"sort": {"field": field, "direction": direction}})

    def walk(self, query):
        (_, page), = self.sql([query | {"limit": 2 * ROWS}])
        order = [int(entity) for entity in page.split(",")]
        stay = set(self.rng.sample(order, len(order) * 2 // 3))
        seen, at = [], dict(query)
        while True:
            reply = self.reply(at)
            seen += reply["ids"]
            if reply["cursor"] is None:
                break
            at["cursor"] = reply["cursor"]
            stay.discard(seen[-1])  # the cursor names an entity that is deleted now
            self.change(stay, seen[-1])
        self.assertEqual(
            [entity for entity in seen if entity in stay],
            [entity for entity in order if entity in stay], f"BITDEX_SEED={SEED}: {query}")

    def change(self, stay, last):
        """Deletes and replaces other entities; those in `stay` change a field that is not queried.
        """
        others = [entity for entity in self.ids if entity not in stay and entity != last]
        self.replace([*self.rng.sample(others, 50), last], 40)
        some = self.rng.sample(sorted(stay), min(300, len(stay)))
        self.connection.execute("UPDATE thing SET kind = 'new' WHERE id = ANY(%s)", [some])
        self.settle()


class Refusals(QueryCase):
    def test_bad_queries_are_refused_with_the_reason(self):
        """Unknown fields, wrong types, bad cursors and limits get 400 and the reason."""
        self.settle()  # only a shard that is loaded can refuse a query
        leaf = {"IsNull": "level"}
        deep = leaf
        for _ in range(32):
            deep = {"Not": deep}
        for body, reason in [
            ({"filters": [{"Eq": ["nothing", 1]}]}, 'the index has no field "nothing"'),
            ({"filters": [{"Or": [leaf, {"Not": {"IsNotNull": "Level"}}]}]}, 'no field "Level"'),
            ({"filters": [{"Eq": ["level", "1"]}]}, '"level" takes an integer, not a string'),
            ({"filters": [{"Eq": ["kind", 1.5]}]}, '"kind" takes a string, not a float'),
            ({"filters": [{"In": ["kind", ["a", 1]]}]}, '"kind" takes a string, not an integer'),
            ({"filters": [{"NotIn": ["flag", [True, 0]]}]}, '"flag" takes true or false'),
            ({"filters": [{"Gt": ["kind", "a"]}]}, '"kind" has no order'),
            ({"filters": [{"Lte": ["flag", True]}]}, '"flag" has no order'),
            ({"filters": [{"Gte": ["tags", "a"]}]}, '"tags" is compared with a number'),
            ({"filters": [{"Eq": ["level", None]}]}, "use IsNull"),
            (
                {"filters": [{"Eq": ["level", {"Integer": 1 << 63}]}]},
                "Integer takes an integer of 64 bits",
            ),
            ({"filters": [{"Like": ["kind", "a"]}]}, 'unknown filter "Like"'),
            ({"filters": [{"Not": [leaf]}]}, "a filter is an object with one member"),
            ({"filters": leaf}, "a list of filters"),
            ({"filters": [deep]}, "nest deeper than 32"),
            ({"filters": [leaf] * 10001}, "more than 10000 filters"),
            (
                {"filters": [{"In": ["level", [1] * 50000]}, {"NotIn": ["level", [1] * 50001]}]},
                "more than 100000 values: consumer.query_values",
            ),
            ({"sort": {"field": "level"}}, 'no sort field "level"'),
            ({"sort": {"field": "nothing"}}, 'no sort field "nothing"'),
            ({"sort": {"field": "rank", "direction": "Up"}}, '"Asc" or "Desc"'),
            ({"limit": -1}, "limit must be an integer of at least 0"),
            ({"limit": 1 << 62}, "use a cursor"),
            ({"limit": 1, "offset": 1 << 62}, "use a cursor"),
            ({"offset": 0.5}, "offset must be an integer of at least 0"),
            ({"cursor": 7}, "cursor takes an object"),
            ({"cursor": {"sort_value": 1}}, "cursor needs slot_id"),
            ({"cursor": {"slot_id": "1"}}, "cursor needs slot_id"),
            ({"cursor": {"slot_id": 1, "sort_value": 1.5}}, "sort_value must be an integer or"),
            ({"filter": []}, 'no member "filter"'),
            ([], "a query takes an object"),
        ]:
            with self.subTest(body=str(body)[:80]):
                status, answer = self.pipeline.api.call("/api/indexes/gallery/query", body)
                self.assertEqual((status, list(answer)), (400, ["error"]))
                self.assertIn(reason, answer["error"])
        status, answer = self.pipeline.api.call("/api/indexes/other/query", {})
        self.assertEqual((status, answer), (404, {"error": "Index 'other' not found"}))


if __name__ == "__main__":
    unittest.main()
