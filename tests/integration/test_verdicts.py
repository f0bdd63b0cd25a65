"""F79: a row has the same verdict in all partitions, although the validator changes at a restart.

A limit that the configuration lowers between two runs stands for two versions of the validator.
"""

import copy
import json
import unittest

import confluent_kafka
import outbox
import pipeline
import topic

FAN_OUT = json.dumps([{
    "op": "queryOpSet",
    "query": "postId eq 1",
    "ops": [{"op": "set", "field": "availability", "value": "x" * 3000}],
}])
STRICT = {"producer": {"row_bytes": 2048}}


class Verdicts(outbox.OutboxCase):
    def insert_fan_out(self):
        with self.pipeline.connect() as connection:
            return connection.execute(
                'INSERT INTO "BitdexOps" (entity_id, ops) VALUES (1, %s) RETURNING id', (FAN_OUT,)
            ).fetchone()[0]

    def interrupt(self):
        """Sends a fan-out, then saves the window of a second one and stops the producer before it
        sends that. Returns the second row's id, its tick and seqs, and the events that were sent.
        """
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
        """Sends the second row to one partition, as the stopped producer would have if it had been
        of version 1 of the schema."""
        event = copy.deepcopy(events[partition][-1])
        event |= {"tick": tick, "seq": seq[partition] + 1}
        event["body"][1]["row_id"] = row_id
        key = event["body"][1]["entity_id"].to_bytes(8, "big")
        client = confluent_kafka.Producer({"bootstrap.servers": self.pipeline.kafka})
        client.produce(self.pipeline.topic, topic.encode(version=1, **event), key, partition)
        self.assertEqual(client.flush(240), 0)

    def kinds(self, row_id):
        """{partition: the kind of the row's event}"""
        return {
            partition: event["body"][0]
            for partition, events in self.check_delivery().items()
            for event in events
            if event["body"][1]["row_id"] == row_id
        }

    def dead_letters(self):
        with self.pipeline.connect() as connection:
            return [row for (row,) in connection.execute("SELECT row_id FROM bitdex_dead_letters")]

    def test_f79_accepted_in_one_partition_accepted_in_all(self):
        """A fan-out that one partition has already is accepted in the others too, although the new
        validator rejects it."""
        row_id, tick, seq, events = self.interrupt()
        self.send_accepted(2, row_id, tick, seq, events)
        pipeline.write_config(self.pipeline.config, STRICT)
        self.start()
        later = self.insert_fan_out()
        self.assertEqual(self.kinds(row_id), dict.fromkeys(range(4), "bitdex.FanOut"))
        self.assertEqual(self.kinds(later), dict.fromkeys(range(4), "bitdex.Rejected"))
        self.assertEqual(self.dead_letters(), [later])

    def test_f79_sent_to_no_partition_rejected_in_all(self):
        """A fan-out that was sent to no partition gets the verdict of the new validator."""
        row_id, *_ = self.interrupt()
        pipeline.write_config(self.pipeline.config, STRICT)
        self.start()
        self.assertEqual(self.kinds(row_id), dict.fromkeys(range(4), "bitdex.Rejected"))
        self.assertEqual(self.dead_letters(), [row_id])

    def test_f79_stored_verdict_is_kept(self):
        """A fan-out whose dead letter is stored stays rejected, although the new validator accepts
        it."""
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
