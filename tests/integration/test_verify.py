"""verify: the indexes of all groups against the tables, and what it must never call equal."""

import http.server
import json
import threading
import time

import confluent_kafka
import groups
import index
import test_post_ops
from case import SceneCase
from test_load import IMAGES, STEP, LoadCase

NOT_COMPARABLE = {"modelPoi"}  # a fan-out that only the index resolves

NEW = 1 + 900 * STEP  # the id of an image that there is not
FAR = 1000 * STEP  # an id that fewer slots do not reach


def plant(first=1):
    """Changes whose ops rows are deleted in the same transaction, so that no producer ever sees
    them: of the images that follow the `first` one, and of a new one."""
    second, third, fourth, fifth = (first + n * STEP for n in range(1, 5))
    return f"""
        UPDATE "Image" SET "nsfwLevel" = 77 WHERE id = {second};
        UPDATE "Image" SET type = 'planted' WHERE id = {third};
        INSERT INTO "TagsOnImageNew" VALUES ({fourth}, 999999);
        DELETE FROM "Image" WHERE id = {fifth};
        INSERT INTO "Image" (id, url, "userId", "postId") VALUES ({NEW}, 'planted', 3, 1);
        DELETE FROM "BitdexOps" WHERE txid = pg_current_xact_id()"""


class VerifyCase(LoadCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.work.mkdir(parents=True, exist_ok=True)
        token = cls.work / "token"
        token.write_text(test_post_ops.TOKEN)
        cls.sections = cls.sections | {
            "consumer": {"token_file": str(token)} | cls.sections.get("consumer", {})}

    def start_loaded(self, images=IMAGES):
        """Both programs over full tables, and a complete index."""
        self.create_full_tables(images)
        self.pipeline.start()
        self.producer.command("load")
        self.pipeline.wait_until_fresh()

    def group(self, name):
        """A second group of one member, that has applied the topic from its beginning."""
        group = groups.Group(self.pipeline, name)
        self.addCleanup(group.close)
        member = group.add("only").start()
        group.wait_until_shared(member)
        self.pipeline.wait_until_fresh(consumers=[member])
        group.wait_until_settled()
        return group, member

    def store(self, entity, *ops):
        client = test_post_ops.Client(self.pipeline.consumer.port)
        self.addCleanup(client.connection.close)
        client.store({"entity_id": entity, "ops": list(ops)})

    def post(self, field, value, entity):
        self.store(entity, {"op": "set", "field": field, "value": value})

    def verify(self, *options, code=0):
        """The answer of `verify --json`, whose exit code must be `code`."""
        done = self.producer.command(
            "verify", "--json", *options, check=False, is_patient=code == 0)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        self.stderr = done.stderr
        return json.loads(done.stdout) if done.stdout else None

    def check_equal(self, *options):
        answer = self.verify("--timeout", "240", *options)
        self.assertTrue(answer["equal"])
        last = answer["passes"][-1]
        self.assertEqual((last["differing"], last["unknown"]), ([], []))
        self.assertGreater(last["ranges"], 0)
        return last

    @staticmethod
    def differences(found):
        """{(entity, field): (in Postgres, in the index)} of a pass."""
        return {
            (one["id"], one["field"]): (one["source"], one["index"]) for one in found["differences"]
        }


class Verify(VerifyCase, SceneCase):
    """Each method leaves the index equal to the tables."""

    def set_scene(self):
        self.start_loaded()

    def test_equal(self):
        """A loaded index is equal; what cannot be compared is listed, and fails with --strict."""
        found = self.check_equal()
        self.assertEqual(found["groups"], [self.pipeline.name])
        self.assertEqual(found["shards"], 4)
        compared = {one["field"] for one in found["fields"]}
        self.assertLessEqual({"", "nsfwLevel", "tagIds", "publishedAt", "baseModel"}, compared)
        left_out = {one["field"]: one["reason"] for one in found["not_comparable"]}
        self.assertEqual(set(left_out), NOT_COMPARABLE)
        self.assertIn("equal, but 1 field", self.strict_message())
        self.check_equal("--table", "TagsOnImageNew", "--strict")
        found = self.check_equal("--fields", "nsfwLevel,tagIds", "--strict")
        self.assertLessEqual({one["field"] for one in found["fields"]}, {"", "nsfwLevel", "tagIds"})
        self.check_equal("--range", f"{10 * STEP}:{20 * STEP}")
        self.check_equal("--sample", "2")
        done = self.producer.command("verify")
        self.assertRegex(done.stdout, r"\(existence\) +\d+ +0 +0\n")
        self.assertRegex(done.stdout, "not comparable: modelPoi: .+\n")
        self.assertTrue(done.stdout.endswith("\nequal\n"), done.stdout)
        self.assertEqual(self.newest_job()["kind"], "verify")

    def strict_message(self):
        self.verify("--strict", code=1)
        return self.stderr

    def test_posted_values_are_compared_and_mended(self):
        """A field that an entry owns, and that somebody posted to."""
        self.post("nsfwLevel", 12345, 1)
        self.pipeline.wait_until_fresh()
        (found,) = self.verify(code=1)["passes"]
        self.assertEqual([field for _, field in self.differences(found)], ["nsfwLevel"])
        self.assertEqual(self.differences(found)[1, "nsfwLevel"][1], 12345)
        done = self.producer.command("verify", "--repair")
        self.assertIn("equal after the repair of 1 range\n", done.stdout)
        self.check_complete()

    def test_live_writes(self):
        """Verifies again and again while rows change: no difference, and nothing is unknown."""
        stop = threading.Event()

        def write(number):
            with self.pipeline.connect(autocommit=True) as connection:
                n = 0
                while not stop.is_set():
                    image = 1 + STEP * ((7 * n + number) % IMAGES)
                    connection.execute(
                        f'UPDATE "Image" SET "nsfwLevel" = {n % 60}, flags = flags # 16384'
                        f" WHERE id = {image}")
                    connection.execute(f'INSERT INTO "TagsOnImageNew" SELECT id, {n} FROM "Image"'
                                       f" WHERE id = {image} ON CONFLICT DO NOTHING")
                    connection.execute(
                        f'DELETE FROM "TagsOnImageNew" WHERE "imageId" = {image}'
                        ' AND "tagId" % 5 = 1')
                    n += 1

        threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(6):
                self.check_equal()
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        self.check_complete()
        self.check_equal()

    def test_without_a_producer(self):
        """When no producer runs, the command is one for all of its jobs."""
        self.assertEqual(self.producer.stop(), 0)
        self.execute(plant(1 + 10 * STEP))
        done = self.producer.command("verify", "--repair")
        self.assertIn("no producer named", done.stderr)
        self.assertIn("equal after the repair", done.stdout)
        self.producer.start()
        self.producer.wait_until_state("draining")
        self.execute(f'DELETE FROM "Image" WHERE id = {NEW}')
        self.check_complete()

    def test_usage(self):
        newest = self.newest_job()
        for options, reason in (
            (["--table", "Nothing"], "Nothing"),
            (["--fields", "nothing"], "nothing"),
            (["--range", "5"], "BEGIN:END"),
            (["--range", "5:5"], "holds no entity"),
            (["--range", "1:2", "--sample", "3"], "exclude each other"),
            (["--sample", "0"], "--sample"),
            (["--timeout", "x"], "--timeout"),
            (["--group", ","], "--group"),
            (["--group", "nobody"], "nobody"),
        ):
            self.verify(*options, code=2)
            self.assertIn(reason, self.stderr)
        self.assertEqual(self.newest_job(), newest)


class Groups(VerifyCase, SceneCase):
    """Two groups, of which the second one has fewer slots. Each method leaves their indexes equal
    to the tables."""

    def set_scene(self):
        self.start_loaded()
        config = self.pipeline.config
        text = config.read_text()
        config.write_text(text.replace(
            "\ntopic: {", f"\ntopic: {{ max_slots: {FAR // index.PARTITIONS},", 1))
        self.fewer, self.second = self.group("fewer")
        config.write_text(text)

    def test_planted_differences_are_found_and_mended(self):
        """Rows that changed without a trigger: each entity is listed with both values, in every
        group, and --repair mends them all."""
        self.check_equal()
        self.execute(plant())
        answer = self.verify(code=1)
        self.assertRegex(self.stderr, "not equal: [0-9]+ of [0-9]+ ranges differ")
        (found,) = answer["passes"]
        self.assertEqual(len(found["groups"]), 2)
        differences = self.differences(found)
        self.assertEqual(differences[1 + STEP, "nsfwLevel"][0], 77)
        self.assertEqual(differences[1 + 2 * STEP, "type"][0], "planted")
        self.assertIn((1 + 3 * STEP, "tagIds"), differences)
        self.assertEqual(differences[1 + 4 * STEP, ""], (False, True))
        self.assertEqual(differences[NEW, ""], (True, False))
        self.assertEqual({one["group"] for one in found["differences"]}, set(found["groups"]))
        self.verify("--range", f"{800 * STEP}:", code=1)
        self.check_equal("--range", f"{20 * STEP}:{100 * STEP}")
        answer = self.verify("--repair")
        self.assertTrue(answer["equal"])
        self.assertGreater(answer["repaired"], 0)
        first, last = answer["passes"]
        self.assertFalse(first["equal"])
        self.assertTrue(last["equal"])
        self.check_equal()
        self.check_complete()
        self.assertGreater(index.check_equal(self.pipeline, [self.second]), 0)
        done = self.producer.command("verify", "--repair")
        self.assertTrue(done.stdout.endswith("\nequal\n"), done.stdout)
        self.execute(f'DELETE FROM "Image" WHERE id = {NEW}')

    def test_groups_are_compared_with_each_other(self):
        """One group has fewer slots, so a posted op is a dead letter there. Its values differ from
        the other group's, although both are complete and at the same place of the topic."""
        names = f"{self.pipeline.name},{self.fewer.name}"
        found = self.check_equal("--group", names)
        self.assertEqual(found["groups_differing"], [])
        self.store(FAR, {"op": "alive"}, {"op": "set", "field": "nsfwLevel", "value": 12345})
        self.pipeline.wait_until_fresh()
        self.pipeline.wait_until_fresh(consumers=[self.second])
        self.fewer.wait_until_settled()
        (found,) = self.verify("--group", names, code=1)["passes"]
        fields = {one["field"] for one in found["groups_differing"]}
        self.assertEqual(fields, {"", "nsfwLevel"})
        self.assertEqual({tuple(one["groups"]) for one in found["groups_differing"]},
                         {(self.pipeline.name, self.fewer.name)})
        self.verify("--group", f"{self.pipeline.name},nobody", code=2)
        self.assertIn('no consumer group "nobody" reads topic', self.stderr)
        self.assertTrue(self.verify("--repair")["equal"])


class OtherMember:
    """A member of a group, by its client.id, that is no consumer of ours."""

    def __init__(self, pipeline, group, address):
        self.consumer = confluent_kafka.Consumer({
            "bootstrap.servers": pipeline.kafka, "group.id": group, "client.id": address,
            "enable.auto.commit": False,
        })
        self.consumer.subscribe([pipeline.topic])
        deadline = time.monotonic() + 240
        while not self.consumer.assignment():
            self.consumer.poll(0.2)
            assert time.monotonic() < deadline, "no partition is assigned"

    def close(self):
        self.consumer.close()


def serve(answer):
    """An HTTP server that gives this answer to everything; its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, f"127.0.0.1:{server.server_port}"


class UnknownCase(VerifyCase):
    """What is not known is never equal."""

    def check_unknown(self, *options, part):
        (found,) = self.verify("--timeout", "1", *options, code=1)["passes"]
        self.assertEqual(found["differing"], [])
        reasons = [one["reason"] for one in found["unknown"]]
        self.assertTrue(any(part in reason for reason in reasons), (part, reasons))
        return found


class Unknown(UnknownCase):
    def test_members_that_do_not_answer(self):
        """A member that is frozen, one whose address is closed, and one of another index."""
        self.start_loaded(60)
        group, second = self.group("second")
        second.pause()
        self.check_unknown(part="nobody answers for partitions 0, 1, 2, 3")
        self.check_equal("--group", self.pipeline.name)
        second.resume()
        self.check_equal()
        closed = OtherMember(self.pipeline, f"{self.pipeline.name}-closed", "127.0.0.1:1")
        try:
            self.check_unknown(part="member 127.0.0.1:1: no answer")
        finally:
            closed.close()
        server, address = serve({"index": "other", "group": "g", "partitions": [],
                                 "not_comparable": [], "ranges": 0, "differing": 0,
                                 "oldest_s": None})
        foreign = OtherMember(self.pipeline, f"{self.pipeline.name}-foreign", address)
        try:
            self.check_unknown(part='holds the index "other"')
        finally:
            foreign.close()
            server.shutdown()
            server.server_close()
        program = OtherMember(self.pipeline, f"{self.pipeline.name}-program", "somebody")
        try:
            self.check_equal()  # another program, which is not an index
        finally:
            program.close()

    def test_partitions_that_are_not_complete(self):
        """They cannot be compared, which is said as such."""
        self.create_full_tables(60)
        self.pipeline.start()
        self.pipeline.wait_until_fresh()
        answer = self.verify()
        fields = {one["field"] for one in answer["passes"][0]["not_comparable"]}
        self.assertLessEqual({"nsfwLevel", "tagIds"}, fields)
        self.assertIn("cannot be compared (--strict)", self.strict_message())

    def strict_message(self):
        self.verify("--strict", code=1)
        return self.stderr


class WithoutMembers(UnknownCase):
    def test_groups_without_members(self):
        """They are named, and count only when they are given; without any there is no answer."""
        self.start_loaded(60)
        group, second = self.group("second")
        second.stop()
        group.wait_until_left()
        self.check_equal()
        self.assertIn(f"group {group.name} has no members now", self.stderr)
        self.check_unknown("--group", group.name, part="the group has no members")
        self.pipeline.consumer.stop()
        groups.Group(self.pipeline).wait_until_left()
        self.verify(code=1)
        self.assertIn("there is nothing to compare with", self.stderr)


class Patrol(VerifyCase):
    sections = {"producer": {"patrol": {"share": 0.5}}}

    def metric(self, name):
        for line in self.producer.api.get("/metrics").splitlines():
            if line.startswith(f"{name}{{"):
                return float(line.rsplit(" ", 1)[1])
        return None

    def wait_for(self, condition, what):
        self.producer.wait_until(condition, what)

    def test_the_patrol_finds_what_differs(self):
        """Without a command: the metrics count what differs, the log names it with the command that
        helps, and a check lists the entities."""
        self.start_loaded(60)
        self.wait_for(lambda: (self.metric("bitdex_patrol_ranges") or 0) >= 4, "compares nothing")
        self.assertEqual(self.metric("bitdex_patrol_ranges_differing"), 0)
        self.execute(plant())
        self.wait_for(lambda: self.metric("bitdex_patrol_ranges_differing") > 0, "finds nothing")
        self.wait_for(
            lambda: "to repair them: bitdex-producer verify" in self.log(), "logs nothing")
        self.wait_for(
            lambda: f"entity {1 + STEP}, nsfwLevel: 77 in Postgres" in self.log(),
            "does not check the entities")
        self.assertIn("check", {job["kind"] for job in self.jobs()})
        self.producer.command("verify", "--repair")
        self.wait_for(lambda: self.metric("bitdex_patrol_ranges_differing") == 0, "still differs")
        self.wait_for(lambda: self.patrol() == (0, ""), "does not know a range")
        self.pipeline.consumer.kill()
        self.wait_for(lambda: self.patrol()[1] != "", "shows no error")
        self.wait_for(lambda: self.metric("bitdex_patrol_unknown") == 4, "calls a range known")

    def patrol(self):
        """(unknown ranges, error)"""
        status = self.producer.api.get("/api/status")["patrol"]
        return status["unknown"], status["error"]

    def log(self):
        return self.producer.log.read_text(errors="replace")
