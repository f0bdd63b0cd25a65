"""`bitdex-producer check` names what a load will lack, before somebody starts one."""

import json
import re
import unittest

import gallery
from case import GalleryCase

CREATE_INDEX = r"CREATE INDEX CONCURRENTLY ON .*\)"


class Check(GalleryCase):
    def execute(self, statement):
        with self.pipeline.connect(autocommit=True) as connection:
            connection.execute(statement)

    def check(self, code=0):
        """{name: [(result, message)]}"""
        done = self.pipeline.producer.command("check", "--json", check=False)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        answers = {}
        for line in json.loads(done.stdout):
            answers.setdefault(line["check"], []).append((line["result"], line["message"]))
        return answers

    def test_missing_indexes(self):
        """A table without an index on its slot is a problem, a child table without one on its
        parent a note; the statement in the message creates what is missing."""
        self.create_tables()
        self.execute('ALTER TABLE "ImageTool" DROP CONSTRAINT "ImageTool_pkey"')
        self.execute('DROP INDEX "Image_postId_idx"')
        self.pipeline.producer.command("triggers", "apply")  # the key has changed a trigger
        answers = self.check(code=1)["loading"]
        problems = [message for result, message in answers if result == "problem"]
        notes = [message for result, message in answers if result == "note"]
        self.assertEqual(len(problems), 1, answers)
        (index,) = re.findall(CREATE_INDEX, problems[0])
        self.assertEqual(index, 'CREATE INDEX CONCURRENTLY ON "public"."ImageTool" ("imageId")')
        self.execute(index)
        (index,) = re.findall(CREATE_INDEX, "\n".join(notes))
        self.assertEqual(index, 'CREATE INDEX CONCURRENTLY ON "public"."Image" ("postId", "id")')
        self.execute(index)
        answers = self.check()["loading"]
        self.assertNotIn("CREATE INDEX", str(answers))
        self.assertEqual(answers[-1][0], "ok")

    def test_fan_outs_that_only_the_index_resolves(self):
        """A fan-out without `children` is named, because no range of it can be loaded. `check` says
        so before `init` as well."""
        with self.pipeline.connect() as connection:
            gallery.create_tables(connection)
        answers = self.check(code=1)
        self.assertIn("run bitdex-producer init", answers["outbox"][0][1])
        self.assertIn("a row of Model", answers["loading"][0][1])
        self.pipeline.init()
        gallery.create_triggers(self.pipeline)
        answers = self.check()["loading"]
        self.assertEqual([result for result, _ in answers], ["note", "ok"])
        self.assertIn("a row of Model", answers[0][1])


if __name__ == "__main__":
    unittest.main()
