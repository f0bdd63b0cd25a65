"""Loads of existing rows, beside the stream: the index equals the tables, whatever is interrupted.

The ids of images are sparse, so that few of them make several chunks.
"""

import functools
import json
import re
import signal
import subprocess

import gallery
import index
import topic
from case import GalleryCase, SceneCase

IMAGES = 200
STEP = 450  # between two ids of images: a chunk covers 16 Ki ids
KINDS = ["bitdex.Chunk", "bitdex.Pass", "bitdex.Job"]

# The tables that the first version has created, with a job of `cursor adopt`.
EARLIER = """
DROP TABLE bitdex_dead_letters, bitdex_jobs;
CREATE TABLE bitdex_dead_letters (
    name TEXT NOT NULL, epoch BIGINT NOT NULL, row_id BIGINT NOT NULL, tick BIGINT NOT NULL,
    generation BIGINT NOT NULL, entity_id BIGINT NOT NULL, ops JSONB NOT NULL,
    created_at TIMESTAMPTZ, reason TEXT NOT NULL, rejected_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (name, epoch, row_id));
INSERT INTO bitdex_dead_letters VALUES ('default', 1, 7, 1, 1, 7, '[]', now(), 'bad');
CREATE TABLE bitdex_jobs (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('load', 'check')), phases TEXT[], after_id BIGINT,
    up_to_id BIGINT, state TEXT NOT NULL DEFAULT 'queued'
        CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
    reason TEXT NOT NULL, created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now());
INSERT INTO bitdex_jobs (name, kind, reason) VALUES ('default', 'load', 'adopted');
"""


class LoadCase(GalleryCase):
    load = {}  # of the producer section

    def setUp(self):
        if self.load:
            self.sections = self.sections | {"producer": {"load": self.load}}
        super().setUp()

    @property
    def producer(self):
        return self.pipeline.producer

    @functools.cached_property
    def session(self):
        connection = self.pipeline.connect(autocommit=True)
        self.addCleanup(connection.close)
        return connection

    def create_full_tables(self, images=IMAGES):
        """Tables with rows, which no trigger has seen, and then the triggers."""
        self.pipeline.init()
        with self.pipeline.connect() as connection:
            gallery.create_tables(connection)
            connection.execute(f'ALTER SEQUENCE "Image_id_seq" INCREMENT {STEP}')
            for _ in gallery.insert_rows(connection, images):
                pass
        gallery.create_triggers(self.pipeline)

    def execute(self, statement):
        with self.session.transaction():
            return self.session.execute(statement)

    def jobs(self):
        return json.loads(self.producer.command("jobs", "list", "--json").stdout)

    def loads(self):
        """A check of the index queues a verify as well."""
        return [job for job in self.jobs() if job["kind"] == "load"]

    def job(self, job):
        return json.loads(self.producer.command("jobs", "show", str(job), "--json").stdout)

    def queue(self, *options):
        done = self.producer.command("load", *options, "--no-wait", "--json")
        return json.loads(done.stdout)["id"]

    def newest_job(self):
        """Its columns; a command that lists it would take as long as some chunks."""
        row = self.execute(
            "SELECT to_jsonb(j) FROM bitdex_jobs j ORDER BY id DESC LIMIT 1").fetchone()
        return row[0] if row else None

    def wait_for_job(self, condition, what):
        """Waits until the newest job meets the condition; returns it."""

        def is_met():
            found[:] = [self.newest_job()]
            return found[0] is not None and condition(found[0])

        found = []
        self.producer.wait_until(is_met, what)
        return found[0]

    def set_share(self, share):
        """The share of its time that a producer which is started from now on spends on jobs."""
        text, count = re.subn(
            r' load: \{"share": [^}]+\}', f' load: {{"share": {share}}}',
            self.pipeline.config.read_text())
        self.assertEqual(count, 1)
        self.pipeline.config.write_text(text)

    def wait_until_after(self, place):
        """Waits until the newest job has sent more than what is before that id; returns the id
        that is next."""
        return self.wait_for_job(
            lambda job: (job["next_id"] or 0) > place, "does not move on")["next_id"]

    def wait_for_end(self):
        return self.wait_for_job(
            lambda job: job["state"] not in ("queued", "running"), "has not ended"
        )

    def check_complete(self):
        """Checks that the index equals the tables, and is complete."""
        self.pipeline.wait_until_fresh()
        self.assertGreater(index.check_equal(self.pipeline), 0)
        for partition in self.pipeline.partitions():
            self.assertTrue(partition["complete"], partition)
        self.assertEqual(self.pipeline.api.call("/api/ready")[0], 200)

    def read_events(self):
        """{kind: bodies} of the events of loads on the topic."""
        events = topic.read(self.pipeline.kafka, self.pipeline.topic)
        bodies = {kind: [] for kind in KINDS}
        for records in events.values():
            for _, _, event in records:
                kind, fields = event["body"]
                if kind in bodies:
                    bodies[kind].append(fields)
        return bodies


    def logged_chunks(self, partition):
        """The chunks in the log of a partition, as `wal dump` prints them."""
        done = self.pipeline.consumer.command("wal", "dump", "--json", str(partition))
        frames = [json.loads(line) for line in done.stdout.splitlines()]
        events = [event for frame in frames for event in frame["events"]]
        return [event for event in events if event["kind"] == "chunk"]


class EmptyIndex(LoadCase):
    """Loads of an index that has nothing of the rows."""

    def test_f77_tables_with_rows(self):
        """An index over tables that had rows is incomplete until a load, and equal after it."""
        self.create_full_tables()
        self.pipeline.start()
        self.pipeline.wait_until_fresh()
        self.assertEqual(self.pipeline.api.call("/api/ready")[0], 503)
        done = self.producer.command("load")
        self.assertIn("is done", done.stdout)
        self.check_complete()
        (job,) = self.loads()
        self.assertEqual((job["state"], job["rejected"], job["error"]), ("done", 0, None))
        dumps = {dump["table"]: dump for dump in self.job(job["id"])["dumps"]}
        self.assertEqual(set(dumps), set(gallery.TABLES))
        self.assertEqual(dumps["Image"]["rows"], IMAGES)
        self.assertGreater(len(self.read_events()["bitdex.Chunk"]), 4)
        chunks = self.logged_chunks(1)
        alive = [entity for chunk in chunks for entity in chunk["alive_entities"]]
        self.assertGreater(len(alive), 0)
        self.assertEqual({entity % len(self.pipeline.partitions()) for entity in alive}, {1})
        for chunk in chunks:
            for column in chunk["columns"]:
                self.assertIn(column["field"], chunk["field_names"])
                self.assertEqual(len(column["entities"]), len(column["values"]))
        self.producer.wait_until(
            lambda: self.producer.api.get("/api/status")["load_job"] is None, "shows a job")
        metrics = self.producer.api.get("/metrics")
        self.assertIn(f'bitdex_load_rows_total{{source="default"}} {job["rows"]}', metrics)
        self.assertIn("bitdex_load_step_seconds_count", metrics)

    def test_f10_live_traffic_and_kills(self):
        """Rows change, are deleted and created again while a load runs; the producer is killed
        twice in it. The same command continues the job, and the index is equal."""
        self.create_full_tables()
        self.set_share(0.001)  # a kill comes before the next chunk
        self.pipeline.start()
        with self.writers(3, pause_s=0.05):  # a load waits while there is a backlog
            job, place = self.queue(), 0
            for _ in range(2):
                place = self.wait_until_after(place)
                self.producer.signal(signal.SIGSTOP)  # it would end the job meanwhile
                self.assertEqual(self.queue(), job)
                self.producer.kill()
                self.producer.start()  # and reads the next chunk at once
            self.producer.kill()
            self.set_share(1)
            self.producer.start()
            self.wait_for_end()
        self.check_complete()
        self.assertEqual([job["state"] for job in self.loads()], ["done"])

    def test_f12_a_load_that_cannot_be_right_fails(self):
        """Without them it would be out of date at once: it fails with the reason, and the drain
        continues. A producer that started before they were applied learns of them by the load.
        """
        self.pipeline.init()
        with self.pipeline.connect() as connection:
            gallery.create_tables(connection)
            for _ in gallery.insert_rows(connection, 20):
                pass
        self.pipeline.start()
        self.assertEqual(self.producer.command("load", check=False).returncode, 1)
        gallery.create_triggers(self.pipeline)
        self.producer.command("load")
        self.execute('UPDATE "Image" SET "userId" = 78')
        self.check_complete()
        self.execute("""DO $$ DECLARE t text; BEGIN
            FOR t IN SELECT tgname FROM pg_trigger WHERE tgrelid = '"ImageTool"'::regclass
                AND NOT tgisinternal LOOP
                EXECUTE format('DROP TRIGGER %I ON "ImageTool"', t);
            END LOOP; END $$""")
        done = self.producer.command("load", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("no triggers of the database write field toolIds", done.stderr)
        self.assertIn("triggers apply", done.stderr)
        self.assertIn("failed", {job["state"] for job in self.loads()[1:]})
        self.producer.command("load", "--table", "Image")
        gallery.create_triggers(self.pipeline)
        self.execute('UPDATE "Image" SET "userId" = 77')
        self.producer.command("load")
        self.check_complete()

    def test_f11_f78_values_before_their_entity(self):
        """A row of a join that was committed before its entity is loaded and stays."""
        self.create_full_tables(images=50)
        self.execute('ALTER TABLE "TagsOnImageNew" DROP CONSTRAINT "TagsOnImageNew_imageId_fkey"')
        entity = 1 + 1000 * STEP
        self.execute(f'INSERT INTO "TagsOnImageNew" VALUES ({entity}, 5), ({entity}, 7)')
        self.pipeline.start()
        self.producer.command("load")
        self.execute(f'INSERT INTO "Image" (id, url, "userId") VALUES ({entity}, \'late\', 3)')
        self.check_complete()

    def test_tables_of_an_earlier_version(self):
        """Every command refuses the tables of an earlier version and names `init`, which changes
        them in place: a dead letter stays, and a queued job is one of everything."""
        self.create_full_tables(images=20)
        self.execute(EARLIER)
        for command in ("run", "load", "jobs list", "jobs cancel 1", "dead-letters list"):
            done = self.producer.command(*command.split(), check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("run bitdex-producer init", done.stderr)
        self.pipeline.init()
        self.pipeline.start()
        self.assertEqual(self.wait_for_end()["state"], "done")
        self.check_complete()
        letters = json.loads(self.producer.command("dead-letters", "list", "--json").stdout)
        self.assertEqual([(letter["row_id"], letter["job"]) for letter in letters], [(7, 0)])


class Load(LoadCase, SceneCase):
    """Loads of an index that has everything, after rows have changed without triggers: what is not
    loaded differs. Each method leaves it equal to the tables."""

    def set_scene(self):
        self.create_full_tables()
        self.pipeline.start()
        self.producer.command("load")
        self.pipeline.wait_until_fresh()

    def change_silently(self):
        """Every image, in fields of both kinds."""
        self.execute("""
            UPDATE "Image" SET "userId" = "userId" + 1, flags = flags # 8192;
            DELETE FROM "TagsOnImageNew" WHERE "tagId" % 5 = 0;
            INSERT INTO "TagsOnImageNew" SELECT id, 1000 + (SELECT max("tagId")
                FROM "TagsOnImageNew") FROM "Image";
            DELETE FROM "BitdexOps" WHERE txid = pg_current_xact_id()""")

    def lock(self):
        """A transaction that has locked a table for itself."""
        connection = self.pipeline.connect()
        self.addCleanup(connection.close)
        connection.execute('LOCK TABLE "ImageTool" IN ACCESS EXCLUSIVE MODE')
        return connection

    def queue_until_locked(self):
        """Queues a load, as no command does that meets the lock; returns when it waits for it."""
        self.execute("""INSERT INTO bitdex_jobs (name, kind, reason)
            VALUES ('default', 'load', 'by the test')""")
        self.producer.wait_until(lambda: self.execute("""SELECT FROM pg_stat_activity
            WHERE datname = current_database() AND application_name LIKE 'bitdex-producer load%'
            AND wait_event_type = 'Lock'""").rowcount > 0, "waits for no lock")

    def test_f10_overlapping_ranges(self):
        """Two loads of ranges that overlap, requested at once, beside live traffic."""
        self.change_silently()
        with self.writers(2, pause_s=0.05):
            self.producer.signal(signal.SIGSTOP)  # it would end one before the next is requested
            first = self.queue("--range", ":60000")
            second = self.queue("--range", "40000:")
            self.assertEqual(self.queue("--range", "0:60000"), first)
            self.assertNotEqual(first, second)
            self.producer.signal(signal.SIGCONT)
            self.producer.command("load", "--table", "Model")
        self.wait_for_end()
        self.assertEqual({self.job(job)["state"] for job in (first, second)}, {"done"})
        self.check_complete()

    def test_load_without_a_producer(self):
        """When no producer runs, the command loads by itself, and drains meanwhile."""
        self.assertEqual(self.producer.stop(), 0)
        self.change_silently()
        self.execute(f'UPDATE "Image" SET "nsfwLevel" = 32 WHERE id % {7 * STEP} = 1')
        done = self.producer.command("load")
        self.assertIn("no producer named", done.stderr)
        self.assertIn("is done", done.stdout)
        self.producer.start()
        self.check_complete()

    def test_a_load_of_fields_and_ids(self):
        """--table, --fields and --ids load what they name; --ids reads files as well."""
        with self.pipeline.connect() as connection:
            before = gallery.read_truth(connection)
        self.change_silently()
        first, second, *_ = sorted(before)
        ids = self.pipeline.directory / "ids"
        ids.write_text(f"{second}\n{first}\n")
        self.producer.command("load", "--fields", "tagIds,userId", "--ids", f"@{ids},{first}")
        self.pipeline.wait_until_fresh()
        with self.pipeline.connect() as connection:
            truth = gallery.read_truth(connection)
        answers = index.read_entities([self.pipeline.consumer] * 4, sorted(truth))
        for entity, answer in answers.items():
            wanted = before[entity]
            self.assertNotEqual(wanted["tagIds"], truth[entity]["tagIds"])
            if entity in (first, second):
                wanted |= {name: truth[entity][name] for name in ("tagIds", "userId")}
            self.assertEqual(answer["fields"], wanted, entity)
        self.producer.command("load", "--table", "Image")
        self.producer.command("load")
        self.check_complete()

    def test_usage(self):
        """What cannot be loaded is refused with exit code 2, and nothing is queued."""
        newest = self.newest_job()
        for options, reason in (
            (["--table", "Nothing"], "Nothing"),
            (["--fields", "nothing"], "nothing"),
            (["--range", "5"], "BEGIN:END"),
            (["--range", "5:5"], "holds no entity"),
            (["--range", "1:2", "--ids", "1"], "exclude each other"),
            (["--ids", "x"], "--ids"),
            (["--ids", "@/nowhere"], "/nowhere"),
            (["--table", "Model", "--range", "1:2"], "only the index knows"),
        ):
            done = self.producer.command("load", *options, check=False)
            self.assertEqual(done.returncode, 2, (options, done.stderr))
            self.assertIn(reason, done.stderr)
        self.assertEqual(self.newest_job(), newest)
        for command in ("show", "cancel"):
            done = self.producer.command("jobs", command, "7777", check=False)
            self.assertEqual(done.returncode, 1, done.stderr)

    def test_an_outage_of_the_loads_session(self):
        """A session that is lost while a load reads costs a pause."""
        sessions = self.producer.api.get("/api/status")["sessions"]
        self.change_silently()
        locking = self.lock()
        self.queue_until_locked()
        self.execute("""SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name LIKE 'bitdex-producer load%'""")
        locking.close()
        self.assertEqual(self.wait_for_end()["state"], "done")
        self.assertEqual(self.producer.api.get("/api/status")["sessions"], sessions)
        self.check_complete()

    def test_jobs_that_are_written_by_hand(self):
        """A row of bitdex_jobs may hold anything: what is no job fails with a reason."""
        self.change_silently()
        last = 2**63 - 1
        for columns, values, reason in (
            ("after_id, ids", "5, '{1}'", "both a range and ids"),
            ("ids", "'{2, 2}'", "ascending"),
            ("fields", "'{NULL}'", "not names"),
            ("after_id, up_to_id", "10, 5", "holds no entity"),
            ("after_id", last, "holds no entity"),
            ("dumps", """'[{"name": "a", "table": "b", "rows": -1}]'""", "negative"),
            ("up_to_id, state, stage, next_id", f"{last}, 'running', 'passes', -4", None),
        ):
            with self.subTest(columns):
                self.execute(f"""INSERT INTO bitdex_jobs (name, kind, reason, {columns})
                    VALUES ('default', 'load', 'by hand', {values})""")
                job = self.wait_for_end()
                if reason is None:
                    self.assertEqual(job["state"], "done")
                else:
                    self.assertEqual(job["state"], "failed")
                    self.assertIn(reason, job["error"])
        self.producer.command("load")
        self.check_complete()

    def test_l11_a_table_is_rewritten(self):
        """An ALTER TABLE that rewrites a table commits while the load waits for it. To a snapshot
        from before the commit the table would be empty."""
        self.change_silently()
        altering = self.lock()
        altering.execute('ALTER TABLE "ImageTool" ADD COLUMN dice float DEFAULT random()')
        self.queue_until_locked()
        altering.commit()
        self.assertEqual(self.wait_for_end()["state"], "done")
        self.check_complete()

    def test_a_lock_does_not_stop_the_stream(self):
        """A load waits for a table that somebody has locked, and everything else continues."""
        self.change_silently()
        locking = self.lock()
        self.queue_until_locked()
        for _ in range(3):
            self.execute('UPDATE "Image" SET "userId" = "userId" + 1')
            self.pipeline.wait_until_fresh()  # the lock stays until then
        done = self.producer.command("load", "--table", "ImageTool", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("lock timeout", done.stderr)
        self.assertIn(self.jobs()[-1]["state"], ("queued", "running"))
        locking.close()
        self.assertEqual(self.wait_for_end()["state"], "done")
        self.check_complete()


class SlowLoad(LoadCase, SceneCase):
    load = {"share": 0.002}

    def set_scene(self):
        self.create_full_tables()
        self.pipeline.start()

    def begin_load(self):
        """(the command, the id of its job, which runs)"""
        before = self.newest_job()
        waiting = self.producer.begin("load", stderr=subprocess.PIPE)
        self.addCleanup(waiting.stdout.close)
        self.addCleanup(waiting.stderr.close)
        self.addCleanup(waiting.kill)
        while "job" not in waiting.stderr.readline():  # from then on it handles ^C
            self.assertIsNone(waiting.poll(), "the load does not wait")
        job = self.wait_for_job(
            lambda job: job["state"] == "running" and (not before or job["id"] > before["id"]),
            "does not begin")
        return waiting, job["id"]

    def test_cancel(self):
        """A job that is cancelled while it runs ends with its mark, and the command that waits for
        it fails. A queued one ends at once."""
        waiting, running = self.begin_load()
        queued = self.queue("--table", "Image")
        self.producer.command("jobs", "cancel", str(queued))
        self.assertEqual(self.job(queued)["state"], "cancelled")
        self.producer.command("jobs", "cancel", str(running))
        self.assertEqual(waiting.wait(120), 1)
        self.assertEqual(self.job(running)["state"], "cancelled")
        self.pipeline.wait_until_fresh()
        marks = [(mark["kind"], mark["job"]) for mark in self.read_events()["bitdex.Job"]]
        self.assertEqual(marks.count(("BEGIN", running)), 4)
        self.assertEqual(marks.count(("END", running)), 4)
        self.assertEqual(self.pipeline.api.call("/api/ready")[0], 503)

    def test_interrupted_command(self):
        """^C ends the waiting, not the job; a command that does the work stops as a producer."""
        waiting, job = self.begin_load()
        waiting.send_signal(signal.SIGINT)
        self.assertEqual(waiting.wait(120), 1)
        self.assertEqual(self.job(job)["state"], "running")
        self.assertEqual(self.producer.stop(), 0)
        self.producer.command("load")
        self.assertEqual(self.loads()[-1]["id"], job)
        self.assertEqual(self.job(job)["state"], "done")
        self.producer.start()
        self.pipeline.wait_until_fresh()
        self.assertEqual(self.pipeline.api.call("/api/ready")[0], 200)


class FewSlots(LoadCase):
    sections = {"topic": {"max_slots": 2}}

    def test_f12_entities_without_a_slot(self):
        """Entities that have no slot become dead letters of the job, and a table of which nothing
        was read although it has rows makes it fail."""
        self.pipeline.init()
        with self.pipeline.connect() as connection:
            gallery.create_tables(connection)
            connection.execute("""INSERT INTO "Image" (id, url, "userId")
                VALUES (100001, 'far', 1)""")
        gallery.create_triggers(self.pipeline)
        self.pipeline.start()
        self.assertEqual(self.producer.command("jobs", "list").stdout, "no jobs\n")
        done = self.producer.command("load", check=False)
        self.assertEqual(done.returncode, 1, done)
        self.assertIn("nothing of table Image was loaded", done.stderr)
        letters = self.producer.command("dead-letters", "list").stdout
        self.assertIn("entity 100001 of job 1", letters)
        shown = self.producer.command("dead-letters", "show", "100001", "1", "--json").stdout
        self.assertEqual(json.loads(shown)[0]["ops"][0]["op"], "refresh")
        dumps = [dump for mark in self.read_events()["bitdex.Job"] for dump in mark["dumps"]]
        self.assertIn("Image", [dump["table"] for dump in dumps if dump["failed"]])
