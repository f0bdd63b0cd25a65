"""An index as of a moment equals what the index answered at that moment, beside the running
consumer and after it stopped, and leaves no trace."""

import contextlib
import datetime
import hashlib
import http.client
import pathlib
import re
import signal
import subprocess
import time
import unittest

import confluent_kafka
from case import GalleryCase
from confluent_kafka import admin
from pipeline import IS_LATE, WAIT_S, Api
from topic import REQUEST_S

PATH = "/api/indexes/gallery"
QUERIES = [
    {"filters": [], "limit": 1000},
    {"filters": [], "sort": {"field": "sortAt", "direction": "Desc"}, "limit": 1000},
    {"filters": [{"Gt": ["nsfwLevel", 3]}], "limit": 1000},
    {"filters": [{"Eq": ["type", "image"]}], "limit": 1000},
]


class AsOf(GalleryCase):
    # Checkpoints and segments come and go all the time.
    sections = {
        "consumer": {
            "wal_segment_bytes": 65536, "checkpoint_bytes": 65536, "batch_rows": 100,
            "checkpoint_keep_hours": 1,
        },
    }

    def setUp(self):
        super().setUp()
        self.consumer = self.pipeline.consumer
        self.data_dir = pathlib.Path(self.pipeline.variables["BITDEX_DATA_DIR"])
        self.client = admin.AdminClient({"bootstrap.servers": self.pipeline.kafka})

    # --- answers

    def answers(self, api):
        """What the index says of everything."""
        documents = api.get(f"{PATH}/documents", {"ids": self.ids})
        self.assertTrue(documents["complete"], documents)
        found = []
        for query in QUERIES:
            answer = api.get(f"{PATH}/query", query)
            found.append((answer["ids"], answer["total_matched"], answer["complete"]))
        entity = api.get(f"{PATH}/entities/{self.ids[0]}")
        return documents["documents"], found, entity["fields"], entity["visible"]

    def clock(self):
        with self.pipeline.connect() as connection:
            return connection.execute("SELECT clock_timestamp()").fetchone()[0]

    def note_moment(self):
        """(moment, answers) of now, of which the log has a position, and the topic a watermark
        after it. Nothing writes."""
        self.pipeline.wait_until_fresh()
        self.pipeline.wait_until_durable()
        answers = self.answers(self.consumer.api)
        moment = self.clock()
        self.pipeline.wait_until_fresh()
        return moment, answers

    def note_hidden_moment(self):
        """The same, when an image is hidden that is visible soon."""
        seconds = 4
        while True:
            with self.pipeline.connect() as connection:
                (until,) = connection.execute(
                    """UPDATE "Post" SET "publishedAt" = date_trunc('second', now()) + %s
                       WHERE id = (SELECT "postId" FROM "Image" WHERE id = %s)
                       RETURNING "publishedAt" """,
                    [datetime.timedelta(seconds=seconds), self.ids[0]]).fetchone()
            moment, answers = self.note_moment()
            if moment < until.replace(tzinfo=until.tzinfo or datetime.timezone.utc):
                break
            seconds *= 2
        self.assertFalse(answers[-1])
        self.consumer.wait_until(
            lambda: self.consumer.api.get(f"{PATH}/entities/{self.ids[0]}")["visible"],
            "does not show it",
        )
        return moment, answers

    # --- the index of a moment

    def begin(self, moment):
        return self.consumer.begin("run", "--as-of", moment.isoformat(), stderr=subprocess.STDOUT)

    def refused(self, moment):
        """The last line of the log of one that does not start."""
        text = self.exited(self.begin(moment), 2)
        return text.splitlines()[-1] if text else self.refused(moment)

    def exited(self, process, code, log=""):
        """What one has printed that has exited with the code; "" when the broker was late."""
        text = log + process.communicate(timeout=120)[0]
        if process.returncode != 0 and IS_LATE.search(text):
            return ""
        self.assertEqual(process.returncode, code, text)
        return text

    def open(self, moment):
        """(process, its Api) when it is ready."""
        while True:
            process, log = self.begin(moment), []
            self.addCleanup(process.kill)
            api = self.wait_until_ready(process, log)
            if api is not None:
                return process, api
            self.assertEqual(self.exited(process, 0, "".join(log)), "")

    def wait_until_ready(self, process, log):
        """Its Api; None when it has exited."""
        found = None
        while found is None:
            log.append(process.stdout.readline())
            if log[-1] == "":
                return None
            found = re.search(r"listening on port (\d+)", log[-1])
        api = Api(int(found[1]))
        self.addCleanup(api.close)
        deadline = time.monotonic() + WAIT_S
        while process.poll() is None:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if api.call("/api/ready")[0] == 200:
                    return api
            self.assertLess(time.monotonic(), deadline, log)
            time.sleep(0.05)
        return None

    def check(self, moments, exact=True):
        for moment, answers in moments:
            process, api = self.open(moment)
            self.assertEqual(self.answers(api), answers)
            told = api.get(f"{PATH}/query", QUERIES[0])["as_of"]
            self.assertEqual(told["exact"], exact)
            self.assertLessEqual(datetime.datetime.fromisoformat(told["watermark"]), moment)
            status, refusal = api.call(f"{PATH}/ops", {"ops": []})
            self.assertEqual(status, 403, refusal)
            process.send_signal(signal.SIGTERM)
            text = process.communicate(timeout=120)[0]
            self.assertEqual(process.returncode, 0, text)

    # --- traces

    def traces(self):
        """Everything that it might have changed."""
        files = {}
        for path in sorted(self.data_dir.rglob("*")):
            content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
            files[str(path)] = (path.stat().st_mtime_ns, content)
        group = self.pipeline.name
        request = [confluent_kafka.ConsumerGroupTopicPartitions(group)]
        offsets = self.client.list_consumer_group_offsets(
            request, request_timeout=REQUEST_S)[group].result()
        committed = sorted((p.topic, p.partition, p.offset) for p in offsets.topic_partitions)
        listed = self.client.list_consumer_groups(request_timeout=REQUEST_S).result().valid
        groups = sorted(g.group_id for g in listed if g.group_id.startswith(group))
        letters = self.consumer.command("dead-letters", "list", "--json").stdout
        return files, committed, groups, letters

    def test_answers_of_a_moment(self):
        """Beside the running consumer, that rotates and removes, and after it stopped; then without
        the topic. Moments that are not known are refused."""
        early = self.clock()
        self.create_gallery(300)
        with self.pipeline.connect() as connection:
            self.ids = [row[0] for row in connection.execute('SELECT id FROM "Image" ORDER BY id')]
        moments = [self.note_moment()]
        self.change_images(20)
        moments.append(self.note_hidden_moment())
        self.write_some()
        moments.append(self.note_moment())
        self.change_images(20)
        with self.writers():
            self.check(moments)
        self.pipeline.wait_until_fresh()
        self.assertNotEqual(moments[1][1], moments[2][1])
        self.pipeline.producer.stop()
        self.consumer.stop()
        kept = self.data_dir.glob(f"{self.pipeline.topic}-0/wal/checkpoint/*.checkpoint")
        self.assertGreater(len(list(kept)), 2)
        before = self.traces()
        self.check(moments)
        self.assertIn("begins with the watermark of ", self.refused(early))
        late = self.clock() + datetime.timedelta(hours=1)
        self.assertIn("nothing is known of it yet", self.refused(late))
        self.assertEqual(self.traces(), before)
        self.forget_topic()
        self.check(moments[1:], exact=False)
        self.assertEqual(self.traces()[0], before[0])

    def forget_topic(self):
        """Retention removes everything."""
        ends = [confluent_kafka.TopicPartition(self.pipeline.topic, p, -1) for p in range(4)]
        for future in self.client.delete_records(ends, request_timeout=REQUEST_S).values():
            future.result()


if __name__ == "__main__":
    unittest.main()
