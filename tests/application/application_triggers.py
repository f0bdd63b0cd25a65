"""Triggers of the application, and functions that write.

Half of their names sort before `bitdex_`, half after. Each stops at a depth of three triggers, so
that they may call each other.
"""

from schema import quote

BEFORE, AFTER = "a", "z"  # how names begin


def add(generator, application):
    if generator.has("triggers"):
        for number in range(generator.rng.randint(2, 4)):
            make = generator.rng.choice([
                clamp_after, clamp_after, clamp_before, delete_after, soft_delete, renumber,
                count_rows, count_rows, write_elsewhere, write_elsewhere, of_statement, deferred,
            ])
            Maker(generator, application, number).run(make)
    if generator.has("writers"):
        for number in range(2):
            add_function(generator, application, number)


class Maker:
    def __init__(self, generator, application, number):
        self.rng = generator.rng
        self.application = application
        self.number = number

    def run(self, make):
        table = self.rng.choice(self.application.tables[:])
        made = make(self, table)
        if made is not None:
            self.application.triggers += made

    def trigger(self, table, when, body, each="ROW", result="NULL", constraint=""):
        """The statements of a trigger; `body` is in PL/pgSQL."""
        name = f"{self.rng.choice([BEFORE, AFTER])}_trigger_{self.number}"
        function = f"{quote(table.schema)}.{quote(name)}"
        yield (f"CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $$\n"
               f"BEGIN\n    IF pg_trigger_depth() < 4 THEN\n        {body}\n    END IF;\n"
               f"    RETURN {result};\nEND $$")
        kind = "CONSTRAINT TRIGGER" if constraint else "TRIGGER"
        yield (f"CREATE {kind} {quote(name)} {when} ON {table.sql} {constraint}"
               f" FOR EACH {each} EXECUTE FUNCTION {function}()")


def own_row(table, row="NEW"):
    """The condition that finds the row of a trigger."""
    keys = table.primary or table.columns[:2]
    return " AND ".join(f"{quote(key.name)} = {row}.{quote(key.name)}" for key in keys)


def settable(table):
    """A column that may get any of its values without moving the row's key."""
    return [column for column in table.columns
            if column not in table.primary and len(column.values) > 1]


def is_count(column):
    """A counter has a single value, which statements insert and never set."""
    return column.values == ["0"]


def change(maker, table):
    """`column = value`."""
    found = settable(table)
    if not found:
        return None
    column = maker.rng.choice(found)
    return f"{quote(column.name)} = {maker.rng.choice(column.values)}", column


def condition(maker, table, row="NEW"):
    """Some rows of the table, often most of them."""
    column = maker.rng.choice(settable(table) or table.columns)
    value = maker.rng.choice(column.values)
    if value == "NULL" or column.type == "json":
        return f"{row}.{quote(column.name)} IS NOT NULL"
    return f"{row}.{quote(column.name)} IS DISTINCT FROM {value}::{column.type}"


def clamp_after(maker, table):
    """Changes the row again after it was written."""
    found = change(maker, table)
    if found is None:
        return None
    body = (f"IF {condition(maker, table)} THEN UPDATE {table.sql} SET {found[0]}"
            f" WHERE {own_row(table)} AND {quote(found[1].name)}::text IS DISTINCT FROM"
            f" {found[0].split(' = ', 1)[1]}::{found[1].type}::text; END IF;")
    return maker.trigger(table, "AFTER INSERT OR UPDATE", body)


def clamp_before(maker, table):
    found = change(maker, table)
    if found is None:
        return None
    assign = found[0].replace(" = ", " := ", 1)
    return maker.trigger(table, "BEFORE INSERT OR UPDATE",
                         f"IF {condition(maker, table)} THEN NEW.{assign}; END IF;", result="NEW")


def delete_after(maker, table):
    """Deletes the row that was written."""
    when = maker.rng.choice(["AFTER INSERT", "AFTER INSERT OR UPDATE", "AFTER UPDATE"])
    column = maker.rng.choice(settable(table) or table.columns)
    values = [value for value in column.values if value != "NULL"] or ["0"]
    body = (f"IF NEW.{quote(column.name)}::text = {maker.rng.choice(values)}::{column.type}::text"
            f" THEN DELETE FROM {table.sql} WHERE {own_row(table)}; END IF;")
    return maker.trigger(table, when, body)


def soft_delete(maker, table):
    """A DELETE only marks the row, but for one that is marked already."""
    table = maker.application.direct
    gone = table.columns[3]
    body = (f"IF OLD.{quote(gone.name)} IS NULL THEN UPDATE {table.sql} SET {quote(gone.name)} ="
            f" '2020-01-01' WHERE {own_row(table, 'OLD')}; RETURN NULL; END IF;")
    return maker.trigger(table, "BEFORE DELETE", body, result="OLD")


def renumber(maker, table):
    """Changes the other rows of the table, those of the same statement included."""
    found = change(maker, table)
    if found is None:
        return None
    key = (table.primary or table.columns)[0]
    body = (f"UPDATE {table.sql} SET {found[0]}"
            f" WHERE {quote(key.name)} <> NEW.{quote(key.name)};")
    return maker.trigger(table, "AFTER UPDATE", body.replace(
        "UPDATE", "IF pg_trigger_depth() < 2 THEN UPDATE", 1) + " END IF;")


def count_rows(maker, table):
    """A counter in the row that a foreign key refers to."""
    keys = [(child, key) for child in maker.application.tables for key in child.foreign_keys
            if any(is_count(column) for column in key.table.columns)]
    if not keys:
        return None
    child, key = maker.rng.choice(keys)
    count = next(c for c in key.table.columns if is_count(c))
    mine, theirs = quote(key.column.name), quote(key.key.name)
    body = (f"UPDATE {key.table.sql} SET {quote(count.name)} = {quote(count.name)} + 1"
            f" WHERE {theirs} = NEW.{mine};")
    more = (f" IF TG_OP = 'DELETE' THEN UPDATE {key.table.sql} SET {quote(count.name)} ="
            f" {quote(count.name)} - 1 WHERE {theirs} = OLD.{mine}; END IF;")
    return maker.trigger(child, "AFTER INSERT OR DELETE", body + more)


def write_elsewhere(maker, table):
    """Updates, deletes or inserts rows of any table."""
    other = maker.rng.choice(maker.application.tables)
    found = change(maker, other)
    where = maker.rng.choice(other.columns)
    value = maker.rng.choice([v for v in where.values if v != "NULL"])
    match = f"{quote(where.name)}::text = {value}::{where.type}::text"
    columns = [c for c in other.columns]
    values = ", ".join(maker.rng.choice(c.values) for c in columns)
    listed = ", ".join(quote(c.name) for c in columns)
    bodies = [f"DELETE FROM {other.sql} WHERE {match};"]
    if not other.deferrable:
        bodies.append(f"INSERT INTO {other.sql} ({listed}) VALUES ({values})"
                      " ON CONFLICT DO NOTHING;")
    if found:
        bodies += [f"UPDATE {other.sql} SET {found[0]} WHERE {match};"] * 2
    when = maker.rng.choice(["AFTER INSERT", "AFTER UPDATE", "AFTER DELETE", "BEFORE UPDATE",
                             "BEFORE INSERT"])
    result = "NEW" if when.startswith("BEFORE") else "NULL"
    body = maker.rng.choice(bodies)
    if other is table:
        body = f"IF pg_trigger_depth() < 2 THEN {body} END IF;"
    return maker.trigger(table, when, body, result=result)


def of_statement(maker, table):
    """Changes rows after the whole statement."""
    found = change(maker, table)
    if found is None:
        return None
    where = maker.rng.choice(table.columns)
    value = maker.rng.choice([v for v in where.values if v != "NULL"])
    body = (f"IF pg_trigger_depth() < 2 THEN UPDATE {table.sql} SET {found[0]}"
            f" WHERE {quote(where.name)}::text = {value}::{where.type}::text; END IF;")
    return maker.trigger(table, "AFTER INSERT OR UPDATE", body, each="STATEMENT")


def deferred(maker, table):
    """Changes or deletes the row again at the commit. There every call is the outermost one, so the
    change must come to an end by itself."""
    counts = [column for column in table.columns if is_count(column)]
    if counts:
        count = quote(counts[0].name)
        body = (f"UPDATE {table.sql} SET {count} = {count} + 1"
                f" WHERE {own_row(table)} AND {count} < 3;")
    else:
        column = maker.rng.choice(table.columns)
        value = maker.rng.choice([value for value in column.values if value != "NULL"])
        body = (f"DELETE FROM {table.sql} WHERE {own_row(table)}"
                f" AND {quote(column.name)}::text = {value}::{column.type}::text;")
    return maker.trigger(table, "AFTER INSERT OR UPDATE", body,
                         constraint="DEFERRABLE INITIALLY DEFERRED")


def add_function(generator, application, number):
    """A function that changes or deletes the row with its argument, and returns the argument."""
    rng = generator.rng
    table = rng.choice([table for table in application.tables if table.primary])
    key = table.primary[0]
    where = f"{quote(key.name)} = $1"
    found = change(Maker(generator, application, number), table)
    if found is None or rng.random() < 0.3:
        body = f"DELETE FROM {table.sql} WHERE {where}"
    else:
        body = f"UPDATE {table.sql} SET {found[0]} WHERE {where}"
    name = f"{quote(table.schema)}.write_{number}"
    application.triggers.append(
        f"CREATE FUNCTION {name}(bigint) RETURNS bigint LANGUAGE plpgsql AS $$\n"
        f"BEGIN\n    {body}; RETURN $1;\nEND $$")
    application.functions.append((table, name))
