"""Two databases with one application: the first with our triggers, programs and index."""

import contextlib
import itertools
import os
import shutil

import compare
import pipeline
import psycopg
import topic
from case import PATIENT
from scheduler import Scheduler
from schema import WRITER

SETTINGS = {"autovacuum": "off"}
ROLE = f"""
DO $$ BEGIN CREATE ROLE {WRITER} NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$
"""


class Difference(AssertionError):
    """What must be equal is not."""


class Twins:
    """Use it as a context manager. `indexed` is the pipeline of the one with our triggers."""

    def __init__(self, directory, name, postgres, kafka, poll_ms, alone=False):
        """`alone`: nothing is run in the database without our triggers, nor compared with it."""
        config = directory / name / "config.yaml"
        self.indexed = pipeline.Pipeline(directory / name, name, postgres, kafka, config)
        pipeline.write_config(config, {
            "kafka": {"consumer": PATIENT},
            "producer": {"poll_interval_ms": poll_ms, "mark_interval_ms": 10,
                         "load": {"share": 1}}})
        self._head = config.read_text().split("\n# The tables")[0]
        self.plain = f"{name}_plain"
        self._alone = alone
        self._admin = postgres.dsn
        self.plain_dsn = psycopg.conninfo.make_conninfo(postgres.dsn, dbname=self.plain)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.indexed.__exit__()
        topic.delete(self.indexed.kafka, self.indexed.topic)
        shutil.rmtree(self.indexed.directory)
        with contextlib.suppress(psycopg.Error), \
                psycopg.connect(self._admin, autocommit=True) as admin:
            for name in (self.indexed.name, self.plain):
                admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def create(self, application):
        """Creates both databases, and starts the programs of the first."""
        with psycopg.connect(self._admin, autocommit=True) as admin:
            admin.execute(ROLE)
            admin.execute(f'DROP DATABASE IF EXISTS "{self.plain}" WITH (FORCE)')
            admin.execute(f'CREATE DATABASE "{self.plain}" TEMPLATE template0')
        self.indexed.create_database()
        self.indexed.init()
        for dsn in (self.indexed.dsn, self.plain_dsn):
            with psycopg.connect(dsn, autocommit=True) as connection:
                for statement in application.create():
                    connection.execute(statement)
        self.configure(application)
        self.indexed.producer.command("triggers", "apply")
        self.indexed.start()

    def server_version(self):
        with self.indexed.connect() as connection:
            return connection.info.server_version

    def configure(self, application):
        """Writes the configuration."""
        self.indexed.config.write_text(self._head + application.config())

    def run(self, actions, sessions):
        """Runs the schedule without our triggers, then with them; raises Difference at the first
        action with another outcome."""
        without = {}
        if not self._alone:
            without = self._run_one(self.plain_dsn, actions, sessions, {})
        return self._run_one(self.indexed.dsn, actions, sessions, without)

    def _run_one(self, dsn, actions, sessions, wanted):
        seen = {}

        def see(number, outcome):
            seen.setdefault(number, []).append(outcome)
            expected = wanted.get(number, [])[len(seen[number]) - 1:][:1]
            if wanted and [outcome] != expected:
                raise Difference(
                    f"action {number}, {actions[number]}\n  without our triggers: {expected}"
                    f"\n  with them: {outcome.text}{' after a wait' if outcome.waited else ''}"
                    f" {outcome.message}")

        scheduler = Scheduler(dsn, sessions)
        try:
            scheduler.run(actions, see)
        finally:
            scheduler.close()
        return seen

    def is_refused(self, statements):
        """Whether a foreign key refuses them. Nothing is changed."""
        with psycopg.connect(self.plain_dsn) as connection:
            try:
                for statement in statements:
                    connection.execute(statement)
            except (psycopg.errors.ForeignKeyViolation,
                    psycopg.errors.DependentObjectsStillExist):
                return True
            finally:
                connection.rollback()
        return False

    def execute(self, statements):
        """Runs statements in one transaction of each database."""
        for dsn in (self.indexed.dsn, self.plain_dsn):
            with psycopg.connect(dsn) as connection:
                for statement in statements:
                    connection.execute(statement)

    def stop(self):
        """Stops the programs."""
        self.indexed.producer.stop()
        self.indexed.consumer.stop()

    def restart(self, application):
        """Starts the programs with the application's new configuration."""
        self.configure(application)
        self.indexed.producer.command("triggers", "apply")
        self.indexed.start()

    def check(self, application, patient=False):
        """At rest: the tables of both databases are equal, and so are index and tables."""
        with self.indexed.connect() as first, psycopg.connect(self.plain_dsn) as second:
            for table in application.tables:
                query = f"SELECT t::text FROM {table.sql} AS t ORDER BY 1"
                rows = [c.execute(query).fetchall() for c in (first, second)]
                if rows[0] != rows[1] and not self._alone:
                    raise Difference(
                        f"{table.sql} with our triggers: {rows[0]}\nwithout: {rows[1]}")
        self.check_index(application, patient)

    def check_index(self, application, patient=False):
        """Index and tables are equal. `patient`: at the latest when the producer has noticed what
        changed, and loaded it."""
        compare.check(self.indexed, application, PATIENCE_S if patient else 0)


PATIENCE_S = 120
NUMBERS = itertools.count(1)


def own_name(prefix):
    """A name that no other pair of databases has."""
    return f"{prefix}_{os.getpid()}_{next(NUMBERS)}"
