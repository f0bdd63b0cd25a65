"""Reads a topic with stock clients of another language: confluent-kafka and fastavro.

This module shares no code with the programs. It is written from the schema file and
schemas/README.md alone.
"""

import contextlib
import functools
import io
import json
import pathlib
import struct
import time

import confluent_kafka
import fastavro
from confluent_kafka import admin

ROOT = pathlib.Path(__file__).resolve().parents[2]
# The table of schemas/README.md, newest last.
HEADERS = {
    1: bytes.fromhex("c3011de7248e43efc227"),
    2: bytes.fromhex("c3019d4261e5751a4c78"),
}
FILES = {1: "event-1.avsc", 2: "event.avsc"}
SCHEMAS = {
    HEADERS[version]: fastavro.parse_schema(json.loads((ROOT / "schemas" / name).read_text()))
    for version, name in FILES.items()
}
HEADER = HEADERS[max(HEADERS)]
REQUEST_S = 240  # a broker that many tests share may stall


def encode(body, version=max(HEADERS), **head):
    """An unnumbered event with `body` as (name, fields), as a stock writer encodes it."""
    event = {
        "epoch": 0, "generation": 0, "tick": 0, "seq": 0, "source": "stock", "created_at": None,
        "body": body,
    } | head
    out = io.BytesIO(HEADERS[version])
    out.seek(0, io.SEEK_END)
    fastavro.schemaless_writer(out, SCHEMAS[HEADERS[version]], event)
    return out.getvalue()


def decode(value):
    """The event as fastavro decodes it by the schema of its writer, with `body` as (name, fields).
    Bytes after it are an error.
    """
    if value[:10] not in SCHEMAS:
        raise ValueError(f"unknown header: {value[:10].hex()}")
    stream = io.BytesIO(value[10:])
    event = fastavro.schemaless_reader(stream, SCHEMAS[value[:10]], return_record_name=True)
    if stream.read(1):
        raise ValueError("bytes after the event")
    return event


class Reader:
    """Reads a topic from its beginning, in any number of calls."""

    def __init__(self, bootstrap, topic):
        self._bootstrap = bootstrap
        self._client = self._make_client()
        partitions = sorted(read_ends(bootstrap, topic))
        self._places = [confluent_kafka.TopicPartition(topic, p, 0) for p in partitions]
        self._client.assign(self._places)

    def _make_client(self):
        return confluent_kafka.Consumer({
            "bootstrap.servers": self._bootstrap,
            "group.id": "stock-reader",
            "enable.auto.commit": False,
            "log_level": 0,  # silent while a broker is unreachable
        })

    @property
    def partitions(self):
        return [place.partition for place in self._places]

    def read(self):
        """{partition: [(offset, key, event)]} of the messages that came since the last call."""
        events = {partition: [] for partition in self.partitions}
        ends = {place.partition: self._end(place) for place in self._places}
        while any(place.offset < ends[place.partition] for place in self._places):
            for message in self._client.consume(10000, timeout=1):
                if message.error() is not None:
                    raise confluent_kafka.KafkaException(message.error())
                record = (message.offset(), message.key(), decode(message.value()))
                events[message.partition()].append(record)
                self._places[message.partition()].offset = message.offset() + 1
        return events

    def _end(self, place):
        """The next offset of the partition. A client may treat a broker that is back as
        unreachable for minutes, so after an error a new client is created."""
        deadline = time.monotonic() + 120
        while True:
            try:
                return self._client.get_watermark_offsets(place, timeout=30)[1]
            except confluent_kafka.KafkaException:
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.2)
            self._client.close()
            self._client = self._make_client()
            self._client.assign(self._places)

    def close(self):
        self._client.close()


def read(bootstrap, topic):
    """{partition: [(offset, key, event)]} of all messages that the topic holds now."""
    with contextlib.closing(Reader(bootstrap, topic)) as reader:
        return reader.read()


def read_ends(bootstrap, topic):
    """{partition: the offset after its last message}; empty when there is no such topic."""
    deadline = time.monotonic() + 120
    while True:
        # A new client for each attempt: one that has met a partition while it was being created, or
        # a broker that was slow to answer, may report an unknown partition for long.
        settings = {"bootstrap.servers": bootstrap, "group.id": "stock-reader"}
        with contextlib.closing(confluent_kafka.Consumer(settings)) as client:
            try:
                return try_read_ends(client, topic)
            except confluent_kafka.KafkaException:
                if time.monotonic() > deadline:
                    raise
        time.sleep(0.1)


def try_read_ends(client, topic):
    found = client.list_topics(timeout=30).topics.get(topic)
    partitions = found.partitions if found is not None else ()
    places = {p: confluent_kafka.TopicPartition(topic, p) for p in partitions}
    return {p: client.get_watermark_offsets(place, timeout=30)[1] for p, place in places.items()}


def read_dead_letters(bootstrap, topic):
    """[(key, dead letter)] of what the topic's topic .dead holds now."""
    dead = f"{topic}.dead"
    (end,) = read_ends(bootstrap, dead).values()
    settings = {"bootstrap.servers": bootstrap, "group.id": "stock-reader"}
    letters = []
    with contextlib.closing(confluent_kafka.Consumer(settings)) as client:
        client.assign([confluent_kafka.TopicPartition(dead, 0, 0)])
        while len(letters) < end:
            for message in client.consume(end - len(letters), timeout=1):
                if message.error() is not None:
                    raise confluent_kafka.KafkaException(message.error())
                letters.append((message.key().decode(), json.loads(message.value())))
    return letters


def delete(bootstrap, topic):
    """Deletes the topic; returns when the broker does not list it any more."""
    client = admin.AdminClient({"bootstrap.servers": bootstrap})
    client.delete_topics([topic], request_timeout=REQUEST_S)[topic].result()
    deadline = time.monotonic() + 240
    while topic in client.list_topics(timeout=REQUEST_S).topics:
        assert time.monotonic() < deadline, f"topic {topic} stays"
        time.sleep(0.05)


def expire(bootstrap, topic):
    """Removes all messages that the topic has now, as retention does."""
    places = [
        confluent_kafka.TopicPartition(topic, partition, end)
        for partition, end in read_ends(bootstrap, topic).items()
    ]
    client = admin.AdminClient({"bootstrap.servers": bootstrap})
    for done in client.delete_records(places, request_timeout=REQUEST_S).values():
        done.result()


def configure(bootstrap, topic, name, value):
    """Changes one setting of the topic; returns when the broker reports it."""
    entry = admin.ConfigEntry(
        name, value, incremental_operation=admin.AlterConfigOpType.SET
    )
    resource = admin.ConfigResource(
        admin.ResourceType.TOPIC, topic, incremental_configs=[entry]
    )
    client = admin.AdminClient({"bootstrap.servers": bootstrap})
    altered = client.incremental_alter_configs([resource], request_timeout=REQUEST_S)
    altered[resource].result()
    deadline = time.monotonic() + REQUEST_S
    while read_setting(client, resource, name) != value:
        assert time.monotonic() < deadline, f"topic {topic} keeps its {name}"
        time.sleep(0.05)


def read_setting(client, resource, name):
    described = client.describe_configs([resource], request_timeout=REQUEST_S)
    return described[resource].result()[name].value


class Loss(Exception):
    """The numbers prove that events are missing or that numbers were used twice."""


LOADED = ("bitdex.Chunk", "bitdex.Pass", "bitdex.Job", "bitdex.Sum", "bitdex.SumPoint")
DIGEST_START = 0xCBF29CE484222325


def digest_next(digest, row_id):
    """The digest continued over one row id, as in schemas/README.md, section "Digest"."""
    for byte in row_id.to_bytes(8, "big"):
        digest = (digest ^ byte) * 0x100000001B3 % (1 << 64)
    return digest


def crc32c(data):
    """CRC-32C (Castagnoli), reflected."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


@functools.cache
def around_body():
    """Schemas of the fields before and after the field `body`."""
    fields = json.loads((ROOT / "schemas" / FILES[2]).read_text())["fields"]
    at = [field["name"] for field in fields].index("body")
    return [fastavro.parse_schema({"type": "record", "name": "Part", "fields": part})
            for part in (fields[:at], fields[at + 1:])]


def body_bytes(event):
    """The bytes of the field `body`, which are the same in all versions of the schema."""
    event = {"txid": 0, **event}
    lengths = []
    for schema in around_body():
        out = io.BytesIO()
        fastavro.schemaless_writer(out, schema, event)
        lengths.append(out.tell())
    datum = encode(**event)[len(HEADER):]
    return datum[lengths[0]:len(datum) - lengths[1]]


def content_next(digest, event):
    """The content digest continued over one event, as in schemas/README.md, section "Digest"."""
    for word in (event["body"][1]["row_id"], event["txid"], crc32c(body_bytes(event))):
        digest = (digest ^ word % (1 << 64)) * 0x9E3779B97F4A7C15 % (1 << 64)
        digest ^= digest >> 32
    return digest


def is_request(body):
    """Whether the row of an event asks for refreshes."""
    kind, fields = body
    ops = fields["ops"] if kind == "bitdex.Row" else []
    return kind == "bitdex.ParentRefresh" or any(op == "bitdex.Refresh" for op, _ in ops)


class Sequence:
    """The rules of L2 and L3 for a reader of one partition, and that of requests: each is named by
    an answer that follows it before a watermark says that nothing is owed."""

    def __init__(self):
        self.duplicates = self.fenced = self.answered = 0
        self._begin(0, 0)

    def _begin(self, epoch, generation):
        self.epoch, self.generation = epoch, generation
        self.digests = [DIGEST_START]  # by seq
        self._requests = set()  # row ids, not answered yet

    def applies(self, offset, event):
        """Whether a reader has to apply the next event; raises Loss."""
        kind, fields = event["body"]
        sender = (event["epoch"], event["generation"])
        if sender < (self.epoch, self.generation):
            self.fenced += 1
            return False
        if kind == "bitdex.Mark":
            self._mark(offset, event, sender)
            return False
        if sender != (self.epoch, self.generation):
            raise Loss(f"offset {offset}: an event before the fence of its generation")
        if kind in LOADED:
            self._loaded(offset, event)
            return False
        if event["seq"] < len(self.digests):
            self.duplicates += 1
            return False
        if event["seq"] != len(self.digests):
            raise Loss(f"offset {offset}: seq {event['seq']} follows {len(self.digests) - 1}")
        self.digests.append(digest_next(self.digests[-1], fields["row_id"]))
        if is_request(event["body"]):
            self._requests.add(fields["row_id"])
        return True

    def _loaded(self, offset, event):
        """A load's events take no seq. They follow a window that is acknowledged, so their seq is
        the last one."""
        last = len(self.digests) - 1
        if event["seq"] != last:
            raise Loss(f"offset {offset}: {event['body'][0]} at {event['seq']}, read up to {last}")
        kind, fields = event["body"]
        if kind == "bitdex.Sum" or kind == "bitdex.Chunk" and fields["purpose"] == "CHECK":
            self._check_answered(offset, kind)
        elif kind == "bitdex.Chunk":
            self.answered += len(self._requests.intersection(fields["answers"]))
            self._requests.difference_update(fields["answers"])

    def _check_answered(self, offset, what):
        if self._requests:
            raise Loss(f"offset {offset}: {what}, but {len(self._requests)} requests are not"
                       f" answered, e.g. row {min(self._requests)}")

    def _mark(self, offset, event, sender):
        fields, seq = event["body"][1], event["seq"]
        begins = sender > (self.epoch, self.generation)
        if begins and fields["kind"] != "FENCE":
            raise Loss(f"offset {offset}: generation {sender} begins without a fence")
        if event["epoch"] > self.epoch:
            self._begin(*sender)
        self.generation = event["generation"]
        # A new generation begins at the saved position and sends the events after it again.
        last = len(self.digests) - 1
        if seq > last or (seq < last and not begins):
            raise Loss(f"offset {offset}: mark at {seq}, read up to {last}")
        if fields["digest"] % (1 << 64) != self.digests[seq]:
            raise Loss(f"offset {offset}: another digest at seq {seq}: numbers were used twice")
        if fields["kind"] == "WATERMARK" and fields["owed"] == 0:
            self._check_answered(offset, "a watermark that owes nothing")


class Applied:
    """What a reader of the topic has applied so far."""

    def __init__(self, partitions):
        self.sequences = {partition: Sequence() for partition in partitions}
        self.ids = {partition: set() for partition in partitions}  # of ops rows

    def feed(self, events):
        """Takes further events in the form of Reader.read(); returns {partition: [event]} of those
        that are applied."""
        applied = {}
        for partition, records in events.items():
            applied[partition] = []
            for offset, key, event in records:
                if self.sequences[partition].applies(offset, event):
                    self._apply(partition, key, event["body"][1])
                    applied[partition].append(event)
        return applied

    def _apply(self, partition, key, fields):
        assert key == struct.pack(">q", fields["entity_id"]), key
        row_id = fields["row_id"]
        assert row_id not in self.ids[partition], f"partition {partition}: row {row_id} twice"
        self.ids[partition].add(row_id)


# The partition of a row depends on its kind alone, even when the rest of the row is invalid:
# fan-outs and requests of parents go to all partitions.
OUTBOX = """
SELECT id, entity_id, jsonb_typeof(ops) = 'array' AND jsonb_path_exists(ops,
    'strict $[*] ? (@.op == "queryOpSet" ||
        @.op == "refresh" && (exists (@.key) || exists (@.all)))')
FROM "BitdexOps"
"""


def read_committed(connection, partitions, condition="true"):
    """[(partition, row id)] of the committed ops rows, once for each partition of a row."""
    return [
        (partition, row_id)
        for row_id, entity_id, is_fan_out in connection.execute(f"{OUTBOX} WHERE {condition}")
        for partition in (partitions if is_fan_out else [entity_id % len(partitions)])
    ]


def check_delivery(connection, events):
    """Checks that every committed ops row is applied exactly once in each of its partitions.

    Returns {partition: [event]} as applied. Raises AssertionError with the difference.
    """
    applied = Applied(events)
    delivered = applied.feed(events)
    wanted = {partition: set() for partition in events}
    for partition, row_id in read_committed(connection, list(events)):
        wanted[partition].add(row_id)
    for partition, ids in applied.ids.items():
        missing, foreign = wanted[partition] - ids, ids - wanted[partition]
        assert not missing, f"partition {partition}: {len(missing)} lost, e.g. {min(missing)}"
        assert not foreign, f"partition {partition}: {len(foreign)} not committed"
    return delivered


class Order:
    """Checks that the changes of each image arrive in commit order: each change removes the value
    that the previous one has set. `values`: {image: the value before the first event}."""

    def __init__(self, field="nsfwLevel", values=()):
        self.links = 0  # pairs of changes that were compared
        self._field = field
        self._values = dict(values)

    def feed(self, delivered):
        for events in delivered.values():
            for event in events:
                kind, fields = event["body"]
                if kind == "bitdex.Row":
                    self._apply(fields["entity_id"], fields["ops"])

    def _apply(self, entity, ops):
        for op, arguments in ops:
            if op == "bitdex.Delete":
                self._values.pop(entity, None)
            elif arguments.get("field") != self._field:
                continue
            elif op == "bitdex.Remove":
                assert self._values.pop(entity) == arguments["value"], f"image {entity}: order"
                self.links += 1
            elif op == "bitdex.Set":
                self._values[entity] = arguments["value"]


def check_order(delivered, field="nsfwLevel"):
    """Checks the order of one field's changes; returns how many pairs were compared."""
    order = Order(field)
    order.feed(delivered)
    return order.links
