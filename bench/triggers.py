"""The cost of triggers for a writer: processor time of its session per row with the generated
triggers, compared with triggers written by hand. Once with many rows in one statement, once with a
transaction for each row.
"""

import measure
from measure import session_us

ROWS = 5_000  # of one statement
SINGLE = 500  # transactions of one row
CHILDREN = 10  # images of a post, and tags of an image

# By hand: each for one statement, with the settings of the generated function, and as its look
# whether NEW is still the row, or OLD is gone. A parent writes its value to each of its children,
# and a child reads its parent: neither waits for the other, so concurrent changes leave stale
# values.
BY_HAND = """
CREATE FUNCTION hand_image() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NOT EXISTS (SELECT FROM public."Image" WHERE ctid = NEW.ctid) THEN
        RETURN NULL;
    END IF;
    INSERT INTO public."BitdexOps" (entity_id, ops) VALUES (NEW.id, jsonb_build_array(
        jsonb_build_object('op', 'alive'),
        jsonb_build_object('op', 'set', 'field', 'nsfwLevel', 'value', NEW."nsfwLevel"),
        jsonb_build_object('op', 'set', 'field', 'type', 'value', NEW.type),
        jsonb_build_object('op', 'set', 'field', 'userId', 'value', NEW."userId"),
        jsonb_build_object('op', 'set', 'field', 'postId', 'value', NEW."postId"),
        jsonb_build_object('op', 'set', 'field', 'blockedFor', 'value', NEW."blockedFor"),
        jsonb_build_object('op', 'set', 'field', 'minor', 'value', NEW.minor),
        jsonb_build_object('op', 'set', 'field', 'poi', 'value', NEW.poi),
        jsonb_build_object('op', 'set', 'field', 'existedAt', 'value',
            floor(extract(epoch FROM greatest(NEW."scannedAt", NEW."createdAt")))::bigint),
        jsonb_build_object('op', 'set', 'field', 'hasMeta', 'value',
            (NEW.flags >> 13) & 1 = 1 AND (NEW.flags >> 2) & 1 = 0),
        jsonb_build_object('op', 'set', 'field', 'onSite', 'value', (NEW.flags >> 14) & 1 = 1)));
    RETURN NULL; END $$;
CREATE FUNCTION hand_level() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW."nsfwLevel" IS DISTINCT FROM OLD."nsfwLevel" THEN
        IF NOT EXISTS (SELECT FROM public."Image" WHERE ctid = NEW.ctid) THEN
            RETURN NULL;
        END IF;
        INSERT INTO public."BitdexOps" (entity_id, ops) VALUES (NEW.id, jsonb_build_array(
            jsonb_build_object('op', 'remove', 'field', 'nsfwLevel', 'value', OLD."nsfwLevel"),
            jsonb_build_object('op', 'set', 'field', 'nsfwLevel', 'value', NEW."nsfwLevel")));
    END IF; RETURN NULL; END $$;
CREATE FUNCTION hand_tag() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NOT EXISTS (SELECT FROM public."TagsOnImageNew" WHERE ctid = NEW.ctid) THEN
        RETURN NULL;
    END IF;
    IF (NEW.attributes >> 10) & 1 = 0 THEN
        INSERT INTO public."BitdexOps" (entity_id, ops) VALUES (NEW."imageId", jsonb_build_array(
            jsonb_build_object('op', 'add', 'field', 'tagIds', 'value', NEW."tagId")));
    END IF; RETURN NULL; END $$;
CREATE FUNCTION hand_delete() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF EXISTS (SELECT FROM public."Image" WHERE id = OLD.id) THEN
        RETURN NULL;
    END IF;
    INSERT INTO public."BitdexOps" (entity_id, ops) VALUES (OLD.id, '[{"op": "delete"}]');
    RETURN NULL; END $$;
CREATE FUNCTION hand_untag() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF EXISTS (SELECT FROM public."TagsOnImageNew"
            WHERE "imageId" = OLD."imageId" AND "tagId" = OLD."tagId") THEN
        RETURN NULL;
    END IF;
    IF (OLD.attributes >> 10) & 1 = 0 THEN
        INSERT INTO public."BitdexOps" (entity_id, ops) VALUES (OLD."imageId", jsonb_build_array(
            jsonb_build_object('op', 'remove', 'field', 'tagIds', 'value', OLD."tagId")));
    END IF; RETURN NULL; END $$;
CREATE FUNCTION hand_post() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.availability IS DISTINCT FROM OLD.availability THEN
        INSERT INTO public."BitdexOps" (entity_id, ops) SELECT id, jsonb_build_array(
            jsonb_build_object('op', 'remove', 'field', 'availability', 'value', OLD.availability),
            jsonb_build_object('op', 'set', 'field', 'availability', 'value', NEW.availability))
            FROM public."Image" WHERE "postId" = NEW.id;
    END IF; RETURN NULL; END $$;
CREATE FUNCTION hand_child() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE post public."Post"; BEGIN
    IF TG_OP = 'UPDATE' AND NEW."postId" IS NOT DISTINCT FROM OLD."postId" THEN
        RETURN NULL;
    END IF;
    IF NOT EXISTS (SELECT FROM public."Image" WHERE ctid = NEW.ctid) THEN
        RETURN NULL;
    END IF;
    SELECT * INTO post FROM public."Post" WHERE id = NEW."postId";
    INSERT INTO public."BitdexOps" (entity_id, ops) VALUES (NEW.id, jsonb_build_array(
        jsonb_build_object('op', 'set', 'field', 'postId', 'value', NEW."postId"),
        jsonb_build_object('op', 'set', 'field', 'publishedAt', 'value',
            floor(extract(epoch FROM post."publishedAt"))::bigint),
        jsonb_build_object('op', 'set', 'field', 'availability', 'value', post.availability)));
    RETURN NULL; END $$;
"""

# name: (table, event, functions by hand, the statement for many rows, for one row)
CASES = {
    "entity and child, insert": (
        "Image", "INSERT", ["hand_image", "hand_child"],
        """INSERT INTO "Image" (url, "userId", "postId", "scannedAt")
            SELECT 'x', n % 100, 1 + n % {posts}, now() FROM generate_series(1, {rows}) AS n""",
        """INSERT INTO "Image" (url, "userId", "postId", "scannedAt")
            VALUES ('x', {n} % 100, 1 + {n} % {posts}, now())"""),
    "entity, one field updated": (
        "Image", "UPDATE", ["hand_level"],
        'UPDATE "Image" SET "nsfwLevel" = "nsfwLevel" + 1',
        'UPDATE "Image" SET "nsfwLevel" = "nsfwLevel" + 1 WHERE id = 1 + {n} % {rows}'),
    "entity, nothing tracked updated": (
        "Image", "UPDATE", ["hand_level"],
        'UPDATE "Image" SET width = 5',
        'UPDATE "Image" SET width = 5 WHERE id = 1 + {n} % {rows}'),
    "entity, delete": (
        "Image", "DELETE", ["hand_delete"],
        'DELETE FROM "Image"',
        'DELETE FROM "Image" WHERE id = 1 + {n} % {rows}'),
    "child, other parent": (
        "Image", "UPDATE", ["hand_child"],
        'UPDATE "Image" SET "postId" = 1 + "postId" % {posts}',
        'UPDATE "Image" SET "postId" = 1 + "postId" % {posts} WHERE id = 1 + {n} % {rows}'),
    "parent of 10, one field updated": (
        "Post", "UPDATE", ["hand_post"],
        """UPDATE "Post" SET availability = 'run {run}'""",
        """UPDATE "Post" SET availability = 'run {run}' WHERE id = 1 + {n} % {posts}"""),
    "join, insert": (
        "TagsOnImageNew", "INSERT", ["hand_tag"],
        'INSERT INTO "TagsOnImageNew" SELECT id, 1000 + {run} FROM "Image"',
        'INSERT INTO "TagsOnImageNew" VALUES (1 + {n} % {rows}, 1000 + {run})'),
    "join, delete": (
        "TagsOnImageNew", "DELETE", ["hand_untag"],
        'DELETE FROM "TagsOnImageNew" WHERE "tagId" = 1 + {run} % 10',
        """DELETE FROM "TagsOnImageNew" WHERE "imageId" = 1 + {n} % {rows}
            AND "tagId" = 1 + {run} % 10"""),
}


def fill(connection):
    """Empties the tables and fills them: the same rows before every measurement."""
    connection.execute("SET session_replication_role = origin")
    tables = connection.execute("""SELECT DISTINCT relname FROM pg_trigger
        JOIN pg_class ON pg_class.oid = tgrelid WHERE tgname LIKE 'bitdex%'""").fetchall()
    for (table,) in tables:
        enable(connection, table, lambda name: False)
    connection.execute('TRUNCATE "BitdexOps", "Image", "Post", "TagsOnImageNew" RESTART IDENTITY'
                       " CASCADE")
    connection.execute(f'INSERT INTO "Post" (id) SELECT generate_series(1, {ROWS // CHILDREN})')
    connection.execute(
        f"""INSERT INTO "Image" (url, "userId", "postId", "scannedAt")
            SELECT 'x', n % 100, 1 + n % {ROWS // CHILDREN}, now()
            FROM generate_series(1, {ROWS}) AS n""")
    connection.execute(
        f"""INSERT INTO "TagsOnImageNew" SELECT id, tag FROM "Image",
            generate_series(1, {CHILDREN}) AS tag""")
    connection.commit()


def statement_us(connection, statement, is_single, run):
    """The session's processor time per row; the changes are rolled back, or committed one by one.
    """
    values = {"rows": ROWS, "posts": ROWS // CHILDREN, "run": run}
    before_us = session_us(connection.info.backend_pid)
    if is_single:
        for n in range(SINGLE):
            connection.execute(statement.format(n=n, **values))
            connection.commit()
        rows = SINGLE
    else:
        rows = connection.execute(statement.format(**values)).rowcount
    used_us = (session_us(connection.info.backend_pid) - before_us) / rows
    connection.rollback()
    return used_us


def runs_us(connection, vacuum, case, is_single, runs):
    """[[time of each mode] of each run]; a mode selects the triggers that fire."""
    table, _, _, *statements = CASES[case]
    figures = []
    for run in range(runs + 1):
        figures.append([])
        for wanted in MODES:
            if is_single:
                fill(connection)
            enable(connection, table, wanted)
            vacuum()
            figures[-1].append(statement_us(connection, statements[is_single], is_single, run))
    return figures[1:]  # the first fills caches


def enable(connection, table, wanted):
    """Enables the triggers whose names `wanted` accepts and disables the others."""
    names = connection.execute(
        "SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass AND NOT tgisinternal",
        (f'"{table}"',)).fetchall()
    for (name,) in names:
        state = "ENABLE ALWAYS" if wanted(name) else "DISABLE"
        connection.execute(f'ALTER TABLE "{table}" {state} TRIGGER "{name}"')
    connection.commit()


MODES = [
    lambda name: name.startswith("bitdex") and not name.endswith("_t"),
    lambda name: name.startswith("hand"),
    lambda name: False,
]

# What the generated function of the same event is created with. (pg_trigger.tgtype: 4 INSERT, 8
# DELETE, 16 UPDATE)
SETTINGS = """SELECT unnest(proconfig) FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid
    WHERE tgrelid = %s::regclass AND tgname LIKE 'bitdex%%' AND tgtype & %s > 0"""
EVENTS = {"INSERT": 4, "DELETE": 8, "UPDATE": 16}


def create_by_hand(connection, table, event, functions):
    settings = connection.execute(SETTINGS, (f'"{table}"', EVENTS[event])).fetchall()
    for number, function in enumerate(functions):
        connection.execute(f"ALTER FUNCTION {function}() SECURITY DEFINER RESET ALL")
        for (setting,) in settings:
            name, _, value = setting.partition("=")
            value = value if name == "search_path" else f"'{value}'"
            connection.execute(f"ALTER FUNCTION {function}() SET {name} = {value}")
        connection.execute(f'CREATE TRIGGER hand{number} AFTER {event} ON "{table}" '
                           f"FOR EACH ROW EXECUTE FUNCTION {function}()")
    connection.commit()


def runs_of(connection, sweeper, case, is_single, runs):
    table, event, functions, *_ = CASES[case]
    fill(connection)
    create_by_hand(connection, table, event, functions)
    figures = runs_us(connection, lambda: sweeper.execute("VACUUM"), case, is_single, runs)
    for number in range(len(functions)):
        connection.execute(f'DROP TRIGGER hand{number} ON "{table}"')
    connection.commit()
    return figures


def run(scene):
    with (scene.pipeline() as demo, demo.connect() as connection,
          demo.connect(autocommit=True) as sweeper):
        connection.execute("SET synchronous_commit = off")
        connection.execute(BY_HAND)
        connection.commit()
        for is_single in scene.size([False, True], [False]):
            size = "a row each" if is_single else f"{ROWS:,} rows"
            for case in CASES:
                generated, by_hand, none = zip(*runs_of(connection, sweeper, case, is_single,
                                                        scene.runs))
                name = f"triggers: {case}, {size}"
                yield measure.row(name, "by hand", "us a row", generated, by_hand, 1.2)
                if not is_single:
                    yield measure.row(name, "no triggers", "us a row", generated, none)
