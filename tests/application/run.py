#!/usr/bin/env python3
"""Runs random applications until one shows a fault, or the time is over.

    run.py [--seconds 60] [--seed S] [--cases N] [--features a,b] [--without c,d] [--shrink]
           [--keep-going] [--actions 150] [--servers DIR]

README.md has the whole. Each case has the seed S, S + 1, ...; `--cases 1` repeats one. A case that
fails prints its seed, its tables and configuration, and its last actions.
"""

import argparse
import os
import pathlib
import random
import sys
import time
import traceback

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
    parser.add_argument("--shrink", action="store_true")
    parser.add_argument("--keep-going", action="store_true")
    parser.add_argument("--servers", default=os.environ.get("BITDEX_SERVERS"))
    return parser.parse_args()


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
                        options.without)
        try:
            one.run()
            print(f"{time.monotonic() - begun:.0f} s: {one.summary()}", flush=True)
        except Exception as error:
            failed += 1
            print(f"{time.monotonic() - begun:.0f} s: FAILED {one.summary()}", flush=True)
            print(one.headline(error), flush=True)
            path = pipeline.BUILD / "application" / f"{one.seed}.txt"
            path.write_text(f"{one.summary()}\n{one.report(error)}\n")
            if not isinstance(error, AssertionError):
                traceback.print_exc()
            if options.shrink:
                print(one.shrink(), flush=True)
            if not options.keep_going:
                break
    print(f"{failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
