"""F79: one row is one thing in all partitions, whoever judges it before and after a restart.

A limit that the configuration lowers between two runs makes two validators of one.
"""

import copy
import io
import json
import unittest

import confluent_kafka
import fastavro
import outbox
import pipeline
import topic

FAN_OUT = json.dumps([{
    "op": "queryOpSet",
    "query": "postId eq 1",
    "ops": [{"op": "set", "field": "availability", "value": "x" * 3000}],
}])
STRICT = {"producer": {"row_bytes": 2048}}


def encode(event):
    out = io.BytesIO()
    fastavro.schemaless_writer(out, topic.SCHEMA, event)
    return topic.HEADER + out.getvalue()


class Verdicts(outbox.OutboxCase):
    def insert_fan_out(self):
        with self.pipeline.connect() as connection:
            return connection.execute(
                'INSERT INTO "BitdexOps" (entity_id, ops) VALUES (1, %s) RETURNING id', (FAN_OUT,)
            ).fetchone()[0]

    def interrupt(self):
        """A producer has accepted and sent a fan-out, has opened the window of a second one, and
        is gone. Returns the second row's id, its window, and the first row's events."""
        self.start()
        self.insert_fan_out()
        events = self.check_delivery()
        self.producer.stop()
        row_id = self.insert_fan_out()
        with self.pipeline.connect() as connection:
            tick, seq = connection.execute(
                """INSERT INTO bitdex_windows (name, tick, generation, s1, s2, sub_id, last_row_id,
                seq, digest, offsets)
                SELECT name, tick + 1, generation, s2, pg_current_snapshot(), 0, last_row_id, seq,
                digest, offsets FROM bitdex_windows ORDER BY tick DESC, sub_id DESC LIMIT 1
                RETURNING tick, seq"""
            ).fetchone()
        return row_id, tick, seq, events

    def send_accepted(self, partition, row_id, tick, seq, events):
        """To one partition, as the first producer would have."""
        event = copy.deepcopy(events[partition][-1])
        event |= {"tick": tick, "seq": seq[partition] + 1}
        event["body"][1]["row_id"] = row_id
        key = event["body"][1]["entity_id"].to_bytes(8, "big")
        client = confluent_kafka.Producer({"bootstrap.servers": self.pipeline.kafka})
        client.produce(self.pipeline.topic, encode(event), key, partition)
        self.assertEqual(client.flush(30), 0)

    def kinds(self, row_id):
        """{partition: what became of the row there}."""
        return {
            partition: event["body"][0]
            for partition, events in self.check_delivery().items()
            for event in events
            if event["body"][1]["row_id"] == row_id
        }

    def letters(self):
        with self.pipeline.connect() as connection:
            return [row for (row,) in connection.execute("SELECT row_id FROM bitdex_dead_letters")]

    def test_f79_what_one_partition_has_is_accepted_in_all(self):
        """A fan-out that reached one partition reaches the others as it was, though the validator
        of today rejects it."""
        row_id, tick, seq, events = self.interrupt()
        self.send_accepted(2, row_id, tick, seq, events)
        pipeline.write_config(self.pipeline.config, STRICT)
        self.start()
        later = self.insert_fan_out()
        self.assertEqual(self.kinds(row_id), dict.fromkeys(range(4), "bitdex.FanOut"))
        self.assertEqual(self.kinds(later), dict.fromkeys(range(4), "bitdex.Rejected"))
        self.assertEqual(self.letters(), [later])

    def test_f79_what_nobody_has_seen_is_rejected_in_all(self):
        """A fan-out that reached no partition is today's validator's to judge."""
        row_id, *_ = self.interrupt()
        pipeline.write_config(self.pipeline.config, STRICT)
        self.start()
        self.assertEqual(self.kinds(row_id), dict.fromkeys(range(4), "bitdex.Rejected"))
        self.assertEqual(self.letters(), [row_id])

    def test_f79_a_stored_verdict_stands(self):
        """A fan-out that was rejected stays rejected, though the validator of today accepts it."""
        row_id, tick, *_ = self.interrupt()
        with self.pipeline.connect() as connection:
            connection.execute(
                """INSERT INTO bitdex_dead_letters (name, epoch, row_id, tick, generation,
                entity_id, ops, reason) SELECT 'default', 1, id, %s, 1, entity_id, ops, 'too odd'
                FROM "BitdexOps" WHERE id = %s""",
                (tick, row_id),
            )
        self.start()
        self.assertEqual(self.kinds(row_id), dict.fromkeys(range(4), "bitdex.Rejected"))


if __name__ == "__main__":
    unittest.main()
