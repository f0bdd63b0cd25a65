"""Two producers of one name: one drains, the other one waits, and a stalled one is fenced off after
a takeover (L3)."""

import json
import signal
import time
import unittest

import audit
import confluent_kafka
import threads
import topic
from case import GalleryCase


class Takeover(GalleryCase):
    own_servers = ("kafka",)
    kafka_settings = {"broker.session.timeout.ms": "90000"}  # it is paused, not killed
    # Small requests, so that most of a backlog is still in the producer's queue when it is stopped.
    sections = {"kafka": {"producer": {"batch.num.messages": "10"}}}

    def query(self, sql):
        with self.pipeline.connect() as connection:
            return connection.execute(sql).fetchall()

    def newest_tick(self):
        return self.query("SELECT max(tick) FROM bitdex_windows")[0][0]

    def test_f52_f64_standby_takes_over(self):
        """A second producer waits for the lock without holding back xmin, and takes over when the
        first one dies."""
        self.create_gallery(images=100)
        spare = self.spare_producer().start()
        spare.wait_until_state("waiting for lock")
        status, answer = spare.api.call("/api/ready")
        standby = {"ready": True, "standby": True, "dead_letters": None, "exempt_fields": [],
                   "warnings": []}
        self.assertEqual((status, answer), (200, standby))
        self.assertEqual(spare.api.call("/api/health")[0], 200)
        spare.wait_until(lambda: self.query(
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'bitdex-producer cursor'"
            " AND datname = current_database() AND backend_xmin IS NULL AND state = 'idle'"
        ), "holds back xmin")
        with self.writers(threads=4, pause_s=0.02) as writers:
            spare.wait_until(lambda: writers.committed > 50, "has no writers beside it")
            begun = time.monotonic()
            self.pipeline.producer.kill()
            spare.wait_until_state("draining")
            print(f"taken over in {time.monotonic() - begun:.1f} s", flush=True)
        self.pipeline.producer = spare
        self.check_end()

    def test_f52_zombie_changes_nothing(self):
        """A producer is frozen with a full queue, its sessions are ended, and a successor takes
        over. When it is resumed, its Kafka client still sends queued events before the drain
        notices: readers drop them by their generation, the producer saves no position, and it waits
        for the lock."""
        self.create_gallery(images=100)
        zombie, spare = self.pipeline.producer, self.spare_producer()
        self.silence_broker()
        zombie.signal(signal.SIGSTOP)
        self.addCleanup(zombie.kill)
        self.end_sessions()
        self.kafka.resume()
        spare.start().wait_until_state("draining")
        self.pipeline.producer = spare
        self.write_some()
        self.pipeline.wait_until_fresh()
        with threads.stopped(zombie.pid, lambda name: not name.startswith("rdk:")):
            zombie.signal(signal.SIGCONT)
            spare.wait_until(lambda: self.count_fenced() > 0, "receives nothing from the zombie")
        zombie.wait_until_state("waiting for lock")
        self.write_some()
        self.check_end()
        written = self.query("SELECT generation FROM bitdex_windows ORDER BY tick, sub_id")
        self.assertEqual(written, sorted(written))
        self.check_audit()

    def check_audit(self):
        """The topic, with what the zombie sent, proves what it says, until it is damaged."""
        consumer, name = self.pipeline.consumer, self.pipeline.topic
        certificate = json.loads(consumer.command("audit", "--json").stdout)
        self.assertTrue(certificate["proved"])
        self.assertGreater(certificate["windows_compared"], 0)
        for key in ("numbered", "fenced", "digests", "content_digests"):
            self.assertGreater(sum(part[key] for part in certificate["partitions"]), 0, key)
        self.assertEqual(audit.audit(topic.read(self.pipeline.kafka, name)), [])
        client = confluent_kafka.Producer({"bootstrap.servers": self.pipeline.kafka})
        client.produce(name, b"rubbish", partition=1)
        self.assertEqual(client.flush(240), 0)
        done = consumer.command("audit", "--partition", "1", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(": not an event: ", done.stdout)
        self.assertIn("findings: 1", done.stderr)

    def count_fenced(self):
        """How many events a reader drops because of their generation."""
        events = topic.read(self.pipeline.kafka, self.pipeline.topic)
        applied = topic.Applied(events)
        applied.feed(events)
        return sum(sequence.fenced for sequence in applied.sequences.values())

    def end_sessions(self):
        """Ends the producer's sessions, as a server does with clients that have stopped answering.
        """
        self.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname ="
            " current_database() AND application_name LIKE 'bitdex-producer%'"
        )

    def test_f52_f75_fenced_producer_ends(self):
        """A producer that is about to save a window waits for the transaction of a successor that
        takes over, saves nothing after it, and exits with an error that names the successor."""
        self.create_gallery(images=100)
        self.pipeline.wait_until_fresh()
        producer = self.pipeline.producer
        with self.pipeline.connect() as successor:
            successor.execute("UPDATE bitdex_producers SET generation = generation + 1")
            tick = self.newest_tick()
            self.change_images()
            producer.wait_until(
                lambda: self.newest_tick() > tick or self.query(
                    "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                    " AND application_name = 'bitdex-producer cursor'"
                ), "does not save",
            )
            self.assertEqual(self.newest_tick(), tick)
        self.assertEqual(producer.wait(), 1)
        self.assertIn("fenced: another producer named", producer.log_tail())
        self.assertEqual(self.newest_tick(), tick)
        producer.start()
        self.check_end()


if __name__ == "__main__":
    unittest.main()
