"""What a row and an event cost in processor time when the topic has more partitions: of the
producer, of the broker and of the consumer.
"""

import contextlib

import backlog
import measure
from scene import fill_outbox

COUNTS = [4, 16, 64]
AIM = 1.2


def configure(count):
    def write(config, _directory):
        text = config.read_text()
        config.write_text(text.replace("partitions: 4", f"partitions: {count}"))

    return write


def run_once(scene, demo, rows, number):
    sent = backlog.drain(scene, demo, rows)
    read = backlog.index(demo, number)
    return {"producer, a row": sent["program"] * 1e6 / rows,
            "broker, a row": sent["kafka"] * 1e6 / rows,
            "consumer, an event": read["program"] * 1e6 / read["events"]}


def run(scene):
    rows = scene.size(500_000, 50_000)
    with contextlib.ExitStack() as stack:
        demos = [stack.enter_context(scene.pipeline(configure(count))) for count in COUNTS]
        for demo in demos:
            fill_outbox(demo, rows)
        runs = [[run_once(scene, demo, rows, number) for demo in demos]
                for number in range(scene.runs + 1)][1:]  # the first warms the broker up
    few = [figures[0] for figures in runs]
    for place, count in list(enumerate(COUNTS))[1:]:
        for part in few[0]:
            yield measure.row(f"processor time of the {part}, {count} partitions",
                              f"{COUNTS[0]} partitions", "us", [one[place][part] for one in runs],
                              [one[part] for one in few], AIM)
