"""Checkpoints of a partition with a million entities: how long ingestion pauses for one, and how
long a restart from one takes compared with reading the bytes of the file from disk.
"""

import http.client
import json
import os
import re
import threading
import time

import measure
import servers

TOKEN = "bench"
QUIET_S = 1
START_S = 0.15  # of the start of a program and of joining the group

# One entity per row.
FILL = """
INSERT INTO "BitdexOps" (entity_id, ops)
SELECT n, jsonb_build_array('{"op": "alive"}'::jsonb,
    jsonb_build_object('op', 'set', 'field', 'nsfwLevel', 'value', 1 << (n %% 6)::int),
    '{"op": "set", "field": "type", "value": "image"}'::jsonb,
    jsonb_build_object('op', 'set', 'field', 'userId', 'value', n * 7919 %% 50021),
    jsonb_build_object('op', 'set', 'field', 'postId', 'value', n / 5),
    jsonb_build_object('op', 'set', 'field', 'hasMeta', 'value', n %% 2 = 0),
    jsonb_build_object('op', 'set', 'field', 'existedAt', 'value', 1700000000 + n),
    jsonb_build_object('op', 'set', 'field', 'tagIds', 'value',
        (SELECT jsonb_agg((200000 ^ ((n * 31 + k * 7919) %% 10007 / 10007::float8))::int)
         FROM generate_series(1, 20) AS k)))
FROM generate_series(%s::bigint, %s::bigint) AS n
"""
FILL_ROWS = 100_000
RECOVERED = r"recovered: checkpoint at offset \d+ in ([0-9.]+) s, \d+ bytes of frames after it in "


def configure(config, directory):
    """Configures one partition, and the token that the request for a checkpoint needs."""
    token = directory / "token"
    token.write_text(TOKEN)
    text = config.read_text().replace("partitions: 4", "partitions: 1")
    config.write_text(text.replace("\nconsumer:\n", f"\nconsumer:\n  token_file: {token}\n"))


class Background(threading.Thread):
    """A thread that runs in a `with` until the block ends."""

    def __init__(self, demo):
        super().__init__(daemon=True)
        self._demo = demo
        self._end = threading.Event()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self.join()


class Load(Background):
    """Writes a row every few milliseconds, so that ingestion never has to wait for one."""

    def run(self):
        with self._demo.connect(autocommit=True) as connection:
            while not self._end.wait(0.002):
                connection.execute(FILL, (1, 1))


class Monitor(Background):
    """Polls the partition's offset; `longest_s` is the longest time that it did not move."""

    longest_s = 0

    def __exit__(self, *_):
        time.sleep(QUIET_S)
        super().__exit__()

    def run(self):
        offset, since = None, time.monotonic()
        while not self._end.is_set():
            (partition,) = self._demo.partitions()
            now = time.monotonic()
            if partition["offset"] != offset:
                if offset is not None:
                    self.longest_s = max(self.longest_s, now - since)
                offset, since = partition["offset"], now


def take_checkpoint(demo):
    """Requests a checkpoint; returns the pause of ingestion that the consumer reports."""
    connection = http.client.HTTPConnection(servers.LOOPBACK, demo.consumer.port, timeout=600)
    connection.request(
        "POST", "/api/indexes/gallery/checkpoint", "", {"Authorization": f"Bearer {TOKEN}"})
    answer = connection.getresponse()
    body = json.loads(answer.read())
    assert answer.status == 200, body
    connection.close()
    return body["partitions"][0]["pause_seconds"]


def pause_once(demo):
    """The longest pause without a checkpoint, with one, and the pause that the consumer reports."""
    with Monitor(demo) as quiet:
        pass
    with Monitor(demo) as busy:
        reported_s = take_checkpoint(demo)
    return quiet.longest_s, busy.longest_s, reported_s


def restart_once(demo):
    """Seconds until the consumer is ready, to load the newest checkpoint, and to read its bytes,
    which are not in the page cache."""
    demo.consumer.stop()
    log = demo.directory / "index" / f"{demo.topic}-0" / "wal"
    newest = max((log / "checkpoint").glob("*.checkpoint"))
    ((_, bare_s),) = measure.run_client("bare_disk", "read", newest)
    with open(newest, "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    begin = time.monotonic()
    demo.consumer.start()
    demo.consumer.wait_until(
        lambda: demo.api.call("/api/ready")[0] == 200, "does not become ready")
    ready_s = time.monotonic() - begin
    load_s = float(re.findall(RECOVERED, demo.consumer.log.read_text())[-1])
    return ready_s, load_s, bare_s


def fill(demo, entities):
    with demo.connect(autocommit=True) as connection:
        for first in range(1, entities + 1, FILL_ROWS):
            connection.execute(FILL, (first, min(first + FILL_ROWS - 1, entities)))
    demo.wait_until_fresh(timeout_s=600)


def run(scene):
    entities = scene.size(1_000_000, 20_000)
    with scene.pipeline(configure) as demo:
        demo.start()
        fill(demo, entities)
        with Load(demo):
            quiet, busy, reported = zip(*(pause_once(demo) for _ in range(scene.runs)))
        ready, load, bare = zip(*(restart_once(demo) for _ in range(scene.runs)))
    yield measure.figure(f"pause of reading for a checkpoint of {entities:,} entities", "ms",
                         [one * 1000 for one in reported], 10)
    yield measure.figure(f"longest pause beside a checkpoint of {entities:,} entities, minus"
                         " without", "ms",
                         [(one - other) * 1000 for one, other in zip(busy, quiet)])
    yield measure.row(f"restart of {entities:,} entities until it is ready",
                      f"reading the bytes of the checkpoint + {START_S} s", "s", ready,
                      [one + START_S for one in bare], 2)
    yield measure.figure(f"loading the checkpoint of {entities:,} entities", "s", load)
