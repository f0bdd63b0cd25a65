"""Random statements over the tables of an application.

They depend on the seed and on the tables alone, never on rows, so that the same list can be run
against two databases and any part of it can be left out. Keys are few, so most statements meet
rows. Many statements fail; with and without our triggers the same ones have to.
"""

import dataclasses

from schema import names, quote

COPY_NULL = "\\N"


@dataclasses.dataclass
class Statement:
    sql: str
    copied: str = None  # the lines of a COPY FROM STDIN


class Statements:
    def __init__(self, rng, application, server_version):
        self.rng = rng
        self.application = application
        self.features = application.features
        self.has_merge = server_version >= 150000
        self._kinds = self._weights()

    def any(self):
        kinds, weights = zip(*self._kinds.items())
        made = None
        while made is None:
            made = self.rng.choices(kinds, weights)[0](self._table())
        return made if isinstance(made, Statement) else Statement(made)

    def _weights(self):
        kinds = {self.insert: 6, self.insert_many: 2, self.update: 8, self.update_many: 2,
                 self.delete: 3, self.select: 1, self.move: 3}
        if "keys" in self.features:
            kinds |= {self.move_key: 2, self.swap: 1, self.shift: 1}
        if "copies" in self.features:
            kinds |= {self.copy: 2, self.upsert: 3, self.with_all: 2}
            if self.has_merge:
                kinds[self.merge] = 2
        if "truncate" in self.features:
            kinds[self.truncate] = 0.4
        if "writers" in self.features and self.application.functions:
            kinds |= {self.write_returning: 2, self.write_set: 2, self.write_with: 2}
        if "filters" in self.features:
            kinds[self.undelete] = 3
        return kinds

    def _table(self):
        return self.rng.choice(self.application.tables)

    # Parts

    def value(self, column):
        return self.rng.choice(column.values)

    def row(self, table):
        return [self.value(column) for column in table.columns]

    def tuple(self, table):
        return f"({', '.join(self.row(table))})"

    def match(self, table):
        """A condition that finds a few rows."""
        keys = table.primary or table.columns[:1]
        if self.rng.random() < 0.3:
            keys = keys[:1]
        if self.rng.random() < 0.15:
            keys = [self.rng.choice(table.columns)]
        return " AND ".join(self.equal(column) for column in keys)

    def equal(self, column):
        value = self.value(column)
        if value == "NULL":
            return f"{quote(column.name)} IS NULL"
        if column.type == "json":
            return f"{quote(column.name)}::text = {value}"
        if column.values[0] == "1" and self.rng.random() < 0.2:  # a key
            return f"{quote(column.name)} IN ({value}, {self.value(column)})".replace("NULL", "1")
        return f"{quote(column.name)} = {value}"

    def assignments(self, table):
        found = [c for c in table.columns if c not in table.primary and len(c.values) > 1]
        if not found:
            return None
        chosen = self.rng.sample(found, min(len(found), self.rng.choice([1, 1, 1, 2, 3])))
        return ", ".join(f"{quote(column.name)} = {self.value(column)}" for column in chosen)

    def into(self, table):
        return f"INSERT INTO {table.sql} ({names(table.columns)})"

    # Statements

    def insert(self, table):
        rows = ", ".join(self.tuple(table) for _ in range(self.rng.choice([1, 1, 2])))
        tail = "" if table.deferrable or self.rng.random() < 0.4 else " ON CONFLICT DO NOTHING"
        return f"{self.into(table)} VALUES {rows}{tail}"

    def insert_many(self, table):
        """Rows with successive keys."""
        if table.deferrable:
            return None
        key = (table.primary or table.columns)[0]
        values = ["n" if column is key else self.value(column) for column in table.columns]
        first = self.rng.randint(1, 4)
        return (f"{self.into(table)} SELECT {', '.join(values)} FROM"
                f" generate_series({first}, {first + 2}) AS n ON CONFLICT DO NOTHING")

    def update(self, table):
        found = self.assignments(table)
        return found and f"UPDATE {table.sql} SET {found} WHERE {self.match(table)}"

    def update_many(self, table):
        found = self.assignments(table)
        return found and f"UPDATE {table.sql} SET {found}"

    def delete(self, table):
        if self.rng.random() < 0.03:
            return f"DELETE FROM {table.sql}"
        return f"DELETE FROM {table.sql} WHERE {self.match(table)}"

    def select(self, table):
        """What an application reads, and counts in SERIALIZABLE."""
        lock = self.rng.choice(["", " FOR UPDATE", " FOR SHARE", " FOR KEY SHARE"])
        if not lock:
            return f"SELECT count(*) FROM {table.sql} WHERE {self.match(table)}"
        return f"SELECT 1 FROM {table.sql} WHERE {self.match(table)}{lock}"

    def move(self, table):
        """Another parent or entity of a child."""
        found = [link for entry in self.application.entries for link in entry.links]
        slots = [(entry.table, entry.slot) for entry in self.application.entries
                 if entry.kind == "join"]
        moves = [(link.table, link.foreign_key) for link in found] + slots
        if not moves:
            return None
        table, column = self.rng.choice(moves)
        where = self.match(table) if self.rng.random() < 0.6 else self.equal(column)
        return f"UPDATE {table.sql} SET {quote(column.name)} = {self.value(column)} WHERE {where}"

    def undelete(self, _):
        """A soft delete, or its end."""
        table = self.application.direct
        value = self.rng.choice(["NULL", "'2020-01-01'"])
        gone = quote(table.columns[3].name)
        return f"UPDATE {table.sql} SET {gone} = {value} WHERE {self.match(table)}"

    def move_key(self, table):
        if not table.primary:
            return None
        column = self.rng.choice(table.primary)
        return (f"UPDATE {table.sql} SET {quote(column.name)} = {self.value(column)}"
                f" WHERE {self.match(table)}")

    def swap(self, table):
        """Two rows exchange their keys, which only a deferrable key allows."""
        if not table.deferrable:
            return None
        key = table.primary[0]
        a, b = self.value(key), self.value(key)
        name = quote(key.name)
        return (f"UPDATE {table.sql} SET {name} = CASE {name} WHEN {a} THEN {b} ELSE {a} END"
                f" WHERE {name} IN ({a}, {b})")

    def shift(self, table):
        if not table.primary:
            return None
        key = quote(table.primary[0].name)
        return f"UPDATE {table.sql} SET {key} = {key} + 1 WHERE {self.match(table)}"

    def upsert(self, table):
        found = self.assignments(table)
        if not table.primary or table.deferrable or not found:
            return None
        return (f"{self.into(table)} VALUES {self.tuple(table)}"
                f" ON CONFLICT ({names(table.primary)}) DO UPDATE SET {found}")

    def with_all(self, table):
        """Several changes in one statement, which see one snapshot."""
        other = self._table()
        found = self.assignments(other)
        if not found:
            return None
        first = self.rng.choice([
            f"DELETE FROM {table.sql} WHERE {self.match(table)} RETURNING 1 AS done",
            f"{self.into(table)} VALUES {self.tuple(table)} RETURNING 1 AS done"])
        return (f"WITH first AS ({first}) UPDATE {other.sql} SET {found}"
                f" WHERE {self.match(other)}")

    def merge(self, table):
        found = self.assignments(table)
        if not table.primary or not found:
            return None
        key = quote(table.primary[0].name)
        listed = names(table.columns)
        return (f"MERGE INTO {table.sql} AS t USING (VALUES ({self.value(table.primary[0])}),"
                f" ({self.value(table.primary[0])})) AS s (k) ON t.{key} = s.k"
                f" WHEN MATCHED AND s.k < 3 THEN DELETE WHEN MATCHED THEN UPDATE SET {found}"
                f" WHEN NOT MATCHED THEN INSERT ({listed}) VALUES {self.tuple(table)}")

    def copy(self, table):
        """COPY reads its values as text."""
        if any(not is_plain(value) for column in table.columns for value in column.values):
            return None
        lines = ["\t".join(as_copied(value) for value in self.row(table)) + "\n"
                 for _ in range(self.rng.choice([1, 2]))]
        return Statement(f"COPY {table.sql} ({names(table.columns)}) FROM STDIN", "".join(lines))

    def truncate(self, _):
        """TRUNCATE of tables whose configuration allows it, never with CASCADE to others."""
        referred = [key.table for table in self.application.tables for key in table.foreign_keys]
        refused = [table for entry in self.application.entries if not entry.table.has_emit
                   for table in [entry.table, *(link.table for link in entry.links)]]
        found = [table for table in self.application.tables
                 if not any(table is other for other in referred + refused)]
        return f"TRUNCATE {self.rng.choice(found).sql}" if found else None

    def write_returning(self, _):
        table, function = self.rng.choice(self.application.functions)
        found = self.assignments(table)
        key = quote(table.primary[0].name)
        if found and self.rng.random() < 0.5:
            return (f"UPDATE {table.sql} SET {found} WHERE {self.match(table)}"
                    f" RETURNING {function}({key})")
        return f"{self.into(table)} VALUES {self.tuple(table)} RETURNING {function}({key})"

    def write_set(self, _):
        table, function = self.rng.choice(self.application.functions)
        found = [c for c in table.columns if c.type in ("integer", "bigint")
                 and c not in table.primary]
        if not found:
            return None
        column, key = quote(self.rng.choice(found).name), quote(table.primary[0].name)
        return (f"UPDATE {table.sql} SET {column} = {function}({self.value(table.primary[0])})"
                f" WHERE {key} = {self.value(table.primary[0])}")

    def write_with(self, _):
        table, function = self.rng.choice(self.application.functions)
        key = quote(table.primary[0].name)
        return (f"WITH i AS ({self.into(table)} VALUES {self.tuple(table)} RETURNING {key} AS k)"
                f" SELECT {function}(k) FROM i")


def is_plain(value):
    """Whether a literal can be a value of COPY."""
    return value == "NULL" or value.strip("'") == value.strip("'").replace("'", "") \
        and (value.startswith("'") or value.replace(".", "").isalnum()) and "\\" not in value


def as_copied(value):
    if value == "NULL":
        return COPY_NULL
    return value.strip("'")
