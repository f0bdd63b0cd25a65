"""Decimals in integer fields: a column times a power of ten, exactly."""

import json
import unittest

import verdicts
from case import GalleryCase

SCHEMA = """
CREATE TABLE item (id bigint PRIMARY KEY, price numeric, rating double precision, stock int);
"""

TRIGGERS = """
triggers:
  - table: item
    slot_field: id
    sets_alive: true
    track_fields:
      - { column: price, scale: 2 }
      - { column: rating, scale: 1, target: stars }
      - { column: stock, scale: 3, target: grams }
index_config:
  filter_fields: [{ name: stars, field_type: single_value }]
  sort_fields: [{ name: price, bits: 40 }, { name: grams, bits: 40 }]
"""

PHASES = """
dump_phases:
  - name: items
    table: item
    copy_query: COPY (SELECT id, PHASE AS cents FROM item) TO STDOUT
    columns: [id, cents]
    slot_field: id
    fields: [{ column: cents, target: price }]
"""

# What no integer field takes becomes null.
PRICES = {
    "19.99": 1999, "-0.5": -50, "0.000": 0, "1234567890.10": 123456789010, "NULL": None,
    "19.999": None, "'NaN'": None, "1e30": None, "0.0000000000000000000001": None,
}  # fmt: skip


class Scale(GalleryCase):
    def setUp(self):
        super().setUp()
        self.create_schema(SCHEMA, TRIGGERS)

    def fields(self, item):
        return self.pipeline.api.get(f"/api/indexes/gallery/entities/{item}")["fields"]

    def check_items(self):
        self.pipeline.wait_until_fresh()
        for item, (price, cents) in enumerate(PRICES.items(), 1):
            fields = self.fields(item)
            self.assertEqual(fields.get("price"), cents, price)
            self.assertEqual((fields["stars"], fields["grams"]), (item * 10 + 5, item * 1000))

    def test_f109_decimals_are_exact_in_integer_fields(self):
        """Ops, an answer and a load hold the scaled value, or a dead letter; a verify finds no
        difference."""
        self.pipeline.start()
        for item, price in enumerate(PRICES, 1):
            self.execute(f"INSERT INTO item VALUES ({item}, 1, {item}.5, {item})")
            self.execute(f"UPDATE item SET price = {price} WHERE id = {item}")
        self.check_items()
        self.execute(
            """INSERT INTO "BitdexOps" (entity_id, ops) SELECT id, '[{"op": "refresh"}]'
               FROM item""")
        self.check_items()
        self.pipeline.producer.command("load", "--fields", "price,stars,grams")
        self.check_items()
        found = verdicts.verify(self.pipeline, self.connection)
        self.assertEqual({partition for partition, _ in found}, set(range(4)))
        self.assertEqual([verdict for _, verdict in found if verdict["differing"]], [])
        self.assertIn("price", found[0][1]["equal"])

    def test_f109_check_compares_a_phase_with_the_scaled_column(self):
        """A phase with another power of ten is named."""
        self.execute("INSERT INTO item VALUES (1, 19.99, 4.5, 1)")
        config = self.pipeline.config.read_text()
        for phase, differs in (("(price * 100)::bigint", False), ("price::bigint", True)):
            self.pipeline.config.write_text(config + PHASES.replace("PHASE", phase))
            done = self.pipeline.producer.command("check", "--json", check=False)
            (found,) = [line for line in json.loads(done.stdout) if line["check"] == "dump phases"]
            if differs:
                self.assertIn("field price of entity 1 is 20 by its dump phase, and 1999",
                              found["message"])
            else:
                self.assertEqual(found["message"], "")


if __name__ == "__main__":
    unittest.main()
