"""The base of the integration tests: a gallery between real servers, one pipeline a test.

ctest gives the build (BITDEX_BUILD) and the directory of the servers that the tests share
(BITDEX_SERVERS); tests that break servers start their own. BITDEX_SEED repeats a run;
BITDEX_SECONDS makes its loads longer.
"""

import os
import pathlib
import random
import shutil
import unittest

import gallery
import pipeline
import servers

SEED = int(os.environ.get("BITDEX_SEED", random.randrange(1 << 32)))
SECONDS = float(os.environ.get("BITDEX_SECONDS", 5))


class GalleryCase(unittest.TestCase):
    own_servers = False  # start a pair for this class alone
    variables = {}  # environment of the programs

    @classmethod
    def setUpClass(cls):
        shared = pathlib.Path(os.environ.get("BITDEX_SERVERS", pipeline.ROOT / ".local/servers"))
        cls.work = pipeline.BUILD / "integration" / cls.__name__
        shutil.rmtree(cls.work, ignore_errors=True)
        home = cls.work / "servers" if cls.own_servers else shared
        cls.postgres = servers.Postgres(home / "postgres")
        cls.kafka = servers.Kafka(home / "kafka")
        if cls.own_servers:
            cls.addClassCleanup(servers.both, servers.Server.remove, [cls.postgres, cls.kafka])
        servers.both(servers.Server.start, [cls.postgres, cls.kafka])
        print(f"{cls.__name__}: BITDEX_SEED={SEED} BITDEX_SECONDS={SECONDS:g}", flush=True)

    def setUp(self):
        name = self.id().rpartition(".")[2].lower()
        name = f"{name[5:40]}_{os.getpid()}"  # no two runs share a topic
        self.pipeline = pipeline.Pipeline(
            self.work / name, name, self.postgres, self.kafka, variables=self.variables
        )
        self.addCleanup(self.pipeline.__exit__)
        self.pipeline.create_database()

    def create_gallery(self, images=500):
        """Tables, outbox and triggers before the first row, then a few rows."""
        self.pipeline.init()
        with self.pipeline.connect() as connection:
            gallery.create_tables(connection)
            gallery.create_triggers(connection)
        self.pipeline.start()
        with self.pipeline.connect() as connection:
            for _ in gallery.insert_rows(connection, images):
                pass

    def writers(self, threads=8):
        return gallery.Writers(self.pipeline.dsn, threads, SEED)

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
