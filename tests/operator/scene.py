"""A pipeline with writers on servers of its own, and what an operator can see of it.

The oracle of every act: when the writers have stopped, the index is complete and equals SQL, or
something says why it is not: the producer has ended with a reason, it says what it waits for, or a
partition says why it is incomplete. An index that calls itself complete and differs is a failure.
"""

import contextlib
import os
import random
import struct
import time

import gallery
import index
import posts
import psycopg
import servers
from pipeline import BUILD, ROOT, WAIT_S
from psycopg.conninfo import make_conninfo

SAID_WITHIN_S = SETTLED_WITHIN_S = WAIT_S  # a broker or a program may stall for a minute
WAITS_S = 4  # what is not ready for so long says that it waits
TURNS = 4  # of starting the producer and doing what it asks for
WALL_CLOCK = BUILD / "tests" / "integration" / "libwall_clock.so"  # sanitizers are without it
TABLES = ", ".join(f'"{table}"' for table in gallery.TABLES)


class Scene:
    def __init__(self, case, rng):
        self.case = case
        self.random = rng
        self.pipeline = case.pipeline
        self.role = f"bitdex_operator_{os.getpid()}"
        self.posts = None  # posts.Posts: what the writers post beside their rows
        self._count = 0
        self._stack = contextlib.ExitStack()
        case.addCleanup(self._stack.close)
        self.primary = self._server("first")
        self._prepare()

    # --- servers

    def _server(self, name, **arguments):
        settings = {"shared_buffers": "32MB"}
        server = servers.Postgres(self.pipeline.directory / name, settings, **arguments)
        self.case.addCleanup(server.remove)
        server.start()
        return server

    def enter(self, context):
        return self._stack.enter_context(context)

    def copy(self, is_standby=False):
        self._count += 1
        return self._server(f"s{self._count}", copy_of=self.primary, is_standby=is_standby)

    def standby(self):
        return self.copy(is_standby=True)

    def catch_up(self, standby):
        (end,) = self.execute("SELECT pg_current_wal_flush_lsn()").fetchone()
        dsn = make_conninfo(standby.dsn, dbname=self.pipeline.name)
        with psycopg.connect(dsn, autocommit=True) as connection:
            while not connection.execute(
                "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", (end,)
            ).fetchone()[0]:
                time.sleep(0.05)

    def move_to(self, server):
        self.primary = server
        self.pipeline.move_to(server)
        self.back_to_the_server()

    def _prepare(self):
        """The producer has a role of its own, whose rights can be taken away."""
        self.pipeline.move_to(self.primary)
        self.pipeline.create_database()
        self.case.create_tables()
        self.execute((ROOT / "docs" / "roles.sql").read_text())
        self.create_role()
        self.use_role()
        self._clocks = {
            program: self._give_clock(program)
            for program in (self.pipeline.producer, self.pipeline.consumer)
        }
        self.pipeline.start()
        with self.pipeline.connect() as connection:
            for _ in gallery.insert_rows(connection, 60):
                pass

    def create_role(self):
        self.execute(f"CREATE ROLE {self.role} LOGIN; GRANT bitdex_producer TO {self.role};"
                     f" GRANT SELECT ON {TABLES} TO {self.role}")

    def _give_clock(self, program):
        """A wall clock of its own, which can be moved."""
        clock = self.pipeline.directory / f"{program.name}.clock"
        clock.write_bytes(bytes(8))
        if WALL_CLOCK.exists():
            program.set_variable("LD_PRELOAD", str(WALL_CLOCK))
            program.set_variable("BITDEX_WALL_CLOCK", str(clock))
        return clock

    def move_clock(self, program, seconds):
        with self._clocks[program].open("r+b") as file:  # which is mapped: not truncated
            file.write(struct.pack("=q", seconds * 10**9))

    @property
    def producer_dsn(self):
        return make_conninfo(self.pipeline.dsn, user=self.role)

    def use_role(self):
        self.pipeline.producer.set_variable("BITDEX_POSTGRES", self.producer_dsn)

    def as_owner(self, *arguments):
        """Runs a command of the producer with the rights of the tables' owner."""
        self.pipeline.producer.set_variable("BITDEX_POSTGRES", self.pipeline.dsn)
        try:
            return self.pipeline.producer.command(*arguments, check=False)
        finally:
            self.use_role()

    def must(self, *arguments):
        """The same until it succeeds, as it does when the broker answers again."""
        until = time.monotonic() + WAIT_S
        while (done := self.as_owner(*arguments)).returncode != 0:
            assert time.monotonic() < until, done.stderr
            time.sleep(0.5)

    def back_to_the_server(self):
        self.use_role()
        self.pipeline.producer.kill()
        self.start_producer()

    def execute(self, statement, arguments=None):
        with self.pipeline.connect(autocommit=True) as connection:
            return connection.execute(statement, arguments)

    def write(self, seconds):
        with self.writers():
            time.sleep(seconds)

    def wait_until_quiet(self):
        """An idle producer saves the position after the last row once."""
        is_saved = """SELECT s1::text = s2::text FROM bitdex_windows
            ORDER BY tick DESC, sub_id DESC LIMIT 1"""
        self.pipeline.producer.wait_until(
            lambda: self.execute(is_saved).fetchone()[0], "saves no idle position"
        )

    @contextlib.contextmanager
    def writers(self):
        seed = self.random.randrange(1 << 32)
        with contextlib.ExitStack() as stack:
            if self.posts is not None:
                stack.enter_context(self.posts.writer(random.Random(seed)))
            stack.enter_context(
                gallery.Writers(self.pipeline.dsn, 2, seed, pause_s=0.02, reconnect=True))
            yield

    def start_producer(self):
        self.pipeline.producer.start(wait=False)

    def start_rival(self, server):
        """A producer of the same configuration on `server`, which has a log of its own. Returns it
        when it drains, or has ended."""
        rival = self.case.spare_producer()
        rival.log = self.pipeline.directory / f"rival{self._count}.log"
        rival.set_variable("BITDEX_POSTGRES", make_conninfo(server.dsn, dbname=self.pipeline.name))
        rival.start(wait=False)
        until = time.monotonic() + SAID_WITHIN_S
        while rival.is_running() and rival.state != "draining" and time.monotonic() < until:
            time.sleep(0.05)
        self._rival = rival
        return rival

    # --- what is said

    def why(self):
        """What is said of why the index may differ; None: nothing, or not yet."""
        producer = self.pipeline.producer
        if not producer.is_running():
            stopped = [line for line in producer.log_tail().splitlines() if "stopped: " in line]
            assert stopped, f"the producer ended without a reason:\n{producer.log_tail()}"
            return stopped[-1].partition("stopped: ")[2]
        for number, reason in self.reasons().items():
            return f"partition {number}: {reason}"
        return None

    def _status(self):
        """Of the consumer, when it owns all partitions."""
        found = {}

        def is_whole():
            found.update(self.pipeline.api.get("/api/internal/sync-lag"))
            return self.pipeline.are_all(found["partitions"])

        self.pipeline.consumer.wait_until(is_whole, "does not own all partitions")
        return found

    def reasons(self):
        """{partition: why it is incomplete}. What is posted counts for itself (lacks_posts)."""
        status = self._status()
        lacking = {
            number for field in status["incomplete_fields"] if field["field"] != posts.FIELD
            for number in field["partitions"]
        }
        return {
            partition["partition"]: partition["reason"] or partition["error"]
            for partition in status["partitions"]
            if partition["state"] == "stalled" or (partition["partition"] in lacking)
        }

    def lacks_posts(self):
        """{partition: why posts are incomplete in it}"""
        if self.posts is None:
            return {}
        return {
            number: field["reason"] for field in self._status()["incomplete_fields"]
            if field["field"] == posts.FIELD for number in field["partitions"]
        }

    def waits(self):
        """Why the producer is not ready; None: it is."""
        try:
            status, answer = self.pipeline.producer.api.call("/api/ready")
        except OSError:
            return None
        return str(answer) if status != 200 else None

    def is_fresh(self, since):
        now = time.time()
        lags = [partition["lag_seconds"] for partition in self.pipeline.partitions()]
        return len(lags) == index.PARTITIONS and all(
            lag is not None and now - lag > since for lag in lags
        )

    def differs(self):
        """How the index differs from SQL; None: it is equal."""
        try:
            index.check_equal(self.pipeline, complete=False, verified=False)
        except AssertionError as difference:
            return str(difference)
        return self.posts.differs() if self.posts is not None else None

    def judge(self, word=None):
        """Returns what is said, or "equal"; fails when an index that differs calls itself complete.
        `word` has to be said in any case: by the producer's log, by a partition, or by the end of
        its rival."""
        since = time.time()
        if word is not None:
            self._wait_for_word(word)
        until = time.monotonic() + SAID_WITHIN_S
        difference = waits = None
        ready = time.monotonic()  # when it was last
        while time.monotonic() < until:
            why = self.why()
            if why is not None:
                return why
            waits = self.waits()
            if waits is None:
                ready = time.monotonic()
            elif time.monotonic() - ready > WAITS_S:
                return waits
            if self.is_fresh(since):
                difference = self.differs()
                if difference is None and self.why() is None:
                    return "equal"
            time.sleep(0.2)
        assert waits is not None, f"nothing says why the index differs, or is late:\n{difference}"
        return waits

    def judge_complete(self):
        """The same of an act that takes nothing from the index: it is complete and equal, and has
        every post that it had before."""
        since = time.time()
        until = time.monotonic() + SAID_WITHIN_S
        while not (self.is_fresh(since) and self.why() is None and self.differs() is None):
            assert time.monotonic() < until, f"has lost, or is late: {self.why()} {self.differs()}"
            time.sleep(0.2)
        more = self.lacks_posts().keys() - self._lacked
        assert not more, f"lacks posts that it had: {self.lacks_posts()}"
        return "equal"

    def _wait_for_word(self, word):
        until = time.monotonic() + SAID_WITHIN_S
        while not self._says(word):
            assert time.monotonic() < until, f'nobody says "{word}":\n{self._log_of_act()}'
            time.sleep(0.2)

    def _says(self, word):
        rival = self._rival
        has_ended = rival is not None and not rival.is_running()
        return (word in self._log_of_act() or word in (self.why() or "")
                or (has_ended and word in rival.log_tail()))

    def begin_act(self):
        self._rival = None
        self._lacked = self.lacks_posts().keys()
        self._log_begin = self.pipeline.producer.log.stat().st_size

    def _log_of_act(self):
        with open(self.pipeline.producer.log, errors="replace") as log:
            log.seek(self._log_begin)
            return log.read()

    # --- the way out

    def settle(self):
        """Does what is asked for until the index is complete, and equals SQL."""
        for _ in range(TURNS):
            if self._starts():
                break
        since = time.time()
        until = time.monotonic() + SETTLED_WITHIN_S
        asked = False
        while not (self.is_fresh(since) and self.why() is None):
            if not asked and self.why() is not None and not self._loads():
                asked = self.as_owner("load", "--no-wait").returncode == 0
            assert time.monotonic() < until, f"is not complete again: {self.why()} {self.waits()}"
            time.sleep(0.2)
        assert index.check_equal(self.pipeline, complete=self.posts is None) > 0
        difference = self.posts.differs() if self.posts is not None else None
        assert difference is None, difference

    def _starts(self):
        """Does the producer drain? If it ends, does what its reason asks for."""
        producer = self.pipeline.producer
        if not producer.is_running():
            self.start_producer()
        until = time.monotonic() + SAID_WITHIN_S
        while producer.is_running() and time.monotonic() < until:
            if producer.state == "draining":
                time.sleep(1)
                return producer.is_running()
            time.sleep(0.1)
        assert not producer.is_running(), f"does not drain: {self.waits()}"
        if "cursor adopt" in self.why():
            self.must("cursor", "adopt")
        return False

    def _loads(self):
        return self.execute("""SELECT count(*) > 0 FROM bitdex_jobs
            WHERE kind = 'load' AND state IN ('queued', 'running')""").fetchone()[0]
