#!/usr/bin/env python3
"""Takes the mends of failures out of the code, one at a time, and lets the random application look
for the fault that returns. It must find each within ten minutes.

    mutations.py [--check] [--seconds 600] [NAME ...]

Each mutation is applied to a copy of the tree in BITDEX_BUILD/mutations, which is built there.
--check only examines that every mutation still applies. run.py says which variables are needed.
"""

import argparse
import dataclasses
import os
import pathlib
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BODY = "producer/triggers/body.c"
OPS = "producer/triggers/row_ops.c"


@dataclasses.dataclass
class Mutation:
    """`old` occurs once in `file` and becomes `new`. `features` are those that show the fault."""

    what: str
    file: str
    old: str
    new: str
    features: str
    options: tuple = ()


STALE = "%sIF _is_row THEN\\n%s    _ops := %s(_new);\\n"
CHILD_MOVES = """    buffer_append_text(&sql, "CASE WHEN ");
    append_named_change(&sql, table, text_of(role->foreign_key));
    buffer_append_text(&sql, " THEN ");"""
INSERT_BEGIN = "    append_versions(out, table, NULL, &new_version);"
READ_RENAMED = "    append_readings(out, table, old, new, true);"
MUTATIONS = {
    "F85": Mutation(
        "an updated row describes itself when it is not the row any more", BODY,
        'group->describes ? "_is_row AND " : ""', 'group->describes && false ? "_is_row AND " : ""',
        "triggers,writers"),
    "F85-insert": Mutation(
        "an inserted row describes itself when it is not the row any more", BODY,
        STALE, STALE.replace("_is_row", "true"),
        "triggers,writers"),
    "F86": Mutation(
        "a child that moves to another parent does not ask", OPS,
        CHILD_MOVES,
        CHILD_MOVES.replace('" THEN "', '" AND false THEN "'), "parents,several"),
    "F87": Mutation(
        "a child that is inserted does not ask", OPS,
        'buffer_append_text(&sql, " IS NULL THEN \'\' ELSE ");',
        'buffer_append_text(&sql, " IS NULL OR true THEN \'\' ELSE ");', "parents,several,loose"),
    "F90": Mutation(
        "a number with a fraction is taken for an integer", "common/base/exact_number.c",
        "number->is_integer = decimal.digits == 0 || (int64_t)decimal.digits <= decimal.point;",
        "number->is_integer = true;", "evil"),
    "F91": Mutation(
        "renamed columns are read by their old names", BODY, READ_RENAMED,
        READ_RENAMED.replace("true", "false"), "ddl"),
    "F92": Mutation(
        "texts are compared by their own collation", OPS,
        'column->identity == IDENTITY_TEXT ? " COLLATE pg_catalog.\\"C\\"" : ""',
        'column->identity == IDENTITY_TEXT ? "" : ""', "identity"),
    "F92-printed": Mutation(
        "numbers are compared by value", OPS,
        "if (column->identity == IDENTITY_IMAGE)",
        "if (column->identity == IDENTITY_IMAGE && false)", "identity"),
    "F93": Mutation(
        "a row that meets its filter again asks for nothing", OPS,
        'concat_literal(&new_only, ",{\\"op\\": \\"refresh\\"}");', "", "filters"),
    "F78": Mutation(
        "a direct row that appears asks for nothing", OPS,
        "for (uint32_t i = 0; i < role->outliving_count; i++)",
        "for (uint32_t i = role->outliving_count; i < role->outliving_count; i++)", "loose,keys"),
    "F78-changed": Mutation(
        "a direct row that appears and is not the row asks for itself alone", BODY,
        "    row_ops_append_ask_enter(out, group);",
        "    row_ops_append_ask(out, group);",
        "duplicates,evil,identity,isolation,keys,loose,maintenance,names,savepoints,triggers,"
        "truncate,writers", ("--seed", "2069086448")),  # one case in hundreds shows it
    "F88": Mutation(
        "the writer's session decides how values are printed", "producer/triggers/generate.c",
        "if (settings.path == NULL && !settings.prints)",
        "if (settings.path == NULL || settings.prints)", "settings"),
    "F89": Mutation(
        "json that jsonb refuses fails the statement", "producer/triggers/row_sql.c",
        "THEN\"\n" + " " * 25 + "\" '{\\\"invalid\\\": \\\"string with a NUL\\\"}'::jsonb\"",
        "AND false THEN\"\n" + " " * 25 + "\" NULL::jsonb\"", "evil"),
    "F94": Mutation(
        "a parent that the filter excludes counts among several", "producer/triggers/select.c",
        """    buffer_append_text(out, " IS NOT NULL");
    row_sql_append_filter(out, entry, ROW);""",
        """    buffer_append_text(out, " IS NOT NULL");
    if (entry->link_count == 0)
        row_sql_append_filter(out, entry, ROW);""", "several,filters"),
    "F95": Mutation(
        "nobody notices that partitions change", "producer/drain/source_watch.c",
        "if (rc == 0 && reason.bytes > 0) {", "if (rc == 0 && reason.bytes > 1u << 30) {",
        "maintenance,partitions,duplicates"),
    "F123": Mutation(
        "a trigger of ours takes a lock", BODY, INSERT_BEGIN,
        INSERT_BEGIN + 'buffer_append_text(out, "PERFORM pg_advisory_xact_lock(1);\\n");',
        "parents,several"),
    "F124": Mutation(
        "a value leaves a join that is not unique by `remove`", OPS,
        """    if (role->is_proved)
        concat_each(&then, "remove", role, ROW);""",
        """    if (role->kind == ROLE_JOIN)
        concat_each(&then, "remove", role, ROW);""", "duplicates"),
}


def read():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("names", nargs="*", default=list(MUTATIONS))
    return parser.parse_args()


def apply(root, mutation):
    """The mutated text; raises ValueError when the place is not found."""
    text = (root / mutation.file).read_text()
    if text.count(mutation.old) != 1:
        raise ValueError(f"{mutation.file} has the text {text.count(mutation.old)} times:"
                         f" {mutation.old}")
    return text.replace(mutation.old, mutation.new)


def copy_tree(target):
    """A copy of what git knows, beside which builds of earlier mutations are kept."""
    target.mkdir(parents=True, exist_ok=True)
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True,
                           check=True).stdout.splitlines()
    for file in files:
        copied, original = target / file, ROOT / file
        if not copied.exists() or copied.read_bytes() != original.read_bytes():
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(original, copied)
    local = target / ".local"
    if not local.exists():
        local.symlink_to(ROOT / ".local")


def build(tree):
    # ccache finds what the other tree has compiled.
    environment = os.environ | {"CCACHE_BASEDIR": str(tree), "CCACHE_NOHASHDIR": "1"}
    for command in (["cmake", "--preset", "dev"],
                    ["cmake", "--build", "--preset", "dev", "-j2", "--target", "bitdex-producer",
                     "bitdex-consumer"]):
        subprocess.run(command, cwd=tree, env=environment, check=True,
                       stdout=subprocess.DEVNULL)


def look(tree, mutation, seconds):
    """Runs the random application until it finds something; returns its output."""
    environment = os.environ | {"BITDEX_BUILD": str(tree / "build" / "dev")}
    command = [sys.executable, str(tree / "tests/application/run.py"), "--seconds", str(seconds),
               "--seed", "1", "--features", mutation.features, *mutation.options]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def run(tree, name, seconds):
    """Whether the fault of one mutation is found."""
    mutation = MUTATIONS[name]
    copy_tree(tree)
    (tree / mutation.file).write_text(apply(tree, mutation))
    build(tree)
    begun = time.monotonic()
    done = look(tree, mutation, seconds)
    found = "FAILED" in done.stdout
    print(f"{name}: {mutation.what}: {'found' if found else 'NOT FOUND'} after"
          f" {time.monotonic() - begun:.0f} s\n{done.stdout if found else done.stderr}", flush=True)
    return found


def main():
    options = read()
    for name in options.names:
        apply(ROOT, MUTATIONS[name])
    if options.check:
        return 0
    tree = pathlib.Path(os.environ["BITDEX_BUILD"]).resolve() / "mutations"
    missed = [name for name in options.names if not run(tree, name, options.seconds)]
    print(f"not found: {', '.join(missed) or 'none'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
