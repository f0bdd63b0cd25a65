"""How fast are existing rows loaded, and what does a load cost the stream and the queries?

1. `bitdex-producer load` of the whole gallery into an empty index, from the start of the command
   until the index is ready, compared with COPY of the same rows to a client that discards them, and
   with pg_dump | psql of the same tables into another database. In turns; each load is of a copy of
   the database.
2. The freshness of the stream, and the time of light queries, without a load and during one by a
   running producer with its configured share of time.
3. `load --csv` of a file of images and of a file of tags, each until its fields are complete in an
   index of its own.
"""

import re
import subprocess
import threading
import time

import gallery
import isolation
import measure
import pipeline
import servers
from measure import seconds_of
from scene import begin_draining

TAGS_PER_IMAGE = 20
FRESHNESS_POLL_S = 0.02
QUIET_S = 8
LOAD_WAIT_S = 7200

# What the load has to read, by hand: COPY has no better way to send the same values.
COPIES = {
    "Image": """SELECT id, "nsfwLevel", type, "userId", "postId", "blockedFor", minor, poi,
        floor(extract(epoch FROM greatest("scannedAt", "createdAt")))::bigint,
        (flags >> 13) & 1 = 1 AND (flags >> 2) & 1 = 0, (flags >> 14) & 1 = 1 FROM "Image"
        """,
    "TagsOnImageNew": """SELECT "imageId", "tagId" FROM "TagsOnImageNew"
        WHERE (attributes >> 10) & 1 = 0""",
    "ImageTool": 'SELECT "imageId", "toolId" FROM "ImageTool"',
    "ImageTechnique": """SELECT "imageId", "techniqueId",
        CASE WHEN notes <> '' THEN "techniqueId" END FROM "ImageTechnique" """,
    "ImageResource": 'SELECT "imageId", "modelVersionId" FROM "ImageResource"',
    "Post": """SELECT image.id, floor(extract(epoch FROM "publishedAt"))::bigint, availability
        FROM "Image" AS image JOIN "Post" AS post ON post.id = "postId" """,
    "ModelVersion": """SELECT "imageId", "baseModel" FROM "ImageResource"
        JOIN "ModelVersion" AS version ON version.id = "modelVersionId" """,
    "Model": """SELECT model.id, poi, (SELECT jsonb_agg(id) FROM "ModelVersion"
        WHERE "modelId" = model.id) FROM "Model" AS model""",
}

# Faster without keys, which are added afterwards.
TAGS = """
ALTER TABLE "TagsOnImageNew" DROP CONSTRAINT "TagsOnImageNew_pkey",
    DROP CONSTRAINT "TagsOnImageNew_imageId_fkey";
TRUNCATE "TagsOnImageNew";
INSERT INTO "TagsOnImageNew" ("imageId", "tagId", attributes)
SELECT id, n + TAGS * exp(((id * 7919 + n * 104729) % 100003) / 100003.0 * ln(10000))::bigint,
    CASE WHEN (id + n) % 33 = 0 THEN 1024 ELSE 0 END
FROM "Image", generate_series(1, TAGS) AS n;
ALTER TABLE "TagsOnImageNew" ADD PRIMARY KEY ("imageId", "tagId"),
    ADD FOREIGN KEY ("imageId") REFERENCES "Image" ON DELETE CASCADE
""".replace("TAGS", str(TAGS_PER_IMAGE))


def fill(demo, images):
    """Full tables, as they are before anything is installed. `images` rows with TAGS_PER_IMAGE tags
    each, and the other tables as the demo fills them."""
    with demo.connect(autocommit=True) as connection:
        for _ in gallery.insert_rows(connection, images, without=("TagsOnImageNew",)):
            pass
        for statement in TAGS.split(";\n"):
            connection.execute(statement)
        connection.execute("VACUUM ANALYZE")
        return {
            table: connection.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0]
            for table in COPIES
        }


def psql(dsn):
    return [servers.Postgres.bin_directory() / "psql", "-qX", "-v", "ON_ERROR_STOP=1", "-d", dsn]


def copy_all(demo):
    for query in COPIES.values():
        copy = f"COPY ({' '.join(query.split())}) TO STDOUT (FORMAT binary)"
        subprocess.run([*psql(demo.dsn), "-c", copy], check=True, stdout=subprocess.DEVNULL)


def dump_and_restore(demo):
    """pg_dump of the gallery's tables into another database of the same server."""
    other = f"{demo.name}_copy"
    with demo.connect(autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{other}"')
    tables = [argument for table in COPIES for argument in ("-t", f'"{table}"')]
    dump = subprocess.Popen(
        [servers.Postgres.bin_directory() / "pg_dump", *tables, demo.dsn], stdout=subprocess.PIPE)
    subprocess.run(psql(demo.dsn.replace(demo.name, other)), stdin=dump.stdout, check=True,
        stdout=subprocess.DEVNULL)
    dump.stdout.close()
    if dump.wait() != 0:
        raise RuntimeError("pg_dump failed")
    with demo.connect(autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{other}"')


def is_ready(demo):
    return demo.api.call("/api/ready")[0] == 200


def load(demo):
    done = demo.producer.command("load", check=False, timeout_s=LOAD_WAIT_S)
    if done.returncode != 0:
        raise RuntimeError(f"load: {done.stderr}")


def load_until_ready(demo):
    """A load without a running producer: the command does the work alone."""
    load(demo)
    demo.consumer.wait_until(lambda: is_ready(demo), "does not become ready", LOAD_WAIT_S)


class Freshness:
    """Samples the age of what the index holds, in a `with`."""

    def __init__(self, demo):
        self.ages_s = []
        self._demo = demo
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        while not self._end.wait(FRESHNESS_POLL_S):
            self.ages_s.append(max(p["lag_seconds"] or 0 for p in self._demo.partitions()))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()


def beside_writers(demo, action):
    """p99 of freshness in s and of light queries in ms, while `action` runs beside writers."""
    queries = isolation.Clients(demo, isolation.LIGHT_CLIENTS, isolation.light_query)
    with gallery.Writers(demo.dsn, 2, seed=1, pause_s=0.05), queries, Freshness(demo) as freshness:
        action()
    return measure.p99(freshness.ages_s), measure.p99(queries.times_ms)


def speed_once(demo, total):
    """Rows a second of the load, of COPY and of pg_dump. Before the triggers, which are ours."""
    copy_s = seconds_of(lambda: copy_all(demo))
    dump_s = seconds_of(lambda: dump_and_restore(demo))
    demo.init()
    gallery.create_triggers(demo)
    demo.consumer.start()
    load_s = seconds_of(lambda: load_until_ready(demo))
    return total / load_s, total / copy_s, total / dump_s


def cost_once(demo):
    """(freshness, queries) without a load, and during one."""
    quiet = beside_writers(demo, lambda: time.sleep(QUIET_S))
    return quiet, beside_writers(demo, lambda: load(demo))


def rows_of_cost(scene, demo):
    begin_draining(demo)
    demo.wait_until_fresh()
    runs = [cost_once(demo) for _ in range(scene.runs)]
    yield measure.figure("freshness p99 during a load, minus without", "s",
                         [busy[0] - quiet[0] for quiet, busy in runs])
    yield measure.row("light query p99 during a load", "without", "ms",
                      [busy[1] for _, busy in runs], [quiet[1] for quiet, _ in runs])


CSV_FILES = {
    "images": """SELECT id, url, "nsfwLevel", hash, flags, type, "userId", "blockedFor",
        floor(extract(epoch FROM "scannedAt"))::bigint,
        floor(extract(epoch FROM "createdAt"))::bigint,
        "postId", width, height FROM "Image" """,
    "tags": 'SELECT "tagId", "imageId" FROM "TagsOnImageNew"',
}
CSV_FIELDS = {"images": "nsfwLevel", "tags": "tagIds"}


def csv_config(phase):
    """config/gallery-csv.yaml with one of its dump phases."""
    text = (pipeline.ROOT / "config" / "gallery-csv.yaml").read_text()
    begin, end = text.index("dump_phases:\n"), text.index("index_config:")
    phases = re.split(r"^(?=  - name: )", text[begin:end], flags=re.M)
    (kept,) = [part for part in phases if part.startswith(f"  - name: {phase}\n")]
    return f"{text[:begin]}dump_phases:\n{kept}{text[end:]}"


def is_complete(demo, field):
    _, text = demo.api.call("/metrics")
    return f'bitdex_field_complete{{field="{field}"}} 1' in text


def load_csv(demo, directory, phase, servers_of):
    """Seconds until the fields of the file are complete."""
    config = demo.directory / f"{phase}.yaml"
    config.write_text(csv_config(phase))
    name = f"{demo.name}{phase}"
    with pipeline.Pipeline(demo.directory / phase, name, *servers_of, config) as index:
        index.create_database()
        index.init()
        index.consumer.start()

        def load_file():
            index.producer.command("load", "--csv", directory, timeout_s=LOAD_WAIT_S)
            index.consumer.wait_until(
                lambda: is_complete(index, CSV_FIELDS[phase]), "is not complete", LOAD_WAIT_S)

        return seconds_of(load_file)


def rows_of_csv(scene, demo, rows):
    directory = demo.directory / "csv"
    directory.mkdir()
    for phase, query in CSV_FILES.items():
        copy = f"COPY ({' '.join(query.split())}) TO STDOUT (FORMAT csv)"
        with open(directory / f"{phase}.csv", "w") as file:
            subprocess.run([*psql(demo.dsn), "-c", copy], check=True, stdout=file)
    for phase, table in (("images", "Image"), ("tags", "TagsOnImageNew")):
        seconds = load_csv(demo, directory, phase, (scene.postgres, scene.kafka))
        yield measure.figure(f"load --csv of {phase}", f"{phase}/s", [rows[table] / seconds])


def run(scene):
    with scene.tables() as filled:
        rows = fill(filled, scene.images or scene.size(100_000, 4_000))
        total = sum(rows.values())
        speeds = []
        for number in range(scene.runs):
            with scene.over(f'TEMPLATE "{filled.name}"') as demo:
                speeds.append(speed_once(demo, total))
                if number == scene.runs - 1:
                    costs = list(rows_of_cost(scene, demo))
        ours, copy, dump = zip(*speeds)
        name = f"load of {total:,} rows into an empty index"
        yield measure.row(name, "COPY", "rows/s", ours, copy)
        yield measure.row(name, "pg_dump into psql", "rows/s", ours, dump)
        yield from costs
        yield from rows_of_csv(scene, filled, rows)
