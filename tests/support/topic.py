"""A topic as a stock client of another language reads it: confluent-kafka, fastavro and the schema.

Nothing here knows our code: the schema file and schemas/README.md are all it goes by.
"""

import io
import json
import pathlib
import struct
import time

import confluent_kafka
import fastavro

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCHEMA = fastavro.parse_schema(json.loads((ROOT / "schemas/event.avsc").read_text()))
# Of the table in schemas/README.md; version 1.
HEADER = bytes.fromhex("c3011de7248e43efc227")


def decode(value):
    """The event as fastavro gives it, `body` as (name, fields), and the message wholly read."""
    if value[:10] != HEADER:
        raise ValueError(f"another header: {value[:10].hex()}")
    stream = io.BytesIO(value[10:])
    event = fastavro.schemaless_reader(stream, SCHEMA, return_record_name=True)
    if stream.read(1):
        raise ValueError("bytes behind the event")
    return event


def read(bootstrap, topic):
    """{partition: [(offset, key, event)]} of all that is on the topic now."""
    client = confluent_kafka.Consumer({
        "bootstrap.servers": bootstrap,
        "group.id": "stock-reader",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
    })
    partitions = sorted(client.list_topics(topic, timeout=30).topics[topic].partitions)
    begin = confluent_kafka.OFFSET_BEGINNING
    client.assign([confluent_kafka.TopicPartition(topic, p, begin) for p in partitions])
    events = {partition: [] for partition in partitions}
    open_partitions = set(partitions)
    while open_partitions:
        for message in client.consume(10000, timeout=1):
            if message.error() is None:
                place = events[message.partition()]
                place.append((message.offset(), message.key(), decode(message.value())))
            elif message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF:
                open_partitions.discard(message.partition())
            else:
                raise confluent_kafka.KafkaException(message.error())
    client.close()
    return events


def read_ends(bootstrap, topic):
    """{partition: offset behind its last message}; empty when there is no such topic."""
    client = confluent_kafka.Consumer({"bootstrap.servers": bootstrap, "group.id": "stock-reader"})
    found = client.list_topics(timeout=30).topics.get(topic)
    partitions = found.partitions if found is not None else ()
    ends = {partition: read_end(client, topic, partition) for partition in partitions}
    client.close()
    return ends


def read_end(client, topic, partition):
    place = confluent_kafka.TopicPartition(topic, partition)
    deadline = time.monotonic() + 30
    while True:
        try:
            return client.get_watermark_offsets(place, timeout=30)[1]
        except confluent_kafka.KafkaException:  # the partition is being made
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


class Loss(Exception):
    """The numbers prove that something is missing."""


def applied(records):
    """What a reader that follows L2 and L3 applies of one partition's records: (key, event)."""
    epoch = generation = seq = 0
    for offset, key, event in records:
        kind = event["body"][0]
        if (event["epoch"], event["generation"]) < (epoch, generation):
            continue  # of a producer that had been fenced
        if kind == "bitdex.Mark":
            if event["epoch"] > epoch:
                seq = 0
            # A new generation begins at the saved position, and sends again what is behind it.
            begins = (event["epoch"], event["generation"]) > (epoch, generation)
            if event["seq"] > seq or (event["seq"] < seq and not begins):
                raise Loss(f"offset {offset}: mark at {event['seq']}, read up to {seq}")
            epoch, generation = event["epoch"], event["generation"]
            continue
        if (event["epoch"], event["generation"]) != (epoch, generation):
            raise Loss(f"offset {offset}: an event before the fence of its generation")
        if event["seq"] <= seq:
            continue  # sent again
        if event["seq"] != seq + 1:
            raise Loss(f"offset {offset}: seq {event['seq']} behind {seq}")
        seq += 1
        yield key, event


# Where a row goes depends on its kind alone, however wrong the rest of it is.
OUTBOX = """
SELECT id, entity_id, jsonb_typeof(ops) = 'array' AND ops @> '[{"op": "queryOpSet"}]'
FROM "BitdexOps"
"""


def check_delivery(connection, events):
    """Every committed row of the outbox is applied exactly once where it belongs.

    Returns {partition: [event]} as applied. Raises AssertionError with what differs.
    """
    wanted = {partition: set() for partition in events}
    for row_id, entity_id, is_fan_out in connection.execute(OUTBOX):
        for partition in events if is_fan_out else [entity_id % len(events)]:
            wanted[partition].add(row_id)
    delivered = {}
    for partition, records in events.items():
        delivered[partition] = []
        ids = []
        for key, event in applied(records):
            fields = event["body"][1]
            assert key == struct.pack(">q", fields["entity_id"]), key
            ids.append(fields["row_id"])
            delivered[partition].append(event)
        assert len(ids) == len(set(ids)), f"partition {partition}: a row twice"
        missing, foreign = wanted[partition] - set(ids), set(ids) - wanted[partition]
        assert not missing, f"partition {partition}: {len(missing)} lost, e.g. {min(missing)}"
        assert not foreign, f"partition {partition}: {len(foreign)} not committed"
    return delivered


def check_order(delivered, field="nsfwLevel"):
    """Changes of one image arrive in commit order: what one removes is what the last one set.

    Returns how many changes were looked at.
    """
    value_of = {}
    links = 0
    for partition_events in delivered.values():
        for event in partition_events:
            kind, fields = event["body"]
            if kind != "bitdex.Row":
                continue
            for op, arguments in fields["ops"]:
                entity = fields["entity_id"]
                if op == "bitdex.Delete":
                    value_of.pop(entity, None)
                elif arguments.get("field") != field:
                    continue
                elif op == "bitdex.Remove":
                    assert value_of.pop(entity) == arguments["value"], f"image {entity}: order"
                    links += 1
                elif op == "bitdex.Set":
                    value_of[entity] = arguments["value"]
    return links
