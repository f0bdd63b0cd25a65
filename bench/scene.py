"""Where a section measures: the servers, sizes, and pipelines over the gallery's tables."""

import copy
import functools
import shutil
import time

import gallery
import pipeline
import psycopg
import servers

HOME = pipeline.ROOT / ".local" / "bench"

# Ops in the form that the gallery's triggers write: mostly tags, some images, few fan-outs.
FILL = """
INSERT INTO "BitdexOps" (entity_id, ops)
SELECT n / 12, CASE
    WHEN n %% 12 = 0 THEN format('[{"op": "alive"},
        {"op": "set", "field": "nsfwLevel", "value": %%s},
        {"op": "set", "field": "type", "value": "image"},
        {"op": "set", "field": "userId", "value": %%s},
        {"op": "set", "field": "hasMeta", "value": true},
        {"op": "set", "field": "existedAt", "value": %%s}]', 1 << (n / 12 %% 6)::int, n %% 1009, n)
    WHEN n %% 2000 = 1 THEN format('[{"op": "queryOpSet", "query": "userId eq %%s",
        "ops": [{"op": "set", "field": "availability", "value": "Public"}]}]', n %% 1009)
    ELSE format('[{"op": "add", "field": "tagIds", "value": %%s}]', n * 7919 %% 5000)
    END::jsonb
FROM generate_series(12::bigint, 11 + %s) AS n
"""


class Scene:
    """`is_quick`: small sizes and few runs, to be compared with earlier ones. The servers start
    when a section first asks for them; `stack` stops them."""

    def __init__(self, stack, is_quick=False):
        self._stack = stack
        self.is_quick = is_quick
        self.runs = 3 if is_quick else 5
        self.images = None  # of the sections that load; None: what each of them has
        self.is_large = False  # with the sizes that take several minutes

    @functools.cached_property
    def postgres(self):
        return self._stack.enter_context(servers.Postgres(HOME / "postgres"))

    @functools.cached_property
    def kafka(self):
        return self._stack.enter_context(servers.Kafka(HOME / "kafka"))

    def on(self, postgres):
        """The same scene on another server."""
        other = copy.copy(self)
        other.postgres = postgres
        return other

    def size(self, whole, quick, large=None):
        """`large`: None if it is no other."""
        if self.is_quick:
            return quick
        return large if self.is_large and large is not None else whole

    def pipeline(self, configure=None, **settings):
        """A pipeline over empty gallery tables with triggers. `settings` go to the producer
        section; `configure` (path of the configuration, directory) may change it further."""
        demo = self.tables(configure, **settings)
        demo.init()
        gallery.create_triggers(demo)
        return demo

    def tables(self, configure=None, **settings):
        """As above, without outbox and triggers."""
        demo = self.over("", configure, **settings)
        with demo.connect() as connection:
            gallery.create_tables(connection)
        return demo

    def over(self, options, configure=None, **settings):
        """A pipeline over a database that is created with these options."""
        name = f"bench{time.time_ns()}"
        directory = HOME / name
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        config = pipeline.write_config(directory / "config.yaml", {"producer": settings})
        if configure is not None:
            configure(config, directory)
        demo = BenchPipeline(directory, name, self.postgres, self.kafka, config)
        demo.create_database(options)
        return demo


class BenchPipeline(pipeline.Pipeline):
    """A pipeline that removes its files and its database when it ends, because a bench makes many.
    """

    def __exit__(self, kind, *whatever):
        super().__exit__(kind, *whatever)
        if kind is None:  # after an error its logs are of use
            shutil.rmtree(self.directory, ignore_errors=True)
            with psycopg.connect(self._admin_dsn, autocommit=True) as admin:
                admin.execute(f'DROP DATABASE "{self.name}" WITH (FORCE)')


def fill_outbox(demo, rows):
    """Rows as the gallery's triggers write them, before anybody reads them."""
    with demo.connect(autocommit=True) as connection:
        connection.execute(FILL, (rows,))
        connection.execute('VACUUM ANALYZE "BitdexOps"')


def begin_draining(demo):
    demo.producer.start()
    demo.producer.wait_until_state("draining")


def status(demo):
    return demo.producer.api.get("/api/status")


def wait_until_sent(demo, rows):
    """Waits until the producer reports that `rows` rows are sent and acknowledged."""

    def is_sent():
        now = status(demo)
        return now["rows"] >= rows and now["unacknowledged"] == 0

    demo.producer.wait_until(is_sent, "does not drain")


def sessions(connection):
    """Process ids of the producer's sessions in the connection's database, by their purpose."""
    rows = connection.execute(
        """SELECT application_name, pid FROM pg_stat_activity WHERE datname = current_database()
           AND application_name LIKE 'bitdex-producer %'""").fetchall()
    return {name.split()[-1]: pid for name, pid in rows}
