"""Queries beside ingestion: neither holds the other up for long, and no answer is of half a batch
(F72)."""

import threading
import unittest

from case import GalleryCase
from pipeline import Api

QUERY = "/api/indexes/gallery/query"
STEPS = 2000  # with three filters each, about as many as a query may have


def heavy(*filters):
    """Many steps that change nothing between the filters, which have no estimate to be ordered
    by."""
    every = [{"Or": [{"IsNull": "userId"}, {"NotEq": ["userId", n]}]} for n in range(3, STEPS)]
    return {"filters": [filters[0], {"And": every}, *filters[1:]], "limit": 0}


class Client(threading.Thread):
    """Counts the images that match, over and over."""

    def __init__(self, port, body):
        super().__init__(daemon=True)
        self.counts = set()
        self.asked = 0
        self._port, self._body = port, body
        self._end = threading.Event()

    def run(self):
        api = Api(self._port)
        while not self._end.is_set():
            self.counts.add(api.get(QUERY, self._body)["total_matched"])
            self.asked += 1
        api.close()

    def stop(self):
        self._end.set()
        self.join()


class Isolation(GalleryCase):
    sections = {"consumer": {"query_timeout_ms": 60000}}

    def flip_images(self, times):
        """Level and user of an image are both 1 or both 2."""
        with self.pipeline.connect() as connection:
            for _ in range(times):
                connection.execute(
                    'UPDATE "Image" SET "nsfwLevel" = 3 - "nsfwLevel", "userId" = 3 - "userId"')

    def test_f72_heavy_queries_and_ingestion_let_each_other_in(self):
        self.create_gallery(6000)  # fewer do not make a query long
        with self.pipeline.connect() as connection:
            connection.execute('UPDATE "Image" SET "nsfwLevel" = 1 + id % 2, "userId" = 1 + id % 2')
        self.pipeline.wait_until_fresh()
        images = self.pipeline.query({"limit": 0})["total_matched"]
        port = self.pipeline.consumer.port
        torn = [{"NotEq": ["nsfwLevel", 2]}, {"NotEq": ["userId", 1]}]
        whole = [{"NotEq": ["nsfwLevel", 3]}, {"NotEq": ["userId", 3]}]
        clients = [Client(port, heavy(*torn)), Client(port, heavy(*reversed(torn))),
                   Client(port, heavy(*whole)), Client(port, {"filters": torn, "limit": 0})]
        for client in clients:
            client.start()
        self.flip_images(8)
        self.pipeline.wait_until_fresh()  # they go on asking
        for client in clients:
            client.stop()
        self.assertEqual([client.counts for client in clients], [{0}, {0}, {images}, {0}])
        self.assertTrue(all(client.asked > 1 for client in clients))
        for partition in self.pipeline.partitions():
            self.assertTrue(partition["complete"], partition)


class TimeLimit(GalleryCase):
    sections = {"consumer": {"query_timeout_ms": 1}}

    def test_f72_a_query_that_takes_too_long_is_ended(self):
        self.create_gallery()
        self.pipeline.wait_until_fresh()
        status, answer = self.pipeline.api.call(QUERY, heavy({"Gt": ["nsfwLevel", 0]}))
        self.assertEqual(status, 503)
        self.assertIn("consumer.query_timeout_ms is 1", answer["error"])
        _, metrics = self.pipeline.api.call("/metrics")
        self.assertRegex(metrics, r"(?m)^bitdex_query_timeout_total 1$")
        self.change_images()
        self.pipeline.wait_until_fresh()


if __name__ == "__main__":
    unittest.main()
