"""Postgres of the model: transactions, row locks, outbox, snapshots, crash, failover."""

import copy

INF = 10**9
DEAD = [None]  # values of field a from here on are none that an index can hold


class Snap:
    """pg_snapshot. `truth` is what a reader of this snapshot sees (oracle and chunk reads)."""

    __slots__ = ("xmax", "xip", "truth", "maxid")

    def __init__(self, xmax, xip, truth, maxid):
        self.xmax, self.xip, self.truth, self.maxid = xmax, frozenset(xip), truth, maxid

    def sees(self, xid):
        return xid < self.xmax and xid not in self.xip


class Row:
    """One "BitdexOps" row. kind: slot | fan | bad | badfan."""

    __slots__ = ("id", "xid", "kind", "e", "ops", "cno")

    def __init__(self, id, xid, kind, e, ops):
        self.id, self.xid, self.kind, self.e, self.ops, self.cno = id, xid, kind, e, ops, None


def asked(r):
    """What a row asks for, one or more of these: ('ref', entity) read whole, ('refp', entity) its
    parent's fields, ('refan', parent), ('all', 0) all rows of the second table."""
    return tuple((op[0], r.e) for op in r.ops if op[0] in ("ref", "refp", "refan", "all"))


def asked_everywhere(r):
    """The request goes to every partition."""
    return asked(r)[0][0] in ("refan", "all")


class Txn:
    def __init__(self):
        self.xid, self.rows, self.eff, self.locks = None, [], {}, {}
        self.old = None  # REPEATABLE READ: the tables that it sees


def sums(values, lo, hi, P, p):
    """Order-free sums of hashes, by field, of the slots of one partition: {field: sum}."""
    out = dict.fromkeys(("alive", "a", "f", "g", "t"), 0)
    for e, f, v in values:
        if lo < e <= hi and e % P == p and f in out and v is not None:
            out[f] += hash((e, f, v))
    return out


def table_values(truth, raw=False):
    """What the SQL aggregate sees: every table's rows, whether the entity is alive or not."""
    for e in truth["img"]:
        yield e, "alive", True
        d = dict(view(truth, e), **({"a": truth["img"][e]["a"]} if raw else {}))
        yield from ((e, f, d.get(f)) for f in "afg")
    yield from ((e, "t", v) for e, v in truth["tag"].items())


def empty_truth():
    return {"img": {}, "par": {0: 0, 1: 0}, "tag": {}}


def view(truth, e):
    """What the index must answer for entity e: None or its fields."""
    r = truth["img"].get(e)
    if r is None:
        return None
    d = {
        k: v
        for k, v in (("a", r["a"]), ("f", r["f"]), ("g", truth["par"].get(r["f"])))
        if v is not None
    }
    if DEAD[0] is not None and d["a"] >= DEAD[0]:
        del d["a"]
    if truth["tag"].get(e) is not None:
        d["t"] = truth["tag"][e]
    return d


PERSIST = (
    "next_xid",
    "next_id",
    "latest",
    "outbox",
    "truth",
    "prod",
    "windows",
    "jobs",
    "all_rows",
    "cno",
    "timeline",
    "verdicts",
)


class DB:
    def __init__(self, cfg, P):
        self.cfg = cfg
        self.next_xid, self.next_id, self.latest, self.cno = 3, 1, 2, 0
        self.outbox, self.truth, self.all_rows = {}, empty_truth(), []
        self.prod = {"epoch": 1, "gen": 0, "timeline": 1, "empty": not cfg.pre}
        self.prod.update(voided=0, voided_sent=0)
        self.timeline, self.conn = (
            1,
            0,
        )  # conn: server incarnation, sessions of an older one are dead
        self.windows, self.jobs, self.txns = [], [], []
        if cfg.pre:
            for e in range(0, cfg.E, 2):
                self.truth["img"][e] = {"a": 7, "f": e % 2}
        s = self.snapshot()
        self.windows.append(dict(tick=0, gen=0, s1=s, s2=s, sub=INF, seq=[0] * P, h=[0] * P, ref=s))
        self.history, self.verdicts, self.pend = [], {}, []
        self.flush()

    # --- durability -------------------------------------------------------
    def state(self):
        d = {}
        for k in PERSIST:
            v = getattr(self, k)
            if k == "truth":
                v = {t: dict(m) for t, m in v.items()}
            elif k in ("prod", "outbox", "verdicts"):
                v = dict(v)
            elif k == "jobs":
                v = copy.deepcopy(v)
            elif isinstance(v, list):
                v = list(v)
            d[k] = v
        return d

    def flush(self):
        self.durable = self.state()
        self.history += self.pend + [self.durable]  # a standby may have stopped at any commit
        self.pend = []
        del self.history[:-16]

    def restore(self, d):
        for k, v in d.items():
            setattr(self, k, v)
        for k, v in self.state().items():  # detach from the saved copy
            setattr(self, k, v)
        self.next_xid = self.latest + 1  # most pessimistic: unlogged xids are issued again
        self.txns, self.pend = [], []
        self.conn += 1

    def crash(self):
        """Server crash: commits after the last flush (synchronous_commit=off) are gone."""
        self.restore(self.durable)
        self.flush()

    def lose(self, back, new_timeline):
        """Failover (new timeline) or silent rollback to an older state."""
        i = max(0, len(self.history) - 1 - back)
        tl = self.timeline
        self.restore(self.history[i])
        self.timeline = tl + 1 if new_timeline else tl
        self.history = self.history[:i]
        self.flush()

    # --- snapshots and internal writes -------------------------------------
    def snapshot(self):
        xmax = self.latest + 1
        xip = [t.xid for t in self.txns if t.xid is not None and t.xid < xmax]
        return Snap(xmax, xip, {k: dict(v) for k, v in self.truth.items()}, self.next_id - 1)

    def internal_xid(self):
        x = self.next_xid
        self.next_xid += 1
        self.latest = max(self.latest, x)
        self.cut()

    def cut(self):
        if self.cfg.failover:
            self.pend.append(self.state())

    # --- application transactions -------------------------------------------
    def can(self, txn, key, share):
        if share and (
            self.cfg.mut == "no_share" or key[0] == "par" and self.cfg.parents == "refresh"
        ):
            return True
        for t in self.txns:
            if t is not txn and key in t.locks and not (share and t.locks[key] == "s"):
                return False
        return True

    def lock(self, txn, key, share=False):
        if share and (
            self.cfg.mut == "no_share" or key[0] == "par" and self.cfg.parents == "refresh"
        ):
            return
        if txn.locks.get(key) != "x":
            txn.locks[key] = "s" if share else "x"

    def get(self, txn, tab, k):
        return txn.eff[(tab, k)] if (tab, k) in txn.eff else self.truth[tab].get(k)

    def touch(self, txn):
        if txn.xid is None:
            txn.xid = self.next_xid
            self.next_xid += 1

    def emit(self, txn, kind, e, ops):
        self.touch(txn)
        if (
            self.cfg.mut == "seq_cache"
        ):  # sequence CACHE 3: a session takes ids before it needs them
            if not getattr(txn, "block", None):
                txn.block = list(range(self.next_id, self.next_id + 3))
                self.next_id += 3
            i = txn.block.pop(0)
        else:
            i = self.next_id
            self.next_id += 1
        txn.rows.append(Row(i, txn.xid, kind, e, ops))

    def act(self, rng, choice):
        """One application step: begin, write, commit or roll back."""
        r = rng.random()
        if not self.txns or (len(self.txns) < 4 and r < 0.25):
            t = Txn()
            self.txns.append(t)
            if self.cfg.parents == "refresh" and rng.random() < 0.5:
                t.old = {k: dict(v) for k, v in self.truth.items()}
            if rng.random() < 0.3:
                self.touch(t)  # early xid, late row lock (F02)
            return True
        t = self.txns[choice % len(self.txns)]
        if r < 0.55 and (t.rows or t.xid is not None):
            self.end(t, rng.random() < 0.85, rng.random() < 0.6)
            return True
        return self.write(t, rng)

    def nested(self, t, rng):
        """Triggers of the application's own: ops rows with older values, in any order, and a
        refresh row among them."""
        e, p = rng.randrange(self.cfg.E), rng.randrange(2)
        if rng.random() < 0.25:  # a parent: its fan-outs are stale
            if not self.can(t, ("par", p), False):
                return False
            self.lock(t, ("par", p))
            self.touch(t)
            t.eff[("par", p)] = v = rng.randrange(100)
            rows = [
                ("fan", p, [("fan", "f", p, "g", x)])
                for x in rng.sample([v, rng.randrange(100), 777], rng.randrange(1, 4))
            ]
            rows.insert(rng.randrange(len(rows) + 1), ("refan", p, [("refan",)]))
        else:
            if (
                not self.can(t, ("img", e), False)
                or not self.can(t, ("tag", e), False)
                or not self.can(t, ("par", p), True)
            ):
                return False
            self.lock(t, ("img", e)), self.lock(t, ("tag", e)), self.lock(t, ("par", p), True)
            self.touch(t)
            t.eff[("img", e)] = None if rng.random() < 0.3 else {"a": rng.randrange(90), "f": p}
            t.eff[("tag", e)] = rng.choice([None, 1, 2, 3])
            ops = [
                ("alive",),
                ("set", "a", 777),
                ("set", "f", rng.randrange(2)),
                ("set", "g", 777),
                ("set", "t", 777),
                ("set", "t", None),
                ("delete",),
                ("remove", "a", 777),
                ("alive",),
            ]
            rows = [
                ("slot", e, rng.sample(ops, rng.randrange(1, 4)))
                for _ in range(rng.randrange(1, 4))
            ]
            ops = rng.choice([[("ref",)], [("ref",)], [("refp",), ("ref",)]])
            rows.insert(rng.randrange(len(rows) + 1), ("ref", e, ops))
        for r in rows:
            self.emit(t, *r)
        return True

    def shift(self, t, rng):
        """All rows of the second table change, and the only ops row asks for all of them."""
        keys = [("tag", e) for e in range(self.cfg.E)]
        if not all(self.can(t, key, False) for key in keys):
            return False
        for key in keys:
            self.lock(t, key)
            t.eff[key] = rng.choice([None, 5, 6])
        self.emit(t, "allfan", 0, [("all",)])
        return True

    # --- parents=refresh: no lock; whoever commits last has a window that sees both ------------
    # What the ops themselves say of g is a guess, any guess; a mutation that drops a request keeps
    # honest guesses.
    def ask(self, why, op):
        return [] if self.cfg.mut == "ask_" + why else [op]

    def sees(self, t, tab, k):
        return t.eff[(tab, k)] if (tab, k) in t.eff else (t.old or self.truth)[tab].get(k)

    def guess(self, rng, honest):
        return (
            honest
            if self.cfg.mut.startswith("ask_")
            else rng.choice([honest, None, 777, "nothing"])
        )

    def parent(self, t, p, rng):
        """A parent is updated, inserted (late, too) or deleted, with or without children."""
        c, old = self.cfg, self.get(t, "par", p)
        self.lock(t, ("par", p))
        self.touch(t)
        v = t.eff[("par", p)] = (
            None if old is not None and rng.random() < 0.3 else rng.randrange(100)
        )
        why, g = "pinsert" if old is None else "pdelete" if v is None else "update", self.guess(
            rng, v
        )
        fan = [("fan", "f", p, "g", g)] if g != "nothing" and c.by == "query" else []
        if c.by == "rows" and (
            c.mut in ("enum_alone", "enum_old") or g != "nothing"
        ):  # ops for rows that are not locked
            for e in range(c.E):
                if (self.sees(t, "img", e) or {"f": -1})["f"] == p:
                    self.emit(
                        t,
                        "slot",
                        e,
                        [("set", "g", v if c.mut.startswith("enum") else g)]
                        + ([] if c.mut.startswith("enum") else [("refp",)]),
                    )
        ops = fan + self.ask(why, ("refan",))
        if ops:
            self.emit(t, "refan" if ops[-1] == ("refan",) else "fan", p, ops)
        return True

    def child(self, t, e, old, rng):
        """A child comes, or has another parent, or none."""
        f, a = rng.choice([None, 0, 1]), rng.randrange(100)
        self.lock(t, ("img", e))
        t.eff[("img", e)] = dict(old or {"a": a}, f=f)
        why = "insert" if old is None else "null" if None in (f, old["f"]) else "move"
        ops = (
            [("alive",), ("set", "a", a)]
            if old is None
            else [] if old["f"] is None else [("remove", "f", old["f"])]
        )
        g = self.guess(rng, self.sees(t, "par", f))
        self.emit(
            t,
            "slot",
            e,
            ops
            + [("set", "f", f)]
            + ([("set", "g", g)] if g != "nothing" else [])
            + self.ask(why, ("ref",) if old is None and self.cfg.appear else ("refp",))
            + ([] if self.cfg.mut.startswith("ask_") or rng.random() < 0.7 else [("ref",)]),
        )
        if self.cfg.mut == "enum_old" and old and old["f"] is not None:
            self.emit(t, "refan", old["f"], [("refan",)])
        return True

    def write(self, t, rng):
        if self.cfg.refresh and rng.random() < 0.2:
            return self.nested(t, rng)
        if self.cfg.source and rng.random() < 0.12:
            return self.shift(t, rng)
        e, k = rng.randrange(self.cfg.E), rng.random()
        if self.cfg.parents == "refresh" and k < 0.17:
            p = rng.randrange(2)
            return self.can(t, ("par", p), False) and self.parent(t, p, rng)
        if (
            self.cfg.parents == "refresh"
            and k >= 0.32
            and (self.get(t, "img", e) is None or 0.45 <= k < 0.7)
        ):
            return self.can(t, ("img", e), False) and self.child(t, e, self.get(t, "img", e), rng)
        if k < 0.12:  # parent row: fan-out
            p = rng.randrange(2)
            if not self.can(t, ("par", p), False):
                return False
            self.lock(t, ("par", p))
            self.touch(t)
            v = rng.randrange(100)
            t.eff[("par", p)] = v
            self.emit(t, "fan", p, [("fan", "f", p, "g", v)])
            return True
        if k < 0.17:
            self.emit(t, rng.choice(["bad", "badfan"]), e, [])
            return True
        if k < 0.32:  # tag row, may commit before its image (F11)
            if not self.can(t, ("tag", e), False):
                return False
            self.lock(t, ("tag", e))
            if self.cfg.fk:
                if not self.can(t, ("img", e), True) or self.get(t, "img", e) is None:
                    return False
                self.lock(t, ("img", e), True)
            v = rng.choice([None, 1, 2, 3])
            t.eff[("tag", e)] = v
            self.emit(t, "slot", e, [("set", "t", v)])
            return True
        if not self.can(t, ("img", e), False):
            return False
        old = self.get(t, "img", e)
        if old is None:
            f = rng.randrange(2)
            if not self.can(t, ("par", f), True):
                return False
            self.lock(t, ("img", e))
            self.lock(t, ("par", f), True)
            a = rng.randrange(100)
            t.eff[("img", e)] = {"a": a, "f": f}
            self.emit(
                t,
                "slot",
                e,
                [("alive",), ("set", "a", a), ("set", "f", f), ("set", "g", self.get(t, "par", f))],
            )
        elif k < 0.5:
            if not self.cfg.tagrace and not self.cfg.orphan and not self.can(t, ("tag", e), False):
                return False
            if (
                self.cfg.tagrace
                and self.truth["tag"].get(e) is not None
                and not self.can(t, ("tag", e), False)
            ):
                return False
            self.lock(t, ("img", e))
            if not self.cfg.orphan and (not self.cfg.tagrace or self.get(t, "tag", e) is not None):
                self.lock(t, ("tag", e))
                t.eff[("tag", e)] = None  # the application or a cascade deletes the tag row too
            t.eff[("img", e)] = None
            if self.cfg.delete_all:
                self.emit(t, "slot", e, [("delete",)])
            else:
                self.emit(t, "slot", e, [("unalive",)])
                self.emit(t, "slot", e, [("set", "t", None)]) if ("tag", e) in t.eff else None
        elif k < 0.7:
            f = rng.randrange(2)
            if not self.can(t, ("par", f), True):
                return False
            self.lock(t, ("img", e))
            self.lock(t, ("par", f), True)
            t.eff[("img", e)] = dict(old, f=f)
            self.emit(
                t,
                "slot",
                e,
                [("remove", "f", old["f"]), ("set", "f", f), ("set", "g", self.get(t, "par", f))],
            )
        else:
            self.lock(t, ("img", e))
            a = rng.randrange(100)
            t.eff[("img", e)] = dict(old, a=a)
            self.emit(
                t, "slot", e, [("remove", "a", old["a"])] * self.cfg.pairs + [("set", "a", a)]
            )
        return True

    def end(self, t, commit, sync):
        self.txns.remove(t)
        if t.xid is None:
            return
        self.latest = max(self.latest, t.xid)
        if commit:
            self.cno += 1
            for (tab, k), v in t.eff.items():
                if v is None:
                    self.truth[tab].pop(k, None)
                else:
                    self.truth[tab][k] = v
            for r in t.rows:
                r.cno = self.cno
                self.outbox[r.id] = r
                self.all_rows.append(r)
            self.cut()
            if sync:
                self.flush()

    # --- the producer's queries ---------------------------------------------
    def window_rows(self, s1, s2, after, limit):
        c = self.cfg
        out = []
        if c.mut == "txid_order":  # whole window in one read, ordered by (txid, id)
            l = [r for r in self.outbox.values() if not s1.sees(r.xid) and s2.sees(r.xid)]
            return sorted(l, key=lambda r: (r.xid, r.id)) if after == 0 else []
        for i in sorted(self.outbox):
            if i <= after:
                continue
            r = self.outbox[i]
            if c.mut == "id_cursor":
                if not (s1.maxid < i <= s2.maxid):
                    continue
            elif c.mut == "no_xip":
                if not (s1.xmax <= r.xid and s2.sees(r.xid)):
                    continue
            elif s1.sees(r.xid) or not s2.sees(r.xid):
                continue
            out.append(r)
            if len(out) == limit:
                break
        return out

    def newest(self):
        """The position: greatest (tick, sub_id), or the row inserted last."""
        if self.cfg.newest == "insert":
            return self.windows[-1]
        return max(self.windows, key=lambda w: (w["tick"], w["sub"]))

    def trim(self, rng):
        w = self.newest()
        s = w["s2"] if self.cfg.mut == "trim_s2" else w["s1"]
        ids = [
            i
            for i, r in sorted(self.outbox.items())
            if s.sees(r.xid)
            and (not asked(r) or w["ref"].sees(r.xid) or self.cfg.mut == "ref_trim")
        ]
        if not ids:
            return False
        for i in ids[: rng.randrange(1, 4)]:
            del self.outbox[i]
        self.internal_xid()
        return True
