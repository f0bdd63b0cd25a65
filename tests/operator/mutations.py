#!/usr/bin/env python3
"""Takes guards out of the code, one at a time, and runs the tests, and the acts of the random
operator, that must find the fault that returns. Each must fail.

    mutations.py [--check] [NAME ...]

Each removal (removals.py) is applied to a copy of the tree in BITDEX_BUILD/operator-mutations,
which is built there, and taken back afterwards. --check only examines that every removal still
applies. README.md says which variables are needed.
"""

import argparse
import filecmp
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

from removals import REMOVALS

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TRIES = 3  # seeds of the operator: a fault needs a row in the right place
WAIT_S = os.environ.get("BITDEX_WAIT_S", 70)  # for what does not happen without the guard
REASON_CHARACTERS = 100


def read():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--no-acts", action="store_true", help="only the tests, which are faster")
    parser.add_argument("--no-tests", action="store_true", help="only the acts")
    parser.add_argument("names", nargs="*", default=list(REMOVALS))
    return parser.parse_args()


def mutate(root, removal):
    """{file: its text without the guard}; raises ValueError when a place is not found."""
    texts = {}
    for file, old, new in removal.edits:
        text = texts.get(file) or (root / file).read_text()
        if text.count(old) != 1:
            raise ValueError(f"{file} has the text {text.count(old)} times: {old}")
        texts[file] = text.replace(old, new)
    return texts


def parse_test(name):
    """integration/test_a.py::test_b as (kind, module, function); the function may be missing."""
    path, _, function = name.partition("::")
    kind, _, file = path.partition("/")
    return kind, file.partition(".")[0], function


def check(removal):
    """Raises ValueError when a test of the removal does not exist."""
    mutate(ROOT, removal)
    assert removal.tests or removal.acts
    for name in removal.tests:
        path, _, function = name.partition("::")
        if function not in (ROOT / "tests" / path).read_text():
            raise ValueError(f"no test {name}")


def copy_tree(copy):
    """What the copy has built already is built again only where a file differs."""
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True)
    for name in filter(None, files.stdout.decode().split("\0")):
        target = copy / name
        if target.exists() and filecmp.cmp(ROOT / name, target, shallow=False):
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target)
    if not (copy / ".local").exists():
        (copy / ".local").symlink_to(ROOT / ".local")
    subprocess.run(["cmake", "--preset", "dev"], cwd=copy, check=True, stdout=subprocess.DEVNULL)


def build(copy, tests):
    targets = {"bitdex-producer", "bitdex-consumer", "wall_clock"}
    targets |= {module for kind, module, _ in map(parse_test, tests) if kind == "unit"}
    command = ["cmake", "--build", "--preset", "dev", "--target", *sorted(targets)]
    return subprocess.run(command, cwd=copy, stdout=subprocess.DEVNULL).returncode == 0


def run(command, copy, directory, **variables):
    variables |= {"BITDEX_BUILD": str(copy / "build/dev"), "BITDEX_WAIT_S": str(WAIT_S)}
    return subprocess.run(command, cwd=directory, env=os.environ | variables, capture_output=True,
                          text=True, check=False)


def fails_unit(copy, module, function):
    done = run([copy / "build/dev/tests/unit" / module], copy, copy)
    said = done.stdout + done.stderr
    failed = [line for line in said.splitlines() if "FAILED" in line or "CHECK" in line]
    has_failed = done.returncode != 0 and any(function in line for line in failed)
    return has_failed, failed[0] if failed else said[-REASON_CHARACTERS:]


def last_line(done):
    lines = [line for line in done.stderr.splitlines() if re.match(r"[\w.]*(Error|Expired)", line)]
    return lines[-1] if lines else done.stderr.strip().splitlines()[-1]


def fails_integration(copy, module, function):
    command = [sys.executable, "-m", "unittest", "-k", function, module]
    done = run(command, copy, ROOT / "tests/integration")
    ran = "Ran 1 test" in done.stderr
    return ran and done.returncode != 0, last_line(done)


def fails_acts(copy, acts):
    of_consumer = f"def {acts.partition(',')[0]}(" in (HERE / "consumer_acts.py").read_text()
    module = "test_consumer_operator" if of_consumer else "test_operator"
    for seed in range(TRIES):
        done = run([sys.executable, "-m", "unittest", module], copy,
                   ROOT / "tests/operator", BITDEX_ACTS=acts, BITDEX_SECONDS="1",
                   BITDEX_SEED=str(seed))
        if done.returncode != 0:
            break
    return done.returncode != 0, last_line(done)


def fails(copy, name):
    kind, module, function = parse_test(name)
    if kind == "acts":
        return fails_acts(copy, function)
    return (fails_unit if kind == "unit" else fails_integration)(copy, module, function)


def finders(removal, arguments):
    """What has to find the removal: tests, and the acts as if they were one."""
    acts = [f"acts::{removal.acts}"] if removal.acts and not arguments.no_acts else []
    return ([] if arguments.no_tests else list(removal.tests)) + acts


def examine(copy, name, removal, tests):
    """Builds the copy without the guard, and prints a row of a table for each test. Returns what
    has not found it."""
    texts = mutate(copy, removal)
    before = {file: (copy / file).read_text() for file in texts}
    missed = []
    try:
        for file, text in texts.items():
            (copy / file).write_text(text)
        if not build(copy, tests):
            print(f"| {name} | | DOES NOT BUILD | | |", flush=True)
            return [name]
        for test in tests:
            begun = time.monotonic()
            found, why = fails(copy, test)
            print(f"| {name} | `{test}` | {'fails' if found else 'NOT FOUND'} |"
                  f" {time.monotonic() - begun:.0f} s | {why[:REASON_CHARACTERS]} |", flush=True)
            missed += [] if found else [f"{name}: {test}"]
    finally:
        for file, text in before.items():
            (copy / file).write_text(text)
    return missed


def main():
    arguments = read()
    missed = []
    for name in arguments.names:
        check(REMOVALS[name])
    if arguments.check:
        return 0
    copy = pathlib.Path(os.environ["BITDEX_BUILD"]).resolve() / "operator-mutations"
    copy_tree(copy)
    for name in arguments.names:
        missed += examine(copy, name, REMOVALS[name], finders(REMOVALS[name], arguments))
    print(f"{len(arguments.names)} removals, {len(missed)} tests without effect {missed}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
