"""Queries and ingestion at the same time: neither delays the other for long, and no answer shows a
part of a batch (F72)."""

import threading
import unittest

from case import GalleryCase
from pipeline import Api

QUERY = "/api/indexes/gallery/query"
STEPS = 2000  # of three filters each: close to the limit of a query


def heavy(*filters):
    """A long query: between the filters are many steps that match everything. None of the filters
    has an estimate, so the engine keeps their order."""
    every = [{"Or": [{"IsNull": "userId"}, {"NotEq": ["userId", n]}]} for n in range(3, STEPS)]
    return {"filters": [filters[0], {"And": every}, *filters[1:]], "limit": 0}


class Client(threading.Thread):
    """Queries the number of matching images without a pause."""

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
    sections = {"consumer": {"query_timeout_ms": 600000}}

    def flip_images(self, times):
        """Level and user of each image are both 1 or both 2, before and after."""
        with self.pipeline.connect() as connection:
            for _ in range(times):
                connection.execute(
                    'UPDATE "Image" SET "nsfwLevel" = 3 - "nsfwLevel", "userId" = 3 - "userId"')

    def test_f72_heavy_queries_beside_ingestion(self):
        """Long queries and batches run at the same time; both finish, and no answer shows a part of
        a batch."""
        self.create_gallery(6000)  # fewer images do not make a query long
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
        while any(client.asked < 2 and client.is_alive() for client in clients):
            self.flip_images(1)
        self.pipeline.wait_until_fresh()  # the clients continue to query
        for client in clients:
            client.stop()
        self.assertEqual([client.counts for client in clients], [{0}, {0}, {images}, {0}])
        self.assertTrue(all(client.asked > 1 for client in clients))
        for partition in self.pipeline.partitions():
            self.assertTrue(partition["complete"], partition)


class TimeLimit(GalleryCase):
    sections = {"consumer": {"query_timeout_ms": 1}}

    def test_f72_query_that_takes_too_long_is_ended(self):
        """A query that exceeds consumer.query_timeout_ms ends with 503 and is counted; ingestion
        continues."""
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
