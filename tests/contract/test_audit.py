"""The audit in Python: an honest topic has no finding, and each kind of damage has one. The topic
is written here, by schemas/README.md. A real one is audited in integration.test_takeover.

Run: python3 -m unittest discover tests/contract        (no servers)
"""

import copy
import datetime
import struct
import unittest

import audit
import topic

PARTITIONS = 2
CLOCK = datetime.datetime(2025, 11, 24, 16, tzinfo=datetime.timezone.utc)


class Writer:
    """A producer: rows, marks, takeovers."""

    def __init__(self):
        self.events = {partition: [] for partition in range(PARTITIONS)}
        self.generation, self.tick = 1, 0
        self.seq = [0] * PARTITIONS
        self.chains = [audit.START] * PARTITIONS

    def add(self, partition, kind, body, key=None, **head):
        event = {
            "epoch": 1, "generation": self.generation, "tick": self.tick,
            "seq": self.seq[partition], "source": "main", "created_at": None, "txid": 0,
            "body": (f"bitdex.{kind}", body),
        } | head
        event = topic.decode(topic.encode(**event))
        self.events[partition].append((len(self.events[partition]), key, event))
        return event

    def row(self, row_id, entity):
        partition = entity % PARTITIONS
        self.seq[partition] += 1
        event = self.add(
            partition, "Row", {"row_id": row_id, "entity_id": entity, "ops": [
                ("bitdex.Set", {"field": "level", "value": row_id}),
                *([("bitdex.Refresh", {"entry": "", "fields": None})] if row_id % 3 == 0 else ())]},
            struct.pack(">q", entity), txid=row_id + 700)
        digest, content = self.chains[partition]
        self.chains[partition] = (
            topic.digest_next(digest, row_id), topic.content_next(content, event))

    def marks(self, kind, owed=0):
        for partition in range(PARTITIONS):
            digest, content = (
                word - (1 << 64) if word >> 63 else word for word in self.chains[partition])
            self.add(partition, "Mark", {
                "kind": kind, "topic_id": "topic-1", "digest": digest, "content_digest": content,
                "last_row_id": 9, "max_row_id": 9, "backlog_rows": 0, "snapshot": "7:9:8",
                "clock": CLOCK + datetime.timedelta(seconds=self.tick), "source_empty": False,
                "partitions": PARTITIONS, "start_name": f"start-{self.generation}", "fields": [""],
                "owed": owed, "voided": 0})

    def answer(self, row_id, entity):
        self.add(entity % PARTITIONS, "Chunk", {
            "purpose": "REFRESH", "job": 0, "begin": 0, "end": 2**63 - 1, "slots": [],
            "fields": [], "alive": None, "columns": [], "rejected": "", "answers": [row_id]})


def write():
    """Three windows; the last one is sent in part, and sent again after a takeover."""
    writer = Writer()
    writer.marks("FENCE")
    for window in ((1, 2), (3, 4, 5)):
        writer.tick += 1
        for row_id in window:
            writer.row(row_id, row_id)
        if 3 in window:
            writer.answer(3, 3)
        writer.marks("WATERMARK")
    writer.tick += 1
    saved = (list(writer.seq), list(writer.chains))
    for row_id in (7, 8):
        writer.row(row_id, row_id)
    writer.generation += 1
    writer.seq, writer.chains = saved
    writer.marks("FENCE")
    for row_id in (7, 8, 10):
        writer.row(row_id, row_id)
    writer.add(0, "Row", {"row_id": 0, "entity_id": 2, "ops": [("bitdex.Alive", {})]},
               struct.pack(">q", 2), epoch=0, generation=0, tick=0, seq=0, source="http")
    for _ in range(3):
        writer.marks("WATERMARK")
        writer.tick += 1
    return writer.events


def find(events, kind, generation, number=0):
    """(partition, place) of an event of the kind."""
    return [
        (partition, at)
        for partition, records in events.items()
        for at, (_, _, event) in enumerate(records)
        if event["body"][0] == f"bitdex.{kind}" and event["generation"] == generation
    ][number]


def change(kind, generation, edit, number=0):
    def apply(events):
        partition, at = find(events, kind, generation, number)
        edit(events[partition][at][2])
    return apply


def drop(kind, generation, number=0):
    def apply(events):
        partition, at = find(events, kind, generation, number)
        del events[partition][at]
    return apply


def repeat(kind, generation):
    def apply(events):
        partition, at = find(events, kind, generation)
        events[partition].insert(at + 1, events[partition][at])
    return apply


def set_body(name, value):
    return lambda event: event["body"][1].__setitem__(name, value)


def set_head(name, value):
    return lambda event: event.__setitem__(name, value)


DAMAGE = {
    "a changed body": change("Row", 1, set_body("ops", [("bitdex.Alive", {})])),
    "a changed body of what is sent again": change(
        "Row", 2, set_body("ops", [("bitdex.Alive", {})])),
    "another transaction": change("Row", 1, set_head("txid", 5)),
    "an id that is issued again": change("Row", 2, set_head("txid", 5)),
    "another row id": change("Row", 1, set_body("row_id", 99)),
    "an event that is missing": drop("Row", 1),
    "an event twice": repeat("Row", 1),
    "an event of another partition": change("Row", 1, set_body("entity_id", 3)),
    "another digest": change("Mark", 1, set_body("digest", 5), 1),
    "another content digest": change("Mark", 2, set_body("content_digest", 5)),
    "another topic": change("Mark", 1, set_body("topic_id", "topic-2"), 1),
    "another start": change("Mark", 2, set_body("start_name", "start-9"), 1),
    "another snapshot": change("Mark", 1, set_body("snapshot", "7:9:"), 1),
    "a mark that is missing": drop("Mark", 2, 2),
    "a fence that is missing": drop("Mark", 2),
    "a second fence": repeat("Mark", 2),
    "an answer that is missing": drop("Chunk", 1),
    "a rival": change("Row", 2, lambda event: event.update(generation=1, tick=9)),
    "a tick that goes back": change("Row", 2, set_head("tick", 1)),
}


class Audit(unittest.TestCase):
    def test_an_honest_topic_has_no_finding(self):
        """Windows, a takeover, what is sent again, an answer and a posted event are proved."""
        self.assertEqual(audit.audit(write()), [])

    def test_f76_every_kind_of_damage_is_found(self):
        """Each kind of damage has a finding."""
        for name, apply in DAMAGE.items():
            with self.subTest(name):
                events = copy.deepcopy(write())
                apply(events)
                self.assertNotEqual(audit.audit(events), [])


if __name__ == "__main__":
    unittest.main()
