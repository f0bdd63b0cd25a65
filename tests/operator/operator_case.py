"""What the random operators share: acts in a random order, and the oracle after each (README.md).

BITDEX_SEED chooses the acts (default: always the same), BITDEX_SECONDS is the time, and BITDEX_ACTS
names the acts, separated by commas."""

import os
import random
import time

from case import GalleryCase
from scene import Scene

SEED = int(os.environ.get("BITDEX_SEED", 101))
NAMES = list(filter(None, os.environ.get("BITDEX_ACTS", "").split(",")))


def shuffle(rng, names):
    return rng.sample(list(names), len(names))


class OperatorCase(GalleryCase):
    acts = {}  # {name: function of the scene, which returns what undoes it}
    more_acts = {}  # likewise; they come after these, which the test command has time for
    quiet = frozenset()  # names of acts during which nothing is written
    must_say = {}  # {name: a word that has to be said}
    stays_complete = frozenset()  # names of acts that take nothing from the index
    seconds = 45

    def run_acts(self, posts=None):
        """`posts`: a posts.Posts, when the writers are to post as well."""
        rng, more = random.Random(SEED), random.Random(SEED)
        scene = Scene(self, rng)
        scene.posts = posts
        scene.settle()
        seconds = float(os.environ.get("BITDEX_SECONDS", self.seconds))
        until, deck, count = time.monotonic() + seconds, [], 0
        while time.monotonic() < until or count < len(NAMES):
            if not deck:
                deck = shuffle(rng, NAMES or self.acts)
                if not NAMES:
                    deck = shuffle(more, self.more_acts) + deck
            self._act(scene, deck.pop())
            count += 1
        print(f"{count} acts", flush=True)

    def _act(self, scene, name):
        print(f"{name}: ", end="", flush=True)
        scene.begin_act()
        undo = self._do(scene, name)
        if name in self.stays_complete:
            said = scene.judge_complete()
        else:
            said = scene.judge(self.must_say.get(name))
        print(said[:160], flush=True)
        if undo is not None:
            undo()
        self.do_what_is_said(scene)
        scene.write(0.3)
        scene.settle()

    def do_what_is_said(self, scene):
        """What has to be done beside that which Scene.settle() does."""

    def _do(self, scene, name):
        """Returns what undoes the act."""
        if name in self.quiet:
            undo = (self.acts | self.more_acts)[name](scene)
            scene.write(0.5)
            return undo
        with scene.writers():
            time.sleep(0.3 * scene.random.random())
            undo = (self.acts | self.more_acts)[name](scene)
            time.sleep(scene.random.random())
        return undo
