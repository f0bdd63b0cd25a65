"""The README's page "Attach it to your database", followed to the letter: a shop whose tables are
full."""

import contextlib
import json
import math
import os
import re
import signal
import subprocess
import time
import unittest

import gallery
from case import GalleryCase
from pipeline import BUILD, IS_EARLY, IS_LATE, ROOT, WAIT_S

PRODUCTS = 3000
# Rows such as a shop has: the README shows only its tables.
ROWS = f"""
INSERT INTO categories
    SELECT n, (ARRAY['toys', 'books', 'tools', 'garden'])[n], n = 4 FROM generate_series(1, 4) AS n;
INSERT INTO products
    SELECT n, 1 + n % 4, 'product ' || n, (n * 7919 % 10000) / 100.0, now() - n * interval '1 min'
    FROM generate_series(1, {PRODUCTS}) AS n;
INSERT INTO stock SELECT id, w, id * w % 5 FROM products, generate_series(1, 3) AS w;
INSERT INTO orders (product_id, customer_id)
    SELECT 1 + n % {PRODUCTS}, n % 700 FROM generate_series(1, 3 * {PRODUCTS}) AS n
"""
# The truth of each product, as the index returns it.
TRUTH = """
SELECT product.id, jsonb_strip_nulls(jsonb_build_object(
    'category_id', category_id, 'category', category.name, 'category_hidden', category.hidden,
    'price_cents', (price * 100)::bigint,
    'created_at', floor(extract(epoch FROM created_at))::bigint,
    'warehouse_ids', (SELECT jsonb_agg(warehouse_id ORDER BY warehouse_id) FROM stock
        WHERE product_id = product.id AND quantity > 0),
    'customer_ids', (SELECT jsonb_agg(DISTINCT customer_id ORDER BY customer_id) FROM orders
        WHERE product_id = product.id)))
FROM products AS product LEFT JOIN categories AS category ON category.id = category_id
"""

# A reader repeats a command that a busy server has not answered in time.
PATIENT = f"""
patient() {{
    if [ "$2" = run ]; then exec "$@"; fi
    for _ in $(seq {WAIT_S}); do
        command "$@" >answer 2>&1
        code=$?
        [ $code != 0 ] && grep -qE '{IS_LATE.pattern}|{IS_EARLY.pattern}' answer || break
        sleep 1
    done
    cat answer
    return $code
}}
bitdex-producer() {{ patient bitdex-producer "$@"; }}
bitdex-consumer() {{ patient bitdex-consumer "$@"; }}
"""


def read_page():
    """{language: [blocks]} of the README's page."""
    text = (ROOT / "README.md").read_text()
    page = text[text.index("## Attach it to your database"):]
    page = page[:page.index("\n## ", 3)]
    blocks = {}
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```$", page, re.M | re.S):
        blocks.setdefault(language, []).append(block)
    return blocks


class Attach(GalleryCase):
    def setUp(self):
        super().setUp()
        self.page = read_page()
        (self.pipeline.directory / "shop.yaml").write_text(self.adapt(*self.page["yaml"]))
        with self.pipeline.connect() as connection:
            connection.execute(self.page["sql"][0])
            connection.execute(ROWS)

    def adapt(self, text):
        """The configuration with this test's servers, topic, ports and directory."""
        variables = self.pipeline.variables
        for shown, here in (
            ("host=127.0.0.1 dbname=shop user=shop", self.pipeline.dsn),
            ("127.0.0.1:9092", self.pipeline.kafka),
            ("shop.ops", self.pipeline.topic),
            ("127.0.0.1:8081", f"127.0.0.1:{variables['BITDEX_PRODUCER_PORT']}"),
            ("127.0.0.1:8080", f"127.0.0.1:{variables['BITDEX_CONSUMER_PORT']}"),
            ("group: shop-a", f"group: {self.pipeline.name}"),
            ("data_dir: shop-a", f"data_dir: {variables['BITDEX_DATA_DIR']}"),
        ):
            self.assertEqual(text.count(shown), 1, shown)
            text = text.replace(shown, here)
        return text

    def follow(self, block, check=True):
        """Runs the block in a shell, as a reader does; returns what it prints. Programs that it
        leaves running are ended with the test."""
        path = ":".join(str(BUILD / name) for name in ("producer", "consumer"))
        environment = os.environ | {"PATH": f"{path}:{os.environ['PATH']}"}
        exported = "\n".join(re.findall(r"^export .*$", self.page["sh"][0], re.M))
        script = f"{PATIENT}{exported}\n{block}\ncode=$?; jobs -p >pids; exit $code"
        # Programs of an earlier block still write to its file.
        log = self.pipeline.directory / f"output-{hash(block)}"
        with open(log, "w") as output:
            code = subprocess.run(
                ["bash", "-c", script], cwd=self.pipeline.directory, env=environment,
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, timeout=2 * WAIT_S,
            ).returncode
        for pid in (self.pipeline.directory / "pids").read_text().split():
            self.addCleanup(self.end, int(pid))
        text = log.read_text()
        self.assertTrue(code == 0 or not check, text)
        return text

    @staticmethod
    def end(pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def wait_for_answer(self, query):
        """The answer to the README's query once it is complete."""
        deadline = time.monotonic() + WAIT_S
        while True:
            reply = self.pipeline.api.get("/api/indexes/shop/query", query)
            if reply["complete"] or time.monotonic() > deadline:
                return reply
            time.sleep(0.1)

    def test_f77_full_tables(self):
        """`check`, `init`, `triggers apply`, `run`, `load`, `query`, `verify` as the page has them:
        the index is complete, equals the tables while they change, and is mended when it differs.
        """
        attach, load, verify = self.page["sh"]
        output = self.follow(attach, check=False)
        shown, _, found = self.page[""]
        for line in shown.splitlines():
            self.assertIn(line.removesuffix("..."), output)
        with self.pipeline.connect(autocommit=True) as connection:
            for statement in re.findall(r"CREATE INDEX .*\)", output):
                connection.execute(statement)
        output = self.follow(load)
        (query,) = re.findall(r"query '(.*?)'", load, re.S)
        reply = self.wait_for_answer(json.loads(query))
        self.assertTrue(reply["complete"], output)
        self.assertEqual(self.pipeline.api.call("/api/ready")[0], 200)
        self.check_answer(reply)
        self.check_index()
        with self.pipeline.connect() as connection:
            connection.execute("UPDATE stock SET quantity = quantity - 1 WHERE quantity > 0")
            connection.execute("UPDATE categories SET name = 'games' WHERE name = 'toys'")
            connection.execute("DELETE FROM products WHERE id % 10 = 0")
        self.check_index()
        self.check_verify(verify, found)

    def check_verify(self, verify, shown):
        """The difference that the page plants is found as it shows, and mended."""
        with self.pipeline.connect(autocommit=True) as connection:
            connection.execute(self.page["sql"][1])
        output = self.follow(verify)
        for line in shown.replace("shop-a", self.pipeline.name).splitlines():
            self.assertIn(line.removesuffix("..."), output)
        self.check_index()

    def check_answer(self, reply):
        with self.pipeline.connect() as connection:
            rows = connection.execute(f"""SELECT id FROM ({TRUTH}) AS truth(id, fields)
                WHERE fields->>'category' = 'toys' AND fields->'warehouse_ids' @> '2'
                ORDER BY fields->'price_cents', id DESC""").fetchall()
        self.assertEqual(reply["ids"], [row for (row,) in rows[:5]])
        self.assertEqual(reply["total_matched"], len(rows))

    def check_index(self):
        """Every product, the deleted ones included, after what is committed now."""
        self.wait_until_fresh()
        with self.pipeline.connect() as connection:
            truth = dict(connection.execute(TRUTH).fetchall())
        for product in range(1, PRODUCTS + 1):
            entity = self.pipeline.api.get(f"/api/indexes/shop/entities/{product}")
            self.assertEqual(entity["alive"], product in truth, entity)
            if product in truth:
                self.assertEqual(entity["fields"], truth[product])

    def wait_until_fresh(self):
        """The programs run in a shell of the page, so that the pipeline does not know them."""
        committed = time.time()
        deadline = time.monotonic() + WAIT_S
        while not self.is_fresh(committed):
            self.assertLess(time.monotonic(), deadline, "the index does not catch up")
            time.sleep(0.05)

    def is_fresh(self, committed):
        now = time.time()
        partitions = self.pipeline.owned_partitions()
        return self.pipeline.are_all(partitions) and all(
            now - (partition["lag_seconds"] or math.inf) > committed for partition in partitions)


class Early(GalleryCase):
    def test_f115_run_before_triggers_apply(self):
        """A producer that is started on empty tables before `triggers apply` drains what there is
        and names that command; the index is incomplete until triggers and a load have followed."""
        self.pipeline.init()
        with self.pipeline.connect() as connection:
            gallery.create_tables(connection)
        self.pipeline.start()
        with self.pipeline.connect() as connection:
            connection.execute(
                """INSERT INTO "BitdexOps" (entity_id, ops) VALUES (7, '[{"op": "alive"}]')"""
            )
            for _ in gallery.insert_rows(connection, 100):
                pass
        self.pipeline.wait_until_fresh()
        self.assertTrue(self.pipeline.api.get("/api/indexes/gallery/entities/7")["alive"])
        command = "bitdex-producer triggers apply"
        self.assertIn(command, self.pipeline.producer.log.read_text())
        for partition in self.pipeline.partitions():
            self.assertFalse(partition["complete"])
        self.assertEqual(self.pipeline.api.call("/api/ready")[0], 503)
        refused = self.pipeline.producer.command("load", check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn(command, refused.stderr)
        gallery.create_triggers(self.pipeline)
        self.pipeline.producer.command("load")
        self.check_end(changed=False)


if __name__ == "__main__":
    unittest.main()
