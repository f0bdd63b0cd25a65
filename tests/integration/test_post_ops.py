"""POST /ops to a stand-alone index and to a Kafka-fed one.

After 200 the ops are durable; after a refusal nothing was stored; when neither is certain, the
answer says so. A stand-alone index needs no servers.
"""

import concurrent.futures
import http.client
import itertools
import json
import os
import random
import resource
import shutil
import signal
import socket
import subprocess
import unittest

import pipeline
import servers
import threads
import topic
from case import SEED, GalleryCase

INDEX = "/api/indexes/gallery"
TOKEN = "correct-horse"
BODY_BYTES = 256 * 1024
THREADS = 8
PATIENT_MS = 60000  # how long a disk may stall


def entry(entity, value, **more):
    """An entry that creates an entity with a value."""
    ops = [{"op": "set", "field": "nsfwLevel", "value": value}]
    return {"entity_id": entity, "ops": ops, "creates_slot": True} | more


def fan_out(query, **values):
    ops = [{"op": "set", "field": field, "value": value} for field, value in values.items()]
    return {"entity_id": 0, "ops": [{"op": "queryOpSet", "query": query, "ops": ops}]}


class Client:
    """Posts over one connection. Not thread-safe."""

    def __init__(self, port, token=TOKEN):
        self.connection = http.client.HTTPConnection(servers.LOOPBACK, port, timeout=90)
        self.headers = {"Authorization": f"Bearer {token}"} if token is not None else {}

    def call(self, method, path, body=None):
        """(status, answer, headers) of a path of the index; the answer is None if it is empty. A
        `body` that is text or bytes is sent unchanged."""
        text = body if isinstance(body, (str, bytes, type(None))) else json.dumps(body)
        try:
            self.connection.request(method, f"{INDEX}/{path}", text, self.headers)
            answer = self.connection.getresponse()
            content = answer.read()
            return answer.status, json.loads(content) if content else None, answer.headers
        except BaseException:
            self.connection.close()
            raise

    def post(self, body):
        return self.call("POST", "ops", body)

    def store(self, *entries):
        """Posts the entries; any status but 200 is an error."""
        status, answer, _ = self.post({"ops": entries})
        assert status == 200, (status, answer)
        return answer


class Clients(unittest.TestCase):
    def client(self, token=TOKEN):
        client = Client(self.consumer.port, token)
        self.addCleanup(client.connection.close)
        return client


class StandAlone(Clients):
    settings = {"body_bytes": BODY_BYTES, "post_timeout_ms": PATIENT_MS}

    def setUp(self):
        name = self.id().rpartition(".")[2]
        self.work = pipeline.BUILD / "integration" / type(self).__name__ / name
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir(parents=True)
        (self.work / "token").write_text(f"{TOKEN}\n")
        (self.port,) = servers.free_ports(1)
        self.config = self.work / "config.yaml"
        self.write_config()
        self.consumer = pipeline.Program(
            "bitdex-consumer", self.work, self.config, dict(os.environ), self.port
        )
        self.addCleanup(self.consumer.kill)
        print(f"BITDEX_SEED={SEED}", flush=True)

    def write_config(self, partitions=2, **settings):
        """Writes the example configuration with the test's own directory and port."""
        consumer = {
            "data_dir": str(self.work / "index"),
            "listen": f"{servers.LOOPBACK}:{self.port}",
            "token_file": str(self.work / "token"),
        } | self.settings | settings
        lines = [f"  {name}: {json.dumps(value)}" for name, value in consumer.items()
                 if value is not None]
        example = (pipeline.ROOT / "config" / "stand-alone.yaml").read_text()
        head, rest = example.split("\nconsumer:\n")
        head = head.replace("partitions: 2", f"partitions: {partitions}")
        rest = rest[rest.index("\nindex_config:"):]
        self.config.write_text("\n".join([head, "consumer:", *lines, rest]))

    def start(self):
        self.consumer.start()
        self.consumer.wait_until(
            lambda: self.consumer.api.call("/api/ready")[0] == 200, "does not get ready"
        )
        return self.client()

    def entity(self, entity):
        return self.consumer.api.get(f"{INDEX}/entities/{entity}")

    def query(self, **body):
        return self.consumer.api.get(f"{INDEX}/query", body)

    def sources(self):
        return self.consumer.api.get("/api/internal/sync-lag")["sources"]

    def test_ops_batch_json_format(self):
        """A body with `meta`, one without, and an empty list are accepted; sync-lag and metrics
        show the source's `meta`."""
        client = self.start()
        one = {"entity_id": 1, "ops": [{"op": "set", "field": "nsfwLevel", "value": 16}],
               "creates_slot": True}
        two = {"entity_id": 2, "ops": [{"op": "alive"}]}
        meta = {"source": "pg-sync-default", "cursor": 100, "max_id": 105, "lag_rows": 5}
        status, answer, _ = client.post({"ops": [one, two], "meta": meta})
        self.assertEqual((status, answer["accepted"]), (200, 2))
        self.assertGreater(answer["bytes_written"], 0)
        self.assertEqual(self.sources(), [meta])
        self.assertEqual(self.entity(1)["fields"], {"nsfwLevel": 16})
        self.assertTrue(self.entity(1)["alive"] and self.entity(2)["alive"])
        empty = {"accepted": 0, "bytes_written": 0}
        self.assertEqual(client.post({"ops": []})[:2], (200, empty))
        status, answer, _ = client.post({"ops": [], "meta": {"source": "other", "cursor": 3}})
        self.assertEqual((status, answer), (200, empty))
        other = {"source": "other", "cursor": 3, "max_id": None, "lag_rows": None}
        self.assertEqual(self.sources(), [meta, other])
        client.store({"entity_id": 3, "ops": [], "creates_slot": True})
        self.assertEqual(self.query()["ids"], [3, 2, 1])
        self.assertIn('bitdex_sync_lag_rows{source="pg-sync-default"} 5',
                      self.consumer.api.get("/metrics"))

    def test_commands_work_without_kafka(self):
        """`check`, `status`, `query`, `get` and `wal check` work on a stand-alone index."""
        command = self.consumer.command
        self.assertIn("ok       token", command("check").stdout)
        client = self.start()
        client.store(entry(7, 1))
        self.assertIn("running", command("status").stdout)
        self.assertIn('"ids":[7]', command("query", "{}").stdout)
        self.assertIn('"alive":true', command("get", "7").stdout)
        self.assertIn("stand-alone", self.consumer.api.get("/"))
        check = command("wal", "check").stdout  # one partition is empty
        self.assertEqual((check.count("complete"), check.count("incomplete")), (2, 0), check)

    def test_fan_out_reaches_every_partition(self):
        """A fan-out applies to the matching entities of every partition."""
        client = self.start()
        posts = [{"op": "set", "field": "postId", "value": 5}]
        client.store(*[{"entity_id": n, "ops": posts, "creates_slot": True} for n in range(10)])
        client.store(fan_out("postId eq 5", hasMeta=True, type="image"), entry(3, 9))
        reply = self.query(filters=[{"Eq": ["hasMeta", {"Bool": True}]}], limit=20)
        self.assertEqual(sorted(reply["ids"]), list(range(10)))
        self.assertEqual(self.entity(3)["fields"]["nsfwLevel"], 9)

    def test_l8_what_was_answered_survives_kill_9(self):
        """While several clients post, the consumer is killed at random: whatever was answered with
        200 is there after the restart."""
        rng = random.Random(SEED)
        self.start()
        kept = {}
        for round_number in range(5):
            with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
                parts = [pool.submit(self.post_until_killed, round_number * THREADS + n)
                         for n in range(THREADS)]
                self.wait_for_posts(rng.randrange(1, 60))
                self.consumer.kill()
                for part in parts:
                    kept |= part.result()
            self.start()
            for entity, value in kept.items():
                self.assertEqual(self.entity(entity)["fields"]["nsfwLevel"], value)
                self.assertTrue(self.entity(entity)["complete"])
        self.assertTrue(kept)

    def post_until_killed(self, number):
        """{entity: value} of the posts that were answered with 200."""
        client, stored = self.client(), {}
        for value in itertools.count():
            entity = number * 1000000 + value
            try:
                client.store(entry(entity, value))
            except (OSError, http.client.HTTPException):
                return stored
            stored[entity] = value

    def wait_for_posts(self, more):
        def offsets():
            lag = self.consumer.api.get("/api/internal/sync-lag")
            return sum(max(p["offset"] or 0, 0) for p in lag["partitions"])

        before = offsets()
        self.consumer.wait_until(lambda: offsets() >= before + more, "stores nothing")

    def test_l9_full_disk(self):
        """A log that cannot be written ends the process, and the client does not get 200; what was
        stored before is there after a restart with room on the disk."""
        client = self.start()
        client.store(entry(1, 1))
        resource.prlimit(self.consumer.pid, resource.RLIMIT_FSIZE, (64, resource.RLIM_INFINITY))
        with self.assertRaises((OSError, http.client.HTTPException, AssertionError)):
            client.store(entry(1, 2))
        self.assertNotEqual(self.consumer.wait(), 0)
        client = self.start()
        self.assertEqual(self.entity(1)["fields"]["nsfwLevel"], 1)
        client.store(entry(1, 3))
        self.assertEqual(self.entity(1)["fields"]["nsfwLevel"], 3)

    def test_f42_stuck_worker(self):
        """While a worker is stopped, posts to its partition end in time with 503, posts to other
        partitions work, and health fails; when the thread continues, everything works again."""
        self.write_config(post_timeout_ms=3000)
        client = self.start()
        self.consumer.wait_until(
            lambda: client.post({"ops": [entry(1, 1)]})[0] == 200, "stores nothing")
        with threads.stopped(self.consumer.pid, lambda name: name == "partition 1"):
            status, answer, _ = client.post({"ops": [entry(1, 2)]})
            self.assertEqual(status, 503)
            self.assertIn("not known what was stored", answer["error"])
            self.assertIn("partition 1", answer["error"])
            self.consumer.wait_until(
                lambda: client.post({"ops": [entry(2, 2)]})[0] == 200, "stores nothing elsewhere")
            self.assertEqual(self.entity(1)["fields"]["nsfwLevel"], 1)
            self.consumer.wait_until(
                lambda: self.consumer.api.call("/api/health")[0] == 503, "is still healthy")
            stuck = {"stuck": ["partition 1"], "healthy": False}
            self.assertEqual(self.consumer.api.call("/api/health")[1], stuck)
        client = self.client()  # the first connection was idle for too long
        self.consumer.wait_until(
            lambda: client.post({"ops": [entry(1, 3)]})[0] == 200, "stores nothing")
        self.assertEqual(self.consumer.api.call("/api/health")[0], 200)
        self.assertEqual(self.entity(1)["fields"]["nsfwLevel"], 3)

    def test_f45_another_partition_count_is_refused(self):
        """A data directory that was created with another number of partitions is refused."""
        client = self.start()
        client.store(entry(1, 1))
        self.assertEqual(self.consumer.stop(), 0)
        for partitions in (3, 1):
            self.write_config(partitions=partitions)
            self.consumer.start(wait=False)
            self.assertNotEqual(self.consumer.wait(), 0)
            self.assertIn("created with topic.partitions: 2", self.consumer.log_tail())
        self.write_config()
        self.start()
        self.assertTrue(self.entity(1)["alive"])

    def test_only_the_token_changes_state(self):
        """A post without the token or with another one gets 401, and 403 when no token file is
        configured; a token file that cannot be read stops the start."""
        self.start()
        body = {"ops": [entry(1, 1)]}
        for token in (None, "", "correct-hors", TOKEN + "e", TOKEN.upper()):
            status, answer, headers = self.client(token).post(body)
            self.assertEqual((status, headers["WWW-Authenticate"]), (401, "Bearer"), answer)
        client = self.client()
        client.headers = {"Authorization": f"Basic {TOKEN}"}
        self.assertEqual(client.post(body)[0], 401)
        self.assertFalse(self.entity(1)["alive"])
        for method, path in (("PUT", "dumps"), ("DELETE", "dumps/a"),
                             ("POST", "dumps/a/loaded"), ("POST", "dumps/clear")):
            self.assertEqual(self.client("other").call(method, path, "{}")[0], 401, path)
        self.consumer.stop()
        self.write_config(token_file=None)
        self.start()
        status, answer, _ = self.client().post(body)
        self.assertEqual(status, 403)
        self.assertIn("consumer.token_file is not set", answer["error"])
        self.consumer.stop()
        self.write_config(token_file=str(self.work / "nowhere"))
        self.consumer.start(wait=False)
        self.assertEqual(self.consumer.wait(), 2)

    def test_l9_f117_bad_bodies_leave_nothing(self):
        """A body with a bad entry is refused as a whole: its good entries are not stored either."""
        client = self.start()
        good = entry(1, 1)
        wide = [{"op": "set", "field": "existedAt", "value": 1 << 40}]
        bad = [
            ("", "the body"), ("{", "the body"), (b"\xff\xfe\x00", "the body"),
            ("[" * 100000, "the body"),
            ('{"ops":' * 10000, "the body"),
            ({"ops": {}}, "needs ops"),
            ({"ops": [good, 5]}, "ops[1]: is not an object"),
            ({"ops": [good, {"entity_id": 2, "ops": wide}]}, "ops[1]: field \"existedAt\""),
            ({"ops": [good, {"entity_id": -2, "ops": [{"op": "alive"}]}]}, "ops[1]: entity -2"),
            ({"ops": [good, entry(2, 1), {"entity_id": 3, "ops": [
                {"op": "set", "field": "nsfwLevl", "value": 1}]}]},
             'ops[2]: the index has no field "nsfwLevl"; closest: "nsfwLevel"'),
            ({"ops": [good, fan_out("postId", hasMeta=True)]}, "ops[1]: "),
            ({"ops": [good, fan_out("nothing eq 1", hasMeta=True)]}, "ops[1]: fan-out query"),
            ({"ops": [good, fan_out("postId eq 1", hasMeta=True) | {"creates_slot": True}]},
             "creates_slot is not possible"),
            ({"ops": [good], "meta": {"source": "x", "cursor": "y"}}, "meta.cursor"),
        ]
        for body, word in bad:
            status, answer, _ = client.post(body)
            self.assertEqual(status, 400, (str(body)[:80], answer))
            self.assertIn(word, answer["error"])
        self.assertEqual(self.query()["total_matched"], 0)
        self.assertEqual(self.sources(), [])
        client.store(good)

    def test_dump_of_posted_entries(self):
        """A dump is complete when it knows how many entries were posted under its name, because a
        post is applied when it is answered."""
        client = self.start()
        self.assertEqual(client.call("PUT", "dumps", {"name": "Image-1"})[0], 201)
        for number in range(3):
            client.post({"ops": [entry(number, 1)], "meta": {"source": "Image-1"}})
        client.store(entry(9, 1))
        client.call("POST", "dumps/Image-1/loaded", {"ops_written": 3})

        def dump():
            return client.call("GET", "dumps")[1]["dumps"]["Image-1"]

        self.consumer.wait_until(lambda: dump()["status"] == "Complete", "completes no dump")
        self.assertEqual(dump()["ops_processed"], 3)

    def test_f58_bodies_without_end_and_slow_clients(self):
        """A body without an end and a slow client occupy one connection each; other clients are
        served meanwhile."""
        client = self.start()
        status, _, _ = client.post(" " * (BODY_BYTES + 1))
        self.assertEqual(status, 413)
        with socket.create_connection((servers.LOOPBACK, self.port)) as slow, \
                socket.create_connection((servers.LOOPBACK, self.port)) as endless:
            head = f"POST {INDEX}/ops HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {TOKEN}\r\n"
            slow.sendall(f"{head}Content-Length: 100\r\n\r\n{{".encode())
            endless.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
            for _ in range(2 * BODY_BYTES // 4096):
                endless.sendall(b"1000\r\n" + b" " * 4096 + b"\r\n")
            self.client().store(entry(5, 5))
            endless.sendall(b"0\r\n\r\n")
            self.assertIn(b" 413 ", endless.recv(100))
        many = [entry(n, 1) for n in range(BODY_BYTES // 120)]
        self.assertEqual(self.client().store(*many)["accepted"], len(many))
        self.assertEqual(self.query()["total_matched"], len(many))

    def signal(self, number, line):
        """Sends the signal, and waits for one more line of the log with this text."""
        count = self.consumer.log.read_text().count(line)
        os.kill(self.consumer.pid, number)
        self.consumer.wait_until(
            lambda: self.consumer.log.read_text().count(line) > count, f"does not log {line}")

    def test_f114_reload_and_report(self):
        """SIGHUP puts a new token and new limits into effect, names what needs a restart, and
        changes nothing for a file that is refused; SIGUSR1 logs the status. Neither ends the
        program."""
        client = self.start()
        client.store(entry(5, 5))
        (self.work / "token").write_text("battery-staple")
        self.write_config(query_limit=10, http_threads=2)
        self.signal(signal.SIGHUP, "in effect: consumer.query_limit")
        self.signal(signal.SIGHUP, "needs a restart: consumer.http_threads")
        self.assertEqual(client.post({"ops": [entry(6, 6)]})[0], 401)
        client = self.client("battery-staple")
        client.store(entry(6, 6))
        self.assertEqual(client.call("POST", "query", {"limit": 11})[0], 400)
        self.write_config(query_limit="many")
        (self.work / "token").write_text("another")
        self.signal(signal.SIGHUP, "nothing was changed")
        client.store(entry(7, 7))
        self.assertEqual(client.call("POST", "query", {"limit": 11})[0], 400)
        self.signal(signal.SIGUSR1, "partition 1: complete")
        self.assertEqual(self.consumer.stop(), 0)

    def test_f113_a_limit_on_open_files_is_an_error(self):
        """With however few files, `run` serves or ends with an error that names the limit; no
        assertion fails."""
        binary = pipeline.BUILD / "consumer" / "bitdex-consumer"
        run = f"exec timeout 2 {binary} --config {self.config} run"
        for files in range(6, 10):
            done = subprocess.run(
                ["sh", "-c", f"ulimit -n {files}; {run}"],
                stderr=subprocess.PIPE, text=True, check=False)
            self.assertIn(done.returncode, (1, 2, 124), done.stderr)
            if done.returncode == 1:
                self.assertIn("Too many open files", done.stderr)

    def test_l10_more_posts_than_allowed(self):
        """Posts above consumer.posts_max get 503 with Retry-After; with retries all of them are
        stored."""
        self.write_config(posts_max=1)
        self.start()

        def post(number):
            client, refused = self.client(), 0
            body = {"ops": [entry(number * 1000 + n, n) for n in range(500)]}
            for _ in range(10):
                while (answer := client.post(body))[0] == 503:
                    self.assertEqual(answer[2]["Retry-After"], "1")
                    self.assertIn("nothing was stored", answer[1]["error"])
                    refused += 1
                self.assertEqual(answer[0], 200, answer[1])
            return refused

        with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
            self.assertGreater(sum(pool.map(post, range(THREADS))), 0)
        self.assertEqual(self.query()["total_matched"], THREADS * 500)


class KafkaFed(GalleryCase, Clients):
    settings = {}  # added to the consumer section

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.work.mkdir(parents=True, exist_ok=True)
        token = cls.work / "token"
        token.write_text(TOKEN)
        cls.sections = {"consumer": {"token_file": str(token)} | cls.settings}

    def setUp(self):
        super().setUp()
        self.pipeline.init()
        self.consumer = self.pipeline.consumer
        self.start(self.consumer)

    def start(self, consumer):
        consumer.start()
        self.wait_for_partitions(consumer)

    def wait_for_partitions(self, consumer):
        def states():
            lag = consumer.api.get("/api/internal/sync-lag")
            return [partition["state"] for partition in lag["partitions"]]

        consumer.wait_until(lambda: states() == 4 * ["running"], "lacks partitions")

    def wait_for_value(self, consumer, entity, field, value):
        path = f"{INDEX}/entities/{entity}"
        consumer.wait_until(
            lambda: consumer.api.get(path)["fields"].get(field) == value, f"lacks {field}")


class ThroughKafka(KafkaFed):
    def test_l8_every_group_sees_what_was_posted(self):
        """Posted rows and fan-outs go to the topic under their source and without a number, and
        every group applies them."""
        (port,) = servers.free_ports(1)
        second = self.pipeline.program(
            "bitdex-consumer", port, BITDEX_CONSUMER_PORT=str(port),
            BITDEX_GROUP=f"{self.pipeline.name}-second",
            BITDEX_DATA_DIR=str(self.pipeline.directory / "second"))
        self.addCleanup(second.kill)
        self.start(second)
        client = self.client()
        posts = [{"op": "set", "field": "postId", "value": 5}]
        rows = [{"entity_id": n, "ops": posts, "creates_slot": True} for n in range(1, 9)]
        status, answer, _ = client.post({"ops": rows, "meta": {"source": "pg-sync", "cursor": 9}})
        self.assertEqual((status, answer["accepted"]), (200, 8))
        client.store(fan_out("postId eq 5", availability="Public"))
        for consumer in (self.consumer, second):
            for entity in range(1, 9):
                self.wait_for_value(consumer, entity, "availability", "Public")
        events = topic.read(self.pipeline.kafka, self.pipeline.topic)
        sizes = 0
        for partition, records in events.items():
            entities = [event["body"][1]["entity_id"] for _, _, event in records]
            self.assertEqual(entities, [n for n in range(1, 9) if n % 4 == partition] + [0])
            for _, key, event in records:
                self.assertEqual(key, event["body"][1]["entity_id"].to_bytes(8, "big"))
                numbers = [event[name] for name in ("epoch", "generation", "tick", "seq")]
                self.assertEqual(numbers, [0, 0, 0, 0])
            sources = [event["source"] for _, _, event in records]
            self.assertEqual(sources, ["pg-sync", "pg-sync", "http"])
            sizes += len(records)
        self.assertEqual(sizes, 12)

    def test_l9_what_cannot_be_applied_never_reaches_the_topic(self):
        """A post with an op that does not fit its field, or that is too large for the topic, is
        refused, and no event of it is on the topic."""
        client = self.client()
        tags = {"op": "add", "field": "tagIds", "value": [10**18 + n for n in range(60000)]}
        for ops, word in (
            ([{"op": "set", "field": "nsfwLevel", "value": "high"}], "nsfwLevel"),
            ([tags] * 2, "ops[1]: the event has"),  # larger than max.message.bytes
        ):
            body = {"ops": [entry(1, 1), {"entity_id": 2, "ops": ops}]}
            status, answer, _ = client.post(body)
            self.assertEqual(status, 400, answer)
            self.assertIn(word, answer["error"])
        client.store(entry(3, 3))
        events = topic.read(self.pipeline.kafka, self.pipeline.topic)
        self.assertEqual([len(events[partition]) for partition in range(4)], [0, 0, 0, 1])
        self.wait_for_value(self.consumer, 3, "nsfwLevel", 3)

    def test_posts_beside_a_producer(self):
        """Numbered and posted events for the same entities are both applied, and the shards stay
        complete."""
        self.consumer.stop()
        self.create_tables()
        self.pipeline.start()
        with self.pipeline.connect() as connection:
            connection.execute(
                """INSERT INTO "Image" (url, "userId") SELECT 'x', 7 FROM generate_series(1, 40)""")
        self.pipeline.wait_until_fresh()
        client = self.client()
        client.store(*[entry(n, 77) for n in range(1, 41)])
        for entity in range(1, 41):
            self.wait_for_value(self.consumer, entity, "nsfwLevel", 77)
        self.pipeline.wait_until_fresh()
        reply = self.pipeline.query({"filters": [{"Eq": ["userId", {"Integer": 7}]}], "limit": 1})
        self.assertEqual((reply["total_matched"], reply["complete"]), (40, True))


class BrokerAway(KafkaFed):
    own_servers = True
    settings = {"post_timeout_ms": 2000}

    def test_f50_broker_is_away(self):
        """While the broker is unreachable, posts end in time with 503 and say whether anything was
        stored; the process stays healthy, and later posts work."""
        self.kafka.pause()
        self.addCleanup(self.kafka.resume)
        status, answer, headers = self.client().post({"ops": [entry(1, 1)]})
        self.assertEqual((status, headers["Retry-After"]), (503, "1"))
        self.assertIn("nothing was stored", answer["error"])  # not even the topic was found
        self.kafka.resume()
        self.wait_until_stored(1, 2)
        self.kafka.pause()
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            answers = list(pool.map(
                lambda n: self.client().post({"ops": [entry(n, 3)]}), (1, 2, 3)))
        for status, answer, _ in answers:
            self.assertEqual(status, 503)
            self.assertRegex(answer["error"], "not known what was stored|nothing was stored")
        self.assertTrue(any("not known" in answer["error"] for _, answer, _ in answers))
        self.assertEqual(self.consumer.api.call("/api/health")[0], 200)
        self.kafka.resume()
        self.wait_until_stored(1, 4)

    def wait_until_stored(self, entity, value):
        client = self.client()
        self.consumer.wait_until(
            lambda: client.post({"ops": [entry(entity, value)]})[0] == 200, "stores nothing")
        self.wait_for_value(self.consumer, entity, "nsfwLevel", value)


if __name__ == "__main__":
    unittest.main()
