#!/usr/bin/env python3
"""Each rule of scripts/lint.py finds what it is for, where it is, and leaves the rest alone."""

import pathlib
import re
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import lint  # noqa: E402
import rooms  # noqa: E402


def header(guard, body=""):
    return f"/* Test. */\n#ifndef {guard}\n#define {guard}\n{body}\n#endif\n"


def function(lines):
    """A function whose braces and what is between them take so many lines."""
    return "int\nf(void)\n{\n" + "    f();\n" * (lines - 2) + "}\n"


# (rule, line, path, text): the only finding in a tree that holds this file alone.
FOUND = [
    ("format", 2, "common/base/a.c", "int\nf( void)\n{\n    return 0;\n}\n"),
    # include: how a header is named
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
    # words: in one line, over two lines of a comment, in an identifier; "behind" without lag
    ("words", 1, "docs/a.md", "It is made again, ane" + "w.\n"),
    ("words", 1, "common/base/a.c", "/* It stan" + "ds\n * at 3. */\n"),
    ("words", 1, "common/base/a.c", "int worker_set_wel" + "l;\n"),
    ("words", 2, "docs/a.md", "It is\nbehi" + "nd the offset.\n"),
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
    ("producer/main.c", '#include "producer/commands/commands.h"\n\nint a = exit(1);\n'),
    ("producer/commands/run.c", '#include "producer/sink/sink.h"\n'),
    ("producer/sink/a.c", '#include "producer/sink/sink.h"\n'),
    ("consumer/query/a.c", '#include "consumer/engine/engine.h"\n'),
    ("tests/unit/a.c", '#include "consumer/wal/wal.h"\n\n#include <avro.h>\n'),
    ("tests/unit/a.c", "int a = assert(0);\n"),
    ("docs/a.md", "#" * 200 + "\n"),
    ("docs/a.md", "The index is 3 rows behind; it falls behind. The standstill ends.\n"),
    ("Makefile", "a:\n\tb\n"),
    ("data.bin", "\ud800\t \n"),  # not UTF-8, so no text
]


# A tree that the map accepts, and what each change of it adds to the findings.
GOOD_MAP = {
    "consumer/main.c": '#include "consumer/commands/commands.h"\n',
    "consumer/commands/commands.h": header("CONSUMER_COMMANDS_COMMANDS_H", "int run(void);"),
    "consumer/commands/commands.c": '#include "consumer/commands/commands.h"\n\n'
    '#include "consumer/query/query.h"\n#include "consumer/wal/wal.h"\n',
    "consumer/query/query.h": header("CONSUMER_QUERY_QUERY_H", "int query_run(void);"),
    "consumer/query/query.c": '#include "consumer/query/query.h"\n\n'
    '#include "consumer/engine/engine.h"\n',
    "consumer/wal/wal.h": header("CONSUMER_WAL_WAL_H", "int wal_open(void);"),
    "consumer/engine/engine.h": header("CONSUMER_ENGINE_ENGINE_H", "int engine_run(void);"),
    "common/base/error.h": header("COMMON_BASE_ERROR_H", "int error_set(void);"),
    "common/json/json.c": '#include "common/base/error.h"\n',
    "producer/sink/sink.h": header("PRODUCER_SINK_SINK_H", "int sink_run(void);"),
}
OTHER_H = header("CONSUMER_WAL_OTHER_H", "int other_run(void);")


def wal_includes(included):
    return {"consumer/wal/wal.c": f'#include "consumer/wal/wal.h"\n\n#include "{included}"\n'}


def room(name, uses=""):
    return f"bitdex_room({name} SOURCES a.c{' USES ' + uses if uses else ''})\n"


# (what is wrong, rule, path of the finding, files that are added or changed)
BAD_MAPS = [
    ("an include of a room above", "map", "consumer/wal/CMakeLists.txt",
     wal_includes("consumer/commands/commands.h")),
    ("an include of a stage beside it", "map", "consumer/wal/CMakeLists.txt",
     wal_includes("consumer/engine/engine.h")),
    ("an include of a level that is equal", "map", "consumer/wal/CMakeLists.txt",
     wal_includes("consumer/query/query.h")),
    ("an include of the other program", "map", "consumer/wal/CMakeLists.txt",
     wal_includes("producer/sink/sink.h")),
    ("an include upwards inside common/", "map", "common/base/CMakeLists.txt",
     {"common/json/text.h": header("COMMON_JSON_TEXT_H"),
      "common/base/b.c": '#include "common/json/text.h"\n'}),
    ("an include from common/ of a program", "map", "common/base/CMakeLists.txt",
     {"common/base/b.c": '#include "producer/sink/sink.h"\n'}),
    ("a room that is used and not declared", "map", "consumer/query/query.c",
     {"consumer/query/CMakeLists.txt": room("consumer_query")}),
    ("a room that is declared and not used", "map", "consumer/wal/CMakeLists.txt",
     {"consumer/wal/CMakeLists.txt": room("consumer_wal", "common_base")}),
    ("a directory that is no room", "map", "consumer/query/query.c",
     {"consumer/query/CMakeLists.txt": ""}),
    ("a room without a place in the order", "map", "consumer/attic/CMakeLists.txt",
     {"consumer/attic/a.c": "int a;\n"}),
    ("a room with another name", "map", "consumer/query/CMakeLists.txt",
     {"consumer/query/CMakeLists.txt": room("consumer_queries", "consumer_engine")}),
    ("a header directly in a program's directory", "map", "consumer/shard.h",
     {"consumer/shard.h": header("CONSUMER_SHARD_H")}),
    ("an include by main.c of the other program", "map", "consumer/main.c",
     {"consumer/main.c": '#include "producer/sink/sink.h"\n'}),
    ("rooms that use each other", "circle", "consumer/engine/CMakeLists.txt",
     {"consumer/engine/a.c": '#include "consumer/query/query.h"\n'}),
    ("modules that include each other", "circle", "consumer/wal/other.h",
     {"consumer/wal/other.h": OTHER_H, "consumer/wal/other.c":
      '#include "consumer/wal/other.h"\n\n#include "consumer/wal/wal.h"\n',
      **wal_includes("consumer/wal/other.h")}),
    ("modules that call each other through a shared header", "circle", "consumer/wal/one.c",
     {"consumer/wal/wal_internal.h": header("CONSUMER_WAL_WAL_INTERNAL_H", "int one(void);"),
      "consumer/wal/one.c": '#include "consumer/wal/wal_internal.h"\n\n'
      "int\none(void)\n{\n    return two();\n}\n",
      "consumer/wal/two.c": '#include "consumer/wal/wal_internal.h"\n\n'
      "int\ntwo(void)\n{\n    return one();\n}\n"}),
    ("an order that the architecture does not draw", "map", "docs/ARCHITECTURE.md",
     {"docs/ARCHITECTURE.md": "\n".join(rooms.ORDER[1:]) + "\n"}),
]


GLOSSARY = (ROOT / "docs" / "GLOSSARY.md").read_text()


def declared_rooms(files):
    """A CMakeLists.txt for each room of `files` that lacks one; it uses what they include."""
    uses = {}
    for path, text in files.items():
        directory = path.rpartition("/")[0]
        if path.startswith(rooms.PROGRAMS) and "/" in directory and path.endswith((".c", ".h")):
            found = re.findall(r'^#include "([^"]+)/[^/"]+"', text, re.M)
            uses.setdefault(directory, set()).update(set(found) - {directory})
    return {
        f"{directory}/CMakeLists.txt": room(
            rooms.room_name(directory), " ".join(sorted(map(rooms.room_name, used)))
        )
        for directory, used in uses.items()
        if directory in rooms.LEVELS or f"{directory}/CMakeLists.txt" not in files
    }


class LintTest(unittest.TestCase):
    def lint(self, files):
        """(path, line, rule) of what is found in a tree that holds `files`, names to texts."""
        with tempfile.TemporaryDirectory() as name:
            root = pathlib.Path(name)
            files = {**declared_rooms(files), "docs/GLOSSARY.md": GLOSSARY, **files}
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
                found = self.lint({"producer/sink/a.c": f"int a = {name}(1);\n"})
                self.assertEqual([("producer/sink/a.c", 1, "banned")], found)

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

    def test_finds_what_the_map_forbids(self):
        self.assertEqual([], self.lint(GOOD_MAP))
        for what, rule, path, change in BAD_MAPS:
            with self.subTest(what):
                found = {(name, kind) for name, _, kind in self.lint({**GOOD_MAP, **change})}
                self.assertIn((path, rule), found)
                others = {(name, kind) for name, kind in found if kind not in {"map", "circle"}}
                self.assertEqual(set(), others)

    def test_finds_every_banned_word(self):
        words = lint.read_banned_words(GLOSSARY)
        self.assertGreater(len(words), 20)
        for phrase in words:
            with self.subTest(phrase=phrase):
                found = self.lint({"docs/a.md": f"Here: {phrase}.\n"})
                self.assertIn(("docs/a.md", 1, "words"), found)

    def test_measures(self):
        with tempfile.TemporaryDirectory() as name:
            path = pathlib.Path(name) / "common" / "base" / "a.c"
            path.parent.mkdir(parents=True)
            path.write_text("int\nf(void)\n{\n    CHECK(1);\n    return 0;\n}\n")
            figures = dict(lint.measure(pathlib.Path(name)))
        self.assertEqual(1, figures["functions"])
        self.assertEqual(2, figures["lines a function, longest"])
        self.assertEqual("1.00", figures["checks a function, common"])

    def test_every_rule_is_tested(self):
        elsewhere = {"banned", "own-header"}
        found = {rule for rule, *_ in FOUND}
        self.assertEqual({"format", "words", *lint.RULES}, found | elsewhere)


if __name__ == "__main__":
    unittest.main()
