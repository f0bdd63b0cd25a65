#!/usr/bin/env python3
"""Kills producers, consumers, broker and database at random under 40 writers, and looks after each.

    campaign.py [--seconds 60] [--kills N] [--seed S]

It ends after so many seconds or kills, whichever comes first. The oracle reads the topic as a stock
client does: after each kill all that had been committed arrives, and nothing else; numbers are
dense, the digests of marks are those of the rows, changes of a row come in commit order, and only
the newest generation is applied. What an unflushed database lost is lost on both sides: nothing of
it was sent, as saving a window flushes what came before. So the indexes equal the tables in the end
(campaign_consumers.py).
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
import gallery
import pipeline
import psycopg
import servers
import topic

SYNCHRONOUS = {"on": 2, "off": 2}  # processes of writers by their synchronous_commit
THREADS = 10  # of a process
PAUSE_S = 1.5  # of a writer behind each transaction; servers that start need the cores, too
ARRIVE_S = 120
# A deck: every kind comes as often as it is named before any comes again.
KINDS = """
    producer_killed producer_killed producer_killed producer_killed_twice producer_killed_twice
    producer_stopped producer_stopped producer_stopped_by_hand producer_stopped_by_hand
    standby_takes_over broker_killed broker_paused broker_paused broker_and_producer database_killed
""".split() + campaign_consumers.KINDS


def write(dsn, seed, end):
    """What a process of writers does."""
    with gallery.Writers(dsn, THREADS, seed, PAUSE_S, reconnect=True):
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
    """What was committed against what was delivered. Both are read piece by piece."""

    def __init__(self, line):
        self._line = line
        self._reader = topic.Reader(line.kafka, line.topic)
        self.replay = topic.Replay(self._reader.partitions)
        self.order = topic.Order()
        self.rows = 0
        self._since = 0  # transactions before this one have been looked at
        self._generation = 0  # of the newest owner
        self._missing = set()  # (partition, row id)
        self._early = set()  # delivered, and not seen in the table yet

    def check(self):
        """All that is committed now arrives, and nothing that is not; returns the seconds."""
        begun = time.monotonic()
        self._read_committed()
        self._read_topic()
        while self._missing or self._behind():
            if time.monotonic() > begun + ARRIVE_S:
                raise AssertionError(f"not delivered: {len(self._missing)} rows")
            time.sleep(0.05)
            self._read_topic()
        seconds = time.monotonic() - begun
        self._read_committed()
        assert not self._early, f"delivered, not committed: {len(self._early)}: {self._early.pop()}"
        self._check_positions()
        return seconds

    def _behind(self):
        """A new owner's fence has not reached every partition."""
        sequences = self.replay.sequences.values()
        return any(sequence.generation < self._generation for sequence in sequences)

    def forget(self):
        """The database has lost what it had not flushed: looks at all of it again."""
        self._since = 0
        self._missing.clear()
        self._early = {(p, row_id) for p, ids in self.replay.ids.items() for row_id in ids}

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
                if row_id in self.replay.ids[partition]:
                    self._early.discard((partition, row_id))
                else:
                    self._missing.add((partition, row_id))
        self._since = since

    def _read_topic(self):
        delivered = self.replay.feed(self._reader.read())
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
        """They were saved by the owners of their time."""
        with self._line.connect() as connection:
            (back,) = connection.execute(
                "SELECT count(*) FROM (SELECT generation, lag(generation) OVER"
                " (ORDER BY tick, sub_id) AS before FROM bitdex_windows) AS w"
                " WHERE generation < before"
            ).fetchone()
        assert back == 0, f"{back} positions of a superseded producer"


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
        self.kills = collections.Counter()
        self.longest = (0, "")

    def close(self):
        self.consumers.close()
        self._active.kill()
        self._spare.kill()

    def kill(self):
        """One kill of the next kind, and the check after it."""
        if not self._deck:
            self._deck = self._rng.sample(KINDS, len(KINDS))
        kind = self._deck.pop()
        self._sleep(1)
        self.consumers.check()
        actor = self.consumers if kind in campaign_consumers.KINDS else self
        getattr(actor, kind)()
        self.kills[kind] += 1
        seconds = self.oracle.check()
        self.consumers.check()
        self.longest = max(self.longest, (seconds, kind))
        if not self._active.is_running():
            raise AssertionError(f"after {kind}: producer ended:\n{self._active.log_tail()}")

    def _sleep(self, seconds):
        time.sleep(self._rng.random() * seconds)

    def _swap(self):
        self._active, self._spare = self._spare, self._active
        self._line.producer = self._active

    def producer_killed(self):
        self._active.kill()
        self._active.start(wait=False)

    def producer_killed_twice(self):
        """Again while it starts."""
        self.producer_killed()
        self._sleep(1)
        self.producer_killed()

    def producer_stopped(self):
        code = self._active.stop()
        assert code == 0, f"SIGTERM: {code}:\n{self._active.log_tail()}"
        self._active.start(wait=False)

    def producer_stopped_by_hand(self):
        """SIGSTOP, with messages on the way; its sessions are ended, a successor takes over, and it
        wakes up. Either may win when it wakes up early; the other stands by, or gives up."""
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
            assert time.monotonic() < deadline, "neither of two producers stands by"
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
        """The producer dies with messages on the way, some of which the broker takes later."""
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
        kafka = servers.Kafka(work / "kafka")
        stack.callback(servers.both, servers.Server.kill, [postgres, kafka])
        servers.both(servers.Server.start, [postgres, kafka])
        config = work / "config.yaml"
        pipeline.write_config(config, {"kafka": {"consumer": campaign_consumers.SETTINGS}})
        line = pipeline.Pipeline(work / "campaign", "campaign", postgres, kafka, config)
        line.create_database()
        line.init()
        with line.connect() as connection:
            gallery.create_tables(connection)
        gallery.create_triggers(line)
        campaign = Campaign(line, postgres, kafka, random.Random(seed))
        stack.enter_context(contextlib.closing(campaign))
        line.producer.start()
        campaign.consumers.start()
        with line.connect() as connection:
            collections.deque(gallery.insert_rows(connection, 1000), maxlen=0)
        begun = time.monotonic()
        with writers(line.dsn, seed):
            while campaign.kills.total() < kills and time.monotonic() < begun + seconds:
                campaign.kill()
        campaign.oracle.forget()
        campaign.oracle.check()
        images = campaign.consumers.check_end()
        print(summary(campaign, time.monotonic() - begun, images), flush=True)


def summary(campaign, seconds, images):
    oracle = campaign.oracle
    sequences = oracle.replay.sequences.values()
    kinds = ", ".join(f"{count} {kind}" for kind, count in campaign.kills.most_common())
    return (
        f"{campaign.kills.total()} kills in {seconds:.0f} s ({kinds}); {oracle.rows} events"
        f" applied, {sum(s.sent_again for s in sequences)} sent again,"
        f" {sum(s.fenced for s in sequences)} of fenced producers, {oracle.order.links} changes"
        f" in order, generation {next(iter(sequences)).generation}; longest recovery"
        f" {campaign.longest[0]:.1f} s ({campaign.longest[1]});"
        f" {campaign.consumers.positions.looks} positions of consumers seen, images in the indexes"
        f" of their groups: {images}"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    environment = os.environ.get
    parser.add_argument("--seconds", type=float, default=environment("BITDEX_SECONDS", 60))
    parser.add_argument("--kills", type=int, default=sys.maxsize)
    parser.add_argument(
        "--seed", type=int, default=environment("BITDEX_SEED", random.randrange(1 << 32))
    )
    arguments = parser.parse_args()
    print(f"BITDEX_SEED={arguments.seed} BITDEX_SECONDS={arguments.seconds:g}", flush=True)
    work = pipeline.BUILD / "integration" / f"campaign-{os.getpid()}"
    run(work, arguments.seconds, arguments.kills, arguments.seed)
    shutil.rmtree(work)  # after a failure it stays


if __name__ == "__main__":
    main()
