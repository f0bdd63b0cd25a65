"""The loads of a campaign: requested at random, several at once, cancelled, and interrupted.

Each kind is a method. A load may end at any time before or after the next kill; it is never a
failed one. What loads have completed equals the tables whenever nobody writes (quiet()).
"""

import contextlib
import json
import time

import gallery
import psycopg

KINDS = """
    load_requested load_requested loads_overlap load_cancelled load_and_producer_killed
    load_alone load_alone_killed
""".split()
STEP = 150  # between two ids of images, so that a load has several chunks
FIELDS = """
    nsfwLevel type userId postId blockedFor availability tagIds toolIds techniqueIds notedIds
    modelVersionIds baseModel minor poi hasMeta existedAt publishedAt
""".split()
PASS = "modelPoi"  # of which only the index knows the entities
UNFINISHED_MAX = 3


@contextlib.contextmanager
def quiet(line):
    """Nobody changes a row meanwhile: every writer waits for the lock of a table."""
    tables = ", ".join(f'"{table}"' for table in gallery.TABLES)
    with contextlib.ExitStack() as stack:
        while True:
            connection = stack.enter_context(line.connect())
            try:
                connection.execute(f"LOCK TABLE {tables} IN SHARE MODE")
                break
            except psycopg.errors.DeadlockDetected:
                stack.close()
        yield


class Loads:
    def __init__(self, line, rng, sleep):
        self._line = line
        self._rng = rng
        self._sleep = sleep

    def jobs(self):
        done = self._line.producer.command("jobs", "list", "--json")
        return json.loads(done.stdout)

    def check(self):
        """Checks that no load has failed; cancels the oldest ones when there are many."""
        jobs = self.jobs()
        failed = [job for job in jobs if job["state"] == "failed"]
        assert not failed, failed
        for job in self.unfinished(jobs)[:-UNFINISHED_MAX]:
            self._cancel(job)

    @staticmethod
    def unfinished(jobs):
        return [job["id"] for job in jobs if job["state"] in ("queued", "running")]

    def finish(self):
        """Cancels what has not ended, and waits for its end."""
        for job in self.unfinished(self.jobs()):
            self._cancel(job)
        deadline = time.monotonic() + 240
        while self.unfinished(self.jobs()):
            assert time.monotonic() < deadline, f"loads do not end: {self.jobs()[-5:]}"
            time.sleep(0.2)

    def keep_one(self):
        """Requests a load of everything unless there is an unfinished load."""
        if not self.unfinished(self.jobs()):
            self.request()

    def count_ended(self):
        """{state: jobs}"""
        states = [job["state"] for job in self.jobs()]
        return {state: states.count(state) for state in sorted(set(states))}

    def everything(self):
        """Loads all fields; returns when that is done."""
        self._line.producer.command("load")

    def request(self, *options):
        """Returns the id of the job."""
        done = self._line.producer.command("load", *options, "--no-wait", "--json")
        return json.loads(done.stdout)["id"]

    def _cancel(self, job):
        """It may have ended by itself."""
        done = self._line.producer.command("jobs", "cancel", str(job), check=False)
        assert done.returncode == 0 or "no unfinished job" in done.stderr, done

    def _last_id(self):
        with self._line.connect() as connection:
            (last,) = connection.execute(
                'SELECT last_value FROM "Image_id_seq"'
            ).fetchone()
        return last

    def _range(self):
        begin, end = sorted(self._rng.sample(range(self._last_id() + STEP), 2))
        return self._rng.choice([f"{begin}:{end}", f"{begin}:", f":{end}"])

    def _options(self):
        """What a load is to read, at random."""
        ids = [1 + n * STEP for n in range(self._last_id() // STEP)]
        kinds = {
            "everything": [],
            "table": ["--table", self._rng.choice(gallery.TABLES)],
            "fields": ["--fields", ",".join(self._rng.sample([*FIELDS, PASS], 3))],
            "range": ["--range", self._range()],
            "fields of a range": [
                "--fields", ",".join(self._rng.sample(FIELDS, 2)), "--range", self._range(),
            ],
            "ids": ["--ids", ",".join(map(str, self._rng.sample(ids, 20)))],
        }
        return kinds[self._rng.choice([*kinds, "everything"])]

    def load_requested(self):
        self.request(*self._options())

    def loads_overlap(self):
        for _ in range(2):
            self.request("--range", self._range())

    def load_cancelled(self):
        job = self.request(*self._options())
        self._sleep(2)
        self._cancel(job)

    def load_and_producer_killed(self):
        self.request(*self._options())
        self._sleep(2)
        self._line.producer.kill()
        self._line.producer.start(wait=False)

    def load_alone(self):
        """The command does the work itself until it ends; the producer waits for its lock."""
        self._alone(kill=False)

    def load_alone_killed(self):
        self._alone(kill=True)

    def _alone(self, kill):
        producer = self._line.producer
        code = producer.stop()
        assert code == 0, f"SIGTERM: {code}:\n{producer.log_tail()}"
        command = producer.begin("load", *self._options())
        try:
            self._sleep(3)
            if kill:
                command.kill()
            producer.start(wait=False)
            command.wait(300)
        finally:
            command.kill()
            command.stdout.close()
        assert kill or command.returncode == 0, f"a load by itself: {command.returncode}"
