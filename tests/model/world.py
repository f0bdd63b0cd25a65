"""The world: actors, fault actions, oracles, quiescence."""

import copy
import random
from types import SimpleNamespace
from pg import DB, DEAD, INF, table_values, view, sums
from prod import Prod, Client, Ev
from cons import OWN, phases, Shard, Violation, visible, check_diff, sum_diff

DEFAULT = dict(
    E=5,
    pre=False,
    fk=False,
    tagrace=False,
    orphan=False,
    appear=False,
    delete_all=True,
    mut="",
    topic_check="fence",
    fence_wait=True,
    cond="lock",
    unique=True,
    empty_advances=True,
    load_delete="own",
    naive_complete=False,
    adopt="topic",
    jobs=False,
    damage=False,
    failover=False,
    rollback=False,
    truncate=False,
    retain=False,
    dbcrash=False,
    check_l5=True,
    strict_wm=True,
    versions=False,
    reject_saved=False,
    newest="tick",
    chain=False,
    back=False,
    refresh=False,
    refresh_at="own",
    parents="lock",
    by="query",
    lossless="",
    nonce=True,
    look=True,
    rival="tick",
    split=False,
    clone=False,
    sums=False,
    sum_raw=False,
    dead="",
    groups=1,
    fields=False,
    posts=False,
    forward=False,
    pairs=True,
    passes=False,
    swap="comp",
    jobids="unique",
    owed_max=0,
    owes_max=0,
    source=False,
)


def config(**kw):
    bad = set(kw) - set(DEFAULT)
    assert not bad, bad
    return SimpleNamespace(**{**DEFAULT, **kw})


WEIGHTS = dict(
    txn=16,
    prod=30,
    deliver=24,
    ack=24,
    cons=26,
    start=0.9,
    crash=0.7,
    error=0.9,
    ghost=4,
    ccrash=0.8,
    cstart=4,
    trim=2.5,
    reset=0.25,
    job=4,
    damage=1.2,
    dbcrash=0.5,
    failover=0.35,
    rollback=0.35,
    adopt=5,
    truncate=0.4,
    retain=0.3,
    split=0.35,
    clone=0.35,
    field=0.7,
    post=5,
)


def schedule(seed, n, cfg, over=()):
    rng = random.Random(seed)
    kinds = [
        k
        for k in WEIGHTS
        if k
        not in (
            "job",
            "damage",
            "dbcrash",
            "failover",
            "rollback",
            "truncate",
            "retain",
            "split",
            "clone",
            "field",
            "post",
        )
        or getattr(cfg, {"job": "jobs", "field": "fields", "post": "posts"}.get(k, k))
    ]
    calm = rng.choice([0.1, 0.3, 1, 1])  # few schedules are all disasters, or nothing gets far
    weights = {**WEIGHTS, **dict(over)}
    base = ("txn", "prod", "deliver", "ack", "cons", "ghost", "cstart", "adopt", "job", "trim")
    ws = [weights[k] * rng.choice([0.3, 1, 1, 2]) * (1 if k in base else calm) for k in kinds]
    return [
        (k, rng.randrange(1 << 20), rng.randrange(1 << 30)) for k in rng.choices(kinds, ws, k=n)
    ]


class World:
    def __init__(self, cfg, P):
        self.cfg, self.P = cfg, P
        DEAD[0] = 90 if cfg.dead else None
        self.posted = [[] for _ in range(P)]  # (offset, id) of unnumbered events
        self.db = DB(cfg, P)
        self.logs, self.log_start = [[] for _ in range(P)], [0] * P
        self.prods, self.ghosts, self.shards = (
            [],
            [],
            [Shard(self, i % P) for i in range(P * cfg.groups)],
        )
        self.stopped, self.next_job, self.nprod = "", 1, 0
        self.faults = set()
        self.hush, self.topic, self.starts = False, "T1", 0
        self.others, self.now = [], 0  # other databases: an old primary, a copy
        self.stats = {}
        if cfg.pre:
            self.add_job("load")

    def count(self, k):
        self.stats[k] = self.stats.get(k, 0) + 1

    # --- actors -------------------------------------------------------------
    def ghost(self, client):
        """What a destroyed client had in flight: a prefix of each partition may be appended."""
        if any(client.q):
            self.ghosts.append(client)

    def live(self):
        return [p for p in self.prods if p.mode != "dead"]

    def add_job(self, kind, lo=-1, hi=INF, first=0):
        if self.cfg.jobids == "serial":  # numbered by the database: used again after a failover
            self.next_job = max([j["id"] for j in self.db.jobs], default=0) + 1
        self.db.jobs.append(
            dict(
                id=self.next_job,
                kind=kind,
                phase=first,
                first=first,
                lo=lo,
                lo0=lo,
                hi=hi,
                done=False,
            )
        )
        self.next_job += 1
        self.db.internal_xid()
        self.db.flush()

    def act(self, a):
        kind, x, sub = a
        self.now += 1
        done = getattr(self, "a_" + kind)(x, random.Random(sub))
        if done:
            self.count(kind)
        return done

    def a_txn(self, x, r):
        db = r.choice(self.others) if self.others and r.random() < 0.3 else self.db
        return db.act(r, x)

    def a_prod(self, x, r):
        l = self.live()
        if not l:
            return self.a_start(x, r) if r.random() < 0.2 else False
        i = len(l) - 1 if r.random() < 0.7 else x % len(l)
        return l[i].step(r)

    def a_start(self, x, r):
        db = r.choice(self.others) if self.others and r.random() < 0.4 else self.db
        if self.stopped and db is self.db or len(self.live()) >= 3:
            return False
        self.nprod += 1
        self.prods.append(
            Prod(self, f"prod{self.nprod}", r.random() < 0.5 if self.cfg.versions else True, db)
        )
        return True

    def a_crash(self, x, r):
        l = self.live()
        if l:
            l[x % len(l)].die("crash")
        return bool(l)

    def a_error(self, x, r):
        l = self.live()
        return bool(l) and l[x % len(l)].error(r.randrange(self.P), r)

    def a_deliver(self, x, r):
        l = [p.client for p in self.live() if p.client and any(p.client.q)]
        if not l:
            return False
        c = l[x % len(l)]
        ps = [p for p in range(self.P) if c.q[p]]
        p = r.choice(ps)
        for _ in range(r.choice([1, 1, 3])):
            if c.q[p]:
                ev = c.q[p].pop(0)
                ev.off = len(self.logs[p])
                self.logs[p].append(ev)
                c.un[p].append(ev)
        return True

    def a_ack(self, x, r):
        l = [p for p in self.live() if p.client and any(p.client.un)]
        if not l:
            return False
        p = l[x % len(l)]
        for i in range(r.choice([1, 1, 3])):
            for k in [k for k in range(self.P) if p.client and p.client.un[k]][:1]:
                p.ack(k)
        return True

    def a_ghost(self, x, r):
        if not self.ghosts:
            return False
        c = self.ghosts[x % len(self.ghosts)]
        ps = [p for p in range(self.P) if c.q[p]]
        if not ps or r.random() < 0.1:
            self.ghosts.remove(c)
            return True
        p = r.choice(ps)
        self.logs[p].append(c.q[p].pop(0))
        return True

    def a_cons(self, x, r):
        return self.shards[x % len(self.shards)].step(r)

    def a_cstart(self, x, r):
        return self.shards[x % len(self.shards)].start()

    def a_ccrash(self, x, r):
        return self.shards[x % len(self.shards)].crash(r)

    def a_reset(self, x, r):
        s = self.shards[x % len(self.shards)]
        s.crash(r)
        return s.reset(r)

    def a_trim(self, x, r):
        return self.db.trim(r)

    def a_job(self, x, r):
        busy = {j["kind"] == "load" for j in self.db.jobs if not j["done"]}
        if busy and len(busy) == 2:
            return False
        lo = r.choice([-1, -1, r.randrange(self.cfg.E)])  # some jobs repair or check one range only
        kind = r.choice(["load", "check", "check"] + ["sum", "sum", "sum"] * self.cfg.sums)
        if (kind == "load") in busy:  # one load and one comparison at a time
            return False
        first = int(self.cfg.fields and kind == "load" and r.random() < 0.6)  # one field alone
        if self.cfg.passes and kind == "load" and r.random() < 0.3:
            first = 2  # the pass alone
        self.add_job(
            kind,
            -1 if first else lo,
            INF if first or r.random() < 0.6 else lo + r.randrange(1, 3),
            first,
        )
        return True

    def a_damage(self, x, r):
        return self.shards[x % len(self.shards)].damage(r)

    def a_field(self, x, r):
        """One group is restarted with field t added to, or taken from, its configuration."""
        g = x % self.cfg.groups
        for s in self.shards[g * self.P : (g + 1) * self.P]:
            s.crash(r)
            s.fields = s.fields ^ {"t"}
        return True

    def a_post(self, x, r):
        p = x % self.P
        self.posted[p].append((len(self.logs[p]), self.now))
        ev = Ev("post", 0, 0, 0, self.now)
        ev.off = len(self.logs[p])
        self.logs[p].append(ev)
        return True

    def at_sum(self, s, st, op, pos):
        """Sums must report exactly the fields that differ at this place of the order."""
        c, want = op[1], {}
        for e, f, v in table_values(c["snap"].truth):
            if not self.cfg.orphan or e in c["snap"].truth["img"]:
                want[e, f] = v
        have = {
            (e, f): v
            for e, d in st.items()
            for f, v in d.items()
            if not self.cfg.orphan or d.get("alive")
        }
        wrong = {
            f
            for e, f in set(want) | set(have)
            if c["lo"] < e <= c["hi"]
            and e % self.P == s.p
            and f in pos.fields & OWN
            and want.get((e, f)) != have.get((e, f))
        }
        rep = sum_diff(st, op, pos.fields, self.cfg)
        self.count("sums")
        if rep:
            self.count("sums-differ")
        if rep & pos.comp and not pos.tainted:
            raise Violation(f"sum p{s.p} cries wolf: {set(rep)}")
        if rep != wrong:
            raise Violation(f"sum p{s.p} reports {set(rep)}, wrong are {wrong}")
        return rep

    def a_dbcrash(self, x, r):
        self.db.crash()
        return True

    def a_failover(self, x, r):
        self.db.lose(r.choice([0, 1, 2, 4, 7, 12]), True)
        self.faults.add("failover")
        return True

    def a_rollback(self, x, r):
        self.db.lose(r.choice([1, 2, 4, 7, 12]), False)
        self.faults.add("failover")
        return True

    def a_split(self, x, r):
        """A standby is promoted while the old primary continues, with whatever producers it has."""
        if self.others:
            return False
        self.others.append(self.db)
        self.db = copy.deepcopy(self.db)
        self.db.lose(r.choice([0, 0, 0, 1, 2, 4]), True)
        self.faults.add("failover")
        return True

    def a_clone(self, x, r):
        """A copy of the database, on the same timeline, that starts a producer with the same
        configuration."""
        if self.others:
            return False
        c = copy.deepcopy(self.db)
        c.lose(r.choice([0, 0, 1]), False)
        self.others.append(c)
        self.faults.add("failover")
        self.nprod += 1
        self.prods.append(Prod(self, f"copy{self.nprod}", True, c))
        return True

    def a_adopt(self, x, r):
        """`cursor adopt`: the operator opens a new epoch."""
        if not self.stopped:
            return False
        db, pr = self.db, self.db.prod
        ep, gen = pr["epoch"], pr["gen"]
        if self.cfg.adopt == "topic":  # above everything that the topic has ever seen
            for log in self.logs:
                for ev in log:
                    ep, gen = max(ep, ev.epoch), max(gen, ev.gen)
        pr.update(epoch=ep + 1, gen=gen + 1, timeline=db.timeline, empty=False)
        s = db.snapshot()
        db.windows.append(
            dict(
                tick=db.newest()["tick"] + 1,
                gen=gen + 1,
                s1=s,
                s2=s,
                sub=INF,
                seq=[0] * self.P,
                h=[0] * self.P,
                ref=s,
            )
        )
        for j in db.jobs:
            j["done"] = True
        self.next_job = max([self.next_job] + [j["id"] + 1 for j in db.jobs])
        self.add_job("load")
        self.stopped = ""
        for p in self.live():  # whoever still runs finds its session gone
            p.conn = -1
        self.others = []  # the operator has looked: no copy runs any more
        for p in self.live():
            if p.db is not db:
                p.die("operator")
        return True

    def a_truncate(self, x, r):
        p = x % self.P
        n = r.choice([1, 1, 2, 3])
        if len(self.logs[p]) < n + self.log_start[p] + 1:
            return False
        del self.logs[p][-n:]
        self.faults.add("truncate")
        return True

    def a_retain(self, x, r):
        p = x % self.P
        self.log_start[p] = r.randrange(
            self.log_start[p], max(self.log_start[p] + 1, len(self.logs[p]) + 1)
        )
        self.faults.add("retain")
        return True

    # --- oracles --------------------------------------------------------------
    def part(self, truth, p):
        out = {}
        for e in truth["img"]:
            if e % self.P == p:
                out[e] = view(truth, e)
        return out

    def proved(self, idx, pos):
        return {e: {f: v for f, v in d.items() if f in pos.comp} for e, d in idx.items()}

    def order_law(self, s):
        if not self.cfg.check_l5:
            return
        s.high = max([getattr(s, "high", 0)] + [f["pos"].off for f in s.wal[: s.durable][-1:]])
        if s.committed[1] and s.committed[0] > s.high and self.cfg.mut != "commit_early_hidden":
            raise Violation(f"L5 committed {s.committed[0]} > WAL durable {s.high}")
        if s.frame > s.base + s.durable:
            raise Violation(f"L5 applied frame {s.frame} > durable {s.base + s.durable}")

    def at_watermark(self, s, pos, ev):
        if ev.owed:
            self.count("wm-owed")
        elif "alive" in pos.comp and not pos.tainted and self.cfg.strict_wm:
            self.count("wm-checked")
            got, want = self.proved(visible(s.shadow), pos), self.proved(
                self.part(ev.body.truth, s.p), pos
            )
            if got != want:
                raise Violation(
                    f"watermark p{s.p} {ev.epoch}/{ev.gen}/{ev.tick}/{ev.seq}:"
                    f" index {got} truth {want}"
                )

    def at_check(self, s, st, op, ev, pos):
        """A check must report exactly what is wrong at this place of the order."""
        c = op[1]
        truth = c["snap"].truth if self.cfg.mut != "chunk_anywhere" else None
        rep = check_diff(st, op, self.cfg)
        if not pos.tainted and pos.comp >= set(phases(self.cfg)[c["phase"]]) | {"alive"} and rep:
            raise Violation(f"check p{s.p} reports {rep} on an undamaged complete index")
        if truth is None:
            return
        wrong = set()
        for e in set(st) | set(truth["img"]) | set(truth["tag"]):
            if e % self.P != s.p or not c["lo"] < e <= c["hi"]:
                continue
            d, v = st.get(e, {}), view(truth, e)
            if c["phase"] == 0:
                bad = (
                    bool(d.get("alive")) != (v is not None)
                    or v is not None
                    and any(d.get(f) != v.get(f) for f in phases(self.cfg)[0])
                )
            else:
                bad = d.get("t") != truth["tag"].get(e) and (
                    not self.cfg.orphan or bool(d.get("alive"))
                )
            if bad:
                wrong.add(e)
        self.count("check-chunks")
        if wrong:
            self.count("check-found")
        if wrong != rep:
            raise Violation(f"check p{s.p} reports {rep}, wrong are {wrong}")

    # --- quiescence -------------------------------------------------------------
    def settle(self, seed):
        r = random.Random(seed)
        while self.db.txns:
            self.db.end(self.db.txns[-1], r.random() < 0.8, True)
        self.drain(r)
        self.verdict("settled")
        if not all(s.pos.complete and not s.pos.tainted for s in self.shards):
            expected = (
                self.faults
                or self.cfg.damage
                or self.cfg.mut
                or self.cfg.fields
                or self.cfg.forward
                or self.cfg.owes_max
            )
            if not expected:
                raise Violation(f"incomplete without a reason: {[s.pos.gap for s in self.shards]}")
            self.count("incomplete-at-end")
            if self.cfg.damage and r.random() < 0.7:
                self.add_job("check")
                self.drain(r)
            self.add_job("load")
            self.drain(r)
            for s in self.shards:
                if (
                    not s.pos.complete
                    and (self.cfg.chain or self.cfg.back)
                    and (self.cfg.topic_check != "fence" or self.cfg.mut)
                ):
                    self.count("honestly-incomplete")
                    return
            if {"failover", "truncate"} <= self.faults and not all(
                s.pos.complete for s in self.shards
            ):
                self.count(
                    "load-did-not-help"
                )  # source and topic both went back: only a new epoch helps
                self.stopped = "operator"
                self.drain(r)
            for s in self.shards:
                if not s.pos.complete:
                    raise Violation(
                        f"p{s.p} still incomplete after a load: {s.pos.gap} {s.pos.cover}"
                    )
            self.verdict("loaded")
        self.add_job("check")
        n = [len(s.reports) for s in self.shards]
        self.drain(r)
        for s, k in zip(self.shards, n):
            if any(rep for _, rep in s.reports[k:]):
                raise Violation(f"final check reports {s.reports[k:]}")

    def drain(self, r):
        for p in self.live():
            if r.random() < 0.5 and not self.others:
                p.die("settle")
        newest = next((p for p in self.live() if p.db is self.db), None) if self.others else None
        for i in range(6000 * self.cfg.groups):
            self.hush = i > 1500
            if i > 80:
                for p in self.live():
                    if p is not newest:
                        p.die("settle")
            if self.stopped:
                self.a_adopt(0, r)
            if newest is None or newest.mode == "dead":
                self.prods.append(Prod(self, "last", True))
                newest = self.prods[-1]
            for s in self.shards:
                s.start()
            k = r.choice(["prod", "prod", "deliver", "ack", "cons", "cons", "ghost"])
            self.act((k, r.randrange(1 << 20), r.randrange(1 << 30)))
            if i % 4 == 0 and i > 90 and self.quiet(newest):
                break
        else:
            raise Violation(f"does not settle: {newest.mode} {newest.why}")
        self.last, self.hush = newest, False
        while self.ghosts:
            self.a_ghost(0, r)
        newest.watermark(newest.s2)
        for p in range(self.P):
            while newest.client.q[p]:
                self.logs[p].append(newest.client.q[p].pop(0))
        for s in self.shards:
            while s.step(r):
                pass

    def quiet(self, n):
        return (
            n.mode == "idle"
            and n.client.idle()
            and not n.owes()
            and self.db.prod["voided"] == self.db.prod["voided_sent"]
            and all(j["done"] for j in self.db.jobs)
            and not any(True for x in self.db.outbox.values() if not n.s2.sees(x.xid))
            and all(
                s.up and s.batch is None and s.pos.off == len(self.logs[s.p]) for s in self.shards
            )
        )

    def verdict(self, when):
        for s in self.shards:
            want, got = self.proved(self.part(self.db.truth, s.p), s.pos), self.proved(
                visible(s.state), s.pos
            )
            if "x" in s.pos.comp and "truncate" not in self.faults:
                had, all_ = s.state.get(-1, {}).get("x", frozenset()), {
                    i for o, i in self.posted[s.p] if o < s.pos.off
                }
                if had != all_:
                    raise Violation(f"{when} p{s.p} says complete: posted {all_ - had} skipped")
                self.count("posts-proved")
            if "alive" in s.pos.comp and not s.pos.tainted and got != want:
                raise Violation(f"{when} p{s.p} says complete: index {got} truth {want}")
            if (
                not self.faults
                and not self.cfg.forward
                and not self.cfg.owes_max
                and s.pos.gap
                and not (self.cfg.chain and self.cfg.mut)
            ):
                raise Violation(f"{when} p{s.p} reports a gap without a fault: {s.pos.gap}")
            if (
                not self.faults
                and not self.cfg.forward
                and (s.pos.complete and when == "settled" or not self.cfg.chain)
            ):
                self.exactly_once(s)
        if not self.faults and self.cfg.versions:
            self.same_verdict()

    def same_verdict(self):
        """A fan-out row is applied by every shard or rejected in every shard."""
        kinds = {}
        for s in self.shards:
            for rid, _, ent, kind in s.pos.audit:
                if ent is None:
                    kinds.setdefault(rid, set()).add(kind)
        for rid, k in kinds.items():
            if len(k) > 1:
                raise Violation(
                    f"fan-out row {rid} is applied in one partition and rejected in another"
                )

    def exactly_once(self, s):
        want = {}
        for r in self.db.all_rows:
            if "fan" in r.kind or r.e % self.P == s.p:
                want[r.id] = r
        got = [x[0] for x in s.pos.audit]
        if len(set(got)) != len(got):
            raise Violation(
                f"p{s.p}: applied twice: {sorted(x for x in set(got) if got.count(x) > 1)}"
            )
        if set(got) != set(want):
            raise Violation(
                f"p{s.p}: missing {sorted(set(want) - set(got))}"
                f" extra {sorted(set(got) - set(want))}"
            )
        last = {}
        for i in got:
            r = want[i]
            key = (
                ("par", r.e)
                if r.kind == "fan"
                else (
                    None
                    if r.kind != "slot" or r.ops[0][1:2] == ("g",)
                    else ("e", r.e) if r.ops[0][1:2] != ("t",) else ("tag", r.e)
                )
            )
            if key and last.get(key, (0, 0)) > (r.cno, r.id):
                raise Violation(f"p{s.p}: {key} out of commit order at row {i}")
            if key:
                last[key] = (r.cno, r.id)
