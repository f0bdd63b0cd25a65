"""The whole path once: a gallery whose tables are full is attached to an index and loaded through
Kafka; the same queries to the index and in SQL; then live writers, and the time until a change can
be queried; then every value is compared, and a difference that is planted is found and mended.

    demo [--images N]           stops everything at the end
    demo --keep                 leaves everything running
    demo --down                 stops what --keep left running
"""

import argparse
import multiprocessing
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import time

import confluent_kafka.admin
import gallery
import pipeline
import psycopg
import servers

HOME = pipeline.ROOT / ".local" / "demo"
BEGIN = time.monotonic()

QUERIES = [
    (
        "newest safe images with metadata",
        {
            "filters": [
                {"Eq": ["nsfwLevel", {"Integer": 1}]},
                {"Eq": ["type", {"String": "image"}]},
                {"Eq": ["hasMeta", {"Bool": True}]},
            ],
            "sort": {"field": "existedAt", "direction": "Desc"},
        },
        "\"nsfwLevel\" = 1 AND type = 'image' AND (flags >> 13) & 1 = 1 AND (flags >> 2) & 1 = 0",
        'floor(extract(epoch FROM greatest("scannedAt", "createdAt")))',
    ),
    (
        "images with one of two frequent tags and no adult level",
        {
            "filters": [
                {"In": ["tagIds", [{"Integer": 3}, {"Integer": 7}]]},
                {"Not": {"In": ["nsfwLevel", [{"Integer": 16}, {"Integer": 32}]]}},
            ]
        },
        'EXISTS (SELECT FROM "TagsOnImageNew" WHERE "imageId" = image.id AND "tagId" IN (3, 7)'
        ' AND (attributes >> 10) & 1 = 0) AND NOT "nsfwLevel" IN (16, 32)',
        "NULL::bigint",
    ),
    (
        "latest published: public posts, or one busy user's (posts reach images by fan-out)",
        {
            "filters": [
                {
                    "Or": [
                        {"Eq": ["availability", {"String": "Public"}]},
                        {"Eq": ["userId", {"Integer": 1}]},
                    ]
                }
            ],
            "sort": {"field": "publishedAt", "direction": "Desc"},
        },
        "(availability = 'Public' OR \"userId\" = 1)",
        'floor(extract(epoch FROM "publishedAt"))',
    ),
    (
        "newest images made with one of two tools and a model of one kind, showing no real person",
        {
            "filters": [
                {"In": ["toolIds", [{"Integer": 3}, {"Integer": 7}]]},
                {"Eq": ["baseModel", {"String": "SDXL"}]},
                {"Not": {"Eq": ["modelPoi", {"Bool": True}]}},
            ],
            "sort": {"field": "sortAt", "direction": "Desc"},
        },
        'EXISTS (SELECT FROM "ImageTool" WHERE "imageId" = image.id AND "toolId" IN (3, 7))'
        ' AND EXISTS (SELECT FROM "ImageResource" JOIN "ModelVersion" AS version'
        ' ON version.id = "modelVersionId" JOIN "Model" AS model ON model.id = "modelId"'
        ' WHERE "imageId" = image.id AND "baseModel" = \'SDXL\' AND model.poi IS NOT TRUE)',
        'floor(extract(epoch FROM greatest("scannedAt", "createdAt", "publishedAt")))',
    ),
]


def report(topic, text, end="\n"):
    start = "\r" if sys.stdout.isatty() else ""
    print(f"{start}[{time.monotonic() - BEGIN:5.1f} s] {topic:10}{text}", end=end, flush=True)


class Processes:
    """The programs that --keep leaves running, by process id and start time: an id that another
    process has by now is not signalled."""

    file = HOME / "processes"

    @classmethod
    def running(cls):
        try:
            identities = cls.file.read_text().splitlines()
        except FileNotFoundError:
            return []
        pids = [int(identity.split()[0]) for identity in identities]
        stats = map(servers.process_stat, pids)
        return [
            pid for pid, identity, stat in zip(pids, identities, stats)
            if stat is not None and stat[1] == identity
        ]

    @classmethod
    def save(cls, *programs):
        cls.file.write_text("".join(servers.process_stat(p.pid)[1] + "\n" for p in programs))

    @classmethod
    def stop(cls):
        for pid in cls.running():
            os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + 60
        while cls.running() and time.monotonic() < deadline:
            time.sleep(0.05)
        cls.file.unlink(missing_ok=True)


def pair():
    return servers.Postgres(HOME / "postgres"), servers.Kafka(HOME / "kafka")


def start_servers():
    postgres, kafka = pair()
    servers.both(servers.Server.start, [postgres, kafka])
    report("servers", f"Postgres on port {postgres.port}, Kafka on port {kafka.port}")
    return postgres, kafka


def remove_earlier_runs(demo):
    """Their databases, topics and files."""
    for directory in HOME.glob("gallery*"):
        if directory.name != demo.name:
            shutil.rmtree(directory)
    with psycopg.connect(demo._admin_dsn, autocommit=True) as admin:
        names = admin.execute("SELECT datname FROM pg_database WHERE datname LIKE 'gallery%'")
        for (name,) in names.fetchall():
            admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    client = confluent_kafka.admin.AdminClient({"bootstrap.servers": demo.kafka})
    topics = [t for t in client.list_topics(timeout=30).topics if t.startswith("gallery")]
    for done in client.delete_topics(topics).values() if topics else []:
        done.result(30)


def write_rows(demo, images):
    """The application as it was before: tables with rows, and nothing else."""
    demo.create_database()
    with demo.connect() as connection:
        gallery.create_tables(connection)
    with demo.connect(autocommit=True) as connection:
        for table, rows in gallery.insert_rows(connection, images):
            report("rows", f"{rows:8,} in {table}")


def attach(demo):
    """Outbox, triggers and programs. From now on the index follows every change; what was there
    before is missing, and the index says so."""
    demo.init()
    gallery.create_triggers(demo)
    report("outbox", f'triggers on {len(gallery.TABLES)} tables write "BitdexOps" from now on')
    demo.start()
    Processes.save(demo.producer, demo.consumer)
    report("programs", f"producer http://127.0.0.1:{demo.producer.port}, "
        f"consumer http://127.0.0.1:{demo.consumer.port}")
    demo.wait_until_fresh()
    report_index(demo)


def load(demo):
    """The rows that were there before, beside whatever changes meanwhile."""
    process = demo.producer.begin("load", stderr=subprocess.STDOUT)
    with process.stdout as lines:
        for line in lines:
            report("load", line.strip())
    if process.wait() != 0:
        raise pipeline.PipelineError("the load has failed")
    demo.wait_until_fresh()
    report_index(demo)


def report_index(demo):
    partitions = demo.partitions()
    states = {"complete" if partition["complete"] else "incomplete" for partition in partitions}
    images = demo.query({"filters": [], "limit": 1})["total_matched"]
    status, _ = demo.api.call("/api/ready")
    report("index", f"{' and '.join(states)}, {'ready' if status == 200 else 'not ready'}: "
        f"{images:,} images in {len(partitions)} partitions")


SQL = """
SELECT image.id FROM "Image" AS image LEFT JOIN "Post" AS post ON post.id = "postId"
WHERE {where} ORDER BY {order} DESC NULLS LAST, image.id DESC
"""


def compare_with_sql(demo):
    """Sends every query to the index and to Postgres; different results are an error."""
    equal = True
    with demo.connect() as connection:
        for title, body, where, order in QUERIES:
            reply = demo.query(body | {"limit": 8})
            begin = time.monotonic()
            rows = connection.execute(SQL.format(where=where, order=order)).fetchall()
            sql_ms = (time.monotonic() - begin) * 1000
            ids = [row[0] for row in rows[:8]]
            same = (ids, len(rows)) == (reply["ids"], reply["total_matched"])
            equal = equal and same
            print(f"\n  {title}\n"
                  f"    index {reply['elapsed_us'] / 1000:8.2f} ms  {reply['total_matched']:6,} "
                  f"found: {' '.join(map(str, reply['ids']))}\n"
                  f"    SQL   {sql_ms:8.2f} ms  {len(rows):6,} found: {' '.join(map(str, ids))}\n"
                  f"    {'the same' if same else 'DIFFERENT'}")
    print()
    if not equal:
        raise pipeline.PipelineError("index and tables differ")


def measure_visibility(demo, samples):
    """Milliseconds from COMMIT to the first query that finds the row."""
    times = []
    api = demo.api
    with demo.connect(autocommit=True) as connection:
        for n in range(samples):
            user = 10_000_000 + n
            connection.execute(
                """INSERT INTO "Image" (url, "userId") VALUES ('timed', %s)""", (user,))
            begin = time.monotonic()
            body = {"filters": [{"Eq": ["userId", {"Integer": user}]}]}
            while not api.get("/api/indexes/gallery/query", body)["ids"]:
                pass
            times.append((time.monotonic() - begin) * 1000)
    return times


def run_writers(dsn, end, committed):
    with gallery.Writers(dsn, 8, seed=1, pause_s=0.05) as writers:
        end.wait()
    committed.value = writers.committed


def write_live(demo):
    end, committed = multiprocessing.Event(), multiprocessing.Value("i")
    # The writers run in another process: as threads of this one they would delay the measurement.
    process = multiprocessing.Process(target=run_writers, args=(demo.dsn, end, committed))
    process.start()
    time.sleep(2)
    times = measure_visibility(demo, 50)
    end.set()
    process.join()
    cuts = statistics.quantiles(times, n=10)
    report("live", f"8 writers, {committed.value:,} transactions; commit to queryable: "
        f"median {statistics.median(times):.1f} ms, 90 % within {cuts[8]:.1f} ms")
    demo.wait_until_fresh()
    freshness = max(partition["lag_seconds"] for partition in demo.partitions())
    report("live", f"writers stopped; the index holds every change; freshness {freshness:.2f} s")


def verify(demo):
    """A difference that is planted by hand: the ops row of a change is deleted before it is sent.
    It is found, and mended."""
    print_verify(demo, check=False)
    with demo.connect() as connection:
        connection.execute(
            """UPDATE "Image" SET "nsfwLevel" = 99 WHERE id = (SELECT max(id) FROM "Image");
            DELETE FROM "BitdexOps" WHERE txid = pg_current_xact_id()""")
    report("verify", "an image was changed, and its ops row deleted")
    print_verify(demo, "--repair")


def print_verify(demo, *options, check=True):
    """The lines that say what differs, and the result."""
    done = demo.producer.command("verify", *options, check=check)
    for line in done.stdout.splitlines():
        if line.startswith(("job", "differs", "entity", "equal", "not comparable")):
            report("verify", line)


def print_next_steps(demo, keep):
    build = pipeline.BUILD.relative_to(pipeline.ROOT)
    if not keep:
        print("\nEverything is stopped. To leave it running: make -f Makefile.local up")
        return
    (HOME / "environment").write_text(
        "".join(f"export {name}='{value}'\n" for name, value in demo.variables.items()))
    print(f"""
Everything is still running. To explore it:

  . .local/demo/environment
  psql "$BITDEX_POSTGRES"                                        # change a row ...
  {build}/consumer/bitdex-consumer --config config/gallery.yaml query \\
      '{{"filters":[{{"Eq":["userId",1]}}],"limit":5}}'             # ... and see it here
  {build}/consumer/bitdex-consumer --config config/gallery.yaml status
  {build}/producer/bitdex-producer --config config/gallery.yaml status
  {build}/producer/bitdex-producer --config config/gallery.yaml verify

To stop it: make -f Makefile.local down""")


def run(arguments):
    if Processes.running():
        sys.exit("demo: already running; stop it first: make -f Makefile.local down")
    HOME.mkdir(parents=True, exist_ok=True)
    postgres, kafka = start_servers()
    name = f"gallery{int(time.time())}"
    demo = pipeline.Pipeline(HOME / name, name, postgres, kafka)
    try:
        remove_earlier_runs(demo)
        write_rows(demo, arguments.images)
        attach(demo)
        load(demo)
        compare_with_sql(demo)
        write_live(demo)
        verify(demo)
    except BaseException:
        stop()
        raise
    if not arguments.keep:
        stop()
    print_next_steps(demo, arguments.keep)


def stop():
    Processes.stop()
    servers.both(servers.Server.stop, pair())


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--images", type=int, default=10000,
                        help="how many images to write (default: %(default)s)")
    parser.add_argument("--keep", action="store_true", help="leave everything running")
    parser.add_argument("--down", action="store_true", help="stop what --keep left running")
    arguments = parser.parse_args()
    try:
        stop() if arguments.down else run(arguments)
    except (pipeline.PipelineError, servers.ServerError) as error:
        sys.exit(f"demo: {error}")


if __name__ == "__main__":
    main()
