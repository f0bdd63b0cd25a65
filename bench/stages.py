"""Where the processor time goes, per row of the outbox and per event: perf record of the producer,
of its session in Postgres, and of the consumer, grouped by thread, library and function. The floor
of a stage is what the same work costs bare_pipe.c and bare_kafka.c. Needs perf, and the right to
use it.
"""

import collections
import contextlib
import re
import signal
import subprocess

import backlog
import measure
from scene import begin_draining, fill_outbox, sessions, wait_until_sent

FREQUENCY_HZ = 1999
OTHER = "other"

# (thread, function and library, stage); the first that matches. "" matches everything.
HTTP = ("MHD|http", "", "HTTP: the status that the bench reads")
MEMORY = ("", r"malloc|free|memcpy|memmove|memset|arena|buffer", "memory")
KERNEL = ("", r"\[kernel", "kernel")
PRODUCER = [
    HTTP,
    ("rdk:", "", "send: librdkafka, compression, socket"),
    ("", r"librdkafka", "send: librdkafka, compression, socket"),
    ("", r"libpq|recv|tcp|sock|read|copy_to_iter", "read: libpq, socket"),
    ("", r"json|ops_|number|utf8", "parse: ops"),
    ("", r"event_|schema|writer|crc|avro", "encode: event"),
    MEMORY,
    KERNEL,
]
POSTGRES = [  # packages of the server have no names of functions
    ("", r"/postgres\)", "its own code"),
    ("", r"tcp|sock|send", "send: socket"),
    ("", r"libc", "libc"),
    KERNEL,
]
CONSUMER = [
    HTTP,
    ("rdk:", "", "receive: librdkafka, socket"),
    ("", r"librdkafka|tcp|recv|sock", "receive: librdkafka, socket"),
    ("", r"event_|schema|walker|avro|utf8", "decode"),
    ("", r"compact", "compact"),
    ("", r"sync|jbd2|ext4|xfs|blk|write|crc32|wal_", "log and sync"),
    ("", r"batch|sequence|coverage|digest|xxh|dead|unanswered|proof", "judge: the seq rule"),
    ("", r"engine|bitmap|roaring|column|container|field|slot|list_|array_|bitset|run_|ra_|store|"
         r"sorted|slice|posting", "apply"),
    MEMORY,
    KERNEL,
]


@contextlib.contextmanager
def recorded(pid, path):
    """Samples the process in a `with`."""
    perf = subprocess.Popen(["perf", "record", "-q", "-F", str(FREQUENCY_HZ), "-p", str(pid), "-o",
                             path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        perf.send_signal(signal.SIGINT)
        perf.wait()


def samples_of(path):
    """(thread, function and library, weight) of each sample."""
    lines = subprocess.run(["perf", "script", "-i", path, "-F", "comm,period,ip,sym,dso"],
                           capture_output=True, text=True, check=True).stdout.splitlines()
    for line in lines:
        match = re.match(r"\s*(.+?)\s+(\d+)\s+[0-9a-f]+ (.*)$", line)
        if match:
            yield match[1], match[3], int(match[2])


def stages_of(path, rules):
    """{stage: its part of the samples}, and the functions of no stage that take most."""
    parts, others = collections.Counter(), collections.Counter()
    for thread, place, weight in samples_of(path):
        for wanted_thread, wanted_place, stage in rules:
            if re.search(wanted_thread, thread) and re.search(wanted_place, place):
                parts[stage] += weight
                break
        else:
            parts[OTHER] += weight
            others[f"{thread}: {place}"] += weight
    total = parts.total()
    for name, weight in others.most_common(5):
        print(f"    no stage: {weight / total:.1%} {name}", flush=True)
    return {stage: weight / total for stage, weight in parts.most_common()}


def rows_of(program, unit, us, parts, floors):
    """`us`: of all stages together. `floors`: {stage: us}."""
    yield measure.figure(f"{program}, all stages", unit, [us])
    for stage, part in parts.items():
        name = f"{program}, {stage}"
        if stage in floors:
            yield measure.row(name, "its floor", unit, [us * part], [floors[stage]])
        else:
            yield measure.figure(name, unit, [us * part])


def rows_of_sending(scene, demo, rows):
    paths = [demo.directory / "producer.perf", demo.directory / "session.perf"]
    ((_, _, copy_s, copy_session_s),) = measure.run_client("bare_pipe", "copy", demo.dsn)
    with demo.connect(autocommit=True) as connection:
        begin_draining(demo)
        session = sessions(connection)["outbox"]
    before = measure.processor_s(demo.producer.pid), measure.session_us(session)
    with recorded(demo.producer.pid, paths[0]), recorded(session, paths[1]):
        wait_until_sent(demo, rows)
    program_us = (measure.processor_s(demo.producer.pid) - before[0]) * 1e6 / rows
    session_us = (measure.session_us(session) - before[1]) / rows
    demo.producer.stop()
    topic = f"{demo.topic}.bare"
    backlog.make_topic(scene.kafka, topic, demo.count_partitions())
    events = backlog.read_bare(scene, demo.topic)
    ((_, _, pipe_s, _),) = measure.run_client(
        "bare_pipe", "send", demo.dsn, demo.kafka, topic,
        round(events["bytes"] / events["events"]))
    floors = {"read: libpq, socket": copy_s * 1e6 / rows,
              "send: librdkafka, compression, socket": (pipe_s - copy_s) * 1e6 / rows}
    yield from rows_of("producer", "us a row", program_us, stages_of(paths[0], PRODUCER), floors)
    yield measure.row("session of Postgres, all stages", "the COPY alone", "us a row",
                      [session_us], [copy_session_s * 1e6 / rows])
    for stage, part in stages_of(paths[1], POSTGRES).items():
        yield measure.figure(f"session of Postgres, {stage}", "us a row", [session_us * part])


def rows_of_reading(scene, demo):
    path = demo.directory / "consumer.perf"
    bare = backlog.read_bare(scene, demo.topic)
    read = backlog.index(demo, 0, lambda pid: recorded(pid, path))
    us = read["program"] * 1e6 / read["events"]
    floors = {"receive: librdkafka, socket": bare["program"] * 1e6 / bare["events"]}
    yield from rows_of("consumer", "us an event", us, stages_of(path, CONSUMER), floors)


def run(scene):
    rows = scene.size(1_000_000, 200_000)
    with scene.pipeline() as demo:
        fill_outbox(demo, rows)
        yield from rows_of_sending(scene, demo, rows)
        yield from rows_of_reading(scene, demo)
