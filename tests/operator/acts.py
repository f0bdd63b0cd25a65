"""What people do to a running pipeline. Each act is a function of the Scene (scene.py); it returns
what undoes it, or None. SERVERS are those that need a second database server.

An act may be harmless: whether it was is found out afterwards, by comparing the index with SQL."""

import itertools
import random
import signal
import time

import groups
import topic
from balancer import Balancer
from pooler import Pooler
from psycopg.conninfo import conninfo_to_dict, make_conninfo

TABLES = ("Image", "TagsOnImageNew", "ImageTool", "Post", "ModelVersion")
LOCKED_S = 1.5


# --- triggers and configuration ------------------------------------------------------------------


def names_of_triggers(scene, table):
    return scene.execute(
        """SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgname LIKE 'bitdex%%'
           AND tgrelid = %s::regclass""", (f'"{table}"',)).fetchall()


def triggers_are_disabled(scene):
    table = scene.random.choice(TABLES)
    scene.execute(f'ALTER TABLE "{table}" DISABLE TRIGGER USER')
    return lambda: scene.as_owner("triggers", "apply")


def triggers_are_dropped(scene):
    table = scene.random.choice(TABLES)
    for (name,) in names_of_triggers(scene, table):
        scene.execute(f'DROP TRIGGER "{name}" ON "{table}"')
    return lambda: scene.as_owner("triggers", "apply")


def triggers_are_made_again(scene):
    """Nothing notes what is written between the two commands, except for the comparison."""
    scene.as_owner("triggers", "drop")
    time.sleep(scene.random.random())
    scene.as_owner("triggers", "apply")


def configuration_is_not_applied(scene):
    """The filter of a table changes, and the producer starts with it."""
    config = scene.pipeline.config
    before = config.read_text()
    after = before.replace("({attributes} >> 10) & 1 = 0", "({attributes} >> 11) & 1 = 0", 1)
    assert after != before

    def restart(text):
        config.write_text(text)
        scene.pipeline.producer.stop()
        scene.start_producer()

    restart(after)
    return lambda: restart(before)


# --- the outbox and its sequence -----------------------------------------------------------------


def sequence_caches(scene):
    scene.execute("""ALTER SEQUENCE "BitdexOps_id_seq" CACHE 20""")
    return lambda: scene.execute("""ALTER SEQUENCE "BitdexOps_id_seq" CACHE 1""")


def outbox_is_truncated(scene):
    scene.execute('TRUNCATE "BitdexOps"')


def outbox_is_locked(scene):
    with scene.pipeline.connect() as connection:
        connection.execute('LOCK TABLE "BitdexOps" IN ACCESS EXCLUSIVE MODE')
        time.sleep(LOCKED_S)


def outbox_is_unlogged(scene):
    scene.execute('ALTER TABLE "BitdexOps" SET UNLOGGED')
    return lambda: scene.execute('ALTER TABLE "BitdexOps" SET LOGGED')


PARTITIONED = """
    ALTER TABLE "BitdexOps" RENAME TO old_ops;
    CREATE TABLE "BitdexOps" (LIKE old_ops INCLUDING ALL) PARTITION BY RANGE (id);
    CREATE TABLE part_of_ops PARTITION OF "BitdexOps" FOR VALUES FROM (0) TO (1000000000);
    GRANT SELECT, DELETE ON "BitdexOps" TO bitdex_producer"""
ORDINARY = """
    LOCK TABLE "BitdexOps" IN ACCESS EXCLUSIVE MODE;
    INSERT INTO old_ops (id, entity_id, ops) SELECT id, entity_id, ops FROM "BitdexOps" ORDER BY id;
    DROP TABLE "BitdexOps";
    ALTER TABLE old_ops RENAME TO "BitdexOps"
"""


def outbox_is_partitioned(scene):
    """By hand, when all rows were sent."""
    scene.wait_until_quiet()
    scene.execute(PARTITIONED)
    return lambda: scene.execute(ORDINARY)


def another_schema_has_the_table(scene):
    """The search_path of the role begins with a schema of its name."""
    scene.execute(f"""CREATE SCHEMA {scene.role} AUTHORIZATION {scene.role};
        CREATE TABLE {scene.role}."BitdexOps" (LIKE public."BitdexOps" INCLUDING ALL)""")
    return lambda: scene.execute(f"DROP SCHEMA {scene.role} CASCADE")


# --- roles ---------------------------------------------------------------------------------------


def rights_are_revoked(scene):
    right = scene.random.choice([
        'SELECT ON "BitdexOps"', "INSERT ON bitdex_windows", "UPDATE ON bitdex_producers",
    ])
    scene.execute(f"REVOKE {right} FROM bitdex_producer")
    return lambda: scene.execute(f"GRANT {right} TO bitdex_producer")


def role_may_not_log_in(scene):
    scene.execute(f"ALTER ROLE {scene.role} NOLOGIN")
    scene.execute("""SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE application_name LIKE 'bitdex-producer%%' AND pid <> pg_backend_pid()""")
    return lambda: scene.execute(f"ALTER ROLE {scene.role} LOGIN")


def role_is_dropped(scene):
    scene.execute(f"DROP OWNED BY {scene.role}; DROP ROLE {scene.role}")
    return scene.create_role


# --- connections ---------------------------------------------------------------------------------


def restart_through(scene, port):
    dsn = make_conninfo(scene.producer_dsn, port=port)
    scene.pipeline.producer.set_variable("BITDEX_POSTGRES", dsn)
    scene.pipeline.producer.stop()
    scene.start_producer()


def through_a_pooler(scene):
    pooler = scene.enter(Pooler(int(conninfo_to_dict(scene.pipeline.dsn)["port"])))
    restart_through(scene, pooler.port)
    return scene.back_to_the_server


def through_a_balancer(scene):
    """Every connection but the first, which goes to the primary, goes to it or to a standby."""
    standby = scene.standby()
    ports = [scene.primary.port, standby.port]
    rng = random.Random(scene.random.random())
    others = iter(lambda: rng.choice(ports), None)
    balancer = scene.enter(Balancer(itertools.chain(ports[:1], others)))
    restart_through(scene, balancer.port)
    return scene.back_to_the_server


# --- other databases of one history --------------------------------------------------------------


def database_is_copied(scene):
    """The producer of the copy is started with the same configuration."""
    return scene.start_rival(scene.copy()).kill


def quiet_database_is_copied(scene):
    """The producer of the copy finds the cursor and the topic as the original has them, and no sign
    of the original, which is suspended when it starts."""
    scene.wait_until_quiet()
    producer = scene.pipeline.producer
    producer.signal(signal.SIGSTOP)
    try:
        return database_is_copied(scene)
    finally:
        producer.signal(signal.SIGCONT)


def copy_is_started_beside(scene):
    """Likewise, and the original continues."""
    scene.wait_until_quiet()
    return database_is_copied(scene)


def fails_over(scene):
    standby = scene.standby()
    if scene.random.random() < 0.5:
        scene.catch_up(standby)
    scene.primary.kill()
    standby.promote()
    scene.move_to(standby)


def disk_is_set_back(scene):
    """The files of the database are those of some time ago."""
    older = scene.copy()
    scene.write(0.7)
    scene.primary.kill()
    scene.move_to(older)


def database_restarts(scene):
    scene.primary.kill()
    scene.primary.start()


# --- the topic -----------------------------------------------------------------------------------


def ends_of(scene):
    return topic.read_ends(scene.pipeline.kafka, scene.pipeline.topic)


def begin_index(scene):
    """The consumer begins with an empty directory, as another member of its group."""
    scene.pipeline.consumer.kill()
    groups.Group(scene.pipeline).wait_until_left()
    scene.pipeline.remove_index()
    scene.pipeline.consumer.start()


def topic_is_made_again(scene):
    topic.delete(scene.pipeline.kafka, scene.pipeline.topic)
    scene.must("init")

    def undo():
        scene.must("init")
        begin_index(scene)

    return undo


def topic_is_compacted(scene):
    configure(scene, "cleanup.policy", "compact")
    return lambda: configure(scene, "cleanup.policy", "delete")


def retention_is_lowered(scene):
    configure(scene, "retention.ms", "3600000")
    return lambda: scene.must("init")


def events_expire(scene):
    """The retention of the topic is shorter than the consumer is away."""
    consumer = scene.pipeline.consumer
    consumer.kill()
    read = ends_of(scene)
    scene.pipeline.producer.wait_until(
        lambda: all(end > read[number] for number, end in ends_of(scene).items()), "sends no mark")
    topic.expire(scene.pipeline.kafka, scene.pipeline.topic)
    consumer.start()

    return lambda: begin_index(scene)


def configure(scene, name, value):
    topic.configure(scene.pipeline.kafka, scene.pipeline.topic, name, value)


# --- the programs --------------------------------------------------------------------------------


def producer_is_killed(scene):
    scene.pipeline.producer.kill()
    scene.start_producer()


def clock_is_moved(scene):
    """The wall clock of the producer's machine."""
    producer = scene.pipeline.producer
    scene.move_clock(producer, scene.random.choice([-86400, -45, 45, 86400]))
    return lambda: scene.move_clock(producer, 0)


ACTS = {
    act.__name__: act
    for act in (
        triggers_are_disabled, triggers_are_dropped, triggers_are_made_again,
        configuration_is_not_applied, sequence_caches, outbox_is_truncated, outbox_is_locked,
        outbox_is_unlogged, rights_are_revoked, role_may_not_log_in, through_a_pooler,
        through_a_balancer, database_is_copied, quiet_database_is_copied, fails_over,
        disk_is_set_back, database_restarts, topic_is_made_again, topic_is_compacted,
        retention_is_lowered, producer_is_killed,
    )
}

# These come after the others, which the test command has time for.
MORE_ACTS = {
    act.__name__: act
    for act in (
        outbox_is_partitioned, another_schema_has_the_table, role_is_dropped,
        copy_is_started_beside, events_expire, clock_is_moved,
    )
}

# Nothing is written meanwhile.
QUIET = {"quiet_database_is_copied", "copy_is_started_beside", "outbox_is_partitioned"}

# What has to be said of an act whether or not the index differs already, as a word of it.
MUST_SAY = {
    "triggers_are_disabled": "voided event",
    "triggers_are_dropped": "voided event",
    "outbox_is_truncated": "was truncated",
    "sequence_caches": "CACHE 1",
    "outbox_is_unlogged": "SET LOGGED",
    "through_a_pooler": "pooler",
    "outbox_is_partitioned": "must be an ordinary table",
    "another_schema_has_the_table": "several schemas",
    "events_expire": "not in the topic any more",
    "database_is_copied": "copy of",
    "copy_is_started_beside": "copy of",
    "quiet_database_is_copied": "copy of",
    "topic_is_made_again": "topic",
    "topic_is_compacted": "is compacted",
    "retention_is_lowered": "has retention.ms",
}
