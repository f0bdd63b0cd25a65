"""One random application, from a seed to the end check."""

import random
import time

import ddl
import free
import pipeline
from compare import StaleError
from generator import Generator
from scheduler import StuckError
from sessions import schedule
from twins import Difference, Twins, own_name

ACTIONS = 150  # of a round
FREE_PAIRS = 2
FREE_S = 1.5
LAST = 25  # actions that a report shows


class Case:
    """`rounds`, `changes` and `free_counts` are what was done so far."""

    def __init__(self, seed, pair, actions=ACTIONS, features=None, without="", alone=False):
        """`alone`: without the other database."""
        self._arguments = (seed, pair, actions, features, without, alone)
        self.seed = seed
        self._pair = pair
        self._count = actions
        self._alone = alone
        self._only = features and features.split(",")
        self._without = set(without.split(","))
        self.rounds = []  # the actions of each round
        self.changes = []  # DDL between them
        self.free_counts = ""
        self._outcomes = {}
        self._generate()

    def _generate(self):
        rng = random.Random(self.seed)
        generator = Generator(rng, self._only)
        generator.features -= self._without
        self.application = generator.application()
        self._sessions = rng.choice([1, 2, 3, 4])
        self._poll_ms = rng.choice([1, 1, 20, 100])
        self._rng = rng

    def summary(self):
        features = ", ".join(sorted(self.application.features))
        return f"seed {self.seed}, {self._sessions} sessions, {features}"

    def run_confirmed(self):
        """Runs the case and returns its fault, or None. Two sessions that wake up at the same time
        may continue in either order, and rates have noise: another outcome counts when it is found
        again."""
        try:
            self.run()
        except (StaleError, StuckError, pipeline.PipelineError) as error:
            return error
        except Difference as error:
            return error if Case(*self._arguments).fails() else None
        return None

    def fails(self):
        """Whether the case finds a fault."""
        try:
            self.run()
        except AssertionError:
            return True
        return False

    def run(self):
        with self._twins() as twins:
            twins.create(self.application)
            self._version = twins.server_version()
            self._round(twins)
            self._change_partitions(twins)
            self._rename(twins)
            self._round(twins)
            self._free(twins)

    def _round(self, twins, check=True):
        number = len(self.rounds)
        self.rounds.append(schedule(self._rng, self.application, self._version, self._sessions,
                                    self._count, f"@{number}"))
        self._outcomes = twins.run(self.rounds[-1], self._sessions)
        if check:
            twins.check(self.application)

    def _rename(self, twins):
        """DDL while the programs are stopped, and writes before they start again."""
        if "ddl" not in self.application.features:
            return
        twins.stop()
        for _ in range(self._rng.choice([1, 1, 2])):
            self._change(twins, ddl.renames(self._rng, self.application))
        self._round(twins, check=False)
        twins.restart(self.application)
        if any("DROP COLUMN" in change for change in self.changes):
            twins.indexed.producer.command("load")
        twins.check(self.application, patient=True)

    def _change_partitions(self, twins):
        """DDL of partitions while the programs run."""
        if "maintenance" not in self.application.features:
            return
        change = ddl.partitions(self._rng, self.application)
        if change and not twins.is_refused(change.statements):
            change.describe()
            self._change(twins, change.statements)
            twins.check(self.application, patient=True)

    def _change(self, twins, statements):
        self.changes += statements
        twins.execute(statements)

    def _free(self, twins):
        """Threads, in pairs of short runs with and without our triggers."""
        if "free" not in self.application.features:
            return
        totals = [free.Counts(), free.Counts()]
        for number in range(FREE_PAIRS * 2):
            dsn = twins.plain_dsn if number % 2 else twins.indexed.dsn
            totals[number % 2] += free.run(dsn, self._rng, self.application, self._version,
                                           FREE_S, f"@f{number}")
        self.free_counts = f"with our triggers: {totals[0]}; without: {totals[1]}"
        twins.check_index(self.application)
        found = free.compare(totals[1], totals[0])
        if found:
            raise Difference(found)

    def _twins(self):
        name = own_name(f"application_{self.seed}")
        return Twins(pipeline.BUILD / "application", name, *self._pair, self._poll_ms,
                     self._alone)

    def shrink(self, seconds=300):
        """Leaves out what a failure does not need; returns a report of what remains."""
        actions = [action for one in self.rounds for action in one]
        deadline = time.monotonic() + seconds
        found = None
        size = len(actions) // 2
        while size and time.monotonic() < deadline:
            start = 0
            while start < len(actions) and time.monotonic() < deadline:
                fewer = actions[:start] + actions[start + size:]
                error = self._try(fewer)
                if error:
                    actions, found = fewer, error
                else:
                    start += size
            size //= 2
        self.rounds = [actions]
        return self.report(found) if found else "The failure is not repeatable."

    def _try(self, actions):
        """The error of these actions, or None."""
        with self._twins() as twins:
            twins.create(self.application)
            try:
                self._outcomes = twins.run(actions, self._sessions)
                twins.check(self.application)
            except AssertionError as error:
                return error
        return None

    @staticmethod
    def headline(error):
        """The first lines of an error."""
        return "\n".join(f"{type(error).__name__}: {error}".splitlines()[:4])

    def report(self, error):
        lines = [f"{type(error).__name__}: {error}", "", "Tables:"]
        lines += [f"{statement};" for statement in self.application.create()]
        lines += ["", "Changed:", *self.changes]
        lines += ["", "Configuration:", self.application.config(), "", "Last actions:"]
        actions = list(enumerate(self.rounds[-1] if self.rounds else []))
        if isinstance(error, StaleError):
            actions = [(n, a) for n, a in actions if n in self._outcomes]
        for number, action in actions[-LAST:]:
            lines.append(f"{number} {action}; -- {self._outcomes.get(number)}")
        if isinstance(error, StaleError):
            lines += ["", "What was known:", error.diagnosis]
        return "\n".join(lines)
