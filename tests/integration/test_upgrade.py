"""An upgrade from schema version 1 of the event in the middle of a window.

The producer of version 1 is not here; the test writes what it leaves: its tables, a generation with
a fence, a saved window, and a part of that window on the topic.
"""

import json
import re
import struct
import unittest
from datetime import datetime, timezone

import confluent_kafka
import topic
from case import GalleryCase
from pipeline import WAIT_S

TABLES_1 = """
ALTER TABLE bitdex_windows DROP COLUMN content_digest, DROP COLUMN answered;
ALTER TABLE bitdex_dead_letters DROP COLUMN retried_txid, DROP COLUMN invalid_values;
ALTER TABLE bitdex_producers DROP COLUMN voided, DROP COLUMN voided_sent;
DROP TABLE bitdex_sources
"""
TAKE_OVER = """
UPDATE bitdex_producers SET generation = generation + 1
RETURNING epoch, generation, topic_id::text, partitions
"""
OPEN_WINDOW = """
INSERT INTO bitdex_windows (name, tick, generation, s1, s2, sub_id, last_row_id, seq, digest,
    offsets)
SELECT name, tick + 1, %s, s2, pg_current_snapshot(), 0, last_row_id, seq, digest, offsets
FROM bitdex_windows ORDER BY tick DESC, sub_id DESC LIMIT 1
RETURNING tick, last_row_id, seq, digest, s1::text
"""
KINDS = {"set": "Set", "remove": "Remove", "add": "Add", "alive": "Alive", "delete": "Delete"}


def avro_op(op):
    kind = f"bitdex.{KINDS[op['op']]}"
    return kind, {key: op[key] for key in ("field", "value") if key in op}


class VersionOne:
    """A producer of schema version 1, as far as it came before it was stopped."""

    def __init__(self, pipeline):
        self._pipeline = pipeline
        self._client = confluent_kafka.Producer({"bootstrap.servers": pipeline.kafka})
        with pipeline.connect() as connection:
            taken = connection.execute(TAKE_OVER).fetchone()
            self.epoch, self.generation, self._topic_id, self.partitions = taken
            saved = connection.execute(OPEN_WINDOW, (self.generation,)).fetchone()
            self.tick, self._last_row_id, self.seq, self._digest, self._snapshot = saved
            for statement in TABLES_1.split(";"):
                connection.execute(statement)
        for partition in range(self.partitions):
            self._fence(partition)
        assert self._client.flush(WAIT_S) == 0

    def _send(self, partition, key, body, seq, tick, created_at=None):
        message = topic.encode(
            body, version=1, epoch=self.epoch, generation=self.generation, tick=tick, seq=seq,
            source="default", created_at=created_at,
        )
        self._client.produce(self._pipeline.topic, message, key, partition)

    def _fence(self, partition):
        now = datetime.now(timezone.utc)
        self._send(partition, None, ("bitdex.Mark", {
            "kind": "FENCE", "topic_id": self._topic_id, "partitions": self.partitions,
            "digest": self._digest[partition], "last_row_id": self._last_row_id,
            "max_row_id": self._last_row_id, "backlog_rows": 0, "clock": now,
            "snapshot": self._snapshot, "source_empty": True,
        }), self.seq[partition], self.tick - 1)

    def send_rows(self, rows):
        """Sends rows (id, entity_id, created_at, ops) of entities; returns {(partition, seq):
        row id}."""
        sent = {}
        for row_id, entity_id, created_at, ops in rows:
            partition = entity_id % self.partitions
            self.seq[partition] += 1
            self._send(partition, struct.pack(">q", entity_id), ("bitdex.Row", {
                "row_id": row_id, "entity_id": entity_id, "ops": [avro_op(op) for op in ops],
            }), self.seq[partition], self.tick, created_at)
            sent[partition, self.seq[partition]] = row_id
        assert self._client.flush(WAIT_S) == 0
        return sent


class Upgrade(GalleryCase):
    def read_unsent_rows(self):
        """The ops rows that the producer has not sent."""
        with self.pipeline.connect() as connection:
            return connection.execute(
                """SELECT id, entity_id, created_at, ops FROM "BitdexOps" WHERE id > (SELECT
                max(last_row_id) FROM bitdex_windows) ORDER BY id"""
            ).fetchall()

    def restart_producer(self):
        self.pipeline.producer.stop()
        self.pipeline.producer.start()
        self.pipeline.producer.wait_until_state("draining")

    def test_in_the_middle_of_a_window(self):
        """`run` refuses the tables of version 1 and names `init`, which changes them. A window that
        version 1 began is sent again with the same seqs and bodies, no shard reports a loss, and
        from the next mark on the content digest is compared. Nor does a shard after a step back to
        version 1 and forward again, without and with rows that version 1 sent."""
        self.create_gallery(images=50)
        self.pipeline.wait_until_fresh()
        self.pipeline.producer.stop()
        self.change_images()
        rows = self.read_unsent_rows()
        self.assertEqual(len(rows), 50)
        sent = VersionOne(self.pipeline).send_rows(rows[:30])

        refused = self.pipeline.producer.command("run", check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("run bitdex-producer init", refused.stderr)
        changed = self.pipeline.init().stdout
        for column in ("content_digest", "answered", "retried_txid", "invalid_values"):
            self.assertIn(column, changed)
        self.pipeline.producer.start()
        events, _ = self.check_end()
        self.check_sent_again(events, sent)

        self.restart_producer()
        self.change_images()
        events, _ = self.check_end()
        for records in events.values():
            marks = [event["body"][1] for _, _, event in records if event["seq"] > 0
                     and event["body"][0] == "bitdex.Mark"]
            self.assertIsNotNone(marks[-1]["content_digest"])

        for count in (0, 20):
            self.pipeline.producer.stop()
            self.change_images()
            VersionOne(self.pipeline).send_rows(self.read_unsent_rows()[:count])
            self.pipeline.init()
            self.pipeline.producer.start()
            self.check_end()

    def check_sent_again(self, events, sent):
        found = dict.fromkeys(sent, 0)
        bodies = {}
        for partition, records in events.items():
            for _, _, event in records:
                place = partition, event["seq"]
                if event["body"][0] != "bitdex.Row" or place not in sent:
                    continue
                self.assertEqual(event["body"][1]["row_id"], sent[place])
                found[place] += 1
                body = topic.body_bytes(event)
                self.assertEqual(bodies.setdefault(place, body), body)
        self.assertGreaterEqual(min(found.values()), 2)

    def marked_fields(self):
        """The fields that the newest mark says the triggers cover."""
        events = topic.read(self.pipeline.kafka, self.pipeline.topic)
        marks = [event["body"][1] for _, _, event in events[0] if event["body"][0] == "bitdex.Mark"]
        return set(marks[-1]["fields"])

    def rename_triggers(self):
        """Another version would name its triggers, and mark them, by another hash."""
        with self.pipeline.connect() as connection:
            found = connection.execute("""
                SELECT tgname, tgrelid::regclass::text, obj_description(oid, 'pg_trigger')
                FROM pg_trigger WHERE tgname LIKE 'bitdex%' AND tgparentid = 0""").fetchall()
            for name, table, mark in found:
                other = re.sub("_([0-9a-f]{8})", lambda match: "_" + match[1][::-1], name)
                connection.execute(f'ALTER TRIGGER "{name}" ON {table} RENAME TO "{other}"')
                mark = re.sub("[0-9a-f]{64}", lambda match: match[0][::-1], mark)
                connection.execute(f'COMMENT ON TRIGGER "{other}" ON {table} IS \'{mark}\'')

    def test_triggers_of_another_version_cover_their_fields(self):
        """Functions that another version generated cover their fields, before `triggers apply` and
        after it, so that the index stays complete; a trigger that is disabled covers nothing."""
        self.create_gallery(images=50)
        self.pipeline.wait_until_fresh()
        before = self.marked_fields()
        self.rename_triggers()
        self.assertIn("not in the configuration", self.pipeline.producer.command(
            "triggers", "diff", check=False).stdout)
        for command in (), ("triggers", "apply"):
            if command:
                self.pipeline.producer.command(*command)
            self.restart_producer()
            self.change_images()
            self.check_end()
            self.assertEqual(self.marked_fields(), before)

        with self.pipeline.connect() as connection:
            connection.execute('ALTER TABLE "TagsOnImageNew" DISABLE TRIGGER USER')
        self.restart_producer()
        self.pipeline.wait_until_fresh()
        self.assertEqual(self.marked_fields(), before - {"tagIds"})


if __name__ == "__main__":
    unittest.main()
