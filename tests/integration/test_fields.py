"""An index configuration that changes between two starts: fields that stay keep their values and
their proof, the others begin empty and incomplete."""

import json
import unittest

from case import GalleryCase

# In the first configuration poi is in no list, and existedAt is wider.
ADDED = "    - { name: poi, field_type: boolean }\n"
INCOMPLETE = ["existedAt", "poi", "sortAt"]


class Fields(GalleryCase):
    def setUp(self):
        super().setUp()
        self.consumer = self.pipeline.consumer
        self.text = self.pipeline.config.read_text()

    def write_first_config(self):
        text = self.text
        for old, new in [
            ("blockedFor, minor, poi,", "blockedFor, minor,"),
            (ADDED, ""),
            ("name: existedAt, bits: 34", "name: existedAt, bits: 40"),
        ]:
            self.assertIn(old, text)
            text = text.replace(old, new)
        self.pipeline.config.write_text(text)

    def incomplete(self):
        """The names of the fields that are not complete, and their reasons."""
        answer = self.consumer.api.get("/api/ready")
        self.assertTrue(answer["ready"], answer)
        return {field["field"]: field["reason"] for field in answer["incomplete_fields"]}

    def is_complete(self, **query):
        return self.pipeline.query(query)["complete"]

    def entity(self, entity):
        return self.consumer.api.get(f"/api/indexes/gallery/entities/{entity}")

    def check_changed(self):
        """What holds after the change, and after each restart."""
        self.pipeline.wait_until_fresh()
        reasons = self.incomplete()
        self.assertEqual(sorted(reasons), INCOMPLETE)
        self.assertEqual(
            reasons["poi"],
            "field poi was added to index_config: bitdex-producer load --fields poi",
        )
        self.assertEqual(
            reasons["existedAt"],
            "field existedAt was changed in index_config: bitdex-producer load --fields existedAt",
        )
        self.assertTrue(self.is_complete())
        self.assertTrue(self.is_complete(filters=[{"Eq": ["minor", True]}]))
        self.assertFalse(self.is_complete(filters=[{"Not": {"Eq": ["poi", True]}}]))
        self.assertFalse(self.is_complete(sort={"field": "sortAt"}))
        with self.pipeline.connect() as connection:
            count, level = connection.execute(
                'SELECT count(*), max("nsfwLevel") FROM "Image"'
            ).fetchone()
            old, new = connection.execute('SELECT min(id), max(id) FROM "Image"').fetchone()
        self.assertEqual(self.pipeline.query({"limit": 1})["total_matched"], count)
        query = {"filters": [{"Lte": ["nsfwLevel", level]}], "limit": 1}
        self.assertEqual(self.pipeline.query(query)["total_matched"], count)
        answer = self.entity(old)
        self.assertEqual(sorted(answer["incomplete_fields"]), INCOMPLETE)
        self.assertIn("userId", answer["fields"])
        self.assertNotIn("poi", answer["fields"])
        self.assertNotIn("existedAt", answer["fields"])
        return self.entity(new)["fields"]

    def restart_changed(self):
        self.assertEqual(self.pipeline.producer.stop(), 0)
        self.assertEqual(self.consumer.stop(), 0)
        self.pipeline.config.write_text(self.text)
        self.pipeline.producer.command("triggers", "apply")
        self.pipeline.producer.start()
        self.consumer.start()

    def test_a_changed_index_keeps_what_it_can(self):
        """A field is added to the index and the triggers, and another is declared in another way.
        Both take what is written from then on; the log is readable all the time."""
        self.write_first_config()
        self.create_gallery(images=300)
        self.pipeline.wait_until_fresh()
        self.assertEqual(self.incomplete(), {})
        self.restart_changed()
        self.check_changed()
        with self.pipeline.connect() as connection:
            connection.execute(
                'INSERT INTO "Image" (url, "userId", type, poi, "createdAt")'
                " VALUES ('u', 1, 'image', true, '2020-01-01')"
            )
        new = self.check_changed()
        self.assertEqual((new["poi"], new["existedAt"]), (True, 1577836800))
        self.pipeline.wait_until_durable()
        self.consumer.kill()
        done = self.consumer.command("wal", "check", "--json")
        for line in done.stdout.splitlines():
            self.assertTrue(json.loads(line)["ok"], line)
        done = self.consumer.command("wal", "dump", "--json", "0")
        first, *_, last = map(json.loads, done.stdout.splitlines())
        self.assertEqual(first["position"]["incomplete_fields"], [])
        self.assertEqual(sorted(last["position"]["incomplete_fields"]), INCOMPLETE)
        self.consumer.start()
        self.assertEqual(self.check_changed(), new)
        self.pipeline.producer.command("load", "--fields", "poi,existedAt")
        self.check_end(changed=False)
        self.assertEqual(self.incomplete(), {})
        self.assertTrue(self.is_complete(sort={"field": "sortAt"}))


if __name__ == "__main__":
    unittest.main()
