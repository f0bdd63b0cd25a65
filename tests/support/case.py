"""The base of the integration tests: a gallery between real servers, one pipeline a test.

ctest gives the build (BITDEX_BUILD) and the directory of the servers that the tests share
(BITDEX_SERVERS); tests that break servers start their own. BITDEX_SEED repeats a run;
BITDEX_SECONDS makes its loads longer.
"""

import os
import pathlib
import random
import shutil
import time
import unittest

import gallery
import pipeline
import servers

SEED = int(os.environ.get("BITDEX_SEED", random.randrange(1 << 32)))
SECONDS = float(os.environ.get("BITDEX_SECONDS", 5))


class GalleryCase(unittest.TestCase):
    own_servers = False  # start a pair for this class alone
    variables = {}  # environment of the programs
    postgres_settings = {}  # of own servers, as is the next
    kafka_settings = {}
    sections = {}  # {section: {setting: value}}: what the configuration says besides gallery.yaml

    @classmethod
    def setUpClass(cls):
        shared = pathlib.Path(os.environ.get("BITDEX_SERVERS", pipeline.ROOT / ".local/servers"))
        cls.work = pipeline.BUILD / "integration" / cls.__name__
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
        """Without a database yet; with a configuration of its own."""
        directory = self.work / name
        made = pipeline.Pipeline(
            directory, name, self.postgres, self.kafka, directory / "config.yaml",
            self.variables | variables,
        )
        self.addCleanup(made.__exit__)
        return made

    def create_tables(self):
        """Outbox, tables and triggers, before the first row and the first event."""
        self.pipeline.init()
        with self.pipeline.connect() as connection:
            gallery.create_tables(connection)
        gallery.create_triggers(self.pipeline)

    def create_gallery(self, images=500):
        """Both programs, then a few rows."""
        self.create_tables()
        self.pipeline.start()
        with self.pipeline.connect() as connection:
            for _ in gallery.insert_rows(connection, images):
                pass

    def writers(self, threads=8, **options):
        return gallery.Writers(self.pipeline.dsn, threads, SEED, **options)

    def change_images(self, times=1):
        """Every image so many times, in one transaction."""
        with self.pipeline.connect() as connection:
            for _ in range(times):
                connection.execute('UPDATE "Image" SET "nsfwLevel" = "nsfwLevel" + 1')

    def silence_broker(self):
        """It stops answering, and closes nothing, with thousands of rows on their way."""
        producer = self.pipeline.producer

        def is_sending():
            return producer.api.get("/api/status")["unacknowledged"] > 100

        self.addCleanup(self.kafka.resume)
        while True:
            self.change_images(200)
            producer.wait_until(is_sending, "sends nothing")
            self.kafka.pause()
            time.sleep(0.5)  # for answers that are on their way
            if is_sending():
                break
            self.kafka.resume()

    def spare_producer(self):
        """A second one of the same name."""
        (port,) = servers.free_ports(1)
        spare = self.pipeline.program("bitdex-producer", port, BITDEX_PRODUCER_PORT=str(port))
        self.addCleanup(spare.kill)
        return spare

    def check_end(self, changed=True):
        """The oracles: the topic holds what was committed, in order, and the index equals it.
        `changed`: rows were not only inserted."""
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
