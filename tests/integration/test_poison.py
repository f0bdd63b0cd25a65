"""Messages that our producer never writes: each becomes a dead letter, or its partition waits.

They are unnumbered (seq 0), except where the test is about their number.
"""

import base64
import json
import math
import re
import struct
import time
import unittest

import confluent_kafka
import groups
import topic
from case import GalleryCase

PARTITION = 1
PARTITIONS = 4
TOO_MANY_OPS = 131_073


def row(ops=(("bitdex.Alive", {}),), entity=PARTITION, **head):
    return topic.encode(
        ("bitdex.Row", {"row_id": 0, "entity_id": entity, "ops": list(ops)}), **head
    )


def setting(field, value):
    return [("bitdex.Set", {"field": field, "value": value})]


GOOD = row(entity=1_000_001)
POISON = [  # (what is wrong, the message)
    ("nothing", b""),
    ("text", b"rubbish"),
    ("another magic", b"\xc3\x02" + GOOD[2:]),
    ("another magic", b"\x00" + GOOD),
    ("a header alone", topic.HEADER),
    ("cut", GOOD[:-1]),
    ("a byte more", GOOD + b"\x00"),
    ("a byte less in front of the body", topic.HEADER + GOOD[len(topic.HEADER) + 1:]),
    ("50,000 arrays in each other", topic.HEADER + b"\x02" * 100_000),
    ("a length of 2^62", topic.HEADER + b"\x00" * 4 + b"\xfe" * 8 + b"\x3f"),
    ("too many ops", row([("bitdex.Alive", {})] * TOO_MANY_OPS)),
    ("a text for a number", row(setting("nsfwLevel", "high"))),
    ("a list for a single value", row(setting("userId", ("bitdex.Integers", {"items": [1, 2]})))),
    ("a value beyond the bits of its field", row(setting("existedAt", 1 << 40))),
    ("an entity of another partition", row(entity=PARTITION + 1)),
    ("a negative entity", row(entity=PARTITION - PARTITIONS)),
    ("an entity beyond max_slots", row(entity=PARTITION + PARTITIONS * (1 << 30))),
]


class Poison(GalleryCase):
    def setUp(self):
        super().setUp()
        self.create_gallery(images=100)
        self.pipeline.wait_until_fresh()

    def send(self, values, partition=PARTITION):
        """Sends the messages; returns their offsets."""
        offsets = []
        producer = confluent_kafka.Producer({"bootstrap.servers": self.pipeline.kafka})
        for value in values:
            producer.produce(
                self.pipeline.topic, value, key=struct.pack(">q", partition), partition=partition,
                on_delivery=lambda _, message: offsets.append(message.offset()))
        self.assertEqual(producer.flush(240), 0)
        self.assertEqual(len(offsets), len(values))
        return offsets

    def partition(self, number=PARTITION):
        return self.pipeline.partitions()[number]

    def wait_until_read(self, offset):
        self.pipeline.consumer.wait_until(
            lambda: len(self.pipeline.partitions()) == PARTITIONS
            and (self.partition()["offset"] or 0) > offset,
            f"does not read offset {offset}")

    def metric(self, name):
        _, text = self.pipeline.api.call("/metrics")
        return int(re.search(rf'\n{name}{{partition="{PARTITION}"}} (\d+)', text)[1])

    def read_dead_letters(self):
        """[(key, dead letter)] of the topic .dead."""
        return topic.read_dead_letters(self.pipeline.kafka, self.pipeline.topic)

    def test_f54_f55_f62_become_dead_letters(self):
        """Every message becomes a dead letter with topic, partition, offset, reason and its bytes;
        the events around them are applied; reading the topic again gives the same keys."""
        offsets = self.send([message for _, message in POISON] + [GOOD])
        self.wait_until_read(offsets[-1])
        letters = self.read_dead_letters()
        self.assertEqual(len(letters), len(POISON))
        for (what, message), offset, (key, letter) in zip(POISON, offsets, letters, strict=False):
            with self.subTest(what):
                place = (self.pipeline.name, self.pipeline.topic, PARTITION, offset)
                self.assertEqual(key, "/".join(map(str, place)))
                self.assertEqual(
                    tuple(letter[name] for name in ("group", "topic", "partition", "offset")),
                    place)
                self.assertGreater(len(letter["reason"]), 3)
                self.assertEqual(letter["value_bytes"], len(message))
                self.assertEqual(base64.b64decode(letter["value_base64"]), message)
        self.assertEqual(self.metric("bitdex_consumer_dead_letters_total"), len(POISON))
        self.check_index()
        self.pipeline.consumer.stop()
        groups.Group(self.pipeline).wait_until_left()  # what follows is another member
        self.pipeline.remove_index()
        self.pipeline.consumer.start()
        self.wait_until_read(offsets[-1])
        again = self.read_dead_letters()
        self.assertEqual(again, letters + letters)
        self.check_index()

    def check_index(self):
        """Checks that the partition is complete and what can be applied is applied."""
        self.pipeline.wait_until_fresh()
        self.assertTrue(self.partition()["complete"], self.partition())
        entity = self.pipeline.api.get("/api/indexes/gallery/entities/1000001")
        self.assertTrue(entity["alive"])
        reply = self.pipeline.query({"filters": [], "limit": 1})
        self.assertEqual(reply["total_matched"], 101)

    def test_f54_lost_numbers_are_shown(self):
        """A message that cannot be decoded in place of numbered events: the next seq shows the gap
        with its first and last number, and the shard is incomplete."""
        self.pipeline.producer.stop()
        ends = topic.read_ends(self.pipeline.kafka, self.pipeline.topic)
        self.wait_until_read(ends[PARTITION] - 1)
        before = self.partition()
        head = {name: before[name] for name in ("epoch", "generation", "tick")}
        head["source"] = "default"
        seq = before["seq"]
        (offset,) = self.send([b"rubbish"])
        self.wait_until_read(offset)
        self.assertTrue(self.partition()["complete"])
        (offset,) = self.send([row(seq=seq + 4, **head)])
        self.wait_until_read(offset)
        shown = self.partition()
        self.assertEqual(shown["missing"], 3)
        self.assertEqual((shown["missing_first"], shown["missing_last"]), (seq + 1, seq + 3))
        self.assertEqual(shown["seq"], seq + 4)
        self.assertFalse(shown["complete"])
        self.assertEqual(self.metric("bitdex_consumer_missing_events"), 3)
        self.assertEqual(self.metric("bitdex_shard_complete"), 0)
        self.assertEqual([p["missing_first"] for p in self.pipeline.partitions()].count(None), 3)

    def test_f70_unknown_schema_waits(self):
        """At a message of an unknown schema the partition waits and reports it, the others
        continue, and there is no dead letter. A reset of the offset skips the message, which is
        a loss."""
        unknown = b"\xc3\x01" + b"\x07" * 8 + GOOD[len(topic.HEADER):]
        (offset,) = self.send([unknown])
        self.send([GOOD])
        self.pipeline.consumer.wait_until(
            lambda: self.partition()["state"] == "waiting", "does not wait")
        self.assertIn("schema", self.partition()["error"])
        self.change_images()
        others = [number for number in range(PARTITIONS) if number != PARTITION]
        committed = time.time()
        self.pipeline.consumer.wait_until(
            lambda: all(time.time() - (self.partition(n)["lag_seconds"] or math.inf) > committed
                        for n in others),
            "delays the other partitions")
        self.assertEqual(self.partition()["offset"], offset)
        self.assertEqual(self.pipeline.api.call("/api/health")[0], 200)
        self.assertEqual(self.metric("bitdex_consumer_dead_letters_total"), 0)
        self.assertEqual(self.pipeline.consumer.stop(), 0)
        groups.Group(self.pipeline).commit({PARTITION: offset + 1})
        self.pipeline.consumer.start()
        self.pipeline.wait_until_fresh()
        self.assertFalse(self.partition()["complete"])
        self.assertIn(f"skipped the messages at offsets {offset} to {offset}",
                      self.partition()["reason"])
        self.assertTrue(self.pipeline.api.get("/api/indexes/gallery/entities/1000001")["alive"])
        self.pipeline.producer.stop()
        with self.pipeline.connect() as connection:  # the extra entity is in no table
            self.assertEqual(connection.execute('SELECT count(*) FROM "Image"').fetchone(), (100,))
        self.assertEqual(self.pipeline.query({"filters": [], "limit": 1})["total_matched"], 101)


if __name__ == "__main__":
    unittest.main()
