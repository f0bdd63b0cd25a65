"""Golden events, read and written by another Avro library (fastavro) with schemas/event.avsc alone.

Run: python3 -m unittest discover tests/contract        (needs fastavro; no servers)
"""

import io
import json
import pathlib
import re
import struct
import unittest
from datetime import datetime, timezone

import fastavro

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCHEMA = fastavro.parse_schema(json.loads((ROOT / "schemas/event.avsc").read_text()))
TOPIC_ID = "6f1c0f5e-3a53-4b0c-9a57-0d6a1d1f8c11"


def op(kind, field=None, value=None):
    return ("bitdex." + kind, {} if field is None else {"field": field, "value": value})


def many(kind, *items):
    return ("bitdex." + kind, {"items": list(items)})


def event(seq, kind, fields, epoch=1, generation=2, tick=3, source="main", created=True):
    created_at = datetime(2025, 11, 24, 16, 0, 0, 123456, tzinfo=timezone.utc)
    return {
        "epoch": epoch,
        "generation": generation,
        "tick": tick,
        "seq": seq,
        "source": source,
        "created_at": created_at if created else None,
        "body": ("bitdex." + kind, fields),
    }


def row(row_id, entity_id, *ops):
    return {"row_id": row_id, "entity_id": entity_id, "ops": list(ops)}


def mark(**fields):
    return {"topic_id": TOPIC_ID, **fields}


EXPECTED = {
    "row_update": event(1, "Row", row(
        1001, 42,
        op("Remove", "nsfwLevel", 8), op("Set", "nsfwLevel", 16), op("Alive"),
        op("Add", "tagIds", 7))),
    "row_values": event(300, "Row", row(
        2**40, 2**63 - 1,
        op("Set", "url", None), op("Set", "score", -0.5), op("Set", "poi", True),
        op("Set", "name", "naïve 図 🙂"),
        op("Set", "tagIds", many("Integers", 1, -2, 2**63 - 1, -(2**63))),
        op("Set", "tools", many("Strings", "", "a b")), op("Set", "none", many("Integers")),
        op("Remove", "tags", many("Strings", "x")), op("Add", "ids", many("Integers", 5)))),
    "row_delete": event(2, "Row", row(1002, 0, op("Delete"))),
    "row_http": event(0, "Row", row(0, 9, op("Add", "flag", False), op("Add", "label", "x")),
                      epoch=0, generation=0, tick=0, source="http:ops", created=False),
    "fan_out": event(4, "FanOut", {
        "row_id": 1003, "entity_id": -1, "fan_outs": [
            {"query": "postId eq 5", "ops": [
                op("Set", "published", False), op("Remove", "tagIds", many("Integers", 3)),
                op("Add", "weight", 1.25), op("Delete")]},
            {"query": "userId in [1, 2] AND poi eq true", "ops": []}]}),
    "rejected": event(5, "Rejected", {
        "row_id": 1004, "entity_id": -7, "reason": "ops[3].value: not a number"}),
    "mark_fence": event(0, "Mark", mark(
        kind="FENCE", partitions=64, digest=0xCBF29CE484222325 - 2**64, last_row_id=0, max_row_id=0,
        backlog_rows=0, clock=datetime(2025, 11, 24, 16, 0, tzinfo=timezone.utc), snapshot="",
        source_empty=True), generation=9, tick=0, created=False),
    "mark_watermark": event(812, "Mark", mark(
        kind="WATERMARK", partitions=2**31 - 1, digest=81985529216486895, last_row_id=1004,
        max_row_id=2000, backlog_rows=996,
        clock=datetime(2025, 11, 24, 16, 0, 1, 500000, tzinfo=timezone.utc),
        snapshot="745:750:745,747", source_empty=False), tick=17, created=False),
}


def golden_events():
    text = (ROOT / "tests/unit/golden_events.h").read_text()
    for name, lines in re.findall(r'\{"(\w+)",\s*((?:"[0-9a-f]+"\s*)+)\}', text):
        yield name, bytes.fromhex("".join(re.findall(r"[0-9a-f]+", lines)))


class GoldenEvents(unittest.TestCase):
    def test_golden_events_and_expectations_match(self):
        """Every golden event has an expectation, and every expectation an event."""
        self.assertEqual([name for name, _ in golden_events()], list(EXPECTED))

    def test_the_header_carries_the_fingerprint_of_the_schema(self):
        """Every message begins with the magic bytes and the fingerprint of the schema."""
        schema = json.loads((ROOT / "schemas/event.avsc").read_text())
        canonical = fastavro.schema.to_parsing_canonical_form(schema)
        fingerprint = bytes.fromhex(fastavro.schema.fingerprint(canonical, "CRC-64-AVRO"))
        for name, message in golden_events():
            with self.subTest(name):
                self.assertEqual(message[:2], b"\xc3\x01")
                self.assertEqual(message[2:10], fingerprint)

    def test_another_reader_reads_the_same_values(self):
        """fastavro decodes every golden event to the expected values."""
        for name, message in golden_events():
            with self.subTest(name):
                datum = io.BytesIO(message[10:])
                read = fastavro.schemaless_reader(datum, SCHEMA, return_record_name=True)
                self.assertEqual(datum.read(), b"", "bytes after the event")
                self.assertEqual(read, EXPECTED[name])

    def test_another_writer_writes_the_same_bytes(self):
        """fastavro encodes the expected values to the golden bytes."""
        for name, message in golden_events():
            with self.subTest(name):
                datum = io.BytesIO()
                fastavro.schemaless_writer(datum, SCHEMA, EXPECTED[name])
                self.assertEqual(datum.getvalue(), message[10:])


class SchemaFingerprint(unittest.TestCase):
    def test_the_constant_in_the_code_is_the_fingerprint_of_the_schema(self):
        """The newest fingerprint in event_schema.c is that of schemas/event.avsc."""
        source = (ROOT / "common/event/event_schema.c").read_text()
        constants = re.findall(r"\.fingerprint = UINT64_C\(0x([0-9a-f]{16})\)", source)
        schema = json.loads((ROOT / "schemas/event.avsc").read_text())
        canonical = fastavro.schema.to_parsing_canonical_form(schema)
        little_endian = bytes.fromhex(fastavro.schema.fingerprint(canonical, "CRC-64-AVRO"))
        newest = struct.pack("<Q", int(constants[-1], 16))
        self.assertEqual(newest, little_endian)

    def test_everything_in_the_schema_is_documented(self):
        """Every record, enum and field of the schema has a doc."""

        def walk(node):
            if isinstance(node, list):
                for branch in node:
                    walk(branch)
            elif isinstance(node, dict):
                if node.get("type") in ("record", "enum"):
                    self.assertTrue(node.get("doc"), node["name"])
                for field in node.get("fields", []):
                    self.assertTrue(field.get("doc"), f"{node['name']}.{field['name']}")
                    walk(field["type"])
                if node.get("type") == "array":
                    walk(node["items"])

        walk(json.loads((ROOT / "schemas/event.avsc").read_text()))


if __name__ == "__main__":
    unittest.main()
