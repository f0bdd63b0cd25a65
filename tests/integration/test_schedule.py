"""Entities that are hidden until a time (`visible_from`)."""

import time
import unittest

from case import GalleryCase

AHEAD_S = 6


class Schedule(GalleryCase):
    def publish(self, seconds, level=77):
        """Publishes the post so many seconds from now and changes the image; returns the time of
        publication in whole seconds."""
        with self.pipeline.connect() as connection:
            (at,) = connection.execute(
                """UPDATE "Post"
                   SET "publishedAt" = date_trunc('second', now() + %s * interval '1 s')
                   WHERE id = 1 RETURNING extract(epoch FROM "publishedAt")::bigint""",
                (seconds,),
            ).fetchone()
            connection.execute('UPDATE "Image" SET "nsfwLevel" = %s WHERE id = 1', (level,))
        self.pipeline.wait_until_fresh()
        return at

    def hide(self, level):
        """Hides the image until a time that is far enough ahead for a slow machine to check it;
        returns that time."""
        ahead_s = AHEAD_S
        while True:
            at = self.publish(ahead_s, level)
            status = self.read_status()
            if time.time() < at:
                self.assertEqual(status, (True, False, False))
                return at
            ahead_s *= 2

    def read_status(self):
        """(alive, visible, found by a query) of image 1."""
        entity = self.pipeline.api.get("/api/indexes/gallery/entities/1")
        found = self.pipeline.query({"filters": [{"Eq": ["userId", {"Integer": 7}]}]})["ids"]
        return entity["alive"], entity["visible"], found == [1]

    def wait_until_visible(self, at):
        self.pipeline.consumer.wait_until(
            lambda: self.read_status() == (True, True, True), "does not show the image"
        )
        self.assertGreaterEqual(time.time(), at)

    def test_f33_hidden_until_a_time(self):
        """An image is hidden until its publication time, also after a kill, and changes meanwhile
        are applied. A later time hides it again; an earlier one, or none, shows it at once."""
        self.create_gallery(10)
        with self.pipeline.connect() as connection:
            connection.execute('UPDATE "Image" SET "postId" = 1, "userId" = 7 WHERE id = 1')
            connection.execute('UPDATE "Image" SET "postId" = NULL WHERE id > 1')
        at = self.hide(level=78)
        self.wait_until_visible(at)
        entity = self.pipeline.api.get("/api/indexes/gallery/entities/1")
        self.assertEqual((entity["fields"]["nsfwLevel"], entity["fields"]["publishedAt"]), (78, at))
        at = self.hide(level=79)
        self.pipeline.consumer.kill()
        self.pipeline.consumer.start()
        self.pipeline.consumer.wait_until(
            lambda: [p["state"] for p in self.pipeline.partitions()] == 4 * ["running"],
            "does not recover",
        )
        self.wait_until_visible(at)
        self.publish(3600)
        self.assertEqual(self.read_status(), (True, False, False))
        self.publish(-3600)
        self.assertEqual(self.read_status(), (True, True, True))
        self.publish(3600)
        with self.pipeline.connect() as connection:
            connection.execute('UPDATE "Post" SET "publishedAt" = NULL WHERE id = 1')
        self.pipeline.wait_until_fresh()
        self.assertEqual(self.read_status(), (True, True, True))


if __name__ == "__main__":
    unittest.main()
