#!/usr/bin/env python3
"""Runs random applications until one shows a fault, or the time is over.

    run.py [--seconds 60] [--seed S] [--cases N] [--features a,b] [--without c,d] [--shrink]
           [--alone] [--keep-going] [--actions 150] [--servers DIR]

README.md has the whole. Each case has the seed S, S + 1, ...; `--cases 1` repeats one. A case that
fails prints its seed, its tables and configuration, and its last actions.
"""

import argparse
import os
import pathlib
import random
import sys
import time

import random_case
import pipeline
import servers


def parse():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float,
                        default=float(os.environ.get("BITDEX_SECONDS", 60)))
    parser.add_argument("--seed", type=int,
                        default=int(os.environ.get("BITDEX_SEED", random.randrange(1 << 32))))
    parser.add_argument("--cases", type=int, default=1 << 30)
    parser.add_argument("--actions", type=int, default=random_case.ACTIONS)
    parser.add_argument("--features")
    parser.add_argument("--without", default="")
    parser.add_argument("--alone", action="store_true",
                        help="skip the runs without our triggers")
    parser.add_argument("--shrink", action="store_true")
    parser.add_argument("--keep-going", action="store_true")
    parser.add_argument("--servers", default=os.environ.get("BITDEX_SERVERS"))
    return parser.parse_args()


def write_report(one, text):
    """Writes the report of a failure beside the build; returns its path."""
    path = pipeline.BUILD / "application" / f"{one.seed}.txt"
    path.write_text(f"{one.summary()}\n{text}\n")
    return path


def main():
    options = parse()
    home = pathlib.Path(options.servers or pipeline.BUILD / "servers")
    pair = [servers.Postgres(home / "postgres"), servers.Kafka(home / "kafka")]
    servers.both(servers.Server.start, pair)
    begun = time.monotonic()
    failed = 0
    for number in range(options.cases):
        if number and time.monotonic() - begun > options.seconds:
            break
        one = random_case.Case(options.seed + number, pair, options.actions, options.features,
                        options.without, options.alone)
        error = one.run_confirmed()
        print(f"{time.monotonic() - begun:.0f} s: {'FAILED ' if error else ''}{one.summary()}",
              flush=True)
        if error is None:
            continue
        failed += 1
        print(one.headline(error), flush=True)
        write_report(one, one.report(error))
        if options.shrink:
            print(write_report(one, one.shrink()), flush=True)
        if not options.keep_going:
            break
    print(f"{failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
