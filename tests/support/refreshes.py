"""Requests for refreshes, and writers that tell the outbox lies which only answers correct.

A silent change is one whose triggers have left no ops row: only an answer that was read after it
makes the index equal to the tables. "nsfwLevel" never changes silently, and no lie is told about
it, because topic.Order follows its values.
"""

import json

import gallery
import psycopg

FIELDS = ["nsfwLevel", "type", "userId", "blockedFor", "existedAt", "hasMeta", "onSite"]
CHILDREN = ["TagsOnImageNew.tagIds", "ImageTool.toolIds", "ImageResource.modelVersionIds",
            "Post.publishedAt", "Post.availability", "ModelVersion.baseModel"]
PARENTS = {"Post": "Post.publishedAt", "ModelVersion": "ModelVersion.baseModel"}


def whole(*fields):
    """An element of an ops row that asks for the row's entity, or for the sources of some fields.
    """
    return {"op": "refresh", "fields": list(fields)} if fields else {"op": "refresh"}


def child(entry):
    return {"op": "refresh", "entry": entry}


def parent(entry, key):
    return {"op": "refresh", "entry": entry, "key": key}


def insert(connection, entity, *ops):
    connection.execute(
        'INSERT INTO "BitdexOps" (entity_id, ops) VALUES (%s, %s)', (entity, json.dumps(ops))
    )


def insert_many(connection, entities, *ops):
    """One ops row for each entity that the query returns."""
    connection.execute(
        f'INSERT INTO "BitdexOps" (entity_id, ops) SELECT id, %s FROM ({entities}) AS e (id)',
        (json.dumps(ops),),
    )


def forget_ops(connection):
    """Deletes the ops rows that this transaction has written so far."""
    connection.execute('DELETE FROM "BitdexOps" WHERE txid = pg_current_xact_id()')


class Writers(gallery.Writers):
    """Threads that ask for refreshes at random, and change rows silently, beside wrong ops, when
    they ask."""

    def __init__(self, dsn, threads, seed, pause_s):
        super().__init__(dsn, threads, f"{seed}-r", pause_s, reconnect=True)

    def _transact(self, connection, rng):
        write(connection, rng)


def write(connection, rng):
    """One transaction, which may be rolled back."""
    try:
        rng.choice([ask, ask, tell_lies_of_image, tell_lies_of_image, tell_lies_of_parent])(
            connection, rng)
        if rng.random() < 0.1:
            connection.rollback()
        connection.commit()
    except (psycopg.errors.DeadlockDetected, psycopg.errors.IntegrityError):
        connection.rollback()


def pick_id(connection, rng, table):
    (found,) = connection.execute(f"SELECT {gallery.pick(rng, table)}").fetchone()
    return found or 1


def ask(connection, rng):
    """Requests of every form for rows that nobody has to have changed, and for one that is gone."""
    image = rng.choice([pick_id(connection, rng, "Image"), rng.randrange(1, 1000)])
    ops = [whole(), whole(rng.choice(FIELDS)), whole(*rng.sample(FIELDS, 2)),
           child(rng.choice(CHILDREN))]
    for _ in range(rng.choice([1, 1, 3])):
        insert(connection, image, *rng.sample(ops, rng.choice([1, 2])))
    if rng.random() < 0.3:
        table = rng.choice([*PARENTS])
        insert(connection, 0, parent(PARENTS[table], pick_id(connection, rng, table)))


def tell_lies_of_image(connection, rng):
    image = pick_id(connection, rng, "Image")
    connection.execute(rng.choice([
        f'UPDATE "Image" SET "userId" = {rng.randrange(1000)} WHERE id = {image}',
        f'UPDATE "Image" SET flags = flags # {1 << rng.randrange(15)} WHERE id = {image}',
        f'DELETE FROM "TagsOnImageNew" WHERE "imageId" = {image} AND "tagId" % 3 = 0',
        f'INSERT INTO "ImageTool" SELECT id, 3 FROM "Image" WHERE id = {image}'
        " ON CONFLICT DO NOTHING",
        f'DELETE FROM "Image" WHERE id = {image}',
    ]))
    forget_ops(connection)
    lies = [
        {"op": "set", "field": "userId", "value": 777},
        {"op": "set", "field": "tagIds", "value": None},
        {"op": "add", "field": "toolIds", "value": 777},
        {"op": "set", "field": "type", "value": "lie"},
        {"op": "alive"},
    ]  # no "delete": no answer says what only the index knows (modelPoi)
    insert_shuffled(connection, rng, image, [[lie] for lie in rng.sample(lies, 2)], [whole()])


def tell_lies_of_parent(connection, rng):
    post = pick_id(connection, rng, "Post")
    connection.execute(
        f'UPDATE "Post" SET "publishedAt" = now() - interval \'{rng.randrange(500)} days\','
        f" availability = '{rng.choice(['Public', 'Private'])}' WHERE id = {post}"
    )
    forget_ops(connection)
    lie = {"op": "queryOpSet", "query": f"postId eq {post}", "ops": [
        {"op": "set", "field": "publishedAt", "value": 777}]}
    insert_shuffled(connection, rng, post, [[lie]], [parent(PARENTS["Post"], post)])


def insert_shuffled(connection, rng, entity, *rows):
    """The rows of the last argument with those of the others, in any order."""
    lies, request = rows
    for ops in rng.sample([*lies, request], len(lies) + 1):
        insert(connection, entity, *ops)
