"""`load --csv`: the index equals the files, whatever their order, and says what it lacks.

The ids of images are sparse, so that few of them make several chunks.
"""

import csv
import json
import signal
import time

import gallery
import gallery_csv
import index
from case import SEED, GalleryCase
from pipeline import ROOT

IMAGES = 3000
STEP = 40


class CsvCase(GalleryCase):
    load = {}  # settings of producer.load

    def setUp(self):
        super().setUp()
        text = (ROOT / "config" / "gallery-csv.yaml").read_text()
        if self.load:
            text = text.replace("producer: {", f"producer: {{ load: {json.dumps(self.load)},", 1)
        self.pipeline.config.write_text(text)
        self.producer = self.pipeline.producer
        self.files = self.pipeline.directory / "csv"
        self.pipeline.init()

    def write_files(self, images=IMAGES, **options):
        gallery_csv.write(self.files, images, SEED, STEP, **options)

    def append(self, name, text):
        with open(self.files / f"{name}.csv", "a", newline="") as file:
            file.write(text)

    def run_load(self, *options, rc=0):
        """The finished process of `load --csv`."""
        done = self.producer.command("load", "--csv", str(self.files), *options, check=False)
        self.assertEqual(done.returncode, rc, done.stdout + done.stderr)
        return done

    def jobs(self):
        return json.loads(self.producer.command("jobs", "list", "--json").stdout)

    def insert_op(self, image, level):
        with self.pipeline.connect() as connection:
            connection.execute(
                'INSERT INTO "BitdexOps" (entity_id, ops) VALUES (%s, %s)',
                (image, json.dumps([{"op": "set", "field": "nsfwLevel", "value": level}])),
            )

    def wait_for_images(self, count):
        def is_loaded():
            reply = self.pipeline.query({"filters": [], "limit": 1})
            return reply["total_matched"] == count

        self.pipeline.consumer.wait_until(is_loaded, f"does not have {count} images")

    def check_equal(self, truth):
        """Every image, and every id between two images, is as the model says."""
        owners = index.read_owners([self.pipeline.consumer])
        last = max(truth)
        entities = [*range(STEP, last + 1, STEP), *range(1, 400), last + 1]
        for image, answer in index.read_entities(owners, entities).items():
            self.assertEqual(answer["alive"], image in truth, answer)
            if image in truth:
                self.assertEqual(answer["fields"], truth[image], image)
        self.wait_for_images(len(truth))

    def incomplete_fields(self):
        """{field: reason} as /api/ready lists them."""
        answer = self.pipeline.api.call("/api/ready")[1]
        return {item["field"]: item["reason"] for item in answer.get("incomplete_fields", [])}

    def dumps(self):
        return self.pipeline.api.get("/api/indexes/gallery/dumps")

    def check_complete(self):
        for partition in self.pipeline.partitions():
            self.assertTrue(partition["complete"], partition)


class Csv(CsvCase):
    def test_files_become_a_complete_index(self):
        """Rows of the outbox, written before and after the load, come after it."""
        self.write_files(shuffled=["tags"])
        truth = gallery_csv.read_truth(self.files)
        self.insert_op(STEP, 111)
        done = self.run_load()
        self.assertIn("is done", done.stdout)
        self.assertEqual(list(self.files.glob("*.rejects")), [])
        (job,) = self.jobs()
        self.assertEqual((job["state"], job["rejected"], job["error"]), ("done", 0, None))
        self.assertEqual(job["csv"], str(self.files))
        self.assertIn(f"--csv {self.files}", self.producer.command("jobs", "list").stdout)
        self.insert_op(2 * STEP, 222)
        self.pipeline.start()
        self.pipeline.wait_until_fresh()
        truth[STEP]["nsfwLevel"] = 111
        truth[2 * STEP]["nsfwLevel"] = 222
        self.check_equal(truth)
        self.check_complete()
        self.assertEqual(self.pipeline.api.call("/api/ready")[0], 200)
        self.pipeline.consumer.wait_until(
            lambda: self.dumps()["all_complete"], "has a dump that is not complete")
        tables = {name.rpartition("-")[0] for name in self.dumps()["dumps"]}
        self.assertEqual(tables, {"Image", "TagsOnImageNew", "ImageTool"})

    def test_refused_after_rows_were_sent(self):
        """A producer that runs, or that has sent a row, refuses older data."""
        self.write_files(10)
        self.pipeline.start()
        self.assertIn("stop it", self.run_load(rc=2).stderr)
        self.insert_op(1, 1)
        self.pipeline.wait_until_fresh()
        self.producer.stop()
        error = self.run_load(rc=2).stderr
        self.assertIn("has sent changes already", error)
        self.assertIn("cursor remove", error)
        self.assertEqual(self.jobs(), [])

    def test_f12_what_is_missing_is_named(self):
        """Files, directories and options that cannot be."""
        self.write_files(10)
        (self.files / "tools.csv").unlink()
        self.assertIn("tools.csv", self.run_load(rc=2).stderr)
        error = self.run_load("--table", "Image", rc=2).stderr
        self.assertIn("--csv and --table exclude each other", error)
        done = self.producer.command("load", "--csv", "/nowhere", check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn('cannot open "/nowhere"', done.stderr)

    def test_l9_rejects_are_listed_and_keep_their_fields_incomplete(self):
        self.write_files(100)
        truth = gallery_csv.read_truth(self.files)
        self.append("tags", "7\nx,40\n7,\n12,80\n")
        truth[80]["tagIds"] = sorted({*truth[80].get("tagIds", []), 12})
        done = self.run_load(rc=1)
        self.assertIn("tags.csv.rejects", done.stderr)
        self.assertIn("--allow-rejects", done.stderr)
        with open(self.files / "tags.csv.rejects", newline="") as file:
            rejects = list(csv.DictReader(file))
        first = (self.files / "tags.csv").read_text().count("\n") - 3
        self.assertEqual(
            [(int(row["line"]) - first, row["name"], row["value"]) for row in rejects],
            [(0, "", ""), (1, "tagId", "x"), (2, "", "")],
        )
        self.assertEqual({path.name for path in self.files.glob("*.rejects")}, {"tags.csv.rejects"})
        self.pipeline.start()
        self.pipeline.wait_until_fresh()
        self.check_equal(truth)
        self.assertEqual(set(self.incomplete_fields()), {"tagIds"})
        query = {"filters": [{"Eq": ["tagIds", {"Integer": 12}]}], "limit": 1}
        self.assertFalse(self.pipeline.query(query)["complete"])
        self.producer.stop()
        self.assertIn("is done", self.run_load("--allow-rejects").stdout)
        self.producer.start()
        self.pipeline.wait_until_fresh()
        self.check_equal(truth)
        self.check_complete()

    def test_l9_a_limited_load_completes_nothing(self):
        self.write_files(100)
        truth = gallery_csv.read_truth(self.files)
        self.run_load("--limit", "10", "--batch", "3")
        self.pipeline.start()
        self.pipeline.wait_until_fresh()
        self.wait_for_images(10)
        first = dict(sorted(truth.items())[:10])
        owners = index.read_owners([self.pipeline.consumer])
        for image, answer in index.read_entities(owners, list(first)).items():
            self.assertEqual(answer["fields"], first[image])
        self.assertEqual(self.pipeline.api.call("/api/ready")[0], 503)
        self.assertFalse(self.pipeline.query({"filters": [], "limit": 1})["complete"])


PHASES = """
dump_phases:
  - { name: images, table: Image, slot_field: id, sets_alive: true,
      columns: [id, nsfwLevel, flags, type, userId, postId, blockedFor, existed, minor, poi],
      fields: [nsfwLevel, type, userId, postId, blockedFor, { column: existed, target: existedAt },
        minor, poi],
      computed_fields: [
        { target: hasMeta, expression: "(flags >> 13) & 1 == 1 && (flags >> 2) & 1 == 0" },
        { target: onSite, expression: "(flags >> 14) & 1 = 1" }] }
  - { name: tags, table: TagsOnImageNew, slot_field: imageId, columns: [imageId, tagId, attributes],
      filter: "(attributes >> 10) & 1 = 0", fields: [{ column: tagId, target: tagIds }] }
"""
COPIES = {
    "images": """SELECT id, "nsfwLevel", flags, type, "userId", "postId", "blockedFor",
        floor(extract(epoch FROM greatest("scannedAt", "createdAt")))::bigint, minor, poi
        FROM "Image" ORDER BY "userId\"""",
    "tags": 'SELECT * FROM "TagsOnImageNew"',
}


class FilesOfTables(GalleryCase):
    """Files that COPY has written, for an index whose tables have triggers."""

    def setUp(self):
        super().setUp()
        text = (ROOT / "config" / "gallery.yaml").read_text()
        self.pipeline.config.write_text(text + PHASES)
        self.files = self.pipeline.directory / "csv"
        self.files.mkdir()

    def create_full_tables(self):
        self.pipeline.init()
        with self.pipeline.connect() as connection:
            gallery.create_tables(connection)
            for _ in gallery.insert_rows(connection, 500):
                pass
        gallery.create_triggers(self.pipeline)

    def write_files(self):
        with self.pipeline.connect() as connection:
            for name, query in COPIES.items():
                with (
                    connection.cursor().copy(f"COPY ({query}) TO STDOUT (FORMAT csv)") as copy,
                    open(self.files / f"{name}.csv", "wb") as file,
                ):
                    for block in copy:
                        file.write(block)

    def test_changes_after_the_copy_follow_the_files(self):
        """A load from the database completes what the files do not have."""
        self.create_full_tables()
        self.write_files()
        with self.pipeline.connect() as connection:
            for statement in (
                'UPDATE "Image" SET flags = flags # 24580 WHERE id % 3 = 0',
                'UPDATE "TagsOnImageNew" SET attributes = attributes # 1024 WHERE "tagId" % 5 = 0',
                'DELETE FROM "Image" WHERE id % 7 = 0',
            ):
                connection.execute(statement)
        done = self.pipeline.producer.command("load", "--csv", str(self.files))
        self.assertIn("is done", done.stdout)
        self.pipeline.start()
        self.pipeline.wait_until_fresh()
        fields = {
            item["field"] for item in self.pipeline.api.call("/api/ready")[1]["incomplete_fields"]
        }
        self.assertTrue({"toolIds", "availability", "baseModel", "publishedAt"} <= fields, fields)
        self.assertFalse({"nsfwLevel", "tagIds", "hasMeta", "existedAt"} & fields, fields)
        query = {"filters": [{"Eq": ["hasMeta", {"Bool": True}]}], "limit": 1}
        self.assertFalse(self.pipeline.query(query)["complete"])  # visible_from is not loaded
        self.pipeline.producer.command("load", "--fields", ",".join(sorted(fields - {"sortAt"})))
        self.pipeline.wait_until_fresh()
        self.assertGreater(index.check_equal(self.pipeline), 0)
        for partition in self.pipeline.partitions():
            self.assertTrue(partition["complete"], partition)


class SortedOnDisk(CsvCase):
    load = {"sort_memory_bytes": 1 << 20}

    def test_files_in_any_order_and_kills(self):
        """All files are sorted on disk, which keeps nothing, and the load is killed twice."""
        sorting = self.pipeline.directory / "sort"
        sorting.mkdir()
        self.producer.set_variable("TMPDIR", str(sorting))
        self.write_files(8000, tags=20, shuffled=gallery_csv.FILES)
        truth = gallery_csv.read_truth(self.files)
        self.pipeline.consumer.start()
        self.connection = self.enterContext(self.pipeline.connect(autocommit=True))
        for _ in range(2):
            self.kill_load()
        self.run_load("--batch", "500")
        self.assertEqual(list(sorting.iterdir()), [])
        (job,) = self.jobs()
        self.assertEqual(job["state"], "done")
        self.producer.start()
        self.pipeline.wait_until_fresh()
        self.check_equal(truth)
        self.check_complete()

    def kill_load(self):
        """Kills the command when it has sent further chunks."""
        before = self.count_chunks()
        process = self.producer.begin("load", "--csv", str(self.files), "--batch", "100")
        deadline = time.monotonic() + 120
        while self.count_chunks() < before + 2:
            self.assertLess(time.monotonic(), deadline)
            self.assertIsNone(process.poll())
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.communicate()


    def count_chunks(self):
        """Of the only job. A command that lists it would take as long as some chunks."""
        return self.connection.execute(
            "SELECT coalesce(sum(chunks), 0) FROM bitdex_jobs").fetchone()[0]


class SmallDisk(CsvCase):
    load = {"sort_memory_bytes": 1 << 20, "sort_bytes": 1 << 20}

    def test_l10_the_disk_of_sorting_is_bounded(self):
        self.write_files(20_000, tags=30, shuffled=["tags"])
        error = self.run_load(rc=1).stderr
        self.assertIn("producer.load.sort_bytes", error)
        self.assertEqual(self.jobs()[0]["state"], "failed")
