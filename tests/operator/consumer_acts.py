"""What people do to a consumer, its offsets and its files. As acts.py."""

import contextlib
import pathlib
import shutil
import time

import confluent_kafka
import groups
import topic
from confluent_kafka import admin


def group_of(scene):
    return groups.Group(scene.pipeline)


def places(scene, offsets):
    return [confluent_kafka.TopicPartition(scene.pipeline.topic, partition, offset)
            for partition, offset in offsets.items()]


def ends_of(scene):
    return topic.read_ends(scene.pipeline.kafka, scene.pipeline.topic)


def committed(scene):
    return {number: max(offset, 0) for number, (offset, _) in group_of(scene).committed().items()}


@contextlib.contextmanager
def stopped(scene):
    """The consumer is stopped, or killed, and started again afterwards."""
    consumer = scene.pipeline.consumer
    if scene.random.random() < 0.5:
        consumer.kill()
    else:
        consumer.stop()
    yield
    consumer.start()


def reset(scene, offsets):
    """As kafka-consumer-groups does; the consumer has to be stopped."""
    group = group_of(scene)
    group.wait_until_left()
    group.client.commit(asynchronous=False, offsets=places(scene, offsets))


def index_of(scene):
    return pathlib.Path(scene.pipeline.variables["BITDEX_DATA_DIR"])


def reset_what_has_stalled(scene):
    """Partitions whose next offset retention has removed continue at the earliest one."""
    client = group_of(scene).client
    begins = {}
    for partition in scene.pipeline.partitions():
        if partition["state"] == "stalled":
            (place,) = places(scene, {partition["partition"]: 0})
            begins[place.partition], _ = client.get_watermark_offsets(place)
    if begins:
        with stopped(scene):
            reset(scene, begins)


# --- offsets -------------------------------------------------------------------------------------


def offsets_are_reset_back(scene):
    with stopped(scene):
        reset(scene, {number: scene.random.randint(0, offset)
                      for number, offset in committed(scene).items()})


def offsets_are_reset_ahead(scene):
    """Rows that are written meanwhile are skipped, in some partitions."""
    with stopped(scene):
        time.sleep(scene.random.random())
        ends = ends_of(scene)
        reset(scene, {number: scene.random.randint(offset, ends[number])
                      for number, offset in committed(scene).items()})


def a_reset_is_taken_back(scene):
    """The rebuild is under way, or has ended already."""
    with stopped(scene):
        before = committed(scene)
        reset(scene, dict.fromkeys(before, 0))
    time.sleep(scene.random.random())
    with stopped(scene):
        reset(scene, {number: max(offset, before[number])
                      for number, offset in committed(scene).items()})


def offsets_are_forgotten(scene):
    """As when the group was unused for longer than its offsets are kept. It is no reset."""
    with stopped(scene):
        group = group_of(scene)
        group.wait_until_left()
        group.admin.delete_consumer_groups([group.name])[group.name].result(30)


# --- the topic -----------------------------------------------------------------------------------


def delete_records(scene, offsets):
    client = admin.AdminClient({"bootstrap.servers": scene.pipeline.kafka})
    for done in client.delete_records(places(scene, offsets)).values():
        done.result(30)


def the_topic_loses_its_beginning(scene):
    """Up to a place that the stopped consumer has read, or has not."""
    with stopped(scene):
        time.sleep(scene.random.random())
        delete_records(scene, {number: scene.random.randint(0, end)
                               for number, end in ends_of(scene).items()})


def a_replay_loses_what_it_needs(scene):
    with stopped(scene):
        reset(scene, dict.fromkeys(committed(scene), 0))
    time.sleep(0.5 * scene.random.random())
    delete_records(scene, ends_of(scene))


def the_topic_is_made_again_meanwhile(scene):
    """While the consumer is stopped. Its directory is that of another topic then, which grows past
    the position that it holds."""
    with stopped(scene):
        topic.delete(scene.pipeline.kafka, scene.pipeline.topic)
        scene.as_owner("init")
        scene.pipeline.producer.stop()
        scene.as_owner("cursor", "adopt")
        scene.start_producer()
        time.sleep(2 * scene.random.random())

    def undo():
        scene.pipeline.consumer.kill()
        group_of(scene).wait_until_left()
        scene.pipeline.remove_index()
        scene.pipeline.consumer.start()

    return undo


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
        scene.pipeline.remove_index()


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
    consumer = scene.pipeline.consumer
    if not consumer.is_running():
        assert "is a copy of the other" in consumer.log_tail(), consumer.log_tail()
        consumer.start()
    group_of(scene).wait_until_settled()


# --- the program ---------------------------------------------------------------------------------


def the_consumer_is_killed(scene):
    with stopped(scene):
        pass


def a_checkpoint_is_taken(scene):
    scene.pipeline.consumer.command("checkpoint", check=False)


ACTS = {
    act.__name__: act
    for act in (
        offsets_are_reset_back, offsets_are_reset_ahead, a_reset_is_taken_back,
        offsets_are_forgotten, the_topic_loses_its_beginning, a_replay_loses_what_it_needs,
        the_topic_is_made_again_meanwhile, the_directory_is_set_back, the_directory_is_removed,
        a_copy_of_the_directory_joins, the_consumer_is_killed, a_checkpoint_is_taken,
    )
}
