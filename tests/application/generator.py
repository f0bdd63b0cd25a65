"""A random application from a seed.

Each application has a random half of FEATURES, so that a rare fault is not hidden by the common
ones in every run, and a run without a feature shows what needs it.
"""

import re

import application_triggers
from schema import (Application, Column, Entry, Expression, ForeignKey, Link, Partitions, Table,
                    Value, quote)

FEATURES = {
    "evil": "values that ops or fields cannot take",
    "identity": "values that are equal and not identical: collations, 1.0 and 1.00",
    "triggers": "triggers of the application",
    "writers": "functions that write, called in statements",
    "filters": "entries with filters",
    "duplicates": "join tables without a key",
    "loose": "foreign keys that are deferred or missing",
    "parents": "one parent of each entity",
    "several": "several parents of one entity",
    "paths": "a table between parent and child",
    "isolation": "REPEATABLE READ and SERIALIZABLE",
    "settings": "settings of sessions",
    "security": "roles and row security",
    "partitions": "partitioned tables",
    "names": "names that are words of SQL or of generated functions",
    "keys": "keys that move",
    "copies": "COPY, MERGE, ON CONFLICT, WITH",
    "savepoints": "savepoints and prepared transactions",
    "truncate": "TRUNCATE with on_truncate: emit",
    "ddl": "renames, dropped columns and swapped tables in the middle",
    "maintenance": "partitions that are attached, detached and dropped in the middle",
    "free": "threads without a scheduler",
}

ODD_NAMES = ["_list", "_ops", "_parent", "_child", "_old_matches", "_new_matches", "_other", "_fan",
             "n", "o", "r", "new", "old", "order", "select", "user", "_old1", "_value1", "_key1",
             "trigger", "_renamed", "Mixed Case", "naïve"]
INTEGERS = ["0", "1", "2", "5", "11", "50", "NULL"]
TEXTS = ["'a'", "'Foo'", "'foo'", "''", "'it''s'", "'null'", "NULL"]


class Generator:
    def __init__(self, rng, features=None):
        """`features`: exactly these; None: a random half."""
        self.rng = rng
        chosen = {name for name in FEATURES if rng.random() < 0.5}
        self.features = chosen if features is None else set(features)
        if self.has("ddl"):  # functions know names as texts
            self.features -= {"triggers", "writers"}
        self._used = set()
        self._odd = [name for name in ODD_NAMES if rng.random() < 0.5]
        rng.shuffle(self._odd)
        self._types = []
        self._fields = set()
        self.schema = rng.choice(["public", "shop", "Weird Shop"])

    def has(self, feature):
        return feature in self.features

    def maybe(self, feature, chance=0.6):
        return self.has(feature) and self.rng.random() < chance

    def application(self):
        """The application. Its first entry is that of the entities."""
        item = self._item()
        self.application = Application(
            self.features, [self.schema], self._types, [item.table], [item])
        self._joins(item)
        if self.has("parents") or self.rng.random() < 0.2:
            self._parent(item)
        if self.has("several"):
            self._several(item)
        item.table.indexes.append([item.slot])
        if self.has("triggers") or self.has("writers"):
            application_triggers.add(self, self.application)
        return self.application

    # Names and columns

    def name(self, plain):
        """A name that no other column, table or field has."""
        if self.has("names") and self._odd and self.rng.random() < 0.5:
            return self._odd.pop()
        name = plain
        while name in self._used:
            name += "x"
        self._used.add(name)
        return name

    def field(self, plain):
        """A name that no other field has."""
        plain = re.sub("[^A-Za-z0-9_]", "", plain)
        while plain in self._fields:
            plain += "X"
        self._fields.add(plain)
        return plain

    def key(self, plain, last, options=""):
        """A column with ids from 1 to `last`."""
        kind = self.rng.choice(["integer", "bigint"])
        return Column(self.name(plain), kind, [str(n) for n in range(1, last + 1)], options)

    def column(self, plain):
        """A column of a random type."""
        kinds = [self._integer, self._text, self._enum, self._time, self._boolean, self._array]
        if self.has("evil"):
            kinds += [self._json, self._numeric, self._list, self._float]
        if self.has("identity"):
            kinds += [self._folded, self._printed, self._printed]
        if self.has("settings"):
            kinds += [self._bytes, self._float, self._interval]
        return self.rng.choice(kinds)(self.name(plain))

    def _integer(self, name):
        return Column(name, "integer", INTEGERS, field="single_value")

    def _text(self, name):
        return Column(name, self.rng.choice(["text", "varchar"]), TEXTS, field="string")

    def _enum(self, name):
        kind = f'{quote(self.schema)}."mood {name}"'
        self._types.append(f"CREATE TYPE {kind} AS ENUM ('calm', 'wild', 'it''s')")
        return Column(name, kind, ["'calm'", "'wild'", "'it''s'", "NULL"], field="string")

    def _time(self, name):
        kind = self.rng.choice(["timestamptz", "timestamp", "date"])
        values = ["'2020-01-01'", "'2021-02-03 04:05:06.7'", "'1950-01-01'",
                  "'infinity'", "NULL"]
        return Column(name, kind, values, field="single_value")

    def _boolean(self, name):
        return Column(name, "boolean", ["true", "false", "NULL"], field="boolean")

    def _array(self, name):
        values = ["'{1,2}'", "'{2,3,NULL}'", "'{}'", "NULL", "'{7}'"]
        return Column(name, "integer[]", values, field="multi_value")

    def _json(self, name):
        values = [r"""'{"a":"\u0000"}'""", r"""'"\u0000"'""", r"""'"\ud800"'""", "'\"plain\"'",
                  "'{\"a\": 1}'", "'1'", "'[1,null]'", "'null'", "'true'", "NULL"]
        if self.rng.random() < 0.5:  # jsonb refuses the first three
            return Column(name, "json", values, field="string")
        return Column(name, "jsonb", values[3:] + ["'[{\"a\":1}]'"],
                      field=self.rng.choice(["string", "multi_value"]))

    def _numeric(self, name):
        values = ["1", "2.0", "1e2", "9007199254740993.0", "4503599627370497.5",
                  "2.9999999999999999999", "1e-400", "'NaN'", "1e300", "NULL",
                  "'Infinity'"]
        return Column(name, "numeric", values, field="single_value")

    def _float(self, name):
        values = ["1", "0.1", "2.5", "1e100", "'infinity'", "'NaN'", "9007199254740993", "NULL",
                  "0.30000000000000004", "1.0/3"]
        kind = self.rng.choice(["double precision", "real"])
        if self.rng.random() < 0.5:
            return Column(name, kind, values, field="string", expression="{}::text")
        return Column(name, kind, values, field="single_value")

    def _list(self, name):
        kind, values = self.rng.choice([
            ("boolean[]", ["'{t,f}'", "'{}'", "NULL"]),
            ("numeric[]", ["'{1.5,2}'", "'{1,2.0}'", "NULL"]),
            ("text[]", ["'{a,b}'", "'{a,NULL}'", "'{{a},{b}}'", "NULL"]),
            ("text", ["repeat('long', 20000)", "'short'", "NULL"]),
        ])
        field = "string" if kind == "text" else "multi_value"
        return Column(name, kind, values, field=field)

    def _folded(self, name):
        collation = f'{quote(self.schema)}."folded {name}"'
        self._types.append(f"CREATE COLLATION {collation} (provider = icu,"
                           " locale = 'und-u-ks-level2', deterministic = false)")
        return Column(name, "text", ["'Foo'", "'foo'", "'FOO'", "NULL"], f"COLLATE {collation}",
                      field="string")

    def _printed(self, name):
        return Column(name, "numeric", ["1", "1.0", "1.00", "NULL"], field="string",
                      expression="{}::text")

    def _bytes(self, name):
        return Column(name, "bytea", ["'\\x00ff'", "'\\x5c'", "'abc'", "NULL"], field="string",
                      expression="{}::text")

    def _interval(self, name):
        return Column(name, "interval", ["'1 day 02:03:04'", "'-1 mon'", "NULL"], field="string")

    def value(self, column):
        """The field of a column's value."""
        template = column.expression
        if template == "{}" and column.type == "integer" and self.rng.random() < 0.2:
            template = "CASE WHEN {} > 5 THEN 5 ELSE {} END"
        return Value(self.field(column.name), column.field,
                     Expression(template, [column] * template.count("{}")))

    # Tables

    def _table(self, plain, kind, columns, **options):
        emit = self.has("truncate") and self.rng.random() < 0.7
        return Table(self.schema, self.name(plain), columns, kind=kind, has_emit=emit, **options)

    def _item(self):
        """The entry of the entities."""
        key = self.key("id", 8, "NOT NULL")
        values = [self.column(f"value{n}") for n in range(self.rng.randint(2, 4))]
        level = Column(self.name("level"), "integer", INTEGERS, field="single_value")
        count = Column(self.name("count"), "integer", ["0"], "NOT NULL DEFAULT 0",
                       field="single_value")
        gone = Column(self.name("deleted_at"), "timestamptz", ["NULL", "NULL", "'2020-01-01'"])
        table = self._table("item", "direct", [key, level, count, gone, *values], primary=[key])
        if self.maybe("partitions", 0.4):
            table.partitions = self._by_key(table, key)
        elif self.maybe("keys", 0.4):
            table.deferrable = True
        if self.maybe("security", 0.7):
            table.policy = f"{quote(level.name)} IS DISTINCT FROM 2"
        entry = Entry("direct", table, [self.value(c) for c in [level, count, *values]], slot=key,
                      sets_alive=True)
        if self.maybe("filters"):
            entry.filter = Expression("{} IS NULL", [gone])
        return entry

    def _by_key(self, table, key):
        if self.rng.random() < 0.5:
            bounds = {f"{table.name} {n}": f"FOR VALUES WITH (MODULUS 2, REMAINDER {n})"
                      for n in range(2)}
            return Partitions("HASH", key, bounds)
        return Partitions("RANGE", key, {f"{table.name} low": "FOR VALUES FROM (MINVALUE) TO (4)",
                                         f"{table.name} high": "FOR VALUES FROM (4) TO (MAXVALUE)"})

    def _reference(self, column, table, key):
        """A foreign key, or none."""
        if table.partitions and table.deferrable:
            return []
        if self.maybe("loose", 0.4) or table.deferrable:
            return []
        actions = self.rng.choice(["ON DELETE CASCADE ON UPDATE CASCADE", "ON DELETE CASCADE",
                                   "ON DELETE SET NULL ON UPDATE CASCADE", ""])
        if "NOT NULL" in column.options:
            actions = actions.replace("SET NULL", "CASCADE")
        timing = "DEFERRABLE INITIALLY DEFERRED" if self.maybe("loose") else ""
        return [ForeignKey(column, table, key, actions, timing)]

    def _joins(self, item):
        for n in range(self.rng.randint(1, 2)):
            self._join(item, n)

    def _join(self, item, number):
        slot = Column(self.name("item_id"), item.slot.type, item.slot.values)
        tag = Column(self.name("tag"), "integer", ["1", "2", "3", "NULL"])
        source = Column(self.name("source"), "integer", ["1", "2"], "NOT NULL DEFAULT 1")
        off = Column(self.name("off"), "boolean", ["false", "false", "true"],
                     "NOT NULL DEFAULT false")
        if self.has("duplicates"):
            primary = self.rng.choice([[], [slot, tag, source], [source, tag, slot]])
        else:
            primary = [slot, tag]
        if primary:
            tag.values = tag.values[:-1]
        table = self._table("item_tag", "join", [slot, tag, source, off], primary=primary)
        if self.maybe("partitions", 0.4):
            table.partitions = Partitions("LIST", source, {
                f"{table.name} {n}": f"FOR VALUES IN ({n})" for n in (1, 2)})
            if table.primary and source not in table.primary:
                table.primary = [*table.primary, source]
        table.indexes.append([slot])
        if not primary:
            slot.values = slot.values + ["NULL"]
        table.foreign_keys = self._reference(slot, item.table, item.slot)
        entry = Entry("join", table, [Value(self.field(f"tags{number}"), "multi_value",
                                            Expression("{}", [tag]))], slot=slot)
        if self.maybe("filters"):
            entry.filter = Expression("NOT {}", [off])
        if self.rng.random() < 0.3:
            entry.values.append(Value(
                self.field(f"sources{number}"), "multi_value",
                Expression("CASE WHEN {} > 1 THEN {} END", [tag, source])))
        self._add(table, entry)

    def _add(self, table, *entries):
        if table not in self.application.tables:
            self.application.tables.append(table)
        self.application.entries.extend(entries)

    def _parent_table(self, plain):
        key = self.key("id", 4, "NOT NULL")
        values = [self.column(f"{plain}_value{n}") for n in range(self.rng.randint(1, 2))]
        count = Column(self.name("count"), "integer", ["0"], "NOT NULL DEFAULT 0",
                       field="single_value")
        hidden = Column(self.name("hidden"), "boolean", ["false", "false", "true"],
                        "NOT NULL DEFAULT false")
        table = self._table(plain, "parent", [key, count, hidden, *values], primary=[key])
        if self.maybe("partitions", 0.3):
            table.partitions = self._by_key(table, key)
        if self.maybe("security", 0.4):
            table.policy = f"NOT {quote(hidden.name)}"
        return table, [self.value(column) for column in [count, *values]], hidden

    def _parent(self, item):
        """An item has one parent."""
        table, values, hidden = self._parent_table("post")
        key = table.primary[0]
        mine = Column(self.name("post_id"), key.type, key.values + ["NULL"])
        item.table.columns.append(mine)
        self.application.tables.insert(0, table)
        item.table.foreign_keys += self._reference(mine, table, key)
        item.table.indexes.append([mine, item.slot])
        link = Link(item.table, mine, key, item.slot)
        if self.rng.random() < 0.5:
            field = self.field("postId")
            item.values.append(Value(field, "single_value", Expression("{}", [mine])))
            entry = Entry("query", table, values, links=[link], query_field=field)
        else:
            entry = Entry("rows", table, values, links=[link])
        if self.maybe("filters"):
            entry.filter = Expression("NOT {}", [hidden])
        self._add(table, entry)

    def _several(self, item):
        """An item has several parents, through a table of its own."""
        table, values, hidden = self._parent_table("version")
        key = table.primary[0]
        self.application.tables.insert(0, table)
        slot = Column(self.name("item_id"), item.slot.type, item.slot.values)
        mine = Column(self.name("version_id"), key.type, key.values)
        row = self.key("row", 12, "NOT NULL")
        primary = self.rng.choice([[row], [slot, mine]])
        child = self._table("resource", "child", [row, slot, mine], primary=primary)
        if primary == [row]:
            slot.values, mine.values = slot.values + ["NULL"], mine.values + ["NULL"]
        child.indexes += [[mine, slot], [slot]]
        child.foreign_keys = self._reference(slot, item.table, item.slot)
        child.foreign_keys += self._reference(mine, table, key)
        links = [Link(child, mine, key, slot)]
        entry = Entry("rows", table, values, links=links)
        if self.maybe("filters"):
            entry.filter = Expression("NOT {}", [hidden])
        self._add(table, entry)
        self.application.tables.append(child)
        if self.maybe("paths", 0.8):
            self._path(entry)

    def _path(self, below):
        """A parent of the parents."""
        table, values, hidden = self._parent_table("model")
        key = table.primary[0]
        self.application.tables.insert(0, table)
        mine = Column(self.name("model_id"), key.type, key.values + ["NULL"])
        below.table.columns.append(mine)
        below.table.indexes.append([mine])
        below.table.foreign_keys += self._reference(mine, table, key)
        link = Link(below.table, mine, key)
        entry = Entry("rows", table, values, links=[link, *below.links])
        if self.maybe("filters"):
            entry.filter = Expression("NOT {}", [hidden])
        self._add(table, entry)
