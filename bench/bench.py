"""Measures the pipeline and, in the same run, what the machine and the libraries can do alone.

    scripts/bench [--rows N] [--runs N] [--only SECTION]

The section `ratios` compares

1. the drain with a raw COPY: rows per second from the outbox until they are acknowledged on the
   topic, and a COPY (FORMAT binary) of the same rows to a client that discards them;
2. the durable index with a bare consumer: events per second into log and engine, and librdkafka
   reading the same topic and discarding the messages;
3. the time from a commit until a query finds the row, p50 and p99, with the time that Kafka takes
   from produce to consume, one message at a time.

Its figures are medians of the runs. Machines are noisy: compare ratios, not seconds.

The other sections: a backlog against what the libraries alone need for it, in speed and in
processor time, which is also written as JSON (backlog.py); the cost of windows, and the time from
commit to topic under a light load (windows.py); the cost of triggers (triggers.py); the cost of
checkpoints and of a restart from one (restart.py); how long queries and ingestion wait for each
other (isolation.py); how fast existing rows are loaded, and at what cost to the stream
(loading.py); how fast requested entities are read (refresh.py); how fast an index is verified, and
at what cost (verify.py); and what the guards cost (guards.py).
"""

import argparse
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "scripts"))

import backlog  # noqa: E402
import gallery  # noqa: E402
import guards  # noqa: E402
import isolation  # noqa: E402
import loading  # noqa: E402
import pipeline  # noqa: E402
import refresh  # noqa: E402
import restart  # noqa: E402
import servers  # noqa: E402
import triggers  # noqa: E402
import verify  # noqa: E402
import windows  # noqa: E402

HOME = pipeline.ROOT / ".local" / "bench"
BARE_KAFKA = pipeline.BUILD / "bench" / "bare_kafka"

# Ops in the form that the gallery's triggers write: mostly tags, some images, few fan-outs.
FILL = """
INSERT INTO "BitdexOps" (entity_id, ops)
SELECT n / 12, CASE
    WHEN n % 12 = 0 THEN format('[{"op": "alive"}, {"op": "set", "field": "nsfwLevel", "value": %s},
        {"op": "set", "field": "type", "value": "image"},
        {"op": "set", "field": "userId", "value": %s},
        {"op": "set", "field": "hasMeta", "value": true},
        {"op": "set", "field": "existedAt", "value": %s}]', 1 << (n / 12 % 6)::int, n % 1009, n)
    WHEN n % 2000 = 1 THEN format('[{"op": "queryOpSet", "query": "userId eq %s",
        "ops": [{"op": "set", "field": "availability", "value": "Public"}]}]', n % 1009)
    ELSE format('[{"op": "add", "field": "tagIds", "value": %s}]', n * 7919 % 5000)
    END::jsonb
FROM generate_series(12::bigint, 11 + ROWS) AS n
"""


def seconds_of(action):
    begin = time.monotonic()
    action()
    return time.monotonic() - begin


COPY = """
COPY (SELECT id, entity_id, created_at, ops FROM "BitdexOps" ORDER BY id) TO STDOUT (FORMAT binary)
"""


def raw_copy(demo):
    """Reads every row and discards it."""
    with demo.connect() as connection, connection.cursor() as cursor:
        with cursor.copy(COPY) as copy:
            for _ in copy:
                pass


def fresh_pipeline(postgres, kafka, configure=None, **settings):
    """A pipeline over empty gallery tables with triggers. `settings` go to the producer section;
    `configure` (path of the configuration, directory) may change the configuration further."""
    demo = pipeline_over_tables(postgres, kafka, configure, **settings)
    demo.init()
    gallery.create_triggers(demo)
    return demo


def pipeline_over_tables(postgres, kafka, configure=None, **settings):
    """As above, without outbox and triggers."""
    name = f"bench{time.time_ns()}"
    directory = HOME / name
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    config = pipeline.write_config(directory / "config.yaml", {"producer": settings})
    if configure is not None:
        configure(config, directory)
    demo = pipeline.Pipeline(directory, name, postgres, kafka, config)
    demo.create_database()
    with demo.connect() as connection:
        gallery.create_tables(connection)
    return demo


def wait_for_drain(demo, rows):
    """Waits until the producer reports that `rows` rows are sent and acknowledged."""

    def is_delivered():
        status = demo.producer.api.get("/api/status")
        return status["rows"] >= rows and status["unacknowledged"] == 0

    demo.producer.wait_until(is_delivered, "does not drain")


def bench_drain(demo, rows):
    copy_s = seconds_of(lambda: raw_copy(demo))
    demo.producer.start()
    demo.producer.wait_until_state("draining")
    drain_s = seconds_of(lambda: wait_for_drain(demo, rows))
    return rows / copy_s, rows / drain_s


def bench_index(demo, rows):
    bare = subprocess.run(
        [BARE_KAFKA, "consume", demo.kafka, demo.topic], capture_output=True, text=True, check=True
    )
    messages, _, bare_s, _ = map(float, bare.stdout.split())
    begin = time.monotonic()
    demo.consumer.start(wait=False)
    demo.consumer.wait_until(demo.consumer._serves, "does not serve")
    demo.wait_until_fresh()
    return messages / bare_s, messages / (time.monotonic() - begin)


def bench_latency(demo, samples):
    times = []
    api = demo.api
    with demo.connect(autocommit=True) as connection:
        for n in range(samples):
            entity = 100_000_000 + n
            body = {"filters": [{"Eq": ["postId", {"Integer": entity}]}]}
            connection.execute(
                """INSERT INTO "BitdexOps" (entity_id, ops) VALUES (%s, jsonb_build_array(
                '{"op": "alive"}'::jsonb, jsonb_build_object('op', 'set', 'field', 'postId',
                'value', %s)))""", (entity, entity))
            begin = time.monotonic()
            while not api.get("/api/indexes/gallery/query", body)["ids"]:
                pass
            times.append((time.monotonic() - begin) * 1000)
    times.sort()
    bare = subprocess.run(
        [BARE_KAFKA, "latency", demo.kafka, f"{demo.topic}.dead", str(samples)],
        capture_output=True, text=True, check=True,
    )
    bare_p50, bare_p99 = map(float, bare.stdout.split())
    return times[samples // 2], times[samples * 99 // 100], bare_p50, bare_p99


def run_once(number, rows, samples, postgres, kafka):
    with fresh_pipeline(postgres, kafka) as demo:
        with demo.connect() as connection:
            connection.execute(FILL.replace("ROWS", str(rows)))
        with demo.connect(autocommit=True) as connection:
            connection.execute('VACUUM ANALYZE "BitdexOps"')
        drain = bench_drain(demo, rows)
        index = bench_index(demo, rows)
        latency = bench_latency(demo, samples)
        print(f"run {number}: copy {drain[0]:,.0f}/s drain {drain[1]:,.0f}/s; "
              f"bare consumer {index[0]:,.0f}/s index {index[1]:,.0f}/s; "
              f"commit to queryable {latency[0]:.1f}/{latency[1]:.1f} ms, "
              f"Kafka alone {latency[2]:.1f}/{latency[3]:.1f} ms", flush=True)
        return [*drain, *index, *latency]


def print_ratios(arguments, postgres, kafka):
    runs = [
        run_once(number, arguments.rows, arguments.samples, postgres, kafka)
        for number in range(1, arguments.runs + 1)
    ]
    copy, drain, bare, index, p50, p99, bare_p50, bare_p99 = map(statistics.median, zip(*runs))
    print(f"\nmedians of {arguments.runs} runs, {arguments.rows:,} rows\n"
          f"  drain over raw COPY             {drain / copy:6.2f}   "
          f"({drain:,.0f} of {copy:,.0f} rows/s)\n"
          f"  durable index over bare reader  {index / bare:6.2f}   "
          f"({index:,.0f} of {bare:,.0f} events/s)\n"
          f"  commit to queryable over Kafka  {p50 / bare_p50:6.2f}   "
          f"(p50 {p50:.1f} of {bare_p50:.1f} ms; p99 {p99:.1f} of {bare_p99:.1f} ms)\n")


def print_backlog(arguments, postgres, kafka):
    with fresh_pipeline(postgres, kafka) as demo:
        backlog.run(demo, postgres, kafka, 2 * arguments.rows, arguments.runs, FILL,
                    HOME / "backlog.json")


def print_windows(arguments, postgres, kafka):
    with fresh_pipeline(postgres, kafka, poll_interval_ms=1) as demo:
        windows.run(demo, 2 * arguments.rows, arguments.saves)


def print_latency(_, postgres, kafka):
    with fresh_pipeline(postgres, kafka) as demo:
        windows.run_light_load(demo)


def print_triggers(_, postgres, kafka):
    with fresh_pipeline(postgres, kafka) as demo:
        triggers.run(demo)


def print_restart(arguments, postgres, kafka):
    with fresh_pipeline(postgres, kafka, restart.configure) as demo:
        restart.run(demo, arguments.entities)


def print_isolation(arguments, postgres, kafka):
    with fresh_pipeline(postgres, kafka) as demo:
        isolation.run(demo, arguments.rows)


def print_loading(arguments, postgres, kafka):
    with pipeline_over_tables(postgres, kafka) as demo:
        loading.run(demo, arguments.images, postgres, kafka)


def print_refresh(arguments, postgres, kafka):
    with pipeline_over_tables(postgres, kafka) as demo:
        refresh.run(demo, arguments.images)


def print_verify(arguments, postgres, kafka):
    with pipeline_over_tables(postgres, kafka) as demo:
        verify.run(demo, arguments.images)


def print_guards(_arguments, _postgres, kafka):
    with (servers.Postgres(HOME / "guards", guards.SETTINGS) as postgres,
          fresh_pipeline(postgres, kafka) as demo):
        guards.run(demo)


SECTIONS = {
    "ratios": print_ratios,
    "backlog": print_backlog,
    "windows": print_windows,
    "latency": print_latency,
    "triggers": print_triggers,
    "restart": print_restart,
    "isolation": print_isolation,
    "loading": print_loading,
    "refresh": print_refresh,
    "verify": print_verify,
    "guards": print_guards,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    for name, default, what in (
        ("--rows", 500_000, "ops rows of ratios, windows and isolation"),
        ("--runs", 3, "runs of ratios"),
        ("--samples", 300, "commits that each run of ratios times"),
        ("--saves", 4000, "windows between the two measurements of a save"),
        ("--entities", 1_000_000, "entities of restart"),
        ("--images", 1_000_000, "images of loading, refresh and verify, each with 20 tags"),
    ):
        parser.add_argument(name, type=int, default=default, help=f"{what} (default: %(default)s)")
    parser.add_argument("--only", choices=SECTIONS, help="run one section")
    arguments = parser.parse_args()
    with servers.Postgres(HOME / "postgres") as postgres, servers.Kafka(HOME / "kafka") as kafka:
        for name, section in SECTIONS.items():
            if arguments.only in (None, name):
                section(arguments, postgres, kafka)


if __name__ == "__main__":
    try:
        main()
    except (pipeline.PipelineError, servers.ServerError) as error:
        sys.exit(f"bench: {error}")
