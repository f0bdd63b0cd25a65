"""What an application consists of: its tables, and the configuration that indexes them.

generator.py fills these classes at random. DDL in the middle of a run changes them, so that later
statements and the configuration use the new names.
"""

import dataclasses
import json
import re


def quote(name):
    return '"' + name.replace('"', '""') + '"'


@dataclasses.dataclass
class Column:
    name: str
    type: str
    values: list  # SQL literals that statements choose from
    options: str = ""  # COLLATE, NOT NULL, DEFAULT
    field: str = ""  # field_type of an index field that takes it; "": it is not indexed
    expression: str = "{}"  # what the configuration says of it; {} is the column

    @property
    def sql(self):
        return f"{quote(self.name)} {self.type} {self.options}".rstrip()


@dataclasses.dataclass
class ForeignKey:
    column: Column
    table: "Table"  # that it refers to
    key: Column
    actions: str = ""  # ON DELETE ..., ON UPDATE ...
    timing: str = ""  # DEFERRABLE INITIALLY DEFERRED


@dataclasses.dataclass
class Partitions:
    method: str  # LIST, HASH, RANGE
    column: Column
    bounds: dict  # {name: "FOR VALUES ..." or "DEFAULT"}


@dataclasses.dataclass
class Table:
    schema: str
    name: str
    columns: list
    primary: list = dataclasses.field(default_factory=list)  # columns; empty: no primary key
    deferrable: bool = False  # the primary key
    foreign_keys: list = dataclasses.field(default_factory=list)
    indexes: list = dataclasses.field(default_factory=list)  # lists of columns
    partitions: Partitions = None
    policy: str = ""  # a condition of row security
    has_emit: bool = False  # TRUNCATE is allowed
    kind: str = ""  # direct, join, child, link, parent: for triggers.py and statements.py

    @property
    def sql(self):
        """The name in SQL."""
        return f"{quote(self.schema)}.{quote(self.name)}"

    @property
    def path(self):
        """The name in the configuration."""
        return self.name if self.schema == "public" else f"{self.schema}.{self.name}"

    def create(self):
        """The statements that create it."""
        lines = [column.sql for column in self.columns]
        if self.primary:
            timing = " DEFERRABLE" if self.deferrable else ""
            lines.append(f"PRIMARY KEY ({names(self.primary)}){timing}")
        for key in self.foreign_keys:
            lines.append(
                f"FOREIGN KEY ({quote(key.column.name)}) REFERENCES {key.table.sql}"
                f" ({quote(key.key.name)}) {key.actions} {key.timing}".rstrip())
        by = self.partitions
        tail = f" PARTITION BY {by.method} ({quote(by.column.name)})" if by else ""
        yield f"CREATE TABLE {self.sql} ({', '.join(lines)}){tail}"
        for name, bounds in by.bounds.items() if by else ():
            yield (f"CREATE TABLE {quote(self.schema)}.{quote(name)} PARTITION OF {self.sql}"
                   f" {bounds}")
        for columns in self.indexes:
            yield f"CREATE INDEX ON {self.sql} ({names(columns)})"
        yield f"GRANT ALL ON {self.sql} TO {WRITER}"
        if self.policy:
            yield f"ALTER TABLE {self.sql} ENABLE ROW LEVEL SECURITY"
            yield f"CREATE POLICY own ON {self.sql} TO {WRITER} USING ({self.policy})"


WRITER = "bitdex_application_writer"  # a role of the cluster, without rights of its own


def names(columns):
    return ", ".join(quote(column.name) for column in columns)


def placeholders(columns, template):
    """The template with each {} replaced by the {name} of the next column."""
    for column in columns:
        template = template.replace("{}", "{" + column.name + "}", 1)
    return template


@dataclasses.dataclass
class Expression:
    """An expression of the configuration. It follows its columns when they are renamed."""

    template: str  # {} for each column
    columns: list

    @property
    def text(self):
        return placeholders(self.columns, self.template)

    def sql(self, alias):
        """The same as SQL over the columns of a table's alias."""
        text = self.template
        for column in self.columns:
            text = text.replace("{}", f"{alias}.{quote(column.name)}", 1)
        return text


@dataclasses.dataclass
class Value:
    """A field of the index, and the expression of its value."""

    field: str
    field_type: str  # single_value, multi_value, boolean, string
    expression: Expression

    @property
    def config(self):
        if self.expression.template == "{}":
            return {"column": self.expression.columns[0].name, "target": self.field}
        return {"target": self.field, "expression": self.expression.text}


@dataclasses.dataclass
class Link:
    """A table on the way from a parent to entities, the parent's child first."""

    table: Table
    foreign_key: Column
    parent_key: Column  # of the table before it
    slot: Column = None  # of the last one

    def config(self, key):
        found = {"table": self.table.path, "fk": self.foreign_key.name}
        return found | ({"slot": self.slot.name} if self.slot else {"key": key.name})


@dataclasses.dataclass
class Entry:
    """An item of `triggers`."""

    kind: str  # direct, join, query, rows
    table: Table
    values: list
    slot: Column = None  # direct, join
    sets_alive: bool = False
    filter: Expression = None
    links: list = dataclasses.field(default_factory=list)  # query, rows
    query_field: str = ""  # query

    @property
    def config(self):
        found = {"table": self.table.path}
        if self.slot:
            found["slot_field"] = self.slot.name
        if self.sets_alive:
            found |= {"sets_alive": True, "on_delete": "delete_slot"}
        if self.table.has_emit:
            found["on_truncate"] = "emit"
        if self.filter:
            found["filter"] = self.filter.text
        return found | getattr(self, f"_{self.kind}")()

    def _direct(self):
        return {"track_fields": [value.config for value in self.values]}

    def _join(self):
        first, *more = self.values
        found = {"field": first.field, "value_field": first.expression.columns[0].name}
        if more:
            found["computed_fields"] = [value.config for value in more]
        return found

    def _query(self):
        query = f"{self.query_field} eq {{{self.links[0].parent_key.name}}}"
        return {"query": query, "children": self._path()} | self._direct()

    def _rows(self):
        return {"type": "fan_out_per_row", "rows_from": self._path()} | self._direct()

    def _path(self):
        after = [link.parent_key for link in self.links[1:]] + [None]
        path = [link.config(key) for link, key in zip(self.links, after)]
        return path if len(path) > 1 else path[0]


@dataclasses.dataclass
class Application:
    """Tables, configuration, triggers and functions of an application."""

    features: set
    schemas: list
    types: list  # statements that create enum types and collations
    tables: list
    entries: list
    triggers: list = dataclasses.field(default_factory=list)  # statements
    functions: list = dataclasses.field(default_factory=list)  # of statements.py: (table, name)
    swaps: int = 0  # tables that copies have replaced

    @property
    def direct(self):
        return self.entries[0].table

    def create(self):
        """The statements that create it."""
        for schema in self.schemas:
            if schema != "public":
                yield f"CREATE SCHEMA {quote(schema)}"
            yield f"GRANT ALL ON SCHEMA {quote(schema)} TO {WRITER}"
        yield from self.types
        for table in self.tables:
            yield from table.create()
        yield from self.triggers

    def config(self):
        """The sections `triggers` and `index_config` as YAML."""
        lines = ["", "triggers:"]
        lines += [f"  - {to_yaml(entry.config)}" for entry in self.entries]
        lines += ["index_config:", "  filter_fields:"]
        for value in (value for entry in self.entries for value in entry.values):
            lines.append(f"    - {{ name: {value.field}, field_type: {value.field_type} }}")
        return "\n".join(lines) + "\n"


def to_yaml(value):
    """JSON is YAML, but for what the configuration reads as a variable."""
    return re.sub(r"\$\{", "$${", json.dumps(value, ensure_ascii=False))
