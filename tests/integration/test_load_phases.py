"""Loads through dump phases: hand-written queries, their filters and computed fields."""

import json
import re

import gallery
import index
from case import GalleryCase
from pipeline import write_config

IMAGES = 200

PHASES = """
dump_phases:
  - name: images
    table: Image
    copy_query: 'COPY (SELECT id, "nsfwLevel", flags, type::text, TIME AS "existed", minor
      FROM "Image" -- by id
      ) TO STDOUT WITH (FORMAT csv)'
    columns: [id, nsfwLevel, flags, type, existed, minor]
    slot_field: id
    sets_alive: true
    fields: [nsfwLevel, type, { column: existed, target: existedAt }]
    computed_fields:
      - { target: hasMeta, expression: "(flags >> 13) & 1 == 1 && (flags >> 2) & 1 == 0" }
      - { target: onSite, expression: "(flags >> 14) & 1 = 1" }
      - { target: minor, filter: minor != null, value: minor }
  - name: tags
    table: public.TagsOnImageNew
    copy_query: COPY (SELECT "tagId", "imageId", attributes FROM "TagsOnImageNew") TO STDOUT
    columns: [tagId, imageId, attributes]
    slot_field: imageId
    filter: "(attributes >> 10) & 1 = 0"
    fields: [{ column: tagId, target: tagIds }]
  - name: posts
    table: Post
    copy_query: >-
      COPY (SELECT i.id, "publishedAt", availability FROM "Image" AS i
      JOIN "Post" AS p ON p.id = i."postId") TO STDOUT
    columns: [id, publishedAt, availability]
    slot_field: id
    fields: [publishedAt, availability]
"""
TIME = 'greatest("scannedAt", "createdAt")'

# What SURFACE names, without settings of later versions, and with the fields that its triggers and
# queries name.
CIVITAI = """
index: civitai
postgres: "${BITDEX_POSTGRES}"
kafka: { bootstrap.servers: "${BITDEX_KAFKA}", producer: {},
         consumer: { session.timeout.ms: 45000 } }
topic: { name: "${BITDEX_TOPIC}", partitions: 4, replication_factor: 1, retention_hours: 168,
         max_slots: 1073741824 }
retention: { min_age_s: 3600 }
producer: { name: default, listen: "127.0.0.1:${BITDEX_PRODUCER_PORT}", poll_interval_ms: 100,
            load: { share: 0.2 } }
consumer: { group: "${BITDEX_GROUP}", data_dir: "${BITDEX_DATA_DIR}",
            listen: "127.0.0.1:${BITDEX_CONSUMER_PORT}" }
sync_sources:
  - table: Image
    slot_field: id
    sets_alive: true
    on_delete: true
    track_fields:
      - nsfwLevel
      - postId
      - { column: type, expression: "{type}::text" }
      - "GREATEST({scannedAt}, {createdAt}) as existedAt"
    computed_fields:
      - { target: hasMeta, expression: "({flags} >> 13) & 1 = 1 AND ({flags} >> 2) & 1 = 0" }
  - { table: TagsOnImageNew, slot_field: imageId, field: tagIds, value_field: tagId,
      filter: "({attributes} >> 10) & 1 = 0" }
  - { table: ImageResource, slot_field: imageId, field: modelVersionIds,
      value_field: modelVersionId }
  - { table: Post, query: "postId eq {id}", track_fields: [availability] }
  - { table: Model, query: "modelVersionIds in {modelVersionIds}",
      track_fields: [{ column: poi, target: modelPoi }],
      query_source: 'SELECT jsonb_agg(id) AS "modelVersionIds" FROM "ModelVersion"
        WHERE "modelId" = {id}' }
  - { table: Post, type: fan_out_per_row, rows_from: { table: Image, fk: postId, slot: id },
      track_fields: [publishedAt] }
dump_phases:
  - name: images
    table: Image
    copy_query: 'COPY (SELECT id, "nsfwLevel", flags, type::text, floor(extract(epoch from
      greatest("scannedAt", "createdAt")))::bigint AS "existedAtSecs" FROM "Image") TO STDOUT
      WITH (FORMAT csv)'
    columns: [id, nsfwLevel, flags, type, existedAtSecs]
    slot_field: id
    sets_alive: true
    fields: [nsfwLevel, type, { column: existedAtSecs, target: existedAt }]
    computed_fields: [{ target: hasMeta,
      expression: "(flags >> 13) & 1 == 1 && (flags >> 2) & 1 == 0" }]
index_config:
  filter_fields: [{ name: nsfwLevel, field_type: single_value },
    { name: tagIds, field_type: multi_value }, { name: hasMeta, field_type: boolean },
    { name: type, field_type: string }, { name: postId, field_type: single_value },
    { name: availability, field_type: string }, { name: modelPoi, field_type: boolean },
    { name: modelVersionIds, field_type: multi_value }]
  sort_fields: [{ name: existedAt, bits: 34 }, { name: publishedAt, bits: 34 },
    { name: sortAt, bits: 34,
      computed: { op: greatest, source_fields: [existedAt, publishedAt] } }]
  visible_from: publishedAt
"""
CIVITAI_FIELDS = ["nsfwLevel", "tagIds", "hasMeta", "type", "postId", "availability", "modelPoi",
                  "modelVersionIds", "existedAt", "publishedAt", "sortAt"]  # fmt: skip


class PhasesCase(GalleryCase):
    def configure(self, text):
        self.pipeline.config.write_text(text)

    def create_full_tables(self):
        self.pipeline.init()
        with self.pipeline.connect() as connection:
            gallery.create_tables(connection)
            for _ in gallery.insert_rows(connection, IMAGES):
                pass
        gallery.create_triggers(self.pipeline)

    def check(self, rc=0):
        """{name: message} of what `check` finds."""
        done = self.pipeline.producer.command("check", "--json", check=False)
        lines = json.loads(done.stdout)
        self.assertEqual(done.returncode, rc, [line for line in lines if line["message"]])
        return {line["check"]: line["message"] for line in lines}


class Phases(PhasesCase):
    def configure_phases(self, time=TIME, replaced="", by=""):
        config = write_config(self.pipeline.config, self.choose_sections())
        phases = PHASES.replace("TIME", time)
        self.assertIn(replaced, phases)
        self.configure(config.read_text() + phases.replace(replaced, by))

    def dumps(self):
        return set(self.pipeline.api.get("/api/indexes/gallery/dumps")["dumps"])

    def test_f84_phases_equal_the_triggers(self):
        """The index equals the tables, with the fields of the phases and all others."""
        self.configure_phases()
        self.create_full_tables()
        self.assertEqual(self.check()["dump phases"], "")
        self.pipeline.start()
        self.pipeline.producer.command("load")
        self.pipeline.wait_until_fresh()
        self.assertEqual(index.check_equal(self.pipeline), IMAGES)
        for partition in self.pipeline.partitions():
            self.assertTrue(partition["complete"], partition)
        jobs = json.loads(self.pipeline.producer.command("jobs", "list", "--json").stdout)
        (job,) = [job for job in jobs if job["kind"] == "load"]
        self.assertEqual((job["state"], job["rejected"]), ("done", 0))

    def test_f84_check_names_a_field_in_another_unit(self):
        """Milliseconds in the phase, seconds by the triggers; and a text where a number was."""
        self.configure_phases(time=f"floor(extract(epoch from {TIME}))::bigint * 1000")
        self.create_full_tables()
        message = self.check(rc=1)["dump phases"]
        pattern = r"field existedAt of entity 1 is (\d+) by its dump phase, and (\d+)"
        found = re.search(pattern, message)
        self.assertEqual(int(found[1]), int(found[2]) * 1000)
        self.configure_phases(time=f"({TIME})::text")
        message = self.check(rc=1)["dump phases"]
        self.assertIn("column existed must be an integer for this field", message)

    def test_queries_that_no_load_can_read_are_refused(self):
        """By `check` and by `load`, with the place in the file."""
        self.configure_phases(replaced="COPY (SELECT i.id,", by="COPY (SELECT i.id + 0,")
        self.create_full_tables()
        self.assertIn("would read a whole table", self.check(rc=1)["dump phases"])
        done = self.pipeline.producer.command("load", check=False)
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr, r"config.yaml:\d+:\d+: dump_phases\[2\].copy_query: each")

    def test_dump_config_change_detection(self):
        """A changed phase has another name and loads; an unchanged one keeps its name."""
        self.configure_phases()
        self.create_full_tables()
        self.pipeline.start()
        self.pipeline.producer.command("load")
        self.pipeline.wait_until_fresh()  # and with it the marks of the load are read
        before = self.dumps()
        self.assertGreater(len(before), 5)
        self.pipeline.producer.stop()
        self.configure_phases(replaced="& 1 = 0", by="& 1 = 1")
        self.pipeline.producer.start()
        self.pipeline.producer.command("load", "--table", "TagsOnImageNew")
        self.pipeline.consumer.wait_until(
            lambda: len(self.dumps() - before) == 1, "has no dump of the changed phase"
        )
        (changed,) = self.dumps() - before
        self.assertTrue(changed.startswith("TagsOnImageNew-"))
        with self.pipeline.connect() as connection:
            (tags,) = connection.execute(
                'SELECT count(*) FROM "TagsOnImageNew" WHERE (attributes >> 10) & 1 = 1'
            ).fetchone()
        jobs = json.loads(self.pipeline.producer.command("jobs", "list", "--json").stdout)
        self.assertEqual(jobs[-1]["state"], "done")
        self.assertGreater(tags, 0)


class FullCivitaiConfig(PhasesCase):
    def read_truth(self):
        with self.pipeline.connect() as connection:
            truth = gallery.read_truth(connection)
        kept = {"nsfwLevel", *CIVITAI_FIELDS}
        return {
            image: {name: value for name, value in fields.items() if name in kept}
            for image, fields in truth.items()
        }

    def test_full_civitai_config(self):
        """From `check` before anything exists to an index that is equal to SQL."""
        self.configure(CIVITAI)
        with self.pipeline.connect() as connection:
            gallery.create_tables(connection)
        self.assertIn("run bitdex-producer init", self.check(rc=1)["outbox"])
        self.create_rows()
        self.assertEqual(self.check()["dump phases"], "")
        self.pipeline.start()
        self.assertEqual(self.pipeline.api.call("/api/ready")[0], 503)
        self.assertIn("is done", self.pipeline.producer.command("load").stdout)
        with self.pipeline.connect() as connection:
            for statement in ('UPDATE "Image" SET flags = flags # 8192 WHERE id % 3 = 0',
                              'UPDATE "Post" SET availability = \'Private\' WHERE id % 5 = 0',
                              'DELETE FROM "Image" WHERE id % 7 = 0'):  # fmt: skip
                connection.execute(statement)
        self.pipeline.wait_until_fresh()
        self.assertEqual(self.pipeline.api.call("/api/ready")[0], 200)
        self.check_index(self.read_truth())

    def create_rows(self):
        self.pipeline.init()
        with self.pipeline.connect() as connection:
            for _ in gallery.insert_rows(connection, IMAGES):
                pass
        gallery.create_triggers(self.pipeline)

    def check_index(self, truth):
        api = self.pipeline.api
        for image in range(1, IMAGES + 1):
            answer = api.get(f"/api/indexes/civitai/entities/{image}")
            self.assertEqual(answer["alive"], image in truth, answer)
            if image in truth:
                self.assertEqual(answer["fields"], truth[image], image)
        reply = api.get("/api/indexes/civitai/query", {"filters": [], "limit": 1})
        self.assertEqual((reply["total_matched"], reply["complete"]), (len(truth), True))
