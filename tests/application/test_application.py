"""The random application for a minute, BITDEX_SECONDS for longer. The cases are always the same, or
those from BITDEX_SEED on. README.md has the whole."""

import os
import pathlib
import time
import unittest

import random_case
import servers

SEED = int(os.environ.get("BITDEX_SEED", 101))
SECONDS = float(os.environ.get("BITDEX_SECONDS", 45))


class RandomApplication(unittest.TestCase):
    def test_random_applications(self):
        """Whatever an application does, its statements fail no more often with our triggers than
        without, and at rest its index equals its tables."""
        home = pathlib.Path(os.environ["BITDEX_SERVERS"])
        pair = [servers.Postgres(home / "postgres"), servers.Kafka(home / "kafka")]
        servers.both(servers.Server.start, pair)
        end = time.monotonic() + SECONDS
        seed = SEED
        while seed == SEED or time.monotonic() < end:
            one = random_case.Case(seed, pair)
            print(f"BITDEX_SEED={seed}: {one.summary()}", flush=True)
            error = one.run_confirmed()
            self.assertIsNone(error, error and one.report(error))
            seed += 1


if __name__ == "__main__":
    unittest.main()
