"""What sessions do: settings, transactions, savepoints, prepared transactions.

A schedule is a list of actions of several sessions in the order in which a scheduler takes them.
Any part of it can be left out.
"""

import dataclasses

from schema import WRITER
from statements import Statements

SETTINGS = {
    "extra_float_digits": ["-6", "0", "3"],
    "bytea_output": ["escape", "hex"],
    "standard_conforming_strings": ["off"],
    "quote_all_identifiers": ["on"],
    "datestyle": ["'SQL, DMY'", "'German'", "'ISO, YMD'"],
    "intervalstyle": ["iso_8601", "sql_standard"],
    "timezone": ["'Asia/Kathmandu'", "'America/St_Johns'"],
    "search_path": ["pg_catalog", "'$user'", "''"],
    "xmlbinary": ["hex"],
    "plan_cache_mode": ["force_custom_plan", "force_generic_plan"],
}
ISOLATION = ["READ COMMITTED", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"]


@dataclasses.dataclass
class Action:
    session: int
    sql: str
    copied: str = None

    def __str__(self):
        return f"session {self.session}: {self.sql}"


class Script:
    """The actions of one session, without end."""

    def __init__(self, rng, application, server_version, number, prefix):
        self.rng = rng
        self.features = application.features
        self.statements = Statements(rng, application, server_version)
        self.number = number
        self._prefix = prefix
        self._prepared = 0

    def _has(self, feature, chance):
        return feature in self.features and self.rng.random() < chance

    def actions(self):
        """Yields SQL and what it copies."""
        while True:
            if self._has("settings", 0.3):
                yield self._setting("SET"), None
            if self._has("security", 0.3):
                yield self.rng.choice([f"SET ROLE {WRITER}", "RESET ROLE"]), None
            if self.rng.random() < 0.3:
                statement = self.statements.any()
                yield statement.sql, statement.copied
            else:
                yield from self._transaction()

    def _setting(self, verb):
        name = self.rng.choice(list(SETTINGS))
        return f"{verb} {name} = {self.rng.choice(SETTINGS[name])}"

    def _transaction(self):
        level = self.rng.choice(ISOLATION) if self._has("isolation", 0.8) else "READ COMMITTED"
        yield f"BEGIN ISOLATION LEVEL {level}", None
        if self._has("settings", 0.2):
            yield self._setting("SET LOCAL"), None
        if self._has("loose", 0.2):
            yield "SET CONSTRAINTS ALL IMMEDIATE", None
        for _ in range(self.rng.choice([1, 2, 2, 3, 4])):
            if self._has("savepoints", 0.3):
                yield from self._savepoint()
            statement = self.statements.any()
            yield statement.sql, statement.copied
        yield from self._end()

    def _savepoint(self):
        yield "SAVEPOINT s", None
        statement = self.statements.any()
        yield statement.sql, statement.copied
        yield self.rng.choice(["ROLLBACK TO SAVEPOINT s", "RELEASE SAVEPOINT s"]), None

    def _end(self):
        if self._has("savepoints", 0.15):
            self._prepared += 1
            name = f"'{self._prefix}-{self.number}-{self._prepared}'"
            yield f"PREPARE TRANSACTION {name}", None
            end = "COMMIT" if self.rng.random() < 0.7 else "ROLLBACK"
            yield f"{end} PREPARED {name}", None
        else:
            yield ("COMMIT" if self.rng.random() < 0.85 else "ROLLBACK"), None


def schedule(rng, application, server_version, sessions, count, prefix="@"):
    """`count` actions of so many sessions. `@` in the name of a prepared transaction is for the
    name of the database."""
    scripts = [Script(rng, application, server_version, number, prefix).actions()
               for number in range(sessions)]
    actions = []
    number = 0
    while len(actions) < count:
        if rng.random() < 0.6:
            number = rng.randrange(sessions)
        sql, copied = next(scripts[number])
        actions.append(Action(number, sql, copied))
    return actions
