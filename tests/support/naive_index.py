"""A naive index: applies the ops rows of an outbox in the order of their ids.

It is written from the documented meaning of the ops alone (docs/triggers.md) and shares no code
with the triggers that write them.
"""

import collections
import json
import re


class NaiveIndex:
    """{entity: {field: value}}; `multi` names the multi-value fields."""

    def __init__(self, multi):
        self._multi = multi
        self._last = 0
        self.alive = set()
        self.fields = collections.defaultdict(dict)

    def read(self, connection):
        """Applies the rows that came since the last call; returns them as [(entity, ops)]."""
        rows = connection.execute(
            'SELECT id, entity_id, ops FROM "BitdexOps" WHERE id > %s ORDER BY id', (self._last,)
        ).fetchall()
        for row_id, entity, ops in rows:
            assert ops, f"a row without ops: {row_id}"
            self._last = row_id
            for op in ops:
                self._apply(entity, op)
        return [(entity, ops) for _, entity, ops in rows]

    def entities(self):
        """{entity: fields} of the entities that are alive."""
        return {entity: present(self.fields[entity]) for entity in self.alive}

    def _apply(self, entity, op):
        kind, fields = op["op"], self.fields[entity]
        if kind == "alive":
            self.alive.add(entity)
        elif kind == "delete":
            self.alive.discard(entity)
            fields.clear()
        elif kind == "queryOpSet":
            for match in self._find(op["query"]):
                for nested in op["ops"]:
                    self._apply(match, nested)
        elif op["field"] in self._multi:
            self._apply_multi(kind, fields, op["field"], op["value"])
        elif kind == "remove":
            assert op["value"] is not None, op
            if fields.get(op["field"]) == op["value"]:
                del fields[op["field"]]
        else:
            assert kind == "set", op
            fields[op["field"]] = op["value"]

    @staticmethod
    def _apply_multi(kind, fields, field, value):
        values = set(value if isinstance(value, list) else [value])
        had = fields.get(field) or set()
        if kind == "remove":
            assert value is not None
            fields[field] = had - values
        elif kind == "set" and value is None:
            fields[field] = set()
        elif kind == "set" and isinstance(value, list):
            fields[field] = values
        else:
            assert value is not None
            fields[field] = had | values

    def _find(self, query):
        """Every entity that a conjunction of `field eq value` and `field in [...]` matches."""
        found = []
        for entity, fields in list(self.fields.items()):
            if all(self._matches(fields, clause) for clause in re.split(r"(?i) and ", query)):
                found.append(entity)
        return found

    @staticmethod
    def _matches(fields, clause):
        field, operator, value = clause.split(None, 2)
        wanted = json.loads(value)
        assert operator in ("eq", "in") and isinstance(wanted, list) == (operator == "in"), clause
        has = fields.get(field)
        values = has if isinstance(has, set) else {has} - {None}
        return not values.isdisjoint(wanted if operator == "in" else [wanted])


def present(fields):
    """The fields that have a value, without nulls and empty sets; sets as sorted lists."""
    return {
        name: sorted(value) if isinstance(value, (set, list)) else value
        for name, value in fields.items()
        if value is not None and value != [] and value != set()
    }
