"""DDL in the middle of a run. Each change is applied to both databases and to the description of
the application, so that later statements and the configuration use the new names.

RENAMES happen while the programs are stopped, as a deployment would do it: the application's writes
continue, and what they wrote has to arrive when the programs start with the new configuration.
PARTITIONS happen while the programs run.
"""

import dataclasses

from schema import quote

LABELS = {"'calm'": "'quiet'", "'wild'": "'loud'"}


def renames(rng, application):
    """The statements of one random change."""
    kinds = [rename_column] * 3
    kinds += [exchange_names, rename_table, rename_schema, rename_label, drop_column, swap_table,
              rewrite_table]
    found = None
    while not found:
        found = rng.choice(kinds)(rng, application)
    return found


def rename_column(rng, application):
    table = rng.choice(application.tables)
    column = rng.choice(table.columns)
    old, column.name = column.name, f"{column.name}_2"
    return [f"ALTER TABLE {table.sql} RENAME COLUMN {quote(old)} TO {quote(column.name)}"]


def exchange_names(rng, application):
    table = rng.choice(application.tables)
    if len(table.columns) < 2:
        return None
    one, other = rng.sample(table.columns, 2)
    renames = [(one.name, "aside"), (other.name, one.name), ("aside", other.name)]
    one.name, other.name = other.name, one.name
    return [f"ALTER TABLE {table.sql} RENAME COLUMN {quote(old)} TO {quote(new)}"
            for old, new in renames]


def rewrite_table(rng, application):
    # Volatile, but equal in both databases.
    table = rng.choice(application.tables)
    return [f"ALTER TABLE {table.sql} ADD COLUMN IF NOT EXISTS dice float DEFAULT random() * 0",
            f"ALTER TABLE {table.sql} ALTER COLUMN dice TYPE text"]


def rename_table(rng, application):
    table = rng.choice(application.tables)
    old, table.name = table.sql, f"{table.name}_2"
    return [f"ALTER TABLE {old} RENAME TO {quote(table.name)}"]


def rename_schema(_, application):
    old = application.schemas[0]
    if old == "public":
        return None
    new = f"{old}_2"
    application.schemas[0] = new
    for table in application.tables:
        table.schema = new
        for column in table.columns:
            column.type = column.type.replace(f"{quote(old)}.", f"{quote(new)}.")
    return [f"ALTER SCHEMA {quote(old)} RENAME TO {quote(new)}"]


def rename_label(rng, application):
    found = [column for table in application.tables for column in table.columns
             if '"mood ' in column.type and "'calm'" in column.values]
    if not found:
        return None
    column = rng.choice(found)
    old = rng.choice(list(LABELS))
    column.values = [LABELS[old] if value == old else value for value in column.values]
    return [f"ALTER TYPE {column.type} RENAME VALUE {old} TO {LABELS[old]}"]


def drop_column(rng, application):
    """A tracked column goes with its field, and with the triggers of its table: the application
    writes on, and what it writes until `triggers apply` has to be loaded."""
    entry = rng.choice([entry for entry in application.entries if entry.kind == "direct"])
    found = [value for value in entry.values[1:]
             if value.field != "postId" and len(entry.values) > 2]
    if not found:
        return None
    value = rng.choice(found)
    column = value.expression.columns[0]
    entry.values.remove(value)
    entry.table.columns.remove(column)
    return [f"ALTER TABLE {entry.table.sql} DROP COLUMN {quote(column.name)} CASCADE"]


def swap_table(rng, application):
    """A copy of a table takes its place."""
    referred = {id(key.table) for table in application.tables for key in table.foreign_keys}
    found = [table for table in application.tables if id(table) not in referred
             and not table.partitions and not table.foreign_keys and not table.policy]
    if not found:
        return None
    table = rng.choice(found)
    schema, old = quote(table.schema), quote(f"{table.name} old {application.swaps}")
    application.swaps += 1
    return [f"CREATE TABLE {schema}.copied (LIKE {table.sql} INCLUDING ALL)",
            f"INSERT INTO {schema}.copied SELECT * FROM {table.sql}",
            f"ALTER TABLE {table.sql} RENAME TO {old}",
            f"ALTER TABLE {schema}.copied RENAME TO {quote(table.name)}",
            f"GRANT ALL ON {table.sql} TO PUBLIC"]


@dataclasses.dataclass
class PartitionChange:
    """Statements, and the partition that the table has when the database has not refused them."""

    statements: list
    table: object = None
    bound: str = None

    def describe(self):
        """Tells the description of the application about the new partition."""
        if self.bound is None:
            return
        partitions = self.table.partitions
        partitions.bounds[f"{self.table.name} {self.bound}"] = f"FOR VALUES IN ({self.bound})"
        partitions.column.values = [*partitions.column.values, self.bound]


def partitions(rng, application):
    """A random change of partitions; None when no table has any. Foreign keys can refuse it."""
    found = [table for table in application.tables if table.partitions
             and table.partitions.method == "LIST"]
    if not found:
        return None
    table = rng.choice(found)
    return rng.choice([attach_full, attach_moved, detach, drop])(rng, table)


def attach_full(rng, table):
    """A table with rows becomes a partition."""
    return PartitionChange([standalone(table), *fill(rng, table), attach(table)], table, "3")


def attach_moved(_, table):
    """Rows leave a partition for a table that then becomes one."""
    by = quote(table.partitions.column.name)
    listed = ", ".join("3" if column is table.partitions.column else quote(column.name)
                       for column in table.columns)
    move = (f"WITH gone AS (DELETE FROM {table.sql} WHERE {by} = 1 RETURNING *)"
            f" INSERT INTO {new_name(table)} SELECT {listed} FROM gone")
    return PartitionChange([standalone(table), move, attach(table)], table, "3")


def detach(rng, table):
    name = rng.choice(list(table.partitions.bounds))
    return PartitionChange(
        [f"ALTER TABLE {table.sql} DETACH PARTITION {quote(table.schema)}.{quote(name)}"])


def drop(rng, table):
    name = rng.choice(list(table.partitions.bounds))
    return PartitionChange([f"DROP TABLE {quote(table.schema)}.{quote(name)}"])


def new_name(table):
    return f"{quote(table.schema)}.{quote(table.name + ' 3')}"


def standalone(table):
    return f"CREATE TABLE {new_name(table)} (LIKE {table.sql} INCLUDING ALL)"


def fill(rng, table):
    by = table.partitions.column
    for _ in range(3):
        row = ", ".join("3" if column is by else rng.choice(column.values)
                        for column in table.columns)
        yield f"INSERT INTO {new_name(table)} VALUES ({row}) ON CONFLICT DO NOTHING"


def attach(table):
    return f"ALTER TABLE {table.sql} ATTACH PARTITION {new_name(table)} FOR VALUES IN (3)"
