"""The base of the integration tests: one pipeline per test, over the gallery and real servers.

ctest sets the build (BITDEX_BUILD) and the directory of the servers that the tests share
(BITDEX_SERVERS). A test that breaks servers starts its own pair. What is random has always the same
seed, or BITDEX_SEED; BITDEX_SECONDS makes loads longer.
"""

import contextlib
import os
import pathlib
import shutil
import time
import unittest

import gallery
import pipeline
import servers

SEED = int(os.environ.get("BITDEX_SEED", 1))
SECONDS = float(os.environ.get("BITDEX_SECONDS", 5))


# Loads and verifies make no pauses, unless a class sets their share.
QUICK = {"load": {"share": 1}}

# A broker that many tests share may stall: no member is to lose its place by that, and nothing that
# is posted or asked is to be given up.
PATIENT = {"session.timeout.ms": "45000"}
PATIENT_CONSUMER = {"post_timeout_ms": 60000, "query_timeout_ms": 60000}


class GalleryCase(unittest.TestCase):
    own_servers = ()  # the names of the servers that the class starts for itself, or True: both
    variables = {}  # environment of the programs
    postgres_settings = {}  # for own servers
    kafka_settings = {}  # for own servers
    sections = {}  # {section: {setting: value}}, added to the configuration of gallery.yaml

    @classmethod
    def setUpClass(cls):
        shared = pathlib.Path(os.environ.get("BITDEX_SERVERS", pipeline.ROOT / ".local/servers"))
        # Another module may have a class of this name, and run at the same time.
        cls.work = pipeline.BUILD / "integration" / cls.__module__ / cls.__name__
        shutil.rmtree(cls.work, ignore_errors=True)
        own = ("postgres", "kafka") if cls.own_servers is True else cls.own_servers
        home = {name: cls.work / "servers" if name in own else shared
                for name in ("postgres", "kafka")}
        cls.postgres = servers.Postgres(home["postgres"] / "postgres", cls.postgres_settings)
        cls.kafka = servers.Kafka(
            home["kafka"] / "kafka", cls.kafka_settings, is_killed="kafka" in own)
        pair = [cls.postgres, cls.kafka]
        cls.addClassCleanup(
            servers.both, servers.Server.remove, [one for one in pair if one.name in own])
        servers.both(servers.Server.start, pair)
        print(f"{cls.__name__}: BITDEX_SEED={SEED} BITDEX_SECONDS={SECONDS:g}", flush=True)

    def setUp(self):
        self.pipeline = self.create_pipeline(self.choose_name())
        pipeline.write_config(self.pipeline.config, self.choose_sections())
        self.pipeline.create_database()

    def choose_sections(self):
        producer = QUICK | self.sections.get("producer", {})
        kafka, consumer = (self.sections.get(name, {}) for name in ("kafka", "consumer"))
        if self.own_servers is not True and "kafka" not in self.own_servers:
            kafka = kafka | {"consumer": PATIENT | kafka.get("consumer", {})}
            consumer = PATIENT_CONSUMER | consumer
        return self.sections | {"producer": producer, "kafka": kafka, "consumer": consumer}

    def choose_name(self):
        """Of the pipeline. No two runs share a topic."""
        name = self.id().rpartition(".")[2].lower()
        return f"{name[5:40]}_{os.getpid()}"

    def create_pipeline(self, name, **variables):
        """A pipeline with its own configuration file. Its database is not created."""
        directory = self.work / name
        made = pipeline.Pipeline(
            directory, name, self.postgres, self.kafka, directory / "config.yaml",
            self.variables | variables,
        )
        self.addCleanup(made.__exit__)
        return made

    def create_tables(self):
        """Creates outbox, tables and triggers, and neither starts a program nor writes a row."""
        self.pipeline.init()
        with self.pipeline.connect() as connection:
            gallery.create_tables(connection)
        gallery.create_triggers(self.pipeline)

    def create_schema(self, schema, config):
        """Creates tables and triggers of the test's own. `config` takes the place of the gallery's
        triggers and index_config. Sets `connection` and `execute`; nothing is started."""
        self.pipeline.init()
        self.connection = self.pipeline.connect(autocommit=True)
        self.addCleanup(self.connection.close)
        self.execute = self.connection.execute
        self.execute(schema)
        head = self.pipeline.config.read_text().split("\n# The tables")[0]
        self.pipeline.config.write_text(f"{head}{config}")
        self.pipeline.producer.command("triggers", "apply")

    def create_gallery(self, images=500, without=()):
        """Creates the tables, starts both programs, then writes the rows, of all tables but those
        in `without`."""
        self.create_tables()
        self.pipeline.start()
        with self.pipeline.connect() as connection:
            for _ in gallery.insert_rows(connection, images, without):
                pass

    def writers(self, threads=8, **options):
        return gallery.Writers(self.pipeline.dsn, threads, SEED, **options)

    def write_some(self, transactions=100):
        """Random transactions, of which some change a row twice."""
        with self.writers() as writers:
            self.pipeline.producer.wait_until(
                lambda: writers.committed >= transactions, "has no writers beside it")

    def change_images(self, times=1):
        """Updates every image `times` times in one transaction."""
        with self.pipeline.connect() as connection:
            for _ in range(times):
                connection.execute('UPDATE "Image" SET "nsfwLevel" = "nsfwLevel" + 1')

    def silence_broker(self, changes=20):
        """Freezes the broker and changes every image so often. On return more than a hundred rows
        are sent and not acknowledged."""
        self.pipeline.wait_until_fresh()  # its mark is acknowledged, and the next one is not due
        self.freeze_broker(lambda: self.change_images(changes), rows=100)

    def freeze_broker(self, write, rows):
        """Freezes the broker, which then closes no connection and does not answer. On return more
        than so many of the rows that `write` has written are sent and not acknowledged."""
        producer = self.pipeline.producer
        deadline = time.monotonic() + pipeline.WAIT_S
        self.addCleanup(self.kafka.resume)

        def is_sending():
            return producer.api.get("/api/status")["unacknowledged"] > rows

        while True:
            self.kafka.pause()
            write()
            soon = time.monotonic() + 10
            while not is_sending() and time.monotonic() < soon:
                time.sleep(0.02)
            if is_sending():
                break
            self.kafka.resume()  # a mark was on its way, and rows wait for it
            self.assertLess(time.monotonic(), deadline, "sends nothing")

    def spare_producer(self):
        """A second producer of the same name, not started."""
        (port,) = servers.free_ports(1)
        spare = self.pipeline.program("bitdex-producer", port, BITDEX_PRODUCER_PORT=str(port))
        self.addCleanup(spare.kill)
        return spare

    def spare_consumer(self, **variables):
        """A second member of the group, not started."""
        (port,) = servers.free_ports(1)
        spare = self.pipeline.program("bitdex-consumer", port, BITDEX_CONSUMER_PORT=str(port),
                                      **variables)
        self.addCleanup(spare.kill)
        return spare

    def check_end(self, changed=True):
        """Checks that the topic holds what was committed, in order, and that the index equals the
        tables. `changed`: the test has updated rows, so there must be an order to check."""
        import index
        import topic

        self.pipeline.wait_until_fresh()
        with self.pipeline.connect() as connection:
            events = topic.read(self.pipeline.kafka, self.pipeline.topic)
            delivered = topic.check_delivery(connection, events)
        links = topic.check_order(delivered)
        self.assertTrue(links > 0 or not changed)
        self.assertGreater(index.check_equal(self.pipeline), 0)
        for partition in self.pipeline.partitions():
            self.assertTrue(partition["complete"], partition)
        return events, delivered


class SceneCase(GalleryCase):
    """The methods of a class share one pipeline and what set_scene() has set up, as attributes too.
    Each method leaves the programs running and the index as complete as it was. After a method that
    fails, the next one gets a new pipeline."""

    _scene = None  # the attributes
    _scenes = 0  # how many there were
    _kept = None  # what ends the scene

    def setUp(self):
        cls = type(self)
        if cls._scene is None:
            before = set(vars(self))
            with contextlib.ExitStack() as kept:
                cls._kept = kept
                super().setUp()
                self.set_scene()
                cls._kept = kept.pop_all()
            cls._scene = {name: value for name, value in vars(self).items() if name not in before}
        vars(self).update(cls._scene)

    def set_scene(self):
        """Is called before the first method."""

    def choose_name(self):
        cls = type(self)
        cls._scenes += 1
        return f"{cls.__module__[5:]}_{cls.__name__.lower()}_{os.getpid()}_{cls._scenes}"

    def addCleanup(self, function, /, *args, **kwargs):
        """What a scene needs stays until the scene ends."""
        if self._scene is None:
            self._kept.callback(function, *args, **kwargs)
        else:
            super().addCleanup(function, *args, **kwargs)

    def run(self, result=None):
        result = result or self.defaultTestResult()
        failed = len(result.failures) + len(result.errors)
        super().run(result)
        if len(result.failures) + len(result.errors) > failed:
            self.end_scene()
        return result

    @classmethod
    def end_scene(cls):
        cls._scene = None
        if cls._kept is not None:
            cls._kept.close()
            cls._kept = None

    @classmethod
    def tearDownClass(cls):
        cls.end_scene()
