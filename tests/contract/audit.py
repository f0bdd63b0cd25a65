"""Audits a topic with stock clients: what `bitdex-consumer audit` proves, for readers in another
language. It is written from schemas/README.md alone, on tests/support/topic.py.

Run: python3 tests/contract/audit.py BOOTSTRAP TOPIC     (needs fastavro and confluent-kafka)
"""

import pathlib
import struct
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import topic  # noqa: E402

SHARED = ("kind", "topic_id", "snapshot", "last_row_id", "max_row_id", "clock", "partitions",
          "start_name", "fields", "voided")  # what the marks of one moment have in all partitions
START = (topic.DIGEST_START, topic.DIGEST_START)


class Partition:
    """The rules of one partition; `findings` has (partition, offset, text)."""

    def __init__(self, number, partitions, findings):
        self.number, self.partitions, self.findings = number, partitions, findings
        self.epoch = self.generation = self.tick = self.at = self.last = 0
        self.rows = {}  # by seq, as they were first sent: row id, txid, CRC, digests after it
        self.fences = {}  # tick of the fence, by generation
        self.chain, self.requests, self.names = START, set(), None
        self.marks = {}  # by generation: {tick: [what all partitions have]}

    def find(self, offset, text):
        self.findings.append((self.number, offset, text))

    def take(self, offset, key, event):
        kind, body = event["body"]
        numbered = "row_id" in body
        if numbered and key != struct.pack(">q", body["entity_id"]):
            self.find(offset, "the key is not the entity id")
        if kind == "bitdex.Row" and body["entity_id"] % self.partitions != self.number:
            self.find(offset, "a row of another partition")
        if numbered and event["seq"] == 0:
            return
        sender = (event["epoch"], event["generation"])
        fence = kind == "bitdex.Mark" and body["kind"] == "FENCE"
        if sender < (self.epoch, self.generation):
            ends = [g for g in self.fences if g > event["generation"]]
            if event["epoch"] == self.epoch and ends and event["tick"] > self.fences[min(ends)]:
                self.find(offset, "an event of a later window after its fence")
            return
        if sender > (self.epoch, self.generation):
            self.begin(offset, event, fence)
        elif fence:
            self.find(offset, "a second fence")
        if event["tick"] < self.tick:
            self.find(offset, "a tick goes back")
        self.tick = event["tick"]
        if numbered:
            self.number_of(offset, event)
        elif event["seq"] != self.at or (event["seq"] < self.last and not fence
                                         and kind != "bitdex.Voided"):
            self.find(offset, f"{kind} at seq {event['seq']}, read up to {self.at}")
        self.control(offset, kind, body)

    def begin(self, offset, event, fence):
        if not fence:
            self.find(offset, "a generation begins without its fence")
        if event["epoch"] > self.epoch:
            self.rows, self.fences, self.requests = {0: (None, None, None, START)}, {}, set()
            self.chain, self.names, self.tick, self.last = START, None, 0, 0
        self.epoch, self.generation, self.at = event["epoch"], event["generation"], event["seq"]
        self.fences[self.generation] = event["tick"]
        self.chain = self.rows.get(self.at, (None, None, None, None))[3]
        if self.chain is None:
            self.find(offset, f"a fence at seq {self.at}, read up to {self.last}")
        self.start = None

    def number_of(self, offset, event):
        seq, row_id, txid = event["seq"], event["body"][1]["row_id"], event["txid"]
        if seq != self.at + 1:
            self.find(offset, f"seq {seq} follows {self.at}")
        digest, content = self.chain or START
        self.chain = (topic.digest_next(digest, row_id), topic.content_next(content, event))
        sent = (row_id, txid, topic.crc32c(topic.body_bytes(event)))
        if seq > self.last:
            self.rows[seq] = (*sent, self.chain)
            if topic.is_request(event["body"]):
                self.requests.add(row_id)
        elif sent != self.rows[seq][:3]:
            self.find(offset, f"seq {seq} is sent again as {sent}, and was {self.rows[seq][:3]}")
        self.at, self.last = seq, max(self.last, seq)

    def control(self, offset, kind, body):
        if kind == "bitdex.Mark":
            self.mark(offset, body)
        elif kind == "bitdex.Chunk" and body["purpose"] == "REFRESH":
            self.requests.difference_update(body["answers"])
        due = body.get("owed") == 0 and body["kind"] == "WATERMARK"
        if self.requests and (due or kind == "bitdex.Sum"):
            self.find(offset, f"{len(self.requests)} requests were never answered")

    def mark(self, offset, body):
        said = tuple(body[name] % (1 << 64) for name in ("digest", "content_digest"))
        if self.chain is not None and said != self.chain:
            self.find(offset, f"other digests at seq {self.at}: an event is not what was sent")
        names, start = (body["topic_id"], body["partitions"]), body["start_name"]
        if (self.names or names) != names or (self.start or start) != start:
            self.find(offset, "a mark of another topic or start")
        self.names, self.start = names, start
        ticks = self.marks.setdefault((self.epoch, self.generation), {})
        ticks.setdefault(self.tick, []).append(repr([body[name] for name in SHARED]))


def audit(events):
    """The findings [(partition, offset, text)] in {partition: [(offset, key, event)]}, which is the
    whole topic, of messages of version 2."""
    findings = []
    readers = [Partition(number, len(events), findings) for number in sorted(events)]
    for reader in readers:
        for record in events[reader.number]:
            reader.take(*record)
    for generation in set().union(*(reader.marks for reader in readers)):
        parts = [(r, r.marks[generation]) for r in readers if generation in r.marks]
        for tick in set().union(*(marks for _, marks in parts)):
            # The last tick of a generation may end anywhere, in each partition.
            whole = [(reader, marks.get(tick)) for reader, marks in parts if tick < max(marks)]
            for reader, marks in whole:
                if marks != whole[0][1]:
                    findings.append((reader.number, None, f"tick {tick}: the marks differ"))
    return findings


if __name__ == "__main__":
    found = audit(topic.read(*sys.argv[1:3]))
    for partition, offset, text in found:
        print(f"finding: partition {partition}, offset {offset}: {text}")
    sys.exit(1 if found else print("proved: nothing was found"))
