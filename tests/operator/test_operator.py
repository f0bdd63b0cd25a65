"""A random operator: what people do to a running pipeline, one thing after the other (README.md).

BITDEX_SEED chooses the acts (default: always the same), BITDEX_SECONDS is how long it goes on
(default 45), and BITDEX_ACTS names the acts, separated by commas."""

import os
import random
import time
import unittest

from acts import ACTS, MUST_SAY, QUIET
from case import GalleryCase
from scene import Scene

SEED = int(os.environ.get("BITDEX_SEED", 101))
SECONDS = float(os.environ.get("BITDEX_SECONDS", 45))
NAMES = list(filter(None, os.environ.get("BITDEX_ACTS", "").split(",")))


class Operator(GalleryCase):
    sections = {"producer": {"guard_interval_ms": 500, "watch_interval_ms": 500}}

    def test_the_index_equals_sql_or_something_says_why(self):
        """After each act the index equals SQL, or something says why it does not. What is said
        leads to an index that is complete and equal again."""
        rng = random.Random(SEED)
        scene = Scene(self, rng)
        scene.settle()
        until, deck, count = time.monotonic() + SECONDS, [], 0
        while time.monotonic() < until or count < len(NAMES):
            if not deck:
                deck = NAMES or list(ACTS)
                deck = rng.sample(deck, len(deck))
            self.act(scene, deck.pop())
            count += 1
        print(f"{count} acts", flush=True)

    def act(self, scene, name):
        print(f"{name}: ", end="", flush=True)
        scene.begin_act()
        undo = self.do(scene, name)
        print(scene.judge(MUST_SAY.get(name))[:160], flush=True)
        if undo is not None:
            undo()
        scene.write(0.3)
        scene.settle()

    def do(self, scene, name):
        """Returns what undoes the act."""
        if name in QUIET:
            undo = ACTS[name](scene)
            scene.write(0.5)
            return undo
        with scene.writers():
            time.sleep(0.3 * scene.random.random())
            undo = ACTS[name](scene)
            time.sleep(scene.random.random())
        return undo


if __name__ == "__main__":
    unittest.main()
