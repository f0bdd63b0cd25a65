"""What the reader of requests does when a reading is not easy: large parents, missing indexes, rows
that Postgres cannot read, tables that change under the snapshot."""

import unittest

import index
import refreshes
from case import SceneCase

IMAGES = 40
CHILDREN = 2100  # of post 1: more than are read together with those of others

SCHEMA = """
CREATE FUNCTION slow(value int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
    'BEGIN PERFORM pg_sleep(0.0001); RETURN value; END';
CREATE TABLE post (id int PRIMARY KEY, rank int, pace int);
CREATE TABLE image (id int PRIMARY KEY, post_id int, model_id text, width int, size int,
    spare int);
CREATE INDEX ON image (post_id);
CREATE TABLE tag (image_id int, tag int);
CREATE TABLE model (id text PRIMARY KEY, poi boolean, secret boolean);
CREATE TABLE brand (id int PRIMARY KEY, image_brand int);
CREATE TABLE label (image_id int, brand_id int);
"""

TRIGGERS = """
triggers:
  - table: image
    slot_field: id
    sets_alive: true
    on_delete: delete_slot
    track_fields: [post_id, model_id, "100 / {width} as ratio"]
  - { table: image, slot_field: id, track_fields: [size] }
  - { table: tag, slot_field: image_id, field: tags, value_field: tag }
  - { table: post, query: "post_id eq {id}", track_fields: [rank, "slow({pace}) as pace"],
      children: { table: image, fk: post_id, slot: id } }
  - { table: brand, type: fan_out_per_row, track_fields: [image_brand],
      rows_from: { table: label, fk: brand_id, slot: image_id } }
  - { table: model, query: "model_id eq {id}", filter: "NOT {secret}", track_fields: [poi] }
"""

FIELDS = {"post_id": "single_value", "model_id": "string", "ratio": "single_value",
          "size": "single_value", "tags": "multi_value", "rank": "single_value",
          "pace": "single_value", "image_brand": "single_value", "poi": "boolean"}

TRUTH = """
SELECT image.id, jsonb_strip_nulls(jsonb_build_object('post_id', post_id, 'model_id', model_id,
    'ratio', CASE WHEN width <> 0 THEN 100 / width END, 'size', size,
    'tags', (SELECT jsonb_agg(DISTINCT tag ORDER BY tag) FROM tag WHERE image_id = image.id),
    'rank', rank, 'pace', pace, 'poi', CASE WHEN NOT secret THEN poi END,
    'image_brand', (SELECT image_brand FROM label JOIN brand ON brand_id = brand.id
        WHERE image_id = image.id ORDER BY brand.id DESC LIMIT 1)))
FROM image LEFT JOIN post ON post.id = post_id LEFT JOIN model ON model.id = model_id
"""


class RefreshReader(SceneCase):
    def set_scene(self):
        fields = "".join(
            f"    - {{ name: {name}, field_type: {kind} }}\n" for name, kind in FIELDS.items())
        self.create_schema(SCHEMA, f"{TRIGGERS}\nindex_config:\n  filter_fields:\n{fields}")
        self.pipeline.start()
        self.execute("INSERT INTO post SELECT n, n, n FROM generate_series(1, 9) AS n")
        self.execute("INSERT INTO model SELECT 'm' || n, NULL, false FROM generate_series(1, 9) n")
        self.execute("INSERT INTO brand SELECT n, n FROM generate_series(1, 9) AS n")
        self.execute(f"""INSERT INTO image SELECT n, n % 9 + 1, 'm' || n % 9 + 1, n % 7 + 1, n
            FROM generate_series(1, {IMAGES}) AS n""")
        self.execute("INSERT INTO tag SELECT id, id % 5 FROM image")
        self.execute("INSERT INTO label SELECT id, id % 9 + 1 FROM image")
        self.execute("UPDATE brand SET image_brand = 10 + id")
        self.execute("UPDATE post SET rank = 10 + id, pace = 20 + id")
        self.execute("UPDATE model SET poi = id < 'm5'")
        self.pipeline.wait_until_fresh()
        self.check()

    def status(self):
        return self.pipeline.producer.api.get("/api/status")

    def silently(self, *statements):
        """Without what the triggers would say, even if they would fail."""
        with self.connection.transaction():
            triggers = self.execute("""SELECT format('ALTER TABLE %s %%s TRIGGER %I',
                tgrelid::regclass, tgname) FROM pg_trigger WHERE NOT tgisinternal""").fetchall()
            for (trigger,) in triggers:
                self.execute(trigger % "DISABLE")
            for statement in statements:
                self.execute(statement)
            for (trigger,) in triggers:
                self.execute(trigger % "ENABLE ALWAYS")

    def ask(self, entity, *ops):
        refreshes.insert(self.connection, entity, *ops)

    def wait_until(self, condition, what):
        self.pipeline.producer.wait_until(condition, what)

    def wait_until_answered(self):
        self.pipeline.wait_until_fresh()
        self.wait_until(lambda: self.status()["refresh_owed"] == 0, "owes requests")
        self.pipeline.wait_until_fresh()

    def differing(self):
        """The images whose fields are not those of the tables."""
        truth = dict(self.execute(TRUTH).fetchall())
        owners = index.read_owners([self.pipeline.consumer])
        entities = index.read_entities(owners, sorted({*truth, *range(1, IMAGES + 1)}))
        return {
            image: (answer, truth.get(image)) for image, answer in entities.items()
            if (answer["fields"] if answer["alive"] else None) != truth.get(image)
        }

    def fields(self, image):
        owners = index.read_owners([self.pipeline.consumer])
        return index.read_entities(owners, [image])[image]["fields"]

    def check(self):
        self.assertEqual(self.differing(), {})

    def letters(self):
        return self.pipeline.producer.command("dead-letters", "list").stdout

    def test_a_parent_with_many_children(self):
        """It is read over several turns, beside other requests, and only all of it is its answer.
        """
        self.execute(f"""INSERT INTO image (id, post_id, width)
            SELECT n, 1, 1 FROM generate_series({IMAGES + 1}, {IMAGES + CHILDREN}) AS n""")
        self.execute("UPDATE post SET rank = 20 + id, pace = 30 + id")
        self.pipeline.wait_until_fresh()
        self.silently("UPDATE post SET rank = 100 + id")
        self.ask(0, refreshes.parent("post.rank", 1), refreshes.parent("post.rank", 2))
        self.ask(7, refreshes.child("post.rank"))
        self.silently("UPDATE post SET pace = 50 WHERE id = 1")
        self.ask(0, refreshes.parent("post.rank", 1))
        for post in range(3, 10):
            self.ask(0, refreshes.parent("post.rank", str(post)))
        self.wait_until_answered()
        self.check()
        self.execute(f"DELETE FROM image WHERE id > {IMAGES}")

    def test_entities_and_parents_without_an_index(self):
        """One scan of the table answers all of them."""
        self.silently("DELETE FROM tag WHERE image_id % 2 = 0", "INSERT INTO tag VALUES (3, 77)",
                      "UPDATE brand SET image_brand = 500 + id", "UPDATE image SET size = 1000")
        for image in range(1, IMAGES + 1):
            self.ask(image, refreshes.child("tag.tags"), refreshes.child("image.size"))
        self.ask(0, *(refreshes.parent("brand.image_brand", n) for n in range(1, 10)))
        self.wait_until_answered()
        self.check()

    def test_a_row_that_cannot_be_read(self):
        """A value that cannot be computed becomes null, all others are answered, and a letter says
        why."""
        self.silently("UPDATE image SET width = 0, size = 2000 WHERE id = 8",
                      "UPDATE image SET width = 50, size = 3000 WHERE id > 8")
        for image in range(1, IMAGES + 1):
            self.ask(image, refreshes.whole())
        self.wait_until_answered()
        self.check()
        answer = self.pipeline.api.get("/api/indexes/gallery/entities/8")
        self.assertNotIn("ratio", answer["fields"])
        self.assertEqual(answer["fields"]["size"], 2000)
        self.assertIn("division by zero", self.letters())
        self.silently("UPDATE image SET width = 4 WHERE id = 8")
        self.ask(8, refreshes.whole())
        self.wait_until_answered()
        self.check()

    def test_parents_that_only_the_index_resolves(self):
        """A parent that is gone, or that the filter excludes, takes its values along; keys that
        their column cannot have are a letter, and do not stop the producer."""
        sessions = self.status()["sessions"]
        self.silently("UPDATE model SET poi = false WHERE id = 'm1'",
                      "DELETE FROM model WHERE id = 'm2'",
                      "UPDATE model SET secret = true WHERE id = 'm3'")
        self.ask(0, *(refreshes.parent("model.poi", f"m{n}") for n in range(1, 10)))
        self.ask(0, *(refreshes.parent("post.rank", key) for key in ("seven", "sevenfold")))
        self.wait_until_answered()
        self.check()
        self.assertIn("seven", self.letters())
        self.assertEqual(self.status()["sessions"], sessions)

    def test_a_table_that_is_rewritten_after_the_snapshot(self):
        """The snapshot shows such a table empty, and says that the image is gone: that is no
        answer."""
        self.silently("UPDATE image SET size = 4000")
        with self.pipeline.connect() as other:
            other.execute("LOCK TABLE image")
            for image in range(1, IMAGES + 1):
                self.ask(image, refreshes.whole())
            self.wait_until(self.reader_waits, "waits for no lock")
            other.execute("ALTER TABLE image ALTER COLUMN spare TYPE bigint")
        self.wait_until_answered()
        self.check()

    def reader_waits(self):
        return self.execute("""SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
            WHERE NOT granted AND application_name LIKE 'bitdex-producer%'
            AND datname = current_database()""").fetchone()[0] > 0

    def test_a_table_that_is_missing(self):
        """Its requests stay owed, with the reason, and all others are answered."""
        self.silently("UPDATE image SET size = 5000", "UPDATE post SET rank = 900 + id")
        self.execute("ALTER TABLE brand RENAME TO gone")
        self.ask(0, refreshes.parent("brand.image_brand", 3))
        self.ask(0, *(refreshes.parent("post.rank", n) for n in range(1, 10)))
        for image in range(1, IMAGES + 1):
            self.ask(image, refreshes.child("image.size"))
        self.wait_until(lambda: self.status()["refresh_owed"] == 1, "does not answer the others")
        self.wait_until(lambda: self.fields(7)["size"] == 5000, "does not show what was answered")
        self.wait_until(lambda: "brand" in self.status()["refresh_error"], "does not say why")
        self.execute("ALTER TABLE gone RENAME TO brand")
        self.wait_until_answered()
        self.check()


if __name__ == "__main__":
    unittest.main()
