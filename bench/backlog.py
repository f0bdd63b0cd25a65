"""A backlog through the pipeline, against what libpq and librdkafka alone need for the same rows:

1. from the outbox to the topic: our producer, a bare pipe (bare_pipe.c), and a COPY whose rows are
   discarded, in turns;
2. from the topic to a durable index: our consumer, from the first partition that it holds until
   every partition has applied what the topic held at the start, and a bare reader.

Beside rows and events a second, it compares what each costs in processor time: of the program, of
the broker and of Postgres. Processor time depends less than speed on what else the machine does.
"""

import contextlib
import pathlib
import shutil
import subprocess
import time

import confluent_kafka
import measure
import servers
from confluent_kafka import admin
from scene import begin_draining, fill_outbox, sessions, wait_until_sent

PIPE = "the bare pipe"
COPY = "the COPY alone"
READER = "the bare consumer"
BLOCK = "-B6"  # of lz4: 1 MB


def topic_bytes(kafka, topic):
    """On the broker's disk, without the space that is allocated in advance."""
    directories = pathlib.Path(kafka.data).glob(f"{topic}-*")
    return sum(log.stat().st_size for one in directories for log in one.glob("*.log"))


def drain(scene, demo, rows):
    """Our producer sends the whole outbox. From the second time on, that is a new epoch on the same
    topic."""
    if demo.producer.log.exists():
        demo.producer.command("cursor", "set", "beginning")
    before_bytes = topic_bytes(scene.kafka, demo.topic)
    with demo.connect(autocommit=True) as connection:
        begin_draining(demo)
        session = sessions(connection)["outbox"]
    program_s, session_us = measure.processor_s(demo.producer.pid), measure.session_us(session)
    meter = measure.Meter(scene)
    wait_until_sent(demo, rows)
    figures = meter.stop() | {
        "program": measure.processor_s(demo.producer.pid) - program_s,
        "session": (measure.session_us(session) - session_us) / 1e6}
    demo.producer.stop()
    return figures | {"bytes": topic_bytes(scene.kafka, demo.topic) - before_bytes}


def bare_pipe(scene, *arguments):
    meter = measure.Meter(scene)
    ((_, _, program_s, session_s),) = measure.run_client("bare_pipe", *arguments)
    return meter.stop() | {"program": program_s, "session": session_s}


def make_topic(kafka, name, partitions):
    client = admin.AdminClient({"bootstrap.servers": kafka.bootstrap})
    for made in client.create_topics([admin.NewTopic(name, partitions, 1)]).values():
        made.result()


def read_bare(scene, topic):
    ((events, size, took_s, program_s),) = measure.run_client(
        "bare_kafka", "consume", scene.kafka.bootstrap, topic)
    return {"events": events, "bytes": size, "seconds": took_s, "program": program_s}


def packed_ops_bytes(demo):
    """Of the rows' ops as text, by lz4 alone; None without that program, which only this needs."""
    if shutil.which("lz4") is None:
        print("  bytes on the topic: not compared, install lz4", flush=True)
        return None
    copy = subprocess.Popen(
        [servers.Postgres.bin_directory() / "psql", "-qX", "-d", demo.dsn, "-c",
         'COPY (SELECT ops FROM "BitdexOps" ORDER BY id) TO STDOUT'], stdout=subprocess.PIPE)
    packed = subprocess.run(["lz4", BLOCK, "-c"], stdin=copy.stdout, capture_output=True,
                            check=True).stdout
    copy.stdout.close()
    assert copy.wait() == 0
    return len(packed)


def send_in_turns(scene, demo, rows):
    """The figures of each of the three, run by run."""
    figures = {"ours": [drain(scene, demo, rows)], "pipe": [], "copy": []}
    events = read_bare(scene, demo.topic)
    size = round(events["bytes"] / events["events"])
    for run in range(scene.runs):
        if run > 0:
            figures["ours"].append(drain(scene, demo, rows))
        bare_topic = f"{demo.topic}.bare{run}"
        make_topic(scene.kafka, bare_topic, demo.count_partitions())
        sent = bare_pipe(scene, "send", demo.dsn, demo.kafka, bare_topic, size)
        figures["pipe"].append(sent | {"bytes": topic_bytes(scene.kafka, bare_topic)})
        figures["copy"].append(bare_pipe(scene, "copy", demo.dsn))
    return figures


def ends_of(demo):
    reader = confluent_kafka.Consumer({"bootstrap.servers": demo.kafka, "group.id": "ends"})
    partitions = [confluent_kafka.TopicPartition(demo.topic, number)
                  for number in range(demo.count_partitions())]
    ends = [reader.get_watermark_offsets(one)[1] for one in partitions]
    reader.close()
    return ends


def index(demo, number, observed=lambda pid: contextlib.nullcontext()):
    """A consumer with a group and a directory of its own applies the whole topic; in the context
    that `observed` makes for its process."""
    ends = ends_of(demo)
    one = demo.program("bitdex-consumer", demo.consumer.port, BITDEX_GROUP=f"{demo.name}-{number}",
                       BITDEX_DATA_DIR=str(demo.directory / f"index{number}"))
    one.start()
    try:
        with observed(one.pid):
            return apply_to(one, ends)
    finally:
        one.stop()


def apply_to(one, ends):
    applied = {}
    begin = program_s = None
    while len(applied) < len(ends) or any(applied[p] < ends[p] - 1 for p in applied):
        partitions = one.api.get("/api/internal/sync-lag")["partitions"]
        applied = {p["partition"]: p["offset"] if p["offset"] is not None else -1
                   for p in partitions}
        if applied and begin is None:
            begin, program_s = time.monotonic(), measure.processor_s(one.pid)
        time.sleep(0.01)
    return {"seconds": time.monotonic() - begin, "events": sum(ends),
            "program": measure.processor_s(one.pid) - program_s}


def read_in_turns(scene, demo):
    figures = {"ours": [], "bare": []}
    for run in range(scene.runs):
        figures["ours"].append(index(demo, run))
        figures["bare"].append(read_bare(scene, demo.topic))
    return figures


def speed(figures, rows):
    return [rows / one["seconds"] for one in figures]


def cost_us(figures, part, rows):
    return [one[part] * 1e6 / rows for one in figures]


def bytes_a_row(figures, rows):
    return [one["bytes"] / rows for one in figures]


def rows_of_sending(sent, rows, packed_bytes):
    ours, pipe, copy = sent["ours"], sent["pipe"], sent["copy"]
    rate, cost = "rows/s", "us a row"
    name = "outbox to topic"
    yield measure.row(name, PIPE, rate, speed(ours, rows), speed(pipe, rows), 0.8)
    yield measure.row(name, COPY, rate, speed(ours, rows), speed(copy, rows), 0.65)
    for part, whose, over, other, aim in (
        ("session", "the session that reads the outbox", COPY, copy, 1.1),
        ("postgres", "Postgres", COPY, copy, None),
        ("program", "the producer", PIPE, pipe, 1.6),
        ("kafka", "the broker", PIPE, pipe, 1.2),
    ):
        yield measure.row(f"processor time of {whose}", over, cost, cost_us(ours, part, rows),
                          cost_us(other, part, rows), aim)
    name = "bytes on the topic"
    if packed_bytes is not None:
        yield measure.row(name, "the ops as text, by lz4", "bytes a row", bytes_a_row(ours, rows),
                          [packed_bytes / rows] * len(ours), 1.0)
    yield measure.row(name, PIPE, "bytes a row", bytes_a_row(ours, rows), bytes_a_row(pipe, rows))


def rows_of_reading(read):
    def rate(figures):
        return [one["events"] / one["seconds"] for one in figures]

    def cost(figures):
        return [one["program"] * 1e6 / one["events"] for one in figures]

    ours, bare = read["ours"], read["bare"]
    yield measure.row("topic to durable index", READER, "events/s", rate(ours), rate(bare), 0.6)
    yield measure.row("processor time of the consumer", READER, "us an event", cost(ours),
                      cost(bare), 1.8)


def run(scene):
    rows = scene.size(1_000_000, 100_000, 5_000_000)
    with scene.pipeline() as demo:
        fill_outbox(demo, rows)
        sent = send_in_turns(scene, demo, rows)
        yield from rows_of_sending(sent, rows, packed_ops_bytes(demo))
        yield from rows_of_reading(read_in_turns(scene, demo))
