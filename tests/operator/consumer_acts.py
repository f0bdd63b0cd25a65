"""What people do to a consumer, its offsets and its files. As acts.py.

Beside the oracle of the scene, an act says what it knows: STAYS_COMPLETE has those that take
nothing away, and must_say_skipped() is for messages that nobody will read.
"""

import collections
import contextlib
import pathlib
import shutil
import signal
import time

import acts
import confluent_kafka
import groups
import index
import servers
import topic
from acts import ends_of
from pipeline import WAIT_S

OUTAGE_S = 3  # a lag that marks each second never show
MONTH_S = 30 * 86400
STAYS_S = 3  # how long a broker may take to answer a request that was sent before


def group_of(scene):
    return groups.Group(scene.pipeline)


def places(scene, offsets):
    return [confluent_kafka.TopicPartition(scene.pipeline.topic, partition, offset)
            for partition, offset in offsets.items()]


def patiently(call):
    """The broker may stall for a while."""
    until = time.monotonic() + WAIT_S
    while True:
        try:
            return call()
        except confluent_kafka.KafkaException:
            if time.monotonic() > until:
                raise
        time.sleep(0.2)


def begins_of(scene, numbers=range(index.PARTITIONS)):
    client = group_of(scene).client
    return {place.partition: patiently(lambda place=place: client.get_watermark_offsets(place))[0]
            for place in places(scene, dict.fromkeys(numbers, 0))}


def committed(scene):
    return {number: max(offset, 0) for number, (offset, _) in group_of(scene).committed().items()}


@contextlib.contextmanager
def stopped(scene, kills=None):
    """The consumer is stopped, or killed, and started again afterwards."""
    consumer = scene.pipeline.consumer
    if scene.random.random() < 0.5 if kills is None else kills:
        consumer.kill()
    else:
        consumer.stop()
    yield
    consumer.start()


def reset(scene, offsets):
    """As kafka-consumer-groups does; the consumer has to be stopped."""
    group_of(scene).commit(offsets)


def index_of(scene):
    return pathlib.Path(scene.pipeline.variables["BITDEX_DATA_DIR"])


def partitions_of(scene):
    return {partition["partition"]: partition for partition in scene.pipeline.partitions()}


def restart_producer(scene):
    scene.pipeline.producer.kill()
    scene.start_producer()
    scene.pipeline.producer.wait_until_state("draining")


def must_say_skipped(scene, numbers):
    """Nobody will read some messages of these partitions. They say so, whatever follows."""

    def is_said():
        return all("skipped" in partition["reason"] for number, partition in
                   partitions_of(scene).items() if number in numbers)

    scene.pipeline.consumer.wait_until(is_said, f"does not say what is skipped in {numbers}")


def reset_ahead(scene, offsets, read):
    """`read`: the ends of the topic when the consumer had stopped already. Returns where the
    messages that are skipped were certainly not read."""
    reset(scene, offsets)
    return {number for number, offset in offsets.items() if offset > read[number]}


# --- offsets -------------------------------------------------------------------------------------


def offsets_are_reset_back(scene):
    with stopped(scene):
        reset(scene, {number: scene.random.randint(0, offset)
                      for number, offset in committed(scene).items()})


def offsets_are_reset_ahead(scene):
    """Rows that are written meanwhile are skipped, in some partitions."""
    with stopped(scene):
        read = ends_of(scene)
        time.sleep(scene.random.random())
        ends = ends_of(scene)
        skipped = reset_ahead(scene, {number: scene.random.randint(offset, ends[number])
                                      for number, offset in committed(scene).items()}, read)
    must_say_skipped(scene, skipped)


def fences_are_skipped(scene):
    """Two sessions of the producer begin while the consumer is stopped, and the second one ends
    before it reads: no number that it will read before the next shows what it has missed."""
    with stopped(scene):
        read = ends_of(scene)
        for _ in range(2):
            restart_producer(scene)
        time.sleep(scene.random.random())
        scene.pipeline.producer.kill()
        skipped = reset_ahead(scene, ends_of(scene), read)
    must_say_skipped(scene, skipped)
    scene.start_producer()


def posts_are_skipped(scene):
    """Nothing but posts, by a reset or by retention."""
    with stopped(scene):
        read = ends_of(scene)
        for number in read:
            scene.posts.send(number, scene.random.randint(1, 5))
        ends, skipped = ends_of(scene), ()
        if scene.random.random() < 0.5:
            skipped = reset_ahead(scene, ends, read)
        else:
            group_of(scene).remove_records(ends)
    must_say_skipped(scene, skipped)


def a_reset_is_taken_back(scene):
    """By another one, to exactly the position that serves: the topic ends there. The rebuild is
    under way, or has ended already."""
    consumer = scene.pipeline.consumer
    with stopped(scene):
        reset(scene, dict.fromkeys(committed(scene), 0))
    time.sleep(scene.random.random())
    scene.pipeline.producer.kill()
    ends = ends_of(scene)
    consumer.wait_until(
        lambda: all(partition["durable_offset"] == ends[number]
                    for number, partition in partitions_of(scene).items()),
        "does not save its position at the end of the topic")
    with stopped(scene, kills=False):
        begin = consumer.log.stat().st_size
        reset(scene, ends)
    scene.start_producer()

    def check():
        with consumer.log.open(errors="replace") as log:
            log.seek(begin)
            assert "a rebuild begins" not in log.read(), "of a reset to the position that serves"

    return check


def offsets_are_forgotten(scene):
    """As when the group was unused for longer than its offsets are kept. It is no reset."""
    with stopped(scene):
        group_of(scene).forget_offsets()


# --- replays by command --------------------------------------------------------------------------


def replay(scene, *arguments):
    """The group knows its member only when that has joined it again."""
    consumer = scene.pipeline.consumer
    consumer.wait_until(
        lambda: consumer.command("replay", *arguments, check=False).returncode == 0,
        f"refuses a replay {' '.join(arguments)}")


def begin_replay(scene, *arguments):
    """From a random place, of a random partition or of all of them."""
    rng = scene.random
    number = rng.randrange(index.PARTITIONS)
    if rng.random() < 0.5:
        replay(scene, "--from", "beginning", *arguments)
    else:
        offset = rng.randrange(partitions_of(scene)[number]["offset"])
        replay(scene, "--from", f"offset:{offset}", "--partition", str(number), *arguments)


def a_replay_is_commanded(scene):
    begin_replay(scene)


def a_replay_is_aborted(scene):
    """It does not continue, also after a start of the consumer."""
    begin_replay(scene)
    time.sleep(scene.random.random())
    replay(scene, "--abort")
    if scene.random.random() < 0.5:
        with stopped(scene):
            pass
    scene.pipeline.consumer.wait_until(
        lambda: not is_replaying(scene), "continues a replay that was aborted")


def a_loss_is_accepted(scene):
    """Of messages that retention has removed."""
    delete_what_is_read(scene)
    begin_replay(scene, "--accept-loss")


def a_rebuild_proves_less(scene):
    """It waits beside the state that serves, which stays complete."""
    delete_what_is_read(scene)
    if scene.random.random() < 0.5:
        replay(scene, "--from", "beginning")
    else:
        with stopped(scene):
            reset(scene, dict.fromkeys(committed(scene), 0))


def is_replaying(scene):
    return any(partition["rebuild_offset"] is not None or partition["state"] == "rebuilding"
               for partition in scene.pipeline.partitions())


def replays_wait(scene):
    """Do those that have not ended wait for an operator?"""
    return all("proves less" in partition["replay"] for partition in scene.pipeline.partitions()
               if partition["rebuild_offset"] is not None or partition["state"] == "rebuilding")


def end_replays(scene):
    """A replay ends, or says that it waits for an operator, who decides."""
    consumer = scene.pipeline.consumer
    consumer.wait_until(lambda: replays_wait(scene), "neither ends a replay nor says why")
    answer = scene.random.choice(["--abort", "--accept-loss"])

    def has_ended():
        if is_replaying(scene):
            consumer.command("replay", answer, check=False)
        return not is_replaying(scene)

    consumer.wait_until(has_ended, f"continues a replay in spite of {answer}")


# --- the topic -----------------------------------------------------------------------------------


def delete_what_is_read(scene):
    """By the state that serves, also after the consumer is killed."""
    group_of(scene).remove_records({
        number: partition["durable_offset"] or 0
        for number, partition in partitions_of(scene).items()
    })


def the_topic_loses_its_beginning(scene):
    """Up to a place that the stopped consumer has read, or has not."""
    with stopped(scene):
        time.sleep(scene.random.random())
        group_of(scene).remove_records({
            number: scene.random.randint(0, end) for number, end in ends_of(scene).items()
        })


def a_replay_loses_what_it_needs(scene):
    with stopped(scene):
        reset(scene, dict.fromkeys(committed(scene), 0))
    time.sleep(0.5 * scene.random.random())
    delete_what_is_read(scene)


def make_topic_again(scene):
    """The consumer has to be stopped."""
    scene.pipeline.producer.stop()
    topic.delete(scene.pipeline.kafka, scene.pipeline.topic)
    scene.must("init")
    scene.posts.forget()


def begin_epoch(scene):
    scene.must("cursor", "adopt")
    scene.start_producer()


def the_topic_is_made_again_meanwhile(scene):
    """While the consumer is stopped. Its directory is that of another topic then, which grows past
    the position that it holds."""
    with stopped(scene):
        make_topic_again(scene)
        begin_epoch(scene)
        time.sleep(2 * scene.random.random())
    return lambda: acts.begin_index(scene)


def the_topic_is_made_again_for_posts(scene):
    """Likewise, and no mark says so: the producer is down. Posts grow past the position."""
    with stopped(scene):
        held = ends_of(scene)
        make_topic_again(scene)
        for number, end in held.items():
            scene.posts.send(number, end + scene.random.randint(1, 5))
    scene.posts.check()
    begin_epoch(scene)
    return lambda: acts.begin_index(scene)


def the_epochs_begin_again(scene):
    """The topic is made again, and the producer forgets its cursor: all its events are of an older
    epoch than what the consumer holds, except at the first time."""
    with stopped(scene):
        make_topic_again(scene)
        scene.must("cursor", "remove", "default")
        restart_producer(scene)
    return lambda: acts.begin_index(scene)


def a_rival_writes(scene):
    """A producer on a copy of the database fences the original off, which learns of it when both
    have written. Where the topic shows both, a partition says that it is incomplete."""
    since = ends_of(scene)
    undo = acts.quiet_database_is_copied(scene)
    scene.write(scene.random.random())
    shown = find_rivals(scene, since)
    scene.pipeline.consumer.wait_until(
        lambda: all(number in scene.reasons() for number in shown),
        f"does not say that {shown} have events of two producers")
    return undo


def find_rivals(scene, since):
    """The partitions where an event of a generation that has ended belongs to a later window than
    the fence that has ended it."""
    shown = set()
    for number, records in topic.read(scene.pipeline.kafka, scene.pipeline.topic).items():
        fences = collections.defaultdict(dict)  # tick of each generation's fence, by epoch
        for offset, _, event in records:
            ended = fences[event["epoch"]]
            kind, body = event["body"]
            later = [generation for generation in ended if generation > event["generation"]]
            if kind == "bitdex.Mark" and body["kind"] == "FENCE" and not later:
                ended[event["generation"]] = event["tick"]
            if later and event["tick"] > ended[min(later)] and offset >= since[number]:
                shown.add(number)
    return shown


# --- the directory -------------------------------------------------------------------------------


def the_directory_is_set_back(scene):
    """To a copy of some time ago."""
    older = index_of(scene).with_name("older")
    with stopped(scene):
        shutil.rmtree(older, ignore_errors=True)
        shutil.copytree(index_of(scene), older)
    time.sleep(scene.random.random())
    with stopped(scene):
        scene.pipeline.remove_index()
        older.rename(index_of(scene))


def the_directory_is_removed(scene):
    with stopped(scene):
        group_of(scene).wait_until_left()  # what follows is another member
        scene.pipeline.remove_index()


def is_member(scene, consumer):
    members = group_of(scene).describe().members
    return [member.client_id for member in members] == [f"{servers.LOOPBACK}:{consumer.port}"]


def a_copy_of_the_directory_joins(scene):
    """Another member of the group has a copy of the directory. One of them ends, and says why."""
    copy = index_of(scene).with_name("copy")
    with stopped(scene):
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(index_of(scene), copy)
    other = scene.case.spare_consumer(BITDEX_DATA_DIR=str(copy))
    other.start(wait=False)
    time.sleep(2 * scene.random.random())
    other.kill()
    stay_in_group(scene)
    group_of(scene).wait_until_settled()


def stay_in_group(scene):
    """Starts the consumer again when it was fenced off. The broker may answer a request of the copy
    late, and fence it off once more."""
    consumer = scene.pipeline.consumer
    until = time.monotonic() + WAIT_S
    since = time.monotonic()
    while time.monotonic() < since + STAYS_S:
        assert time.monotonic() < until, "does not stay in its group"
        is_fenced = not consumer.is_running()
        if is_fenced:
            assert "is a copy of the other" in consumer.log_tail(), consumer.log_tail()
            consumer.start()
        if is_fenced or not is_member(scene, consumer):
            since = time.monotonic()
        time.sleep(0.2)


# --- the program and its clock -------------------------------------------------------------------


def the_consumer_is_killed(scene):
    with stopped(scene):
        pass


def a_checkpoint_is_taken(scene):
    scene.pipeline.consumer.command("checkpoint", check=False)


def clocks_differ(scene):
    """The wall clock of one of the hosts is moved by hours or days. An outage shows, whatever the
    clocks say; the oracle waits until it is over. A consumer whose clock is late hides what was
    published since, so that its clock is right again before the index is compared."""
    program = scene.random.choice([scene.pipeline.producer, scene.pipeline.consumer])
    seconds = scene.random.choice([-MONTH_S, -3600, 3600, MONTH_S])
    scene.move_clock(program, seconds)
    time.sleep(scene.random.random())
    show_outage(scene)
    if seconds < 0:
        scene.move_clock(program, 0)
        return None
    return lambda: scene.move_clock(program, 0)


def show_outage(scene):
    scene.pipeline.producer.signal(signal.SIGSTOP)
    try:
        scene.pipeline.consumer.wait_until(
            lambda: all((partition["lag_seconds"] or 0) > OUTAGE_S
                        for partition in scene.pipeline.partitions()),
            "does not show that the producer is suspended")
    finally:
        scene.pipeline.producer.signal(signal.SIGCONT)


# --- the way out ---------------------------------------------------------------------------------


def reset_what_has_stalled(scene):
    """Partitions whose next offset retention has removed continue at the earliest one."""
    stalled = {number: partition["offset"] or 0 for number, partition in
               partitions_of(scene).items() if partition["state"] == "stalled"}
    if not stalled:
        return
    begins = begins_of(scene, stalled)
    with stopped(scene):
        reset(scene, begins)
    must_say_skipped(scene, {number for number in stalled if begins[number] > stalled[number]})


def post_again(scene):
    """Posts that are missing are read again where the topic still has them all; otherwise the
    topic and the index are made again, now or after other acts."""
    lacking = scene.lacks_posts()
    begins = begins_of(scene, lacking)
    if lacking and all(begin == 0 for begin in begins.values()):
        for number in lacking:
            replay(scene, "--from", "beginning", "--partition", str(number))
        scene.pipeline.consumer.wait_until(
            lambda: not scene.lacks_posts(), "lacks posts that the topic has")
    elif lacking and scene.random.random() < 0.4:
        with stopped(scene):
            make_topic_again(scene)
            begin_epoch(scene)
        acts.begin_index(scene)


ACTS = {
    act.__name__: act
    for act in (
        offsets_are_reset_back, offsets_are_reset_ahead, fences_are_skipped, posts_are_skipped,
        a_reset_is_taken_back, offsets_are_forgotten, a_replay_is_commanded, a_replay_is_aborted,
        a_loss_is_accepted, a_rebuild_proves_less, the_topic_loses_its_beginning,
        a_replay_loses_what_it_needs, the_topic_is_made_again_meanwhile,
        the_topic_is_made_again_for_posts, the_epochs_begin_again, a_rival_writes,
        the_directory_is_set_back, the_directory_is_removed, a_copy_of_the_directory_joins,
        the_consumer_is_killed, a_checkpoint_is_taken, clocks_differ,
    )
}

# Nothing is written meanwhile, or by the act itself.
QUIET = {
    "posts_are_skipped", "a_reset_is_taken_back", "the_topic_is_made_again_for_posts",
    "a_rival_writes",
}

# The state that serves loses nothing by these.
STAYS_COMPLETE = {
    "offsets_are_reset_back", "a_reset_is_taken_back", "offsets_are_forgotten",
    "a_replay_is_commanded", "a_replay_is_aborted", "a_rebuild_proves_less",
    "a_replay_loses_what_it_needs", "the_consumer_is_killed", "a_checkpoint_is_taken",
    "the_directory_is_set_back", "clocks_differ",
}
