"""The base of the integration tests: one pipeline per test, over the gallery and real servers.

ctest sets the build (BITDEX_BUILD) and the directory of the servers that the tests share
(BITDEX_SERVERS). A test that breaks servers starts its own pair. What is random has always the same
seed, or BITDEX_SEED; BITDEX_SECONDS makes loads longer.
"""

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


# Loads and verifies make no pauses.
QUICK = {"producer": {"load": {"share": 1}}}


class GalleryCase(unittest.TestCase):
    own_servers = False  # whether the class starts its own pair of servers
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
        home = cls.work / "servers" if cls.own_servers else shared
        cls.postgres = servers.Postgres(home / "postgres", cls.postgres_settings)
        cls.kafka = servers.Kafka(home / "kafka", cls.kafka_settings)
        if cls.own_servers:
            cls.addClassCleanup(servers.both, servers.Server.remove, [cls.postgres, cls.kafka])
        servers.both(servers.Server.start, [cls.postgres, cls.kafka])
        print(f"{cls.__name__}: BITDEX_SEED={SEED} BITDEX_SECONDS={SECONDS:g}", flush=True)

    def setUp(self):
        name = self.id().rpartition(".")[2].lower()
        name = f"{name[5:40]}_{os.getpid()}"  # no two runs share a topic
        self.pipeline = self.create_pipeline(name)
        pipeline.write_config(self.pipeline.config, self.sections)
        self.pipeline.create_database()

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

    def create_gallery(self, images=500):
        """Creates the tables, starts both programs, then writes the rows."""
        self.create_tables()
        self.pipeline.start()
        with self.pipeline.connect() as connection:
            for _ in gallery.insert_rows(connection, images):
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

    def silence_broker(self):
        """Freezes the broker while thousands of rows are sent and not acknowledged. It closes no
        connection and does not answer."""
        producer = self.pipeline.producer

        def is_sending():
            return producer.api.get("/api/status")["unacknowledged"] > 100

        self.addCleanup(self.kafka.resume)
        deadline = time.monotonic() + pipeline.WAIT_S
        while True:
            self.change_images(200)
            soon = time.monotonic() + 10  # it may have sent everything between two looks
            while not is_sending() and time.monotonic() < soon:
                time.sleep(0.01)
            self.kafka.pause()
            time.sleep(0.5)  # for answers in flight
            if is_sending():
                break
            self.kafka.resume()
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
