#!/usr/bin/env python3
"""Takes guards out of the code, one at a time, and lets the random operator look for the fault that
returns. It must find each.

    mutations.py [--check] [NAME ...]

Each mutation is applied to a copy of the tree in BITDEX_BUILD/operator-mutations, which is built
there. --check only examines that every mutation still applies. README.md says which variables are
needed.
"""

import argparse
import dataclasses
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
TRIES = 3  # seeds: a fault needs a row in the right place


@dataclasses.dataclass
class Mutation:
    """Each `old` occurs once in its file and becomes `new`. `acts` are those that must find it."""

    what: str
    edits: tuple  # of (file, old, new)
    acts: str


SESSION = "producer/drain/session.c"
MUTATIONS = {
    "again": Mutation(
        "guards of the source are asked once", (
            (SESSION, "        rc = session_ask_guards(session, err);", "        rc = 0;"),
        ), "sequence_caches,outbox_is_unlogged"),
    "rival": Mutation(
        "nobody looks for a rival, neither in the gaps nor by the ticks", (
            (SESSION, "if (topic_watch_find(session->watch, &rival))", "if (false)"),
            ("consumer/partition/sequence.c", "if (by != NULL && event->tick > by->tick)",
             "if (by != NULL && event->tick > by->tick && false)"),
        ), "quiet_database_is_copied"),
    "truncated": Mutation(
        "a row that was sent later shows that the outbox was not truncated", (
            ("producer/source/outbox_signature.c", "(b.signature->>'row')::bigint",
             "(now.signature->>'row')::bigint"),
        ), "outbox_is_truncated"),
    "topic": Mutation(
        "the topic is asked for once", (
            (SESSION, "return topic_watch_check(session->watch, err);", "return 0;"),
        ), "topic_is_compacted"),
    "difference": Mutation(
        "a topic that differs from the configuration is ignored", (
            ("producer/sink/topic_watch.c", 'log_warn("drain", "%s", difference);', ""),
        ), "retention_is_lowered"),
    "ahead": Mutation(
        "what is on the topic is not compared with the cursor", (
            ("producer/sink/topic_check.c", "    if (later)\n", "    if (later && false)\n"),
        ), "disk_is_set_back"),
    "standby": Mutation(
        "a connection does not ask which server it has reached", (
            ("producer/source/source_connection.c", "    rc = ask(*pg, expected, err);\n", ""),
        ), "through_a_balancer"),
    "pooler": Mutation(
        "a pooler is not refused", (
            ("common/pg/pg.c", "    if (is_direct)\n", "    if (is_direct || true)\n"),
            ("producer/source/guards.c", "    if (direct)\n", "    if (direct || true)\n"),
        ), "through_a_pooler"),
}


def read():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("names", nargs="*", default=list(MUTATIONS))
    return parser.parse_args()


def apply(root, mutation):
    """{file: mutated text}; raises ValueError when a place is not found."""
    texts = {}
    for file, old, new in mutation.edits:
        text = texts.get(file) or (root / file).read_text()
        if text.count(old) != 1:
            raise ValueError(f"{file} has the text {text.count(old)} times: {old}")
        texts[file] = text.replace(old, new)
    return texts


def copy_tree(copy):
    shutil.rmtree(copy, ignore_errors=True)
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True)
    for name in filter(None, files.stdout.decode().split("\0")):
        target = copy / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target)
    (copy / ".local").symlink_to(ROOT / ".local")


def build(copy):
    quiet = {"cwd": copy, "check": True, "stdout": subprocess.DEVNULL}
    if not (copy / "build/dev").exists():
        subprocess.run(["cmake", "--preset", "dev"], **quiet)
    subprocess.run(["cmake", "--build", "--preset", "dev", "--target", "bitdex-producer",
                    "bitdex-consumer"], **quiet)


def finds(copy, mutation):
    """Does the operator fail with one of the seeds?"""
    environment = os.environ | {
        "BITDEX_BUILD": str(copy / "build/dev"), "BITDEX_ACTS": mutation.acts,
        "BITDEX_SECONDS": "1",
    }
    for seed in range(TRIES):
        done = subprocess.run(
            [sys.executable, "-m", "unittest", "test_operator"], cwd=ROOT / "tests/operator",
            env=environment | {"BITDEX_SEED": str(seed)}, capture_output=True, text=True,
        )
        if done.returncode != 0:
            print(done.stderr.strip().splitlines()[-4:], flush=True)
            return True
    return False


def main():
    arguments = read()
    missed = []
    if arguments.check:
        for name in arguments.names:
            apply(ROOT, MUTATIONS[name])
        return 0
    copy = pathlib.Path(os.environ["BITDEX_BUILD"]).resolve() / "operator-mutations"
    copy_tree(copy)
    for name in arguments.names:
        mutation = MUTATIONS[name]
        texts = apply(copy, mutation)
        before = {file: (copy / file).read_text() for file in texts}
        for file, text in texts.items():
            (copy / file).write_text(text)
        build(copy)
        print(f"{name}: {mutation.what}: ", end="", flush=True)
        if not finds(copy, mutation):
            print("NOT FOUND", flush=True)
            missed.append(name)
        for file, text in before.items():
            (copy / file).write_text(text)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
