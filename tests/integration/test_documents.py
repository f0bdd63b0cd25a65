"""Documents, beside the ids of a query and by id, compared with SQL while rows change."""

import random
import re
import unittest

import gallery
from case import SEED, GalleryCase
from pipeline import ROOT, PipelineError

INDEX = "/api/indexes/gallery"
IMAGES = 300
ROUNDS = 2
COMMITS = 150  # of the writers, before a round ends
LEVELS = [1, 2, 4, 8, 16]


def read_fields():
    """{name: whether it has many values} of the gallery's index, in its order."""
    text = (ROOT / "config" / "gallery.yaml").read_text()
    text = text[text.index("\nindex_config:"):]
    return {
        name: more.startswith("field_type: multi_value")
        for name, more in re.findall(r"- \{ name: (\w+), (.*) \}", text)
    }


FIELDS = read_fields()


def expect(image, row, fields=FIELDS):
    """The document of an image; None without a row."""
    if row is None:
        return None
    chosen = {name: row.get(name, [] if many else None)
              for name, many in FIELDS.items() if name in fields}
    return {"id": image} | chosen


class Documents(GalleryCase):
    def setUp(self):
        super().setUp()
        self.rng = random.Random(SEED)

    def check_moment(self):
        """Every document of an answer matches the query, and they are in its order, whatever is
        written at the same time."""
        body = {
            "filters": [{"In": ["nsfwLevel", LEVELS]}, {"IsNotNull": "sortAt"}],
            "sort": {"field": "sortAt", "direction": "Desc"},
            "include_docs": ["nsfwLevel", "sortAt"], "limit": 100,
        }
        reply = self.pipeline.query(body)
        keys = [(document["sortAt"], document["id"]) for document in reply["documents"]]
        self.assertEqual([image for _, image in keys], reply["ids"])
        self.assertEqual(keys, sorted(keys, reverse=True))
        for document in reply["documents"]:
            self.assertIn(document["nsfwLevel"], LEVELS)
        return len(keys)

    def read_pages(self, body):
        """{id: document} of all pages of a query."""
        documents, cursor = {}, None
        while True:
            reply = self.pipeline.query(body | {"cursor": cursor})
            self.assertTrue(reply["complete"])
            self.assertEqual([one["id"] for one in reply["documents"]], reply["ids"])
            documents |= {one["id"]: one for one in reply["documents"]}
            cursor = reply["cursor"]
            if cursor is None:
                self.assertEqual(len(documents), reply["total_matched"])
                return documents

    def post(self, path, body):
        return self.pipeline.api.get(f"{INDEX}/{path}", body)

    def check_equal(self):
        """Every document of every route equals the row, or is null without one."""
        self.pipeline.wait_until_fresh()
        with self.pipeline.connect() as connection:
            truth = gallery.read_truth(connection)
            (last,) = connection.execute('SELECT last_value FROM "Image_id_seq"').fetchone()
        wanted = {image: expect(image, truth.get(image)) for image in range(last + 10)}
        self.assertIn(None, wanted.values())
        images = self.rng.sample(list(wanted), len(wanted))
        for first in range(0, len(images), 500):
            part = images[first:first + 500]
            answer = self.post("documents", {self.rng.choice(["ids", "slot_ids"]): part})
            self.assertTrue(answer["complete"])
            self.assertEqual(answer["missing_partitions"], [])
            self.assertEqual(answer["documents"], [wanted[image] for image in part])
        self.check_single(images[:20], truth, wanted)
        alive = {image: document for image, document in wanted.items() if document is not None}
        self.assertEqual(self.read_pages({"include_docs": True, "limit": 70}), alive)
        chosen = self.rng.sample(list(FIELDS), 5)
        pages = self.read_pages(
            {"fields": chosen, "limit": 110, "sort": {"field": "sortAt", "direction": "Asc"}})
        self.assertEqual(
            pages, {image: expect(image, truth[image], chosen) for image in alive})

    def check_single(self, images, truth, wanted):
        for image in images:
            chosen = self.rng.sample(list(FIELDS), 3)
            one = self.post("document", {"slot_id": image, "fields": chosen})
            self.assertEqual(one, expect(image, truth.get(image), chosen))
            self.assertEqual(self.pipeline.api.get(f"{INDEX}/documents/{image}"), wanted[image])

    def test_documents_equal_the_rows_while_they_change(self):
        """While writers change, move and delete rows, the documents of each answer match its query
        and have its order; after each round all documents equal the tables."""
        self.create_gallery(IMAGES)
        for _ in range(ROUNDS):
            seen = 0
            with self.writers(threads=4) as writers:
                while writers.committed < COMMITS or seen < 1000:
                    seen += self.check_moment()
            self.check_equal()

    def test_limits_and_names_are_refused(self):
        """More documents or bytes than the settings allow, and fields that the index does not
        have, are refused with what there is; at the limit they are answered."""
        self.pipeline.config.write_text(self.pipeline.config.read_text().replace(
            "\nconsumer:\n", "\nconsumer:\n  documents_limit: 200\n  documents_bytes: 65536\n"))
        self.create_gallery(IMAGES)
        self.pipeline.wait_until_fresh()
        ids = list(range(1, 201))
        answer = self.post("documents", {"ids": ids, "fields": ["id"]})
        self.assertEqual(len(answer["documents"]), 200)
        self.pipeline.query({"include_docs": ["type"], "limit": 150, "offset": 50})
        for path, body, part in (
            ("documents", {"ids": [*ids, 201]}, "201 ids are more than consumer.documents_limit"),
            ("query", {"include_docs": True, "limit": 151, "offset": 50}, "documents_limit, 200"),
            ("query", {"include_docs": ["nsfwlevel"]}, 'closest: "nsfwLevel"; fields: '),
            ("documents", {"ids": [1], "fields": ["tagId"]}, 'closest: "tagIds"'),
        ):
            with self.subTest(path, body=body):
                status, answer = self.pipeline.api.call(f"{INDEX}/{path}", body)
                self.assertEqual(status, 400)
                self.assertIn(part, answer["error"])
        with self.pipeline.connect() as connection:
            connection.execute("""INSERT INTO "TagsOnImageNew" ("imageId", "tagId")
                SELECT 1, n FROM generate_series(100000, 115000) AS n""")
        self.pipeline.wait_until_fresh()
        query = {"include_docs": True, "filters": [{"Eq": ["tagIds", 100000]}]}
        for path, body in (
            ("documents", {"ids": [1]}), ("document", {"slot_id": 1}), ("query", query),
        ):
            with self.assertRaisesRegex(PipelineError, "consumer.documents_bytes, 65536"):
                self.post(path, body)


if __name__ == "__main__":
    unittest.main()
