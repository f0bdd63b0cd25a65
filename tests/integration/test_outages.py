"""Outages of broker and database: the producer waits, reports the error, can be stopped, and loses
nothing.

L4: a delivery is never given up. After any error a new session begins at the saved cursor.
"""

import json
import random
import signal
import struct
import time
import unittest

import gallery
import pipeline
import psycopg
import servers
import topic
from case import GalleryCase
from confluent_kafka import admin

QUEUE = 500

# Sessions of the producer that hold back xmin or have a transaction open.
HOLDERS = """
SELECT pid, coalesce(xact_start, query_start) FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'bitdex-producer%'
    AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL OR xact_start IS NOT NULL)
"""


class Outages(GalleryCase):
    own_servers = True
    # Everything is allowed for a topic without rules; tests add rules.
    kafka_settings = {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "true",
    }
    # A queue that is soon full, requests that soon time out while a broker is silent, and batches
    # that are as large as their events.
    sections = {"kafka": {"producer": {
        "queue.buffering.max.messages": str(QUEUE), "socket.timeout.ms": "1000",
        "compression.type": "none",
    }}}

    def setUp(self):
        super().setUp()
        self.producer = self.pipeline.producer
        self.admin = admin.AdminClient({"bootstrap.servers": self.pipeline.kafka, "log_level": 0})

    def wait_until_error(self, word):
        """Waits until the status shows the error; the producer has to be healthy and not ready."""
        self.producer.wait_until(
            lambda: word in self.producer.api.get("/api/status")["error"], f"does not show {word}"
        )
        self.producer.wait_until(
            lambda: self.producer.api.call("/api/ready")[0] == 503, "is still ready"
        )
        self.assertEqual(self.producer.api.call("/api/health")[0], 200)

    def wait_until_ready(self):
        self.producer.wait_until(
            lambda: self.producer.api.call("/api/ready")[0] == 200
            and self.producer.api.get("/api/status")["error"] == "", "does not get ready"
        )

    def query(self, sql):
        with self.pipeline.connect() as connection:
            return connection.execute(sql).fetchall()

    def newest_tick(self):
        return self.query("SELECT max(tick) FROM bitdex_windows")[0][0]

    def check_refused(self, word):
        """Checks F51: while deliveries fail, nothing is acknowledged and no window is opened."""
        self.wait_until_error(word)
        tick, sessions = self.newest_tick(), self.producer.api.get("/api/status")["sessions"]
        self.producer.wait_until(  # it retries
            lambda: self.producer.api.get("/api/status")["sessions"] > sessions, "gave up"
        )
        self.assertEqual(self.newest_tick(), tick)

    def check_recovered(self):
        self.check_end(changed=False)
        self.assertEqual(self.query("SELECT * FROM bitdex_dead_letters"), [])
        self.wait_until_ready()

    def test_f50_servers_die(self):
        """Broker and database are killed and restarted in turn under load: both programs keep
        running and nothing is lost."""
        self.create_gallery()
        with self.writers(threads=4, reconnect=True, pause_s=0.05) as writers:
            for server in (self.kafka, self.postgres):
                before = writers.committed
                self.producer.wait_until(lambda: writers.committed > before + 20, "has no writers")
                server.kill()
                time.sleep(1)
                server.start()
        self.assertGreater(writers.committed, 0)
        for program in (self.producer, self.pipeline.consumer):
            self.assertTrue(program.is_running(), program.log_tail())
        self.check_end()

    def test_f50_f59_f64_broker_is_silent(self):
        """While a broker accepts connections and never answers, and the queue is full, requests
        time out repeatedly, no delivery is given up, and no transaction stays open in the database.
        """
        self.create_gallery(images=100)
        self.pipeline.wait_until_fresh()
        sessions = self.producer.api.get("/api/status")["sessions"]
        self.silence_broker()
        self.wait_until_error("imed out")
        self.producer.wait_until(
            lambda: self.producer.api.get("/api/status")["backlog_rows"] > QUEUE, "has sent it all")
        self.producer.wait_until_state("waiting for broker")
        status = self.producer.api.get("/api/status")
        self.assertLessEqual(status["unacknowledged"], QUEUE)
        held = set(self.query(HOLDERS))
        self.producer.wait_until(lambda: not held & set(self.query(HOLDERS)), "holds back xmin")
        self.kafka.resume()
        self.check_recovered()
        self.assertEqual(self.producer.api.get("/api/status")["sessions"], sessions)

    def test_l5_cursor_table_waits_for_the_broker(self):
        """A position that is applied and not yet committed to the group is not in bitdex_cursors.
        """
        self.create_gallery(images=100)
        self.addCleanup(self.kafka.resume)

        def is_ahead():
            return any(
                (p["offset"] or 0) > (p["committed_offset"] or 0)
                for p in self.pipeline.partitions()
            )

        while True:
            self.change_images(20)
            self.pipeline.consumer.wait_until(is_ahead, "applies nothing")
            self.kafka.pause()
            time.sleep(0.5)  # for answers in flight
            if is_ahead():
                break
            self.kafka.resume()
        time.sleep(1.5)  # the cursor table is written once a second
        committed = {p["partition"]: p["committed_offset"] for p in self.pipeline.partitions()}
        for replica_id, offset in self.query(
            "SELECT replica_id, committed_offset FROM bitdex_cursors"
        ):
            self.assertLessEqual(offset, committed[int(replica_id.rpartition("/")[2])])
        self.kafka.resume()
        self.check_end()

    def test_f50_topic_is_missing(self):
        """`run` without a topic, before `init` or after the topic was deleted, fails with an error
        that says what to do."""
        self.assertEqual(self.producer.start(wait=False).wait(), 1)
        self.assertIn("run bitdex-producer init", self.producer.log_tail())
        self.create_tables()
        topic.delete(self.pipeline.kafka, self.pipeline.topic)
        self.assertEqual(self.producer.start(wait=False).wait(), 1)
        self.assertIn(f"topic {self.pipeline.topic} does not exist", self.producer.log_tail())
        self.pipeline.init()
        self.pipeline.start()
        with self.pipeline.connect() as connection:
            connection.execute("""INSERT INTO "Image" (url, "userId") VALUES ('new', 1)""")
        self.check_recovered()

    def set_message_limit(self, limit):
        topic.configure(
            self.pipeline.kafka, self.pipeline.topic, "max.message.bytes", str(limit)
        )

    def test_f50_f51_limit_is_lowered(self):
        """When the topic's max.message.bytes is lowered while the producer runs, batches are made
        smaller. An event above the new limit is not rejected: it waits, and is delivered when the
        limit is raised."""
        self.create_gallery(images=100)
        self.pipeline.wait_until_fresh()
        self.set_message_limit(4096)
        self.change_images(10)
        self.pipeline.wait_until_fresh()
        self.wait_until_ready()
        ops = json.dumps([{"op": "set", "field": "type", "value": "x" * 9000}])
        with self.pipeline.connect() as connection:
            connection.execute('INSERT INTO "BitdexOps" (entity_id, ops) VALUES (9, %s)', (ops,))
        self.check_refused("too large")
        self.set_message_limit(1 << 20)
        self.pipeline.wait_until_fresh()
        with self.pipeline.connect() as connection:  # so that index and table agree
            connection.execute('UPDATE "Image" SET type = \'again\' WHERE id = 9')
        self.check_recovered()

    def test_f50_f51_authorisation_is_lost(self):
        """The right to write to the topic is revoked, then the right to describe it; the producer
        waits, and nothing is lost when both are granted again."""
        self.create_gallery(images=20)
        rules = [
            self.rule(admin.AclOperation.ALL, admin.AclPermissionType.ALLOW),
            self.rule(admin.AclOperation.WRITE, admin.AclPermissionType.DENY),
            self.rule(admin.AclOperation.ALL, admin.AclPermissionType.DENY),
        ]
        self.addCleanup(self.kafka_call, self.admin.delete_acls, [self.any_rule()])
        self.kafka_call(self.admin.create_acls, rules[:2])
        self.change_images(10)
        self.check_refused("uthorization failed")
        self.kafka_call(self.admin.create_acls, rules[2:])
        self.check_refused("uthorization failed")
        self.kafka_call(self.admin.delete_acls, [self.any_rule()])
        self.check_recovered()

    @staticmethod
    def kafka_call(call, arguments):
        for future in call(arguments, request_timeout=pipeline.WAIT_S).values():
            future.result()

    def rule(self, operation, permission):
        return admin.AclBinding(
            admin.ResourceType.TOPIC, self.pipeline.topic, admin.ResourcePatternType.LITERAL,
            "User:ANONYMOUS", "*", operation, permission,
        )

    def any_rule(self):
        return admin.AclBindingFilter(
            admin.ResourceType.TOPIC, self.pipeline.topic, admin.ResourcePatternType.LITERAL,
            None, None, admin.AclOperation.ANY, admin.AclPermissionType.ANY,
        )

    def test_f57_sigterm_with_messages_in_flight(self):
        """On SIGTERM the producer waits a limited time for a broker that does not answer, exits
        with 0, and nothing is lost. A second SIGTERM ends the program at once, as a crash would."""
        self.create_gallery(images=100)
        self.silence_broker()
        self.assertEqual(self.producer.stop(), 0, self.producer.log_tail())
        self.producer.start(wait=False)
        self.kafka.resume()
        self.producer.wait_until_state("draining")
        self.silence_broker()
        while self.producer.is_running():  # signals that come at the same time are one
            self.producer.signal(signal.SIGTERM)
            time.sleep(0.1)
        self.assertEqual(self.producer.wait(), 128 + signal.SIGTERM)
        self.kafka.resume()
        self.producer.start()
        self.check_end(changed=False)

    def test_f57_sigterm_while_waiting(self):
        """A producer that waits for the lock, the broker or the database exits with 0 on SIGTERM.
        """
        self.create_tables()
        self.producer.start()
        self.producer.wait_until_state("draining")
        spare = self.spare_producer()
        spare.start()
        spare.wait_until_state("waiting for lock")
        self.assertEqual(spare.stop(), 0, spare.log_tail())
        self.producer.kill()
        (port,) = servers.free_ports(1)
        away = {
            "broker": ("BITDEX_KAFKA", f"{servers.LOOPBACK}:{port}"),
            "database": ("BITDEX_POSTGRES",
                         psycopg.conninfo.make_conninfo(self.pipeline.dsn, port=port)),
        }
        for server, (name, address) in away.items():
            self.producer.set_variable(name, address)
            self.producer.start()
            self.producer.wait_until_state(f"waiting for {server}")
            self.assertEqual(self.producer.stop(), 0, self.producer.log_tail())

    def test_f121_the_wall_clock_is_set_back(self):
        """A wall clock that is set back by a day while the producer waits does not stop it."""
        clock = self.pipeline.directory / "wall_clock"
        clock.write_bytes(bytes(8))
        library = pipeline.BUILD / "tests" / "integration" / "libwall_clock.so"
        self.assertTrue(library.exists())
        self.create_tables()
        self.producer.set_variable("LD_PRELOAD", str(library))
        self.producer.set_variable("BITDEX_WALL_CLOCK", str(clock))
        self.pipeline.start()
        for days in (1, 2):
            self.pipeline.wait_until_fresh()
            with clock.open("r+b") as file:  # which is mapped: not truncated
                file.write(struct.pack("=q", -days * 86_400 * 10**9))
            with self.pipeline.connect() as connection:
                gallery.insert_image(connection, random.Random(days))
        self.check_end(changed=False)

    def test_f57_sigterm_while_the_database_blocks(self):
        """On SIGTERM the producer cancels a statement that waits for a lock, and gives up a server
        that does not answer at all."""
        self.create_tables()
        self.producer.start()
        self.producer.wait_until_state("draining")
        waiting = """SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'
            AND application_name LIKE 'bitdex-producer%' AND datname = current_database()"""
        with self.pipeline.connect() as connection:
            connection.execute('LOCK TABLE bitdex_windows, "BitdexOps" IN ACCESS EXCLUSIVE MODE')
            connection.execute("""INSERT INTO "BitdexOps" (entity_id, ops)
                VALUES (1, '[{"op": "alive"}]')""")
            self.producer.wait_until(lambda: self.query(waiting), "waits for no lock")
            self.assertEqual(self.producer.stop(), 0, self.producer.log_tail())
            deadline = time.monotonic() + pipeline.WAIT_S
            while self.query(waiting):  # the server may be slow to cancel it
                self.assertLess(time.monotonic(), deadline, "cancels no statement")
        self.producer.start()
        self.producer.wait_until_state("draining")
        self.postgres.pause()
        self.addCleanup(self.postgres.resume)
        self.assertEqual(self.producer.stop(), 0, self.producer.log_tail())
        self.postgres.resume()


if __name__ == "__main__":
    unittest.main()
