"""A backlog through the pipeline, against what libpq and librdkafka alone need for the same rows:

1. from the outbox to the topic: our producer, a bare pipe (bare_pipe.c), and a COPY whose rows are
   discarded, in turns;
2. from the topic to a durable index: our consumer, from the first partition that it holds until
   every partition has applied what the topic held at the start, and a bare reader.

Beside rows and events a second, it compares what each costs in processor time: of the program, of
the broker and of Postgres. Processor time depends less than speed on what else the machine does.
"""

import json
import os
import pathlib
import statistics
import subprocess
import time

import confluent_kafka
from confluent_kafka import admin

import pipeline

BARE_KAFKA = pipeline.BUILD / "bench" / "bare_kafka"
BARE_PIPE = pipeline.BUILD / "bench" / "bare_pipe"
PARTITIONS = 4
SETTLE_S = 0.5  # until the time of sessions that have ended is added to that of the postmaster
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def processor_s(pid, with_children=False):
    """Processor time of a process; with those of its children that have ended or still run."""
    total = 0
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        user, system, ended_user, ended_system = map(int, fields[11:15])
        if int(path.parent.name) == pid:
            total += user + system + (ended_user + ended_system if with_children else 0)
        elif with_children and int(fields[1]) == pid:
            total += user + system
    return total / TICKS_PER_S


class Meter:
    """Seconds, and seconds of processor time of the two servers, from its creation to stop()."""

    def __init__(self, postgres, kafka):
        self._servers = {"postgres": (postgres.pid, True), "kafka": (kafka.pid, False)}
        self._before = self._read()
        self._begin = time.monotonic()

    def _read(self):
        return {name: processor_s(*server) for name, server in self._servers.items()}

    def stop(self):
        took_s = time.monotonic() - self._begin
        time.sleep(SETTLE_S)
        after = self._read()
        return {"seconds": took_s} | {name: after[name] - self._before[name] for name in after}


def fill(demo, rows, statement):
    with demo.connect(autocommit=True) as connection:
        connection.execute(statement.replace("ROWS", str(rows)))
        connection.execute('VACUUM ANALYZE "BitdexOps"')


def topic_bytes(kafka, topic):
    """On the broker's disk, without the space that is allocated in advance."""
    directories = pathlib.Path(kafka.data).glob(f"{topic}-*")
    return sum(log.stat().st_size for one in directories for log in one.glob("*.log"))


def drain(demo, postgres, kafka, rows, first):
    """Our producer sends the whole outbox, which is a new epoch on the same topic."""
    if not first:
        demo.producer.command("cursor", "set", "beginning")
    before_bytes = topic_bytes(kafka, demo.topic)
    demo.producer.start()
    demo.producer.wait_until_state("draining")
    program_s = processor_s(demo.producer.pid)
    meter = Meter(postgres, kafka)

    def is_delivered():
        status = demo.producer.api.get("/api/status")
        return status["rows"] >= rows and status["unacknowledged"] == 0

    demo.producer.wait_until(is_delivered, "does not drain")
    figures = meter.stop() | {"program": processor_s(demo.producer.pid) - program_s}
    demo.producer.stop()
    return figures | {"bytes": topic_bytes(kafka, demo.topic) - before_bytes}


def bare_pipe(postgres, kafka, *arguments):
    meter = Meter(postgres, kafka)
    done = subprocess.run([BARE_PIPE, *map(str, arguments)], capture_output=True, text=True,
                          check=True)
    rows, _, program_s = map(float, done.stdout.split())
    return meter.stop() | {"program": program_s, "rows": rows}


def make_topic(kafka, name):
    client = admin.AdminClient({"bootstrap.servers": kafka.bootstrap})
    for made in client.create_topics([admin.NewTopic(name, PARTITIONS, 1)]).values():
        made.result()


def mean_event_bytes(kafka, topic):
    messages, size, *_ = map(float, read_bare(kafka, topic))
    return round(size / messages)


def read_bare(kafka, topic):
    done = subprocess.run([BARE_KAFKA, "consume", kafka.bootstrap, topic], capture_output=True,
                          text=True, check=True)
    return done.stdout.split()


def send_in_turns(demo, postgres, kafka, rows, runs):
    """The figures of each of the three, run by run."""
    figures = {"ours": [drain(demo, postgres, kafka, rows, True)], "pipe": [], "copy": []}
    size = mean_event_bytes(kafka, demo.topic)
    for run in range(runs):
        if run > 0:
            figures["ours"].append(drain(demo, postgres, kafka, rows, False))
        bare_topic = f"{demo.topic}.bare{run}"
        make_topic(kafka, bare_topic)
        sent = bare_pipe(postgres, kafka, "send", demo.dsn, kafka.bootstrap, bare_topic, size)
        figures["pipe"].append(sent | {"bytes": topic_bytes(kafka, bare_topic)})
        figures["copy"].append(bare_pipe(postgres, kafka, "copy", demo.dsn))
    return figures, size


def ends_of(demo):
    reader = confluent_kafka.Consumer({"bootstrap.servers": demo.kafka, "group.id": "ends"})
    partitions = [confluent_kafka.TopicPartition(demo.topic, p) for p in range(PARTITIONS)]
    ends = [reader.get_watermark_offsets(one)[1] for one in partitions]
    reader.close()
    return ends


def index(demo, number):
    """A consumer with a group and a directory of its own applies the whole topic."""
    ends = ends_of(demo)
    one = demo.program("bitdex-consumer", demo.consumer.port, BITDEX_GROUP=f"{demo.name}-{number}",
                       BITDEX_DATA_DIR=str(demo.directory / f"index{number}"))
    one.start()
    applied = {}
    begin = program_s = None
    while len(applied) < PARTITIONS or any(applied[p] < ends[p] - 1 for p in applied):
        partitions = one.api.get("/api/internal/sync-lag")["partitions"]
        applied = {p["partition"]: p["offset"] if p["offset"] is not None else -1
                   for p in partitions}
        if applied and begin is None:
            begin, program_s = time.monotonic(), processor_s(one.pid)
        time.sleep(0.01)
    figures = {"seconds": time.monotonic() - begin, "program": processor_s(one.pid) - program_s,
               "events": sum(ends)}
    one.stop()
    return figures


def read_in_turns(demo, kafka, runs):
    figures = {"ours": [], "bare": []}
    for run in range(runs):
        figures["ours"].append(index(demo, run))
        events, _, took_s, program_s = map(float, read_bare(kafka, demo.topic))
        figures["bare"].append({"seconds": took_s, "program": program_s, "events": events})
    return figures


def ratios(ours, bare, value):
    """Median, least and greatest of the ratios, run by run."""
    all_runs = [value(one) / value(other) for one, other in zip(ours, bare)]
    return statistics.median(all_runs), min(all_runs), max(all_runs)


def row(name, ours, bare, value, unit):
    median, least, greatest = ratios(ours, bare, value)
    return {"name": name, "ratio": median, "least": least, "greatest": greatest,
            "ours": statistics.median(map(value, ours)),
            "bare": statistics.median(map(value, bare)), "unit": unit}


def table_of_sending(sent, rows):
    ours, pipe, copy = sent["ours"], sent["pipe"], sent["copy"]

    def speed(one):
        return rows / one["seconds"]

    def cost_us(part):
        return lambda one: one[part] * 1e6 / rows

    return [
        row("outbox to topic, over a bare pipe", ours, pipe, speed, "rows/s"),
        row("outbox to topic, over a raw COPY", ours, copy, speed, "rows/s"),
        row("processor time of the producer, over the pipe's", ours, pipe, cost_us("program"),
            "us a row"),
        row("processor time of the broker, over the pipe's", ours, pipe, cost_us("kafka"),
            "us a row"),
        row("processor time of Postgres, over the COPY's", ours, copy, cost_us("postgres"),
            "us a row"),
        row("bytes on the topic, over the pipe's", ours, pipe, lambda one: one["bytes"] / rows,
            "bytes a row"),
    ]


def table_of_reading(read):
    ours, bare = read["ours"], read["bare"]
    return [
        row("topic to durable index, over a bare reader", ours, bare,
            lambda one: one["events"] / one["seconds"], "events/s"),
        row("processor time of the consumer, over the bare reader's", ours, bare,
            lambda one: one["program"] * 1e6 / one["events"], "us an event"),
    ]


def print_table(table):
    for one in table:
        print(f"  {one['name']:55} {one['ratio']:6.2f}  ({one['least']:.2f} to"
              f" {one['greatest']:.2f}; {one['ours']:,.4g} and {one['bare']:,.4g} {one['unit']})")


def run(demo, postgres, kafka, rows, runs, statement, results):
    """Prints the ratios, and writes them to the file `results` as JSON."""
    fill(demo, rows, statement)
    sent, size = send_in_turns(demo, postgres, kafka, rows, runs)
    table = table_of_sending(sent, rows) + table_of_reading(read_in_turns(demo, kafka, runs))
    print(f"medians of {runs} runs of {rows:,} rows, {size} bytes an event")
    print_table(table)
    print(flush=True)
    results.write_text(json.dumps({"rows": rows, "runs": runs, "table": table}, indent=1))
