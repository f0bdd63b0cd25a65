"""What the index must hold, computed from the description of the application alone.

verify asks the same generator that made the triggers what a field is worth. This module does not:
its SQL is written down here, so that an error in the generator is not on both sides. Fields of json
are left to verify.
"""

import decimal
import math

import index
from schema import quote

BIGINT = range(-(1 << 63) + 1, 1 << 63)
STRING_BYTES = 65536  # a longer string is null
IDS = 32  # entities that are looked at even when no row has them
TIMES = ("timestamptz", "timestamp", "date")


def read(connection, application):
    """{entity: {field: value}} of what exists, without nulls."""
    direct, *others = application.entries
    found = {slot: {} for (slot,) in connection.execute(existence(direct))}
    for entry in [direct, *others]:
        for value in entry.values:
            if is_comparable(value):
                for slot, one in connection.execute(QUERIES[entry.kind](entry, value)):
                    if slot in found:
                        add(found[slot], value, one)
    return found


def is_comparable(value):
    return all(not column.type.startswith("json") for column in value.expression.columns)


def existence(entry):
    return f"SELECT t.{quote(entry.slot.name)} FROM {entry.table.sql} AS t WHERE {met(entry, 't')}"


def met(entry, alias):
    """The condition of the filter."""
    return f"({entry.filter.sql(alias)})" if entry.filter else "true"


def worth(value, alias):
    """The SQL of a value; points in time are seconds."""
    sql = value.expression.sql(alias)
    if value.expression.template == "{}" and value.expression.columns[0].type in TIMES:
        return f"CASE WHEN isfinite({sql}) THEN floor(extract(epoch FROM {sql})) END"
    if value.field_type == "string":
        return f"({sql})::text"
    return sql


def of_row(entry, value):
    return (f"SELECT t.{quote(entry.slot.name)}, {worth(value, 't')} FROM {entry.table.sql} AS t"
            f" WHERE t.{quote(entry.slot.name)} IS NOT NULL AND {met(entry, 't')}")


def of_parents(entry, value):
    """The greatest parent that the filter keeps decides for each entity."""
    key = quote(entry.links[0].parent_key.name)
    joins = [f"{entry.table.sql} AS t"]
    before = "t"
    for number, link in enumerate(entry.links):
        joins.append(f"JOIN {link.table.sql} AS l{number} ON l{number}."
                     f"{quote(link.foreign_key.name)} = {before}.{quote(link.parent_key.name)}")
        before = f"l{number}"
    slot = f"{before}.{quote(entry.links[-1].slot.name)}"
    return (f"SELECT DISTINCT ON ({slot}) {slot}, {worth(value, 't')} FROM {' '.join(joins)}"
            f" WHERE {slot} IS NOT NULL AND {met(entry, 't')} ORDER BY {slot}, t.{key} DESC")


QUERIES = {"direct": of_row, "join": of_row, "query": of_parents, "rows": of_parents}


def add(fields, value, one):
    """Adds a value from Postgres as the index holds it."""
    one = held(value.field_type, one)
    if one is None or one == []:
        return
    if value.field_type == "multi_value":
        one = sorted(set(fields.get(value.field, [])) | set(one))
    fields[value.field] = one


def held(field_type, one):
    """The value of a field; None where the field cannot hold it."""
    if one is None:
        return None
    if field_type == "multi_value":
        several = one if isinstance(one, list) else [one]
        several = [integer(value) for value in several if value is not None]
        return None if None in several else several
    if field_type == "string":
        return one if len(one.encode()) <= STRING_BYTES else None
    return one if field_type == "boolean" else integer(one)


def integer(one):
    """The integer that a number is, or None."""
    if isinstance(one, bool) or not isinstance(one, (int, float, decimal.Decimal)):
        return None
    if not math.isfinite(one) or one != int(one):
        return None
    return int(one) if int(one) in BIGINT else None


def differences(line, connection, application):
    """Lines that say what differs from the entities of the index."""
    wanted = read(connection, application)
    fields = [value.field for entry in application.entries for value in entry.values
              if is_comparable(value)]
    for entity in sorted({*wanted, *range(IDS)}):
        answer = index.read_entity(line.api, entity)
        if answer["alive"] != (entity in wanted):
            yield f"entity {entity} exists: {entity in wanted} in Postgres, verify did not say so"
        elif answer["alive"]:
            yield from compare(entity, fields, wanted[entity], answer["fields"])


def compare(entity, fields, wanted, held_fields):
    for field in fields:
        found = held_fields.get(field)
        found = sorted(found) if isinstance(found, list) else found
        if found != wanted.get(field):
            yield (f"entity {entity}, {field}: {wanted.get(field)!r} in Postgres, {found!r} in the"
                   " index, and verify did not say so")
