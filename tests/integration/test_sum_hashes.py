"""The hashes of sums against those of the running PostgreSQL, with random values."""

import random
import subprocess
import unittest

import case
import pipeline

COUNT = 4000
PROGRAM = pipeline.BUILD / "tests/unit/test_sum_hash"


def random_integer():
    bits = random.randrange(65)
    value = random.randrange(1 << bits) - (1 << bits >> 1)
    return max(-(1 << 63), min((1 << 63) - 1, value))


def random_text():
    alphabet = random.choice(("ab", "0123456789 ", "ąęłżćß€𝄞\u00a0xyz", "\t\n'\"\\%"))
    return "".join(random.choice(alphabet) for _ in range(random.randrange(120)))


def answers(lines):
    """What the program of the consumer's hashes says."""
    done = subprocess.run([PROGRAM, "--answer"], input="\n".join(lines) + "\n",
                          capture_output=True, text=True, check=True)
    return [int(line) for line in done.stdout.split()]


class SumHashes(case.GalleryCase):
    def setUp(self):
        random.seed(case.SEED)
        super().setUp()

    def test_hashes_are_those_of_the_server(self):
        """hashint8extended(id, seed) and hashtextextended(text COLLATE "C", seed)."""
        seeds = [random.choice((0, random_integer())) for _ in range(COUNT)]
        ids = [random_integer() for _ in range(COUNT)]
        texts = [random_text() for _ in range(COUNT)]
        with self.pipeline.connect() as connection:
            wanted = connection.execute(
                "SELECT hashint8extended(i, s), hashtextextended(t COLLATE \"C\", s)"
                " FROM unnest(%s::bigint[], %s::bigint[], %s::text[]) WITH ORDINALITY"
                " AS v(i, s, t, n) ORDER BY n", (ids, seeds, texts)).fetchall()
        integers = answers([f"{seed} {id}" for seed, id in zip(seeds, ids)])
        strings = answers([f"{seed} x{text.encode().hex()}" for seed, text in zip(seeds, texts)])
        self.assertEqual(integers, [row[0] for row in wanted])
        self.assertEqual(strings, [row[1] for row in wanted])


if __name__ == "__main__":
    unittest.main()
