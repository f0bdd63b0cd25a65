#!/usr/bin/env python3
"""Kills producers, consumers, broker and database at random under 40 writers, beside random loads
and refreshes; checks each recovery.

    campaign.py [--seconds 60] [--kills N] [--seed S]

It ends after so many seconds or kills, whichever comes first. The oracle reads the topic with a
stock client and checks after each kill that everything that was committed arrives, and nothing
else; that numbers are dense and the digests of marks are those of the rows; that changes of a row
come in commit order; and that only the newest generation is applied. Commits that the database had
not flushed before it was killed are lost. None of them was sent, because saving a window flushes
every commit before it. The tables are full before the producer starts; loads (campaign_loads.py)
complete the indexes. Now and then the writers are held, and what an index calls complete must equal
the tables; at the end that is every field (campaign_consumers.py). Some writers change rows
silently beside wrong ops, and ask for refreshes (refreshes.py): what is forgotten, or answered by
older rows, stays wrong. Each check of an index ends with a verify.
"""

import argparse
import collections
import contextlib
import multiprocessing
import os
import random
import shutil
import signal
import sys
import time

import campaign_consumers
import campaign_loads
import gallery
import pipeline
import psycopg
import refreshes
import servers
import topic

SYNCHRONOUS = {"on": 2, "off": 2}  # {synchronous_commit: how many processes of writers}
THREADS = 10  # of each process
PAUSE_S = 1.5  # of a writer after each transaction; servers that start need the cores as well
REFRESH_PAUSE_S = 0.5  # of the thread of each process that asks for refreshes
ARRIVE_S = 240
# A deck of kills: each kind is drawn as often as it is listed before the deck is shuffled again.
KINDS = """
    producer_killed producer_killed producer_killed producer_killed_twice
    producer_killed_twice producer_stopped producer_stopped producer_frozen producer_frozen
    standby_takes_over broker_killed broker_paused broker_paused broker_and_producer
    database_killed
""".split() + campaign_consumers.KINDS + campaign_loads.KINDS
IMAGES = 1000  # before the producer starts
QUIET_EVERY = 6  # kills
# Loads get more time than by default, so that several of them end during a campaign.
SECTIONS = {
    "kafka": {"consumer": campaign_consumers.SETTINGS},
    "producer": {"load": {"share": 0.5}, "patrol": {"share": 0.05}, "refresh": {"owed_max": 100}},
}


def write(dsn, seed, end):
    """The main function of a process of writers."""
    with gallery.Writers(dsn, THREADS, seed, PAUSE_S, reconnect=True), \
            refreshes.Writers(dsn, 1, seed, REFRESH_PAUSE_S):
        end.wait()


@contextlib.contextmanager
def writers(dsn, seed):
    context = multiprocessing.get_context("spawn")
    end = context.Event()
    processes = []
    for synchronous, count in SYNCHRONOUS.items():
        setting = f"-c synchronous_commit={synchronous}"
        own_dsn = psycopg.conninfo.make_conninfo(dsn, options=setting)
        for n in range(count):
            arguments = (own_dsn, f"{seed}-{synchronous}-{n}", end)
            processes.append(context.Process(target=write, args=arguments, daemon=True))
            processes[-1].start()
    yield
    end.set()
    for process in processes:
        process.join()
        assert process.exitcode == 0, "a writer failed"


class Oracle:
    """Compares the rows that were committed with those that were delivered. Both are read
    incrementally."""

    def __init__(self, line):
        self._line = line
        self._reader = topic.Reader(line.kafka, line.topic)
        self.applied = topic.Applied(self._reader.partitions)
        with line.connect() as connection:
            values = connection.execute('SELECT id, "nsfwLevel" FROM "Image"').fetchall()
        self.order = topic.Order(values=values)
        self.rows = 0
        self._since = 0  # the rows of transactions before this one have been read
        self._generation = 0  # of the newest owner
        self._missing = set()  # (partition, row id)
        self._early = set()  # delivered, and not seen in the table yet

    def check(self):
        """Waits until all rows that are committed now have arrived, and checks that no other row
        has; returns the seconds that this took."""
        begun = time.monotonic()
        self._read_committed()
        self._read_topic()
        while self._missing or self._lacks_fence():
            if time.monotonic() > begun + ARRIVE_S:
                raise AssertionError(f"not delivered: {len(self._missing)} rows")
            time.sleep(0.05)
            self._read_topic()
        seconds = time.monotonic() - begun
        self._read_committed()
        assert not self._early, f"delivered, not committed: {len(self._early)}: {self._early.pop()}"
        self._check_positions()
        return seconds

    def _lacks_fence(self):
        """Whether the newest owner's fence is missing in some partition."""
        sequences = self.applied.sequences.values()
        return any(sequence.generation < self._generation for sequence in sequences)

    def forget(self):
        """Compares all rows again: the database has lost the commits that it had not flushed."""
        self._since = 0
        self._missing.clear()
        self._early = {(p, row_id) for p, ids in self.applied.ids.items() for row_id in ids}

    def _read_committed(self):
        with self._line.connect() as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            since, self._generation = connection.execute(
                "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint, generation"
                " FROM bitdex_producers"
            ).fetchone()
            condition = f"txid >= '{self._since}'"
            for partition, row_id in topic.read_committed(
                connection, self._reader.partitions, condition
            ):
                if row_id in self.applied.ids[partition]:
                    self._early.discard((partition, row_id))
                else:
                    self._missing.add((partition, row_id))
        self._since = since

    def _read_topic(self):
        delivered = self.applied.feed(self._reader.read())
        self.order.feed(delivered)
        for partition, events in delivered.items():
            self.rows += len(events)
            for event in events:
                row = (partition, event["body"][1]["row_id"])
                if row in self._missing:
                    self._missing.remove(row)
                else:
                    self._early.add(row)

    def _check_positions(self):
        """Checks that no position was saved by a producer after its successor had saved one."""
        with self._line.connect() as connection:
            (back,) = connection.execute(
                "SELECT count(*) FROM (SELECT generation, lag(generation) OVER"
                " (ORDER BY tick, sub_id) AS before FROM bitdex_windows) AS w"
                " WHERE generation < before"
            ).fetchone()
        assert back == 0, f"{back} positions were saved by a fenced producer"


class Campaign:
    def __init__(self, line, postgres, kafka, rng):
        self._line = line
        self._postgres = postgres
        self._kafka = kafka
        self._rng = rng
        self._active = line.producer
        port = servers.free_ports(1)[0]
        self._spare = line.program("bitdex-producer", port, BITDEX_PRODUCER_PORT=str(port))
        self._deck = []
        self.oracle = Oracle(line)
        self.consumers = campaign_consumers.Consumers(line, rng, self._sleep)
        self.loads = campaign_loads.Loads(line, rng, self._sleep)
        self.kills = collections.Counter()
        self.longest = (0, "")

    def close(self):
        self.consumers.close()
        self._active.kill()
        self._spare.kill()

    def kill(self):
        """Makes the next kill and checks the recovery."""
        if not self._deck:
            self._deck = self._rng.sample(KINDS, len(KINDS))
        kind = self._deck.pop()
        self.loads.keep_one()
        self._sleep(1)
        self.consumers.check()
        print(kind, flush=True)
        getattr(self._actor(kind), kind)()
        self.kills[kind] += 1
        seconds = self.oracle.check()
        self.consumers.check()
        self.loads.check()
        if self.kills.total() % QUIET_EVERY == 0:
            self._check_quiet()
        self.longest = max(self.longest, (seconds, kind))
        if not self._active.is_running():
            raise AssertionError(f"after {kind}: producer exited:\n{self._active.log_tail()}")

    def _actor(self, kind):
        if kind in campaign_loads.KINDS:
            return self.loads
        return self.consumers if kind in campaign_consumers.KINDS else self

    def _check_quiet(self):
        with campaign_loads.quiet(self._line):
            self.consumers.check_quiet()

    def check_end(self):
        """Checks everything when the writers have ended; returns how many images the indexes hold,
        and why they were not complete by then."""
        self.oracle.forget()
        self.oracle.check()
        self.loads.finish()
        reasons = self.consumers.check_quiet()
        if reasons or "done" not in self.loads.count_ended():
            self.loads.everything()
        return self.consumers.check_end(), reasons

    def _sleep(self, seconds):
        time.sleep(self._rng.random() * seconds)

    def _swap(self):
        self._active, self._spare = self._spare, self._active
        self._line.producer = self._active

    def producer_killed(self):
        self._active.kill()
        self._active.start(wait=False)

    def producer_killed_twice(self):
        """Kills the producer, and kills it again while it starts."""
        self.producer_killed()
        self._sleep(1)
        self.producer_killed()

    def producer_stopped(self):
        code = self._active.stop()
        assert code == 0, f"SIGTERM: {code}:\n{self._active.log_tail()}"
        self._active.start(wait=False)

    def producer_frozen(self):
        """Freezes the producer (SIGSTOP) while it has messages in flight, ends its sessions, starts
        a successor, and resumes it. When it is resumed early, either of the two may win; the other
        waits for the lock or exits."""
        self._kafka.pause()
        self._sleep(1)
        self._active.signal(signal.SIGSTOP)
        self._kafka.resume()
        self._end_sessions()
        self._spare.start(wait=False)
        self._sleep(3)
        self._active.signal(signal.SIGCONT)
        deadline = time.monotonic() + ARRIVE_S
        while "waiting for lock" not in (self._active.state, self._spare.state):
            if not self._active.is_running():
                break
            assert time.monotonic() < deadline, "neither of two producers waits for the lock"
            time.sleep(0.05)
        if self._spare.state != "waiting for lock":
            self._swap()
        self._spare.kill()

    def _end_sessions(self):
        with self._line.connect() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname ="
                " current_database() AND application_name LIKE 'bitdex-producer%'"
            )

    def standby_takes_over(self):
        self._spare.start()
        self._spare.wait_until_state("waiting for lock")
        self._active.kill()
        self._swap()

    def broker_killed(self):
        self._kafka.kill()
        self._sleep(2)
        self._kafka.start()

    def broker_paused(self):
        self._kafka.pause()
        self._sleep(4)
        self._kafka.resume()

    def broker_and_producer(self):
        """Kills the producer while it has messages in flight; the broker accepts some of them
        later."""
        self._kafka.pause()
        self._sleep(1)
        self._active.kill()
        self._kafka.resume()
        self._active.start(wait=False)

    def database_killed(self):
        self._postgres.kill()
        self._sleep(1)
        self._postgres.start()
        self.oracle.forget()


def run(work, seconds, kills, seed):
    with contextlib.ExitStack() as stack:
        postgres = servers.Postgres(work / "postgres")
        kafka = servers.Kafka(work / "kafka", is_killed=True)
        stack.callback(servers.both, servers.Server.kill, [postgres, kafka])
        servers.both(servers.Server.start, [postgres, kafka])
        config = work / "config.yaml"
        pipeline.write_config(config, SECTIONS)
        line = pipeline.Pipeline(work / "campaign", "campaign", postgres, kafka, config)
        line.create_database()
        line.init()
        with line.connect() as connection:
            gallery.create_tables(connection)
            step = campaign_loads.STEP
            connection.execute(f'ALTER SEQUENCE "Image_id_seq" INCREMENT {step}')
            collections.deque(gallery.insert_rows(connection, IMAGES), maxlen=0)
        gallery.create_triggers(line)
        campaign = Campaign(line, postgres, kafka, random.Random(seed))
        stack.enter_context(contextlib.closing(campaign))
        line.producer.start()
        line.producer.wait_until_state("draining")
        campaign.consumers.start()
        begun = time.monotonic()
        with writers(line.dsn, seed):
            while campaign.kills.total() < kills and time.monotonic() < begun + seconds:
                campaign.kill()
        images, reasons = campaign.check_end()
        print(summary(campaign, time.monotonic() - begun, images), flush=True)
        for reason in reasons:
            print(f"completed by a last load: {reason}", flush=True)


def summary(campaign, seconds, images):
    oracle = campaign.oracle
    sequences = oracle.applied.sequences.values()
    kinds = ", ".join(f"{count} {kind}" for kind, count in campaign.kills.most_common())
    return (
        f"{campaign.kills.total()} kills in {seconds:.0f} s ({kinds}); {oracle.rows} events"
        f" applied, {sum(s.duplicates for s in sequences)} duplicates,"
        f" {sum(s.fenced for s in sequences)} of fenced producers,"
        f" {sum(s.answered for s in sequences)} requests answered, {oracle.order.links} changes"
        f" in order, generation {next(iter(sequences)).generation}; longest recovery"
        f" {campaign.longest[0]:.1f} s ({campaign.longest[1]});"
        f" {campaign.consumers.positions.checked} positions of consumers checked, images in the"
        f" indexes of their groups: {images}; loads: {campaign.loads.count_ended()}"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    environment = os.environ.get
    parser.add_argument("--seconds", type=float, default=environment("BITDEX_SECONDS", 60),
                        help="how long to kill (default: %(default)s)")
    parser.add_argument("--kills", type=int, default=sys.maxsize,
                        help="how many kills at most (default: no limit)")
    parser.add_argument(
        "--seed", type=int, default=environment("BITDEX_SEED", 1),
        help="decides the choices of the run (default: %(default)s)",
    )
    arguments = parser.parse_args()
    print(f"BITDEX_SEED={arguments.seed} BITDEX_SECONDS={arguments.seconds:g}", flush=True)
    work = pipeline.BUILD / "integration" / f"campaign-{os.getpid()}"
    run(work, arguments.seconds, arguments.kills, arguments.seed)
    shutil.rmtree(work)  # a failed run leaves its files


if __name__ == "__main__":
    main()
