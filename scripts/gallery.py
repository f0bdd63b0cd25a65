"""The gallery: its tables, its rows, writers that change it, and what its index must hold.

The demo, the tests and the benchmarks share it. Its schema.sql and rows.sql are in
scripts/gallery/; its triggers are generated from config/gallery.yaml.
"""

import pathlib
import random
import threading
import time

import psycopg

SQL = pathlib.Path(__file__).resolve().parent / "gallery"
TABLES = ["Post", "Image", "TagsOnImageNew", "ImageTool", "ImageTechnique", "Model", "ModelVersion",
          "ImageResource"]

# The fields of each image as the index returns them. A field that is null is left out.
TRUTH = """
SELECT image.id, jsonb_strip_nulls(jsonb_build_object(
    'nsfwLevel', "nsfwLevel", 'type', type, 'userId', "userId", 'postId', "postId",
    'blockedFor', "blockedFor", 'minor', minor, 'poi', image.poi,
    'hasMeta', (flags >> 13) & 1 = 1 AND (flags >> 2) & 1 = 0,
    'onSite', (flags >> 14) & 1 = 1,
    'existedAt', floor(extract(epoch FROM greatest("scannedAt", "createdAt")))::bigint,
    'publishedAt', floor(extract(epoch FROM "publishedAt"))::bigint,
    'sortAt', floor(extract(epoch FROM greatest("scannedAt", "createdAt", "publishedAt")))::bigint,
    'availability', availability,
    'baseModel', "baseModel", 'modelPoi', model.poi,
    'modelVersionIds', CASE WHEN version.id IS NOT NULL THEN jsonb_build_array(version.id) END,
    'toolIds', (SELECT jsonb_agg("toolId" ORDER BY "toolId") FROM "ImageTool"
        WHERE "imageId" = image.id),
    'techniqueIds', (SELECT jsonb_agg("techniqueId" ORDER BY "techniqueId") FROM "ImageTechnique"
        WHERE "imageId" = image.id),
    'notedIds', (SELECT jsonb_agg("techniqueId" ORDER BY "techniqueId") FROM "ImageTechnique"
        WHERE "imageId" = image.id AND notes <> ''),
    'tagIds', (SELECT jsonb_agg("tagId" ORDER BY "tagId") FROM "TagsOnImageNew"
        WHERE "imageId" = image.id AND (attributes >> 10) & 1 = 0)))
FROM "Image" AS image LEFT JOIN "Post" AS post ON post.id = "postId"
    LEFT JOIN "ImageResource" AS resource ON "imageId" = image.id
    LEFT JOIN "ModelVersion" AS version ON version.id = "modelVersionId"
    LEFT JOIN "Model" AS model ON model.id = "modelId"
"""


def create_tables(connection):
    connection.execute((SQL / "schema.sql").read_text())


def create_triggers(pipeline):
    """The tables and the outbox have to be committed before this call."""
    pipeline.producer.command("triggers", "apply")


def insert_rows(connection, images, without=()):
    """Inserts posts, images and tags with a skewed distribution; yields (table, rows) after each
    statement. `without`: tables that stay empty."""
    text = "\n".join(
        line for line in (SQL / "rows.sql").read_text().splitlines() if not line.startswith("--")
    )
    for statement in text.split(";\n"):
        if not statement.strip() or any(f'INTO "{table}"' in statement for table in without):
            continue
        cursor = connection.execute(statement % {"images": int(images)})
        if cursor.statusmessage.startswith("INSERT"):
            yield statement.split('"')[1], cursor.rowcount


def read_truth(connection):
    """{image id: fields}, all read in one snapshot."""
    return dict(connection.execute(TRUTH).fetchall())


class Writers:
    """Threads that change the gallery at random, each in its own transactions.

    Every thread inserts, updates, moves and deletes rows of several tables, holds some transactions
    open for a short time, rolls back some of them in whole or in part, and pauses after each, so
    that a busy machine has time for what reads the changes. `seed` determines the statements of
    each thread, not how the threads interleave. With `reconnect`, a thread whose connection is lost
    connects again; otherwise stop() raises the error.
    """

    def __init__(self, dsn, threads, seed, pause_s=0.03, reconnect=False):
        self.committed = 0
        self._reconnect = reconnect
        self._dsn = dsn
        self._pause_s = pause_s
        self._end = threading.Event()
        self._lock = threading.Lock()
        self._failure = None
        self._threads = [
            threading.Thread(target=self._run, args=(random.Random(f"{seed}-{n}"),), daemon=True)
            for n in range(threads)
        ]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Returns when all transactions have ended; raises the error that ended a thread early."""
        self._end.set()
        for thread in self._threads:
            thread.join()
        if self._failure is not None:
            raise self._failure

    def _run(self, rng):
        try:
            while not self._end.is_set():
                self._work(rng)
        except Exception as failure:  # stop() raises it
            self._failure = failure

    def _work(self, rng):
        try:
            with psycopg.connect(self._dsn) as connection:
                while not self._end.is_set():
                    self._transact(connection, rng)
                    time.sleep(self._pause_s)
        except psycopg.OperationalError:
            if not self._reconnect:
                raise
            time.sleep(0.2)

    def _transact(self, connection, rng):
        try:
            for _ in range(rng.choice([1, 1, 1, 2, 5])):
                if rng.random() < 0.1:
                    self._in_savepoint(connection, rng)
                else:
                    change(connection, rng)
                if rng.random() < 0.05:
                    time.sleep(rng.random() * 0.05)
            if rng.random() < 0.1:
                connection.rollback()
                return
            connection.commit()
            with self._lock:
                self.committed += 1
        except (psycopg.errors.DeadlockDetected, psycopg.errors.IntegrityError):
            connection.rollback()

    def _in_savepoint(self, connection, rng):
        connection.execute("SAVEPOINT part")
        change(connection, rng)
        if rng.random() < 0.5:
            connection.execute("ROLLBACK TO SAVEPOINT part")
        connection.execute("RELEASE SAVEPOINT part")


def pick(rng, table):
    """SQL for the id of a row near a random place; NULL when the table is empty."""
    return (
        f'(SELECT id FROM "{table}" WHERE id >= '
        f'{rng.random()} * (SELECT max(id) FROM "{table}") ORDER BY id LIMIT 1)'
    )


def insert_image(connection, rng):
    connection.execute(
        f"""
        WITH image AS (
            INSERT INTO "Image" (url, "nsfwLevel", flags, type, "userId", "postId", "createdAt")
            VALUES ('new', %s, %s, %s, %s, {pick(rng, "Post")}, now() - random() * interval '1 h')
            RETURNING id)
        INSERT INTO "TagsOnImageNew" ("imageId", "tagId")
        SELECT image.id, 1 + n * n FROM image, generate_series(1, %s) AS n
        """,
        (
            rng.choice([1, 2, 4, 8, 16]),
            rng.randrange(1 << 15),
            rng.choice(["image", "video"]),
            rng.randrange(1, 1000),
            rng.randrange(0, 6),
        ),
    )


def change(connection, rng):
    """One random statement."""
    image, post = pick(rng, "Image"), pick(rng, "Post")
    level = rng.choice([1, 2, 4, 8, 16, 32])
    tag = rng.choice([1, 2, 5, 10, 17, rng.randrange(500)])
    dice = rng.random()
    if dice < 0.3:
        insert_image(connection, rng)
        return
    statements = [
        f'UPDATE "Image" SET "nsfwLevel" = {level} WHERE id = {image}',
        f'UPDATE "Image" SET flags = flags # {1 << rng.randrange(15)} WHERE id = {image}',
        f'UPDATE "Image" SET "scannedAt" = now(), "blockedFor" = NULL WHERE id = {image}',
        f"""UPDATE "Image" SET "blockedFor" = 'it''s "tos"' WHERE id = {image}""",
        f'UPDATE "Image" SET "postId" = {post}, poi = NOT poi WHERE id = {image}',
        f'DELETE FROM "Image" WHERE id = {image}',
        f'INSERT INTO "TagsOnImageNew" SELECT {image}, {tag} ON CONFLICT DO NOTHING',
        f'UPDATE "TagsOnImageNew" SET attributes = attributes # 1024 WHERE "imageId" = {image}',
        f'UPDATE "TagsOnImageNew" SET "tagId" = "tagId" + 100000 WHERE "imageId" = {image} AND '
        f'"tagId" < 100000',
        f'DELETE FROM "TagsOnImageNew" WHERE "imageId" = {image} AND "tagId" % 3 = {tag % 3}',
        f'INSERT INTO "Post" ("publishedAt") VALUES (now())',
        f'UPDATE "Post" SET "publishedAt" = now() - interval \'{tag} days\' WHERE id = {post}',
        f"""UPDATE "Post" SET availability = 'Private', "publishedAt" = NULL WHERE id = {post}""",
        f'DELETE FROM "Post" WHERE id = {post}',
        f'INSERT INTO "ImageTool" SELECT {image}, {level} ON CONFLICT DO NOTHING',
        f'DELETE FROM "ImageTool" WHERE "imageId" = {image}',
        f"""INSERT INTO "ImageTechnique" SELECT {image}, {level}, 'new' ON CONFLICT
            ("imageId", "techniqueId") DO UPDATE SET notes = NULL""",
        f"""UPDATE "ModelVersion" SET "baseModel" = 'base {level}' """
        f'WHERE id = {pick(rng, "ModelVersion")}',
        f'UPDATE "Model" SET poi = NOT poi WHERE id = {pick(rng, "Model")}',
    ]
    weights = [8, 4, 4, 2, 4, 3, 6, 3, 2, 3, 2, 5, 2, 1, 2, 1, 2, 1, 1]
    connection.execute(rng.choices(statements, weights)[0])
