"""What an answer holds: the writes of a transaction, one window of all partitions, and how old it
is when the clocks of the hosts differ."""

import struct
import unittest

import pipeline
from case import GalleryCase

QUERY = "/api/indexes/gallery/query"
HOUR_NS = 3_600 * 10**9


class Reads(GalleryCase):
    sections = {"consumer": {"query_timeout_ms": 60000, "consistent_hold_ms": 10000}}

    def setUp(self):
        super().setUp()
        self.clock = self.pipeline.directory / "wall_clock"
        self.clock.write_bytes(struct.pack("=q", HOUR_NS))
        library = pipeline.BUILD / "tests" / "integration" / "libwall_clock.so"
        self.assertTrue(library.exists())
        self.pipeline.consumer.set_variable("LD_PRELOAD", str(library))
        self.pipeline.consumer.set_variable("BITDEX_WALL_CLOCK", str(self.clock))

    def lags(self):
        return [partition["lag_seconds"] for partition in self.pipeline.partitions()]

    def wait_for_lags(self, is_right):
        self.pipeline.consumer.wait_until(
            lambda: all(lag is not None and is_right(lag) for lag in self.lags()),
            "shows the wrong lag")

    def test_f121_reads_beside_a_clock_that_differs(self):
        """A consumer whose clock is an hour ahead, then an hour late, shows no outage; when the
        producer has stopped, it shows one. A query with after_xid finds what was written."""
        self.create_gallery(60)
        self.wait_for_lags(lambda lag: lag < 600)
        with self.clock.open("r+b") as file:  # which is mapped: not truncated
            file.write(struct.pack("=q", -HOUR_NS))
        self.wait_for_lags(lambda lag: lag < 600)
        for level in range(100, 105):
            with self.pipeline.connect() as connection:
                connection.execute('UPDATE "Image" SET "nsfwLevel" = %s', (level,))
                (xid,) = connection.execute("SELECT pg_current_xact_id()::text").fetchone()
            body = {"filters": [{"Eq": ["nsfwLevel", level]}], "limit": 0, "after_xid": xid,
                    "consistent": level % 2 == 0}
            answer = self.pipeline.api.get(QUERY, body)
            self.assertEqual(answer["total_matched"],
                             self.pipeline.query({"limit": 0})["total_matched"])
            self.assertGreater(answer["total_matched"], 0)
        self.assertEqual(self.pipeline.producer.stop(), 0)
        self.wait_for_lags(lambda lag: lag > 3)


if __name__ == "__main__":
    unittest.main()
