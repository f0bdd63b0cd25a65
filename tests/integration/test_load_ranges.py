"""What the ranges of a load are made of: gaps between ids, and entities that fit no event."""

import gallery
from test_load import LoadCase

FAR = 3_000_000_000  # an id after a gap of almost 2^32
LARGE = 1  # an entity with more tags than an event has room for
TAGS = 120_000


class LoadRanges(LoadCase):
    load = {"connections": 3, "share": 1}
    # 10 for a width of 10; a division by zero for 0; above 1 GB for the greatest integer.
    LEVEL = """'100 / {width} + length(repeat(repeat(''x'', 1000), ({width} - 10) / 1000))
               as nsfwLevel'"""

    def create_rows(self):
        self.pipeline.init()
        with self.pipeline.connect() as connection:
            gallery.create_tables(connection)
            for _ in gallery.insert_rows(connection, 60):
                pass
            connection.execute(
                f"""INSERT INTO "Image" (id, url, "userId", "postId") VALUES ({FAR}, 'far', 3, 1);
                INSERT INTO "TagsOnImageNew" VALUES ({FAR}, 7), ({FAR}, 8);
                INSERT INTO "TagsOnImageNew" SELECT {LARGE}, (1::bigint << 60) + n
                    FROM generate_series(1, {TAGS}) AS n"""
            )
        gallery.create_triggers(self.pipeline)

    def incomplete(self):
        status, answer = self.pipeline.api.call("/api/ready")
        self.assertEqual(status, 200, answer)
        return [field["field"] for field in answer["incomplete_fields"]]

    def test_gaps_and_an_entity_that_fits_no_event(self):
        """A gap takes no time. Of an entity that fits no event, the field that is too large is not
        loaded: it becomes a dead letter and is incomplete until a load can send it. Nothing else
        is missing."""
        self.create_rows()
        self.pipeline.start()
        self.producer.command("load", check=False)
        (job,) = self.jobs()
        self.assertLess(job["chunks"], 30)
        self.assertIn("tagIds", self.producer.command("dead-letters", "list").stdout)
        self.pipeline.wait_until_fresh()
        self.assertEqual(self.incomplete(), ["tagIds"])
        with self.pipeline.connect() as connection:
            truth = gallery.read_truth(connection)
        for entity in (LARGE, FAR):
            answer = self.pipeline.api.get(f"/api/indexes/gallery/entities/{entity}")
            self.assertTrue(answer["alive"])
            wanted = {k: v for k, v in truth[entity].items() if entity == FAR or k != "tagIds"}
            self.assertEqual(answer["fields"], wanted)
        self.execute('DELETE FROM "TagsOnImageNew" WHERE "tagId" > 1::bigint << 60')
        self.producer.command("load", "--fields", "tagIds")
        self.pipeline.wait_until_fresh()
        self.assertEqual(self.incomplete(), [])
        self.check_complete()

    def test_rows_that_postgres_cannot_evaluate(self):
        """An expression that fails for one row costs the value of that row, and nothing else."""
        config = self.pipeline.config
        text = config.read_text()
        self.assertEqual(text.count("[nsfwLevel, type,"), 1)
        config.write_text(text.replace("[nsfwLevel, type,", f"[{self.LEVEL}, type,"))
        self.pipeline.init()
        with self.pipeline.connect() as connection:
            gallery.create_tables(connection)
            for _ in gallery.insert_rows(connection, 300):
                pass
            connection.execute(
                """UPDATE "Image" SET width = 10, "nsfwLevel" = 10;
                UPDATE "Image" SET width = 0 WHERE id = 7;
                UPDATE "Image" SET width = 2147483647 WHERE id = 250"""
            )
        gallery.create_triggers(self.pipeline)
        self.pipeline.start()
        self.producer.command("load", check=False)
        self.pipeline.wait_until_fresh()
        letters = self.producer.command("dead-letters", "list").stdout
        for image in (7, 250):
            answer = self.pipeline.api.get(f"/api/indexes/gallery/entities/{image}")
            self.assertTrue(answer["alive"])
            self.assertNotIn("nsfwLevel", answer["fields"])
            self.assertIn("tagIds", answer["fields"])
            self.assertIn(f"entity {image} of job", letters)
        self.assertIn("division by zero", letters)
        self.assertIn("requested length too large", letters)
        status, answer = self.pipeline.api.call("/api/ready")
        self.assertEqual(status, 200, answer)
        self.execute('UPDATE "Image" SET width = 10 WHERE width <> 10')
        self.check_complete()
