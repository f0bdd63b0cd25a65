"""The cost of triggers for a writer: processor time of its session per row without triggers, with
minimal triggers written by hand, and with the generated triggers.
"""

import pathlib
import statistics

ROWS = 5_000
RUNS = 5

# By hand: each for one statement, with the writer's privileges, no guards and no pinned settings.
BY_HAND = """
CREATE FUNCTION hand_image() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO "BitdexOps" (entity_id, ops) VALUES (NEW.id, jsonb_build_array(
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
        INSERT INTO "BitdexOps" (entity_id, ops) VALUES (NEW.id, jsonb_build_array(
            jsonb_build_object('op', 'remove', 'field', 'nsfwLevel', 'value', OLD."nsfwLevel"),
            jsonb_build_object('op', 'set', 'field', 'nsfwLevel', 'value', NEW."nsfwLevel")));
    END IF; RETURN NULL; END $$;
CREATE FUNCTION hand_tag() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF (NEW.attributes >> 10) & 1 = 0 THEN
        INSERT INTO "BitdexOps" (entity_id, ops) VALUES (NEW."imageId", jsonb_build_array(
            jsonb_build_object('op', 'add', 'field', 'tagIds', 'value', NEW."tagId")));
    END IF; RETURN NULL; END $$;
CREATE FUNCTION hand_post() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.availability IS DISTINCT FROM OLD.availability THEN
        INSERT INTO "BitdexOps" (entity_id, ops) VALUES (NEW.id, jsonb_build_array(
            jsonb_build_object('op', 'queryOpSet', 'query', 'postId eq ' || NEW.id,
                'ops', jsonb_build_array(
            jsonb_build_object('op', 'remove', 'field', 'availability', 'value', OLD.availability),
            jsonb_build_object('op', 'set', 'field', 'availability', 'value', NEW.availability)))));
    END IF; RETURN NULL; END $$;
CREATE FUNCTION hand_child() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE post "Post"; BEGIN
    SELECT * INTO post FROM "Post" WHERE id = NEW."postId" LOCKING;
    INSERT INTO "BitdexOps" (entity_id, ops) VALUES (NEW.id, jsonb_build_array(
        jsonb_build_object('op', 'set', 'field', 'publishedAt', 'value',
            floor(extract(epoch FROM post."publishedAt"))::bigint),
        jsonb_build_object('op', 'set', 'field', 'availability', 'value', post.availability)));
    RETURN NULL; END $$;
"""

INSERT_IMAGES = """INSERT INTO "Image" (url, "userId", "postId", "scannedAt")
    SELECT 'x', n % 100, n, now() FROM generate_series(1, {rows}) AS n"""
CASES = {  # name: (table, event, function by hand, statement)
    "direct, insert": ("Image", "INSERT", "hand_image", INSERT_IMAGES),
    "direct, one field updated": (
        "Image", "UPDATE", "hand_level", 'UPDATE "Image" SET "nsfwLevel" = "nsfwLevel" + 1'),
    "direct, nothing tracked": ("Image", "UPDATE", "hand_level", 'UPDATE "Image" SET width = 5'),
    "join, insert": (
        "TagsOnImageNew", "INSERT", "hand_tag",
        'INSERT INTO "TagsOnImageNew" SELECT id, {run} FROM "Image" LIMIT {rows}'),
    "fan-out, one field updated": (
        "Post", "UPDATE", "hand_post",
        """UPDATE "Post" SET availability = '{run}'"""),
    "child, insert": ("Image", "INSERT", "hand_child", INSERT_IMAGES),
    "child, by hand unlocked": ("Image", "INSERT", "hand_unlocked", INSERT_IMAGES),
}


def used_us(connection):
    text = pathlib.Path(f"/proc/{connection.info.backend_pid}/schedstat").read_text()
    return int(text.split()[0]) / 1000


def row_us(connection, vacuum, table, statement, modes):
    """The median of the runs for each mode; a mode selects the triggers that fire. The modes take
    turns. Each run is rolled back and vacuumed, so that the next one finds the same table."""
    figures = [[] for _ in modes]
    for run in range(RUNS + 1):
        for mode, wanted in enumerate(modes):
            enable(connection, table, wanted)
            vacuum()
            before = used_us(connection)
            connection.execute(statement.format(rows=ROWS, run=f"{1000 + run}"))
            figures[mode].append((used_us(connection) - before) / ROWS)
            connection.rollback()
    return [statistics.median(runs[1:]) for runs in figures]  # the first fills caches


def enable(connection, table, wanted):
    """Enables the triggers whose names `wanted` accepts and disables the others."""
    names = connection.execute(
        "SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass AND NOT tgisinternal",
        (f'"{table}"',)).fetchall()
    for (name,) in names:
        state = "ENABLE ALWAYS" if wanted(name) else "DISABLE"
        connection.execute(f'ALTER TABLE "{table}" {state} TRIGGER "{name}"')
    connection.commit()


def run(demo):
    """Prints the figures. `demo` is the gallery with its generated triggers and no rows."""
    with demo.connect() as connection, demo.connect(autocommit=True) as sweeper:
        connection.execute("SET synchronous_commit = off")
        connection.execute(BY_HAND.replace("LOCKING", "FOR SHARE"))
        connection.execute(BY_HAND[BY_HAND.index("CREATE FUNCTION hand_child"):].replace(
            "LOCKING", "").replace("hand_child", "hand_unlocked"))
        for table in ("Image", "TagsOnImageNew", "Post"):
            enable(connection, table, lambda name: False)
        connection.execute(
            f'INSERT INTO "Post" (id) SELECT generate_series(1, {ROWS})')
        connection.execute(INSERT_IMAGES.format(rows=ROWS))
        connection.commit()
        print("processor time of a writer per row, us\n"
              f"  {'':28}  none  by hand  generated  over by hand", flush=True)
        for name, (table, event, function, statement) in CASES.items():
            connection.execute(f'CREATE TRIGGER hand AFTER {event} ON "{table}" '
                               f"FOR EACH ROW EXECUTE FUNCTION {function}()")
            is_child = name.startswith("child")
            none, hand, generated = row_us(
                connection, lambda: sweeper.execute("VACUUM"), table, statement, [
                    lambda name: False,
                    lambda name: name == "hand",
                    lambda name: name.startswith("bitdex") and name.endswith("_c") == is_child,
                ])
            connection.execute(f'DROP TRIGGER hand ON "{table}"')
            print(f"  {name:28}{none:6.1f}{hand:9.1f}{generated:11.1f}"
                  f"{generated / hand:14.2f}", flush=True)
