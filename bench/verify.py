"""How fast is an index verified, what does it ship, and what does a patrol cost the stream?

1. A job of verify by a running producer that has all the time it wants, from its first range to its
   last, compared with `SELECT count(*), sum(hashint8(...))` of the same values of the same rows, in
   one process.
2. The bytes of a clean verify, from the database and on the topic, compared with the rows' bytes,
   which are those that a load reads.
3. The freshness of the stream beside writers, without a patrol and with one.
"""

import re
import time

import confluent_kafka
import gallery
import loading
import measure
import pipeline
from scene import begin_draining

QUIET_S = 8
PATROL_SHARE = 0.2

# The values of the gallery's entries, hashed one by one. A count of rows for each query.
HASHES = [
    """SELECT count(*), sum(hashint8(id)), sum(hashint8("nsfwLevel")), sum(hashtext(type::text)),
        sum(hashint8("userId")), sum(hashint8("postId")), sum(hashtext("blockedFor")),
        sum(hashint8(minor::int)), sum(hashint8(poi::int)),
        sum(hashint8(floor(extract(epoch FROM greatest("scannedAt", "createdAt")))::bigint)),
        sum(hashint8(((flags >> 13) & 1 = 1 AND (flags >> 2) & 1 = 0)::int)),
        sum(hashint8(((flags >> 14) & 1 = 1)::int)) FROM "Image" """,
    """SELECT count(*), sum(hashint8("tagId")) FROM "TagsOnImageNew"
        WHERE (attributes >> 10) & 1 = 0""",
    'SELECT count(*), sum(hashint8("toolId")) FROM "ImageTool"',
    """SELECT count(*), sum(hashint8("techniqueId")),
        sum(hashint8(CASE WHEN notes <> '' THEN "techniqueId" END)) FROM "ImageTechnique" """,
    'SELECT count(*), sum(hashint8("modelVersionId")) FROM "ImageResource"',
    """SELECT count(*), sum(hashint8(floor(extract(epoch FROM "publishedAt"))::bigint)),
        sum(hashtext(availability::text)) FROM "Image" AS image
        JOIN "Post" AS post ON post.id = "postId" """,
]


def write_shares(demo, patrol):
    text = re.sub(r"load: \{ share: 1.0 \}, patrol: \{ share: [0-9.]+ \}, ", "",
                  demo.config.read_text())
    setting = f"load: {{ share: 1.0 }}, patrol: {{ share: {patrol} }}, "
    demo.config.write_text(text.replace("\nproducer: { ", f"\nproducer: {{ {setting}", 1))


def finished(connection, job):
    return connection.execute(
        "SELECT finished_at IS NOT NULL FROM bitdex_jobs WHERE id = %s", (job,)).fetchone()[0]


def verify(demo, connection):
    """(values, seconds, bytes from the database) of a job of verify."""
    job = connection.execute(
        """INSERT INTO bitdex_jobs (name, kind, reason) VALUES ('default', 'verify', 'bench')
           RETURNING id""").fetchone()[0]
    demo.producer.wait_until(lambda: finished(connection, job), "does not finish", 7200)
    state, *figures = connection.execute(
        """SELECT state, rows, extract(epoch FROM finished_at - started_at)::float8, bytes
           FROM bitdex_jobs WHERE id = %s""", (job,)).fetchone()
    if state != "done":
        raise pipeline.PipelineError(f"verify: {state}")
    return figures


def hash_all(connection):
    for query in HASHES:
        connection.execute(query)


def topic_bytes(demo, begins=None):
    """The ends of the partitions, or the bytes of the values from `begins` on."""
    reader = confluent_kafka.Consumer({"bootstrap.servers": demo.kafka, "group.id": "bench",
        "enable.auto.commit": False, "enable.partition.eof": True})
    parts = [confluent_kafka.TopicPartition(demo.topic, p) for p in range(4)]
    ends = [reader.get_watermark_offsets(part)[1] for part in parts]
    if begins is None:
        reader.close()
        return ends
    total, left = 0, set()
    for part, begin, end in zip(parts, begins, ends):
        part.offset = begin
        if begin < end:
            left.add(part.partition)
    reader.assign(parts)
    while left:
        message = reader.poll(1)
        if message is not None and message.error() is None:
            total += len(message.value())
        elif message is not None:
            left.discard(message.partition())
    reader.close()
    return total


def verify_once(demo, connection):
    """Values a second: of a job, of the sums."""
    values, seconds, _ = verify(demo, connection)
    return values / seconds, values / measure.seconds_of(lambda: hash_all(connection))


def rows_of_speed(scene, demo):
    with demo.connect(autocommit=True) as connection:
        connection.execute("SET max_parallel_workers_per_gather = 0; SET jit = off")
        begins = topic_bytes(demo)
        clean = verify(demo, connection)  # also the widths are adapted now
        shipped = clean[2] + topic_bytes(demo, begins)
        loaded = connection.execute(
            "SELECT bytes FROM bitdex_jobs WHERE kind = 'load' ORDER BY id LIMIT 1").fetchone()[0]
        ours, theirs = zip(*(verify_once(demo, connection) for _ in range(scene.runs)))
    yield measure.row("verify", "sum(hashint8(...)) of the same values", "values/s", ours, theirs)
    yield measure.row("bytes shipped by a verify", "the rows' bytes", "bytes", [shipped], [loaded])


def freshness_s(demo, patrol):
    """p99, without a patrol or with one; the producer is started for it."""
    demo.producer.stop()
    write_shares(demo, patrol)
    begin_draining(demo)
    demo.wait_until_fresh()
    return loading.beside_writers(demo, lambda: time.sleep(QUIET_S))[0]


def rows_of_cost(scene, demo):
    runs = [freshness_s(demo, PATROL_SHARE) - freshness_s(demo, 0) for _ in range(scene.runs)]
    yield measure.figure(f"freshness p99 during a patrol of share {PATROL_SHARE}, minus without",
                         "s", runs)


def run(scene):
    with scene.tables() as demo:
        loading.fill(demo, scene.images or scene.size(50_000, 4_000))
        write_shares(demo, 0)
        demo.init()
        gallery.create_triggers(demo)
        demo.consumer.start()
        loading.load_until_ready(demo)
        begin_draining(demo)
        demo.wait_until_fresh()
        yield from rows_of_speed(scene, demo)
        yield from rows_of_cost(scene, demo)
