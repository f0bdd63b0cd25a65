"""Measures the pipeline and, in the same run, what the machine and the libraries can do alone.

    scripts/bench [--only SECTION ...] [--large] [--images N]
    scripts/bench --quick
    scripts/bench --document

Prints a table of ratios, and writes it to .local/bench/results.json (measure.py has its form). A
section that fails is reported, and the others continue; a section that is measured again replaces
its rows in the file. Machines are noisy: compare ratios, not seconds.

--quick measures small sizes of some sections, and compares their ratios
with those of bench/quick.json. It exits with 1 if one is worse by more than a factor of 2. With
--accept it writes that file instead. --document measures nothing: it writes the last figures of
all sections into docs/PERFORMANCE.md.

Each section is a module of this directory: see the beginning of its file.
"""

import argparse
import contextlib
import os
import pathlib
import sys
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "scripts"))

import backlog  # noqa: E402
import compaction  # noqa: E402
import entities  # noqa: E402
import fan_outs  # noqa: E402
import guards  # noqa: E402
import isolation  # noqa: E402
import latency  # noqa: E402
import load_http  # noqa: E402
import loading  # noqa: E402
import measure  # noqa: E402
import partitions  # noqa: E402
import polls  # noqa: E402
import refresh  # noqa: E402
import restart  # noqa: E402
import scene  # noqa: E402
import stages  # noqa: E402
import triggers  # noqa: E402
import verify  # noqa: E402

# In this order. Those that need no servers are first.
SECTIONS = {module.__name__: module.run for module in (
    compaction, entities, fan_outs, load_http, backlog, latency, polls, partitions, restart,
    triggers, isolation, loading, refresh, verify, guards, stages)}
QUICK = ["compaction", "entities", "fan_outs", "load_http", "backlog", "latency", "polls"]
HERE = pathlib.Path(__file__).resolve().parent
QUICK_ROWS = HERE / "quick.json"
DOCUMENT = HERE.parent / "docs" / "PERFORMANCE.md"


def run_section(name, where):
    """Its rows, and when and how they were measured."""
    about = {"measured_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
             "cores": os.cpu_count(), "load_average": round(os.getloadavg()[0], 1)}
    begin = time.monotonic()
    rows = []
    print(f"{name} (load average {about['load_average']})", flush=True)
    try:
        for one in SECTIONS[name](where):
            rows.append(one)
            measure.print_rows([one])
    except Exception as error:  # the other sections continue, and the end reports it
        traceback.print_exc()
        about["error"] = f"{type(error).__name__}: {error}"
    about["seconds"] = round(time.monotonic() - begin)
    print(f"  {about['seconds']} s", flush=True)
    return rows, about


def run_sections(names, where, results):
    """Returns the names of those that have failed."""
    failed = []
    for name in names:
        rows, about = run_section(name, where)
        results.put(name, rows, about)
        if "error" in about:
            failed.append(name)
            print(f"bench: {name} has failed: {about['error']}", file=sys.stderr, flush=True)
    return failed


def compare(names, results):
    """Prints what is worse than what was committed; returns whether anything is."""
    committed = measure.Results(QUICK_ROWS, SECTIONS).rows
    found = False
    for one, old in measure.worse_than([row for row in results.rows if row["section"] in names],
                                       [row for row in committed if row["section"] in names]):
        found = True
        now = "not measured" if one is None else f"{measure.number(one['ratio'])} now"
        print(f"worse: {old['section']}: {old['name']}, over {old['compared_with']}: {now},"
              f" {measure.number(old['ratio'])} in {QUICK_ROWS.name}")
    return found


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--only", nargs="+", choices=SECTIONS, metavar="SECTION",
                        help=f"run these sections: {', '.join(SECTIONS)}")
    parser.add_argument("--quick", action="store_true",
                        help="small sizes; exit with 1 if a ratio is worse than bench/quick.json")
    parser.add_argument("--accept", action="store_true",
                        help="with --quick: write bench/quick.json")
    parser.add_argument("--document", action="store_true",
                        help="only write what was measured into docs/PERFORMANCE.md")
    parser.add_argument("--large", action="store_true",
                        help="also the sizes that take several minutes and gigabytes")
    parser.add_argument("--images", type=int,
                        help="images of loading, refresh and verify, with 20 tags each")
    arguments = parser.parse_args()
    if arguments.accept and not arguments.quick:
        parser.error("--accept needs --quick")
    return arguments


def main():
    arguments = parse_arguments()
    scene.HOME.mkdir(parents=True, exist_ok=True)
    names = arguments.only or (QUICK if arguments.quick else list(SECTIONS))
    path = scene.HOME / ("quick.json" if arguments.quick else "results.json")
    results = measure.Results(path, SECTIONS)
    if arguments.document:
        measure.document(results, DOCUMENT)
        return 0
    with contextlib.ExitStack() as stack:
        where = scene.Scene(stack, arguments.quick)
        where.images, where.is_large = arguments.images, arguments.large
        failed = run_sections(names, where, results)
    print(f"written to {path}", flush=True)
    if arguments.accept and not failed:
        QUICK_ROWS.write_text(path.read_text())
    elif arguments.quick and compare(names, results):
        return 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
