"""Law L10: queues in front of a slow worker are bounded, and health checks and queries answer
meanwhile."""

import os
import re
import unittest

import confluent_kafka
from case import GalleryCase

MIB = 1 << 20
PARTITIONS = 64
PREFETCH_BYTES = 8 * MIB
BATCH_BYTES = 16 << 10  # of what the test sends
FETCH_BYTES = PREFETCH_BYTES // PARTITIONS // 2  # per partition: consumer/group/prefetch.h
BACKLOG_BYTES = 128 * MIB
MESSAGE_BYTES = 4000
UNKNOWN_SCHEMA = b"\xc3\x01unknown!"

LIVE = """
INSERT INTO "BitdexOps" (entity_id, ops) SELECT n, '[{"op": "alive"},
    {"op": "set", "field": "postId", "value": 1}]' FROM generate_series(1, %s) AS n
"""
FAN_OUT = """
INSERT INTO "BitdexOps" (entity_id, ops) SELECT 1, jsonb_build_array(jsonb_build_object(
    'op', 'queryOpSet', 'query', 'postId eq 1', 'ops', jsonb_build_array(jsonb_build_object(
        'op', 'set', 'field', 'nsfwLevel', 'value', n))))
FROM generate_series(1, %s) AS n
"""


class Backpressure(GalleryCase):
    def configure(self, old, new):
        text = self.pipeline.config.read_text()
        self.assertIn(old, text)
        self.pipeline.config.write_text(text.replace(old, new))

    def memory(self, key="VmRSS"):
        """Memory of the consumer in bytes; VmHWM is its maximum so far."""
        with open(f"/proc/{self.pipeline.consumer.pid}/status") as status:
            return int(re.search(rf"{key}:\s+(\d+) kB", status.read())[1]) << 10

    def queued(self):
        """{partition: how many messages wait in its queue}"""
        _, text = self.pipeline.api.call("/metrics")
        found = re.findall(r'\nbitdex_consumer_queue_messages\{partition="(\d+)"\} (\d+)', text)
        return {int(partition): int(count) for partition, count in found}

    def start_consumer(self, state):
        """Starts the consumer and waits until every partition is in that state; returns its memory.
        """
        self.pipeline.consumer.start()
        self.pipeline.consumer.wait_until(
            lambda: [p["state"] for p in self.pipeline.partitions()] == PARTITIONS * [state],
            f"is not {state} everywhere",
        )
        return self.memory()

    def send_backlog(self):
        """Sends a backlog to each partition, after a message that makes its worker wait."""
        producer = confluent_kafka.Producer({
            "bootstrap.servers": self.pipeline.kafka, "batch.size": BATCH_BYTES, "linger.ms": 100,
            "queue.buffering.max.kbytes": 2 * BACKLOG_BYTES >> 10,
        })
        value = os.urandom(MESSAGE_BYTES)
        for partition in range(PARTITIONS):
            producer.produce(self.pipeline.topic, UNKNOWN_SCHEMA, partition=partition)
        self.assertEqual(producer.flush(120), 0)
        for number in range(BACKLOG_BYTES // MESSAGE_BYTES):
            producer.produce(self.pipeline.topic, value, partition=number % PARTITIONS)
        self.assertEqual(producer.flush(120), 0)

    def wait_until_full(self):
        """Waits until no queue has grown for 50 polls."""
        polls = []

        def is_full():
            polls.append(self.queued())
            last = polls[-50:]
            return len(last) == 50 and min(last[0].values()) > 0 and last.count(last[0]) == 50

        self.pipeline.consumer.wait_until(is_full, "does not stop fetching")

    def test_f48_prefetch_is_bounded(self):
        """With 64 partitions whose workers wait, the consumer fetches no more than the setting
        allows; librdkafka settings that are configured override it."""
        bound = 2 * (PREFETCH_BYTES + PARTITIONS * max(BATCH_BYTES, FETCH_BYTES))
        self.configure("partitions: 4", f"partitions: {PARTITIONS}")
        self.configure(
            "\nconsumer:\n",
            f"\nconsumer:\n  prefetch_bytes: {PREFETCH_BYTES}\n  batch_bytes: 65536\n")
        self.pipeline.init()
        before = self.start_consumer("running")
        self.send_backlog()
        self.wait_until_full()
        self.pipeline.consumer.wait_until(
            lambda: {p["state"] for p in self.pipeline.partitions()} == {"waiting"}, "continues")
        self.assertEqual(self.pipeline.api.call("/api/health")[0], 200)
        limited = self.memory("VmHWM") - before
        self.pipeline.consumer.stop()
        self.configure(
            "kafka: {",
            'kafka: { queued.max.messages.kbytes: "8192", queued.min.messages: "100000",'
            ' fetch.message.max.bytes: "1048576", fetch.max.bytes: "52428800",')
        self.start_consumer("waiting")
        self.pipeline.consumer.wait_until(
            lambda: self.memory("VmHWM") - before > BACKLOG_BYTES, "fetches no more")
        print(f"limited {limited >> 20} MiB of {bound >> 20}")
        self.assertLess(limited, bound)

    def test_l10_long_fan_outs(self):
        """During 40 fan-outs over every slot, queries and health checks answer, and memory does not
        grow with the backlog."""
        self.create_tables()
        self.pipeline.start()
        with self.pipeline.connect() as connection:
            connection.execute(LIVE, (500_000,))
        self.pipeline.wait_until_fresh()
        before = self.memory()
        with self.pipeline.connect() as connection:
            connection.execute(FAN_OUT, (40,))
            connection.execute(LIVE, (100_000,))
        body = {"filters": [{"Eq": ["nsfwLevel", {"Integer": 40}]}], "limit": 1}

        def is_done():
            self.assertEqual(self.pipeline.api.call("/api/health")[0], 200)
            return self.pipeline.query(body)["total_matched"] == 500_000

        self.pipeline.consumer.wait_until(is_done, "does not finish the fan-outs", timeout_s=400)
        self.pipeline.wait_until_fresh()
        grown = self.memory("VmHWM") - before
        print(f"{before >> 20} MiB, grown by {grown >> 20} MiB")
        self.assertLess(grown, 2 * 64 * MIB)


if __name__ == "__main__":
    unittest.main()
