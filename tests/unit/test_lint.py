#!/usr/bin/env python3
"""Each rule of scripts/lint.py finds what it is for, where it is, and leaves the rest alone."""

import pathlib
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import lint  # noqa: E402


def header(guard, body=""):
    return f"/* Test. */\n#ifndef {guard}\n#define {guard}\n{body}\n#endif\n"


def function(lines):
    """A function whose braces and what is between them take so many lines."""
    return "int\nf(void)\n{\n" + "    f();\n" * (lines - 2) + "}\n"


# (rule, line, path, text): the only finding in a tree that holds this file alone.
FOUND = [
    ("format", 2, "common/base/a.c", "int\nf( void)\n{\n    return 0;\n}\n"),
    # include: directions, then names
    ("include", 1, "producer/a.c", '#include "consumer/shard.h"\n'),
    ("include", 1, "consumer/a.c", '#include "producer/drain.h"\n'),
    ("include", 1, "common/base/a.c", '#include "consumer/shard.h"\n'),
    ("include", 1, "common/base/a.c", '#include "producer/drain.h"\n'),
    ("include", 2, "common/base/a.c", '// #include "no.h"\n#include <common/base/b.h>\n'),
    ("include", 1, "common/base/a.c", '#include "b.h"\n'),
    ("include", 1, "tests/unit/a.c", '#include "b.h"\n'),
    # owner: each library, from a place that is not its owner's
    ("owner", 1, "common/pg/a.c", "#include <librdkafka/rdkafka.h>\n"),
    ("owner", 1, "producer/source/a.c", "#include <libpq-fe.h>\n"),
    ("owner", 1, "common/json/a.c", "#include <avro.h>\n"),
    ("owner", 1, "common/json/a.c", "#include <avro/value.h>\n"),
    ("owner", 1, "consumer/query/a.c", "#include <roaring/roaring.h>\n"),
    ("owner", 1, "common/json/a.c", "#include <yaml.h>\n"),
    ("owner", 1, "common/config/a.c", "#include <yajl/yajl_parse.h>\n"),
    ("owner", 1, "consumer/wal/a.c", "#include <isa-l/crc.h>\n"),
    ("owner", 1, "consumer/api/a.c", "#include <microhttpd.h>\n"),
    ("owner", 1, "producer/commands/a.c", "#include <curl/curl.h>\n"),
    # stage
    ("stage", 1, "producer/source/a.c", '#include "producer/sink/sink.h"\n'),
    ("stage", 1, "producer/load/a.c", '#include "producer/triggers/sql.h"\n'),
    ("stage", 1, "consumer/wal/a.c", '#include "consumer/engine/engine.h"\n'),
    ("stage", 1, "consumer/query/a.c", '#include "consumer/engine/engine_internal.h"\n'),
    ("stage", 1, "consumer/engine/a.c", '#include "consumer/query/query.h"\n'),
    ("stage", 1, "consumer/ingest/a.c", '#include "consumer/api/api.h"\n'),
    # length
    ("length", 3, "common/base/a.c", function(71)),
    ("length", 1001, "common/base/a.c", "int a;\n" * 1001),
    ("length", 2, "scripts/a.py", "\n" + "#" * 101 + "\n"),
    ("length", 1, "CMakeLists.txt", "#" * 101 + "\n"),
    # todo: the words are put together here, for this file is linted too
    ("todo", 1, "docs/a.md", "TO" + "DO: later\n"),
    ("todo", 2, "common/base/a.c", "int a;\n/* FIX" + "ME */\n"),
    ("todo", 1, "scripts/a", "# XX" + "X ()\n"),
    # guard
    ("guard", 2, "common/base/a.h", header("BASE_A_H")),
    ("guard", 1, "common/base/a.h", "/* Test. */\nint a;\n"),
    ("guard", 1, "common/base/a.h", header("COMMON_BASE_A_H").replace("/* Test. */", "")),
    # whitespace
    ("whitespace", 1, "docs/a.md", "a\tb\n"),
    ("whitespace", 2, "Makefile", "a:\n\tb \n"),
    ("whitespace", 1, "docs/a.md", "a\r\n"),
]

# (path, text) in which there is nothing to find.
CLEAN = [
    ("common/base/a.h", header("COMMON_BASE_A_H", "int a(void);")),
    ("common/base/a.c", function(70)),
    ("common/base/a.c", '#include "common/base/b.h"\n\n#include <stdio.h>\n'),
    ("common/base/a.c", "// strcpy(a, b)\nconst char *a = \"exit(1)\"; /* system(a) */\n"),
    ("common/base/a.c", "int b(void) __attribute__((x));\nint c = d->system(1) + e.exit(2);\n"),
    ("common/base/a.c", "int a; /* TO" "DO(no such field yet) */\n"),
    ("common/base/check.c", "void\nf(void)\n{\n    abort();\n}\n"),
    ("common/pg/pg.c", "#include <libpq-fe.h>\n"),
    ("producer/main.c", '#include "producer/sink/sink.h"\n\nint a = exit(1);\n'),
    ("producer/commands/run.c", '#include "producer/sink/sink.h"\n'),
    ("producer/sink/a.c", '#include "producer/sink/sink.h"\n'),
    ("producer/sink/a.c", '#include "producer/settings.h"\n'),
    ("consumer/query/a.c", '#include "consumer/engine/engine.h"\n'),
    ("tests/unit/a.c", '#include "consumer/wal/wal.h"\n\n#include <avro.h>\n'),
    ("tests/unit/a.c", "int a = assert(0);\n"),
    ("docs/a.md", "#" * 200 + "\n"),
    ("Makefile", "a:\n\tb\n"),
    ("data.bin", "\ud800\t \n"),  # not UTF-8, so no text
]


class LintTest(unittest.TestCase):
    def lint(self, files):
        """(path, line, rule) of what is found in a tree that holds `files`, names to texts."""
        with tempfile.TemporaryDirectory() as name:
            root = pathlib.Path(name)
            (root / ".clang-format").write_bytes((ROOT / ".clang-format").read_bytes())
            for path, text in files.items():
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_bytes(text.encode(errors="surrogatepass"))
            return [finding[:3] for finding in lint.check(root)]

    def test_finds(self):
        for rule, line, path, text in FOUND:
            with self.subTest(rule=rule, path=path, text=text[:60]):
                self.assertEqual([(path, line, rule)], self.lint({path: text}))

    def test_leaves_alone(self):
        for path, text in CLEAN:
            with self.subTest(path=path, text=text[:60]):
                self.assertEqual([], self.lint({path: text}))

    def test_finds_every_banned_call(self):
        for name in [*lint.BANNED, *lint.BANNED_ELSEWHERE]:
            with self.subTest(name=name):
                found = self.lint({"producer/a.c": f"int a = {name}(1);\n"})
                self.assertEqual([("producer/a.c", 1, "banned")], found)

    def test_wants_the_own_header_first(self):
        own = {
            "common/base/a.h": header("COMMON_BASE_A_H"),
            "common/base/b_internal.h": header("COMMON_BASE_B_INTERNAL_H"),
        }
        late = '#include <stdio.h>\n\n#include "common/base/a.h"\n'
        self.assertEqual(
            [("common/base/a.c", 1, "own-header"), ("common/base/b.c", 1, "own-header")],
            self.lint(own | {"common/base/a.c": late, "common/base/b.c": "int b;\n"}),
        )
        first = '#include "common/base/{}"\n\n#include <stdio.h>\n'
        good = {
            "common/base/a.c": first.format("a.h"),
            "common/base/b.c": first.format("b_internal.h"),
        }
        self.assertEqual([], self.lint(own | good))

    def test_every_rule_is_tested(self):
        elsewhere = {"banned", "own-header"}
        self.assertEqual({"format", *lint.RULES}, {found[0] for found in FOUND} | elsewhere)


if __name__ == "__main__":
    unittest.main()
