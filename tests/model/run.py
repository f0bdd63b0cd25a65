"""Command line: python3 run.py SCENARIO [-n schedules] [-s first seed] [-m mutation] [-k steps] [-o
key=value] [--trace]"""

import argparse
import sys
import time
import traceback
from cons import Violation
from world import World, config, schedule

SCEN = {
    "core": dict(),
    "crash": dict(dbcrash=True),
    "trunc": dict(truncate=True, retain=True),
    "chunk": dict(jobs=True, damage=True, pre=True),
    "live": dict(jobs=True, pre=True, dbcrash=True),
    "pass": dict(jobs=True, pre=True, dbcrash=True, passes=True),
    "passfail": dict(
        jobs=True, pre=True, dbcrash=True, passes=True, failover=True, truncate=True, retain=True
    ),
    "fail": dict(failover=True, jobs=True, pre=True, dbcrash=True),
    "roll": dict(failover=True, rollback=True, jobs=True),
    "ref": dict(refresh=True, dbcrash=True, owed_max=2),
    "refjob": dict(refresh=True, jobs=True, pre=True, dbcrash=True),
    "loss": dict(failover=True, jobs=True, refresh=True, dbcrash=True, lossless="topic"),
    "split": dict(split=True, failover=True, jobs=True, lossless="topic"),
    "clone": dict(clone=True),
    "reftrunc": dict(
        refresh=True, truncate=True, retain=True, jobs=True, sums=True, owed_max=2, owes_max=4
    ),
    "sum": dict(jobs=True, damage=True, pre=True, sums=True, refresh=True, dbcrash=True),
    "own": dict(parents="refresh", by="rows", dbcrash=True, jobs=True, sums=True, owed_max=2),
    "source": dict(source=True, jobs=True, pre=True, dbcrash=True),
    "field": dict(jobs=True, pre=True, fields=True, groups=2, refresh=True, sums=True),
    "skip": dict(jobs=True, posts=True, forward=True, retain=True),
    "all": dict(
        sums=True,
        refresh=True,
        failover=True,
        rollback=True,
        jobs=True,
        pre=True,
        damage=True,
        truncate=True,
        retain=True,
        dbcrash=True,
    ),
}


def parts(seed):
    return 1 + seed % 3


def execute(cfg, P, acts, seed, trace=False, stats=None):
    """Returns None or the reason of the failure."""
    w = World(cfg, P)
    try:
        for a in acts:
            d = w.act(a)
            if trace and d:
                show(w, a)
        if trace:
            print("-- settle")
        w.settle(seed)
    except Violation as e:
        return str(e)
    except Exception:
        if not cfg.mut:
            raise
        return "exception: " + traceback.format_exc().strip().splitlines()[-1]
    finally:
        if stats is not None:
            for k, v in w.stats.items():
                stats[k] = stats.get(k, 0) + v
            stats["events"] = stats.get("events", 0) + sum(len(l) for l in w.logs)
    return None


def show(w, a):
    l = [(p.name, p.mode, getattr(p, "gen", "-"), getattr(p, "tick", "-")) for p in w.live()]
    print(
        a[0],
        "| logs",
        [x[-1:] for x in w.logs],
        "| pos",
        [(s.pos.off, s.pos.last, s.pos.complete) if hasattr(s, "pos") else None for s in w.shards],
        "|",
        l,
        "| txns",
        [(t.xid, [r.id for r in t.rows]) for t in w.db.txns],
    )


def shrink(cfg, P, acts, seed, limit=60):
    t0, n = time.time(), max(1, len(acts) // 2)
    why = execute(cfg, P, acts, seed)
    while time.time() - t0 < limit:
        i, cut = 0, False
        while i < len(acts) and time.time() - t0 < limit:
            cand = acts[:i] + acts[i + n :]
            r = execute(cfg, P, cand, seed)
            if r:
                acts, why, cut = cand, r, True
            else:
                i += n
        if n == 1 and not cut:
            break
        n = max(1, n // 2)
    return acts, why


def law6(cfg, n, seed0):
    """L6 alone: random batches from random states."""
    import copy
    import random
    from cons import apply_op, compact

    for seed in range(seed0, seed0 + n):
        r = random.Random(seed)

        def op():
            e, k = r.randrange(3), r.random()
            f = r.choice("afgt")
            v = r.choice([None, 0, 1])
            if k < 0.3:
                return ("set", e, f, v)
            if k < 0.55:
                return ("remove", e, f, r.choice([0, 1]))
            if k < 0.65:
                return ("delete", e)
            if k < 0.7:
                return ("unalive", e)
            if k < 0.8:
                return ("alive", e)
            if k < 0.95:
                return ("fan", r.choice("afg"), r.choice([0, 1]), r.choice("afg"), v)
            ph = r.randrange(2)
            return (
                "load",
                dict(
                    phase=ph,
                    lo=-1,
                    hi=r.randrange(3),
                    rows={0: {"a": 1, "f": 0, "g": 1} if ph == 0 else {"t": 1}},
                ),
                1,
                0,
            )

        st = {}
        for _ in range(5):
            apply_op(st, op(), cfg)
        ops = [op() for _ in range(r.randrange(1, 9))]
        x, y = copy.deepcopy(st), copy.deepcopy(st)
        for o in ops:
            apply_op(x, o, cfg)
        out = compact(ops, cfg)
        for o in out:
            apply_op(y, o, cfg)
        if x != y:
            return seed, f"L6: {st}: {ops} -> {out}: {x} != {y}"
    return None


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("scenario", choices=list(SCEN) + ["law6"])
    ap.add_argument("-n", type=int, default=200)
    ap.add_argument("-s", type=int, default=1)
    ap.add_argument("-k", type=int, default=800)
    ap.add_argument("-m", default="")
    ap.add_argument("-o", action="append", default=[])
    ap.add_argument("-w", action="append", default=[], help="weight of an action, name=number")
    ap.add_argument("--shrink", action="store_true")
    ap.add_argument("--trace", action="store_true")
    ap.add_argument("--all", action="store_true", help="continue after a failure")
    a = ap.parse_args()
    kw = dict(SCEN.get(a.scenario, {}), mut=a.m)
    for o in a.o:
        k, v = o.split("=")
        kw[k] = {"True": True, "False": False}.get(v, int(v) if v.isdigit() else v)
    cfg = config(**kw)
    over = [(x.split("=")[0], float(x.split("=")[1])) for x in a.w]
    stats, fails, t0 = {}, [], time.time()
    if a.scenario == "law6":
        bad = law6(cfg, a.n, a.s)
        print("law6", a.m or "-", a.n, "batches:", bad or "no failure")
        return 1 if bad else 0
    for seed in range(a.s, a.s + a.n):
        acts = schedule(seed, a.k, cfg, over)
        why = execute(cfg, parts(seed), acts, seed, stats=stats)
        if why:
            fails.append((seed, why))
            if not a.all:
                break
    print(
        f'{a.scenario} {a.m or "-"} {a.o}: {seed - a.s + 1} schedules, {len(fails)} failures,'
        f" {time.time() - t0:.1f} s"
    )
    if not a.m:
        print("  ", dict(sorted(stats.items())))
    for s, why in fails[:5]:
        print("   seed", s, why[:400])
    if fails and a.shrink:
        s = fails[0][0]
        acts, why = shrink(cfg, parts(s), schedule(s, a.k, cfg, over), s)
        print(f"   shrunk to {len(acts)} steps: {why[:500]}")
        if a.trace:
            execute(cfg, parts(s), acts, s, trace=True)
    return 1 if fails else 0


if __name__ == "__main__":
    sys.exit(main())
