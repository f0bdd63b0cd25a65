"""Random expressions of dump phases, evaluated by unit.test_expression and by PostgreSQL.

The expressions have no parentheses except around arguments, so that the precedences decide.
BITDEX_SEED repeats a run.
"""

import os
import pathlib
import random
import subprocess
import unittest

import pipeline
import psycopg
import servers
from case import SEED

EXPRESSIONS = 150
ROWS = 200  # of 3^8, spread by a stride

# The rows of fill_table_row() in tests/unit/test_expression.c.
TABLE = f"""
CREATE TEMP TABLE thing AS
SELECT row AS n,
    (ARRAY[13, -8, NULL])[n % 3 + 1]::bigint AS a,
    (ARRAY[3, 0, NULL])[n / 3 % 3 + 1]::bigint AS b,
    (ARRAY[2.5, -4, NULL])[n / 9 % 3 + 1]::float8 AS x,
    (ARRAY[2.5, -4, NULL])[n / 27 % 3 + 1]::float8 AS y,
    (ARRAY[true, false, NULL])[n / 81 % 3 + 1] AS p,
    (ARRAY[true, false, NULL])[n / 243 % 3 + 1] AS q,
    (ARRAY['a', 'Zé', NULL])[n / 729 % 3 + 1] COLLATE "C" AS s,
    (ARRAY['Zé', 'a', NULL])[n / 2187 % 3 + 1] COLLATE "C" AS t
FROM (SELECT row * 41 % 6561 AS n, row FROM generate_series(0, {ROWS - 1}) AS row) AS spread
"""
# Evaluates each row by itself; what PostgreSQL refuses to compute is 'error'.
EACH_ROW = """
CREATE FUNCTION pg_temp.evaluate(expression text) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
    result text[] := '{}';
    value text;
    row_number int;
BEGIN
    FOR row_number IN SELECT n FROM thing ORDER BY n LOOP
        BEGIN
            EXECUTE 'SELECT (' || expression || ')::text FROM thing WHERE n = $1'
                INTO value USING row_number;
        EXCEPTION WHEN data_exception THEN
            value := 'error';
        END;
        result := result || coalesce(value, 'null');
    END LOOP;
    RETURN result;
END $$
"""


def chain(rng, operand, operators, longest):
    words = [operand(rng)]
    for _ in range(rng.randrange(longest)):
        words += [rng.choice(operators), operand(rng)]
    return " ".join(words)


def constant(rng):
    return str(rng.randrange(4))


def literals(rng):
    """A sum of constants: the count of a shift is an int4 in PostgreSQL."""
    return chain(rng, constant, ["+", "*"], 2)


def integer(rng):
    prefix = rng.choice(["", "", "", "- ", "~ "])
    if rng.random() < 0.1:
        return f"greatest(a, {constant(rng)}, b)"
    return prefix + rng.choice(["a", "b", "a", "b", constant(rng)])


def bits(rng):
    words = [chain(rng, integer, ["+", "-", "*", "/", "%"], 3)]
    for _ in range(rng.randrange(4)):
        operator = rng.choice(["&", "|", "#", "<<", ">>"])
        is_shift = operator in ("<<", ">>")
        words += [operator, literals(rng) if is_shift else chain(rng, integer, ["+", "*"], 2)]
    return " ".join(words)


def real(rng):
    operand = rng.choice(["x", "y", "- x", "a", "2", "least(x, y)"])
    return f"{operand}::float8" if operand in ("a", "2") else operand


def comparison(rng):
    operator = rng.choice(["=", "<>", "!=", "<", "<=", ">", ">="])
    kind = rng.randrange(4)
    if kind == 0:
        return f"{rng.choice('st')} {operator} {rng.choice(['s', 't', chr(39) + 'a' + chr(39)])}"
    if kind == 1:
        sides = (chain(rng, real, ["+", "-", "*", "/"], 3) for _ in range(2))
    else:
        sides = (bits(rng) for _ in range(2))
    return f" {operator} ".join(sides)


def boolean(rng):
    text = rng.choice(["p", "q", "p", "coalesce(p, q)", comparison(rng), comparison(rng)])
    text += rng.choice(["", "", " IS NULL", " IS NOT NULL", " IS TRUE", " IS NOT FALSE"])
    return rng.choice(["", "", "NOT "]) + text


def expression(rng):
    if rng.random() < 0.3:
        return bits(rng)
    return chain(rng, boolean, ["AND", "OR"], 4)


def as_value(text):
    """What both sides print, in one form."""
    if text in ("t", "f"):
        return {"t": "true", "f": "false"}[text]
    return text


class Expressions(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        shared = pathlib.Path(os.environ.get("BITDEX_SERVERS", pipeline.ROOT / ".local/servers"))
        cls.postgres = servers.Postgres(shared / "postgres", {})
        cls.postgres.start()
        print(f"BITDEX_SEED={SEED}", flush=True)

    def evaluate_ours(self, texts):
        """[[value]] of each text; what has no value ends with " error"."""
        program = pipeline.BUILD / "tests/unit/test_expression"
        done = subprocess.run(
            [program, "--evaluate", str(ROWS)], input="\n".join(texts) + "\n",
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return [line.rstrip("\t").split("\t") for line in done.stdout.splitlines()]

    @staticmethod
    def evaluate_theirs(connection, text):
        try:
            with connection.transaction():
                rows = connection.execute(f"SELECT ({text})::text FROM thing ORDER BY n")
                return [value or "null" for (value,) in rows]
        except psycopg.errors.DataError:
            return connection.execute("SELECT pg_temp.evaluate(%s)", (text,)).fetchone()[0]

    def test_values_and_precedences_are_those_of_postgres(self):
        rng = random.Random(f"{SEED}-expressions")
        texts = [expression(rng) for _ in range(EXPRESSIONS)]
        compared = 0
        with psycopg.connect(self.postgres.dsn) as connection:
            connection.execute(TABLE)
            connection.execute(EACH_ROW)
            ours = self.evaluate_ours([text.replace("::float8", "") for text in texts])
            for text, values in zip(texts, ours, strict=True):
                theirs = self.evaluate_theirs(connection, text)
                self.assertEqual(len(values), len(theirs))
                for row, (a, b) in enumerate(zip(values, theirs, strict=True)):
                    if a.endswith("error") or b == "error":
                        continue
                    self.assertEqual(a, as_value(b), f"{text} in row {row}")
                    compared += 1
        self.assertGreater(compared, EXPRESSIONS * ROWS // 2)


if __name__ == "__main__":
    unittest.main()
