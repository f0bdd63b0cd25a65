"""Golden events, read and written by another Avro library (fastavro) with the schema files alone.

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
# By version; the newest schema is event.avsc.
JSON = {
    1: json.loads((ROOT / "schemas/event-1.avsc").read_text()),
    2: json.loads((ROOT / "schemas/event.avsc").read_text()),
}
SCHEMAS = {version: fastavro.parse_schema(schema) for version, schema in JSON.items()}
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


EXPECTED_1 = {
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


def newer(expected, **changes):
    """An event of version 1 in version 2."""
    return {**expected, "txid": 0, **changes}


def mark_2(name, **fields):
    kind, old = EXPECTED_1[name]["body"]
    return newer(EXPECTED_1[name], body=(kind, {**old, **fields}))


def chunk(**fields):
    nothing = {"job": 0, "slots": None, "alive": None, "columns": [], "rejected": "", "answers": []}
    return event(812, "Chunk", {**nothing, **fields}, tick=17, created=False) | {"txid": 0}


def column(field, kind, slots, integers=(), floats=(), strings=()):
    return {"field": field, "kind": kind, "slots": slots, "integers": list(integers),
            "floats": list(floats), "strings": list(strings)}


def control(body, **fields):
    return event(812, body, fields, tick=17, created=False) | {"txid": 0}


NO_END = 2**63 - 1

EXPECTED_2 = {
    "row_update": newer(EXPECTED_1["row_update"], txid=745),
    "row_values": newer(EXPECTED_1["row_values"], txid=-1),
    "row_http": newer(EXPECTED_1["row_http"]),
    "fan_out": newer(EXPECTED_1["fan_out"], txid=2**40),
    "rejected": newer(EXPECTED_1["rejected"], txid=747),
    "row_refresh": newer(event(6, "Row", row(
        1005, 43,
        ("bitdex.Refresh", {"entry": "", "fields": None}),
        ("bitdex.Refresh", {"entry": "", "fields": ["url", "tagIds"]}),
        ("bitdex.Refresh", {"entry": "", "fields": []}),
        ("bitdex.Refresh", {"entry": "Image.postId", "fields": None})), created=False), txid=748),
    "parent_refresh": newer(event(7, "ParentRefresh", {
        "row_id": 1006, "entity_id": -3, "requests": [
            {"entry": "Post", "key": 2**40}, {"entry": "Model", "key": "naïve"},
            {"entry": "", "key": "Image"}]},
        created=False), txid=749),
    "mark_fence": mark_2(
        "mark_fence", content_digest=None, start_name="", fields=[], owed=0, voided=0),
    "mark_watermark": mark_2(
        "mark_watermark", content_digest=-2, start_name="00112233445566ff",
        fields=["", "nsfwLevel", "tagIds"], owed=3, voided=2),
    "chunk_load": chunk(
        purpose="LOAD", job=5, begin=0, end=65536, fields=["nsfwLevel", "score", "poi", "name"],
        alive=[1, 2, 4294967292], columns=[
            column("nsfwLevel", "INTEGERS", [0, 0, 1, 70000], [2**63 - 1, -(2**63), 0, -64]),
            column("score", "FLOATS", [7, 1], floats=[-0.5, 1e300]),
            column("poi", "BOOLEANS", [3, 1], [1, 0]),
            column("name", "STRINGS", [3, 1, 1], [1, 0, 1], strings=["", "図"]),
            column("name", "INTEGERS", [9], [300])]),
    "chunk_refresh": chunk(
        purpose="REFRESH", begin=16, end=NO_END, slots=[4, 3], fields=[], alive=[],
        answers=[1005, 1006]),
    "chunk_rejected": chunk(
        purpose="LOAD", job=5, begin=65536, end=65537, fields=["url"], rejected="too large"),
    "pass": control("Pass", job=5, entry="Post", part=2, is_last=True, fields=["publishedAt"],
                    reads=["postId"], fan_outs=[
                        {"query": "postId eq 5", "ops": [op("Set", "publishedAt", 17)]}]),
    "sum": control("Sum", job=6, begin=0, end=65536, has_point=True, fields=[
        {"field": "", "count": 2, "high": -1, "low": -2},
        {"field": "url", "count": 1, "high": 2**40, "low": 3}]),
    "sum_point": control("SumPoint", job=6, begin=0, end=65536, fields=["", "url"]),
    "job_begin": control("Job", kind="BEGIN", job=5, begin=0, end=NO_END, states_alive=True,
                         fields=["url"], dumps=[{"name": "Image-0a1b2c3d", "table": "Image",
                                                 "rows": 0, "ops_written": 0, "failed": ""}]),
    "job_end": control("Job", kind="END", job=5, begin=0, end=NO_END, states_alive=False,
                       fields=[], dumps=[{"name": "Image-0a1b2c3d", "table": "Image", "rows": 7,
                                          "ops_written": 300, "failed": "no rows"}]),
    "voided": control("Voided", number=2, all=False, fields=["", "url"], reason="trigger dropped"),
}
EXPECTED = {1: EXPECTED_1, 2: EXPECTED_2}


def golden_events(version):
    text = (ROOT / "tests/unit/golden_events.h").read_text()
    text = text.split(f"golden_events_{version}[]")[1].split("};")[0]
    for name, lines in re.findall(r'\{"(\w+)",\s*((?:"[0-9a-f]+"\s*)+)\}', text):
        yield name, bytes.fromhex("".join(re.findall(r"[0-9a-f]+", lines)))


def all_golden_events():
    for version in EXPECTED:
        for name, message in golden_events(version):
            yield version, name, message


def fingerprint(version):
    canonical = fastavro.schema.to_parsing_canonical_form(JSON[version])
    return bytes.fromhex(fastavro.schema.fingerprint(canonical, "CRC-64-AVRO"))


def written(version, datum):
    out = io.BytesIO()
    fastavro.schemaless_writer(out, SCHEMAS[version], datum)
    return out.getvalue()


class GoldenEvents(unittest.TestCase):
    def test_golden_events_and_expectations_match(self):
        """Every golden event has an expectation, and every expectation an event."""
        for version, expected in EXPECTED.items():
            self.assertEqual([name for name, _ in golden_events(version)], list(expected))

    def test_the_header_carries_the_fingerprint_of_the_schema(self):
        """Every message begins with the magic bytes and the fingerprint of the schema."""
        for version, name, message in all_golden_events():
            with self.subTest(name):
                self.assertEqual(message[:2], b"\xc3\x01")
                self.assertEqual(message[2:10], fingerprint(version))

    def test_another_reader_reads_the_same_values(self):
        """fastavro decodes every golden event to the expected values."""
        for version, name, message in all_golden_events():
            with self.subTest(name):
                datum = io.BytesIO(message[10:])
                schema = SCHEMAS[version]
                read = fastavro.schemaless_reader(datum, schema, return_record_name=True)
                self.assertEqual(datum.read(), b"", "bytes after the event")
                self.assertEqual(read, EXPECTED[version][name])

    def test_another_writer_writes_the_same_bytes(self):
        """fastavro encodes the expected values to the golden bytes."""
        for version, name, message in all_golden_events():
            with self.subTest(name):
                self.assertEqual(written(version, EXPECTED[version][name]), message[10:])

    def test_version_2_reads_version_1_with_defaults(self):
        """A reader of version 2 resolves events of version 1: txid is 0, a mark has no content."""
        for name, message in golden_events(1):
            with self.subTest(name):
                read = fastavro.schemaless_reader(
                    io.BytesIO(message[10:]), SCHEMAS[1], SCHEMAS[2], return_record_name=True)
                kind, fields = EXPECTED_1[name]["body"]
                if kind == "bitdex.Mark":
                    fields = {**fields, "content_digest": None, "start_name": "", "fields": [],
                              "owed": 0, "voided": 0}
                self.assertEqual(read, newer(EXPECTED_1[name], body=(kind, fields)))

    def test_bodies_of_version_1_have_the_same_bytes_in_version_2(self):
        """A numbered event of version 1 differs from that of version 2 by the txid after it."""
        for name, message in golden_events(1):
            if not name.startswith("mark"):
                with self.subTest(name):
                    self.assertEqual(written(2, newer(EXPECTED_1[name])), message[10:] + b"\0")


class SchemaFingerprint(unittest.TestCase):
    def test_the_constants_in_the_code_are_the_fingerprints_of_the_schemas(self):
        """The fingerprints in event_schema.c are those of the schema files, newest last."""
        source = (ROOT / "common/event/event_schema.c").read_text()
        constants = re.findall(r"\.fingerprint = UINT64_C\(0x([0-9a-f]{16})\)", source)
        self.assertEqual([struct.pack("<Q", int(constant, 16)) for constant in constants],
                         [fingerprint(version) for version in JSON])

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

        walk(JSON[2])


if __name__ == "__main__":
    unittest.main()
