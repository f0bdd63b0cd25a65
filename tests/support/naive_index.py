"""A naive index: applies the ops rows of an outbox in the order of their ids.

It is written from the documented meaning of the ops alone (docs/triggers.md) and shares no code
with the triggers that write them. What a request asks for is read from `truth`, {entity: fields} as
the tables have them: only that, and only at the end, as a window's answers are.
"""

import collections
import json
import re


class NaiveIndex:
    """{entity: {field: value}}; `multi` names the multi-value fields, `entries` is {name of an
    entry: its fields} and `keys` {name of an entry: the field that has a parent's key}."""

    def __init__(self, multi=(), entries=None, keys=None):
        self._multi = multi
        self._entries = entries or {}
        self._keys = keys or {}
        self._last = 0
        self.alive = set()
        self.fields = collections.defaultdict(dict)

    def read(self, connection, truth=None):
        """Applies the rows that came since the last call; returns them as [(entity, ops)]."""
        requests = []
        rows = connection.execute(
            'SELECT id, entity_id, ops FROM "BitdexOps" WHERE id > %s ORDER BY id', (self._last,)
        ).fetchall()
        for row_id, entity, ops in rows:
            assert ops, f"a row without ops: {row_id}"
            self._last = row_id
            for op in ops:
                if op["op"] == "refresh":
                    requests.append((entity, op))
                else:
                    self._apply(entity, op)
        for entity, op in requests:
            self._answer(entity, op, truth)
        return [(entity, ops) for _, entity, ops in rows]

    def _answer(self, entity, op, truth):
        name = op.get("entry")
        if op.get("all"):
            entities = self.alive | set(self.fields) | set(truth)
        elif "key" in op:
            entities = [e for e, fields in truth.items() if fields[self._keys[name]] == op["key"]]
        else:
            entities = [entity]
        for number in entities:
            for entry, fields in self._entries.items():
                if name in (None, entry):
                    self._replace(number, fields, truth.get(number))

    def _replace(self, entity, fields, row):
        """`fields` of the entity are what the tables have; "" is existence."""
        for field in fields:
            value = (row or {}).get(field)
            if field == "":
                (self.alive.discard if row is None else self.alive.add)(entity)
            elif field in self._multi:
                self.fields[entity][field] = set(value or ())
            else:
                self.fields[entity][field] = value

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
