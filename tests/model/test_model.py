"""A sample of the model's schedules: every scenario from one seed, and weaker protocols that must
fail. BITDEX_SEED is another seed (default 1); BITDEX_SECONDS is the time for the schedules (default
8)."""

import os
import subprocess
import sys
import time
import unittest

from run import SCEN, execute, law6, parts
from world import config, schedule

SEED = int(os.environ.get("BITDEX_SEED", 1))
SECONDS = float(os.environ.get("BITDEX_SECONDS", 8))
STEPS = 800

# A scenario, a weaker protocol, and a seed whose schedule usually shows that it is wrong.
WEAKER = [
    ("core", dict(mut="id_cursor"), 3),
    ("core", dict(mut="txid_order"), 6),
    ("trunc", dict(mut="jump_ok"), 9),
    ("live", dict(mut="chunk_anywhere"), 44),
    ("live", dict(load_delete="all"), 64),
    ("chunk", dict(mut="hi_max"), 1),
    ("chunk", dict(mut="load_keeps"), 1),
    ("pass", dict(mut="pass_proved"), 160),
    ("fail", dict(mut="epoch_complete"), 22),
    ("field", dict(mut="field_keep"), 15),
    ("ref", dict(mut="name_all"), 3),
    ("own", dict(mut="spill_mark"), 4),
    ("sum", dict(mut="check_owed"), 1),
    ("source", dict(mut="void_silent"), 1),
    ("source", dict(mut="all_early"), 1),
]

BROKEN = "-> BROKEN"
BROKEN_READINGS = {
    "a lost message, part_first",
    "and a page lost by Kafka, back_ignored",
    "a parent read in parts, page_join",
    "and the last parts lost by Kafka, owes_key",
    "twins, own fence = own generation",
    "another topic, topic_late",
    "reset ahead while the producer is down, skip_seq",
    "rollback race, topic check at none",
    "rollback race, topic check at mark",
    "rollback race, topic check at event",
}


def run(scenario, seed, **options):
    cfg = config(**{**SCEN[scenario], **options})
    return execute(cfg, parts(seed), schedule(seed, STEPS, cfg, ()), seed)


class Model(unittest.TestCase):
    def test_no_schedule_breaks_the_protocol(self):
        """Random schedules of every scenario hold what the laws promise."""
        until, seed, count = time.monotonic() + SECONDS, SEED, 0
        while time.monotonic() < until or count < len(SCEN):
            scenario = list(SCEN)[count % len(SCEN)]
            self.assertIsNone(run(scenario, seed), f"python3 run.py {scenario} -s {seed} -n 1")
            seed, count = seed + 1, count + 1
        print(f"model: {count} schedules from seed {SEED}")

    def test_compaction_changes_nothing(self):
        """L6: compacted batches give the state that the whole batches give."""
        self.assertIsNone(law6(config(), 3000, SEED))

    def test_weaker_protocols_fail(self):
        """The checker notices each rule that is left out."""
        for scenario, options, hint in WEAKER:
            with self.subTest(scenario=scenario, **options):
                seeds = [hint, *range(1, 400)]
                found = any(run(scenario, seed, **options) for seed in seeds)
                self.assertTrue(found, "no schedule shows the fault")

    def test_directed_schedules(self):
        """Interleavings that are too rare for chance: the design holds, weaker readings break."""
        here = os.path.dirname(os.path.abspath(__file__))
        done = subprocess.run(
            [sys.executable, "directed.py"], cwd=here, capture_output=True, text=True, check=True
        )
        broken = {
            line.split(" -> ")[0].strip() for line in done.stdout.splitlines() if BROKEN in line
        }
        self.assertEqual(broken, BROKEN_READINGS, done.stdout)


if __name__ == "__main__":
    unittest.main()
