"""Consumer of one partition: seq rule, compaction, WAL, checkpoints, offsets."""

import copy
from pg import DEAD, INF, sums

PHASE_FIELDS = (("a", "f", "g"), ("t",))
PASS_FIELDS = (
    ("a", "f"),
    ("t",),
    ("g",),
)  # passes: g is resolved by the index, in a pass over the parents


def phases(cfg):
    return PASS_FIELDS if cfg.passes else PHASE_FIELDS


OWN = frozenset(
    ("alive", "a", "f", "g", "t")
)  # fields with a source in Postgres; x is posted (unnumbered)


class Violation(Exception):
    pass


# --- naive semantics: one op at a time on a state {e: {'alive':bool, field: value}} ---
def put(st, e, f, v):
    d = st.setdefault(e, {})
    if v is None:
        d.pop(f, None)
    else:
        d[f] = v
    if not d:
        st.pop(e)


def apply_op(st, op, cfg):
    k = op[0]
    if k == "alive":
        put(st, op[1], "alive", True)
    elif k == "set":
        put(st, op[1], op[2], op[3])
    elif k == "remove":
        if st.get(op[1], {}).get(op[2]) == op[3]:
            put(st, op[1], op[2], None)
    elif k == "delete":
        st.pop(op[1], None)
    elif k == "unalive":  # alternative: a table clears only what it owns
        for f in ("alive", "a", "f", "g"):
            put(st, op[1], f, None)
    elif k == "fan":
        _, f, x, g, v = op
        for e in [e for e, d in st.items() if d.get(f) == x]:
            put(st, e, g, v)
    elif k == "load":
        c, P, p = op[1:]
        fs = phases(cfg)[c["phase"]]
        if c["phase"] == 2:  # a part of a pass: the first one takes the values of all slots
            for e in [e for e in list(st) if c["start"] and cfg.mut != "pass_keeps"]:
                put(st, e, "g", None)
            for x, v in c["rows"].items():
                apply_op(st, ("fan", "f", x, "g", v), cfg)
            return
        for e in [
            e for e in list(st) if c["lo"] < e <= c["hi"] and e not in c["rows"] and e % P == p
        ]:
            if (
                c["phase"] == 0
                and cfg.mut != "load_keeps"
                and (cfg.load_delete == "all" or cfg.load_delete == "alive" and st[e].get("alive"))
            ):
                st.pop(e)
            elif cfg.mut != "load_keeps":
                for f in fs + (("alive",) if c["phase"] == 0 else ()):
                    put(st, e, f, None)
        for e, vals in c["rows"].items():
            if e % P == p:
                if c["phase"] == 0:
                    put(st, e, "alive", True)
                for f in fs:
                    put(st, e, f, vals.get(f))
    elif k == "rfr":
        c, P, p = op[1:]
        for e, (alive, vals, t) in c["ents"].items():
            if e % P == p and (alive or st.get(e, {}).get("alive") or cfg.mut != "ref_stays"):
                put(st, e, "alive", alive or None)
                for f in (
                    "af" if cfg.mut == "ref_nog" else "afg"
                ):  # nog: g is resolved by the index alone
                    put(st, e, f, vals[f])
                if cfg.mut != "ref_direct":  # only the direct table is read
                    put(st, e, "t", t)
        for e, g in c["kin"].items():
            if e % P == p:
                put(st, e, "g", g)
        for x, v in c["pars"].items() if cfg.by == "query" else ():
            apply_op(st, ("fan", "f", x, "g", v), cfg)
    elif k in ("ref", "refp", "refan", "all"):
        pass
    elif k == "drop":
        for e in list(st):
            put(st, e, op[1], None)
    elif k == "dmg":
        put(st, op[1], op[2], op[3])
    elif k == "post":
        put(st, -1, "x", st.get(-1, {}).get("x", frozenset()) | {op[1]})
    elif k not in ("check", "sum"):
        raise AssertionError(op)


def visible(st):
    return {
        e: {f: v for f, v in d.items() if f != "alive"} for e, d in st.items() if d.get("alive")
    }


def check_diff(st, op, cfg):
    """What a check reports: entities of the range whose phase fields differ from the chunk."""
    c, P, p = op[1:]
    fs, out = phases(cfg)[c["phase"]], set()
    for e in set(k for k in st if c["lo"] < k <= c["hi"]) | set(c["rows"]):
        if e % P != p:
            continue
        d, r = st.get(e, {}), c["rows"].get(e)
        if c["phase"] == 0 and bool(d.get("alive")) != (r is not None):
            out.add(e)
        if c["phase"] == 0 and r is None or cfg.orphan and not d.get("alive"):
            continue
        if any(d.get(f) != (r or {}).get(f) for f in fs):
            out.add(e)
    return out


def sum_diff(st, op, fields, cfg):
    """Fields of the range whose sums differ. Every slot counts, hidden or not alive, as in the
    tables."""
    c, P, p = op[1:]
    mine = sums(
        (
            (e, f, v)
            for e, d in st.items()
            for f, v in d.items()
            if cfg.mut != "sum_visible" and not cfg.orphan or d.get("alive")
        ),
        c["lo"],
        c["hi"],
        P,
        p,
    )
    return frozenset(f for f in mine if f in fields and mine[f] != c["sums"][p][f])


def compact(ops, cfg):
    """LWW per (slot, field), delete absorbs what is before it, fan-out and chunk are barriers."""
    out, seg, late = [], {}, []

    def flush():
        for e, s in seg.items():
            out.extend(s["del"])
            if s["alive"]:
                out.append(("alive", e))
            for f, l in s["f"].items():
                out.extend(l)
        seg.clear()

    for op in ops:
        if op[0] in ("ref", "refp", "refan", "all"):
            continue
        if op[0] == "post":
            out.append(op)
            continue
        if op[0] == "sum" and cfg.mut == "sum_late":
            late.append(op)  # compared with the state at the end of the batch
            continue
        if op[0] in ("fan", "load", "check", "dmg", "rfr", "sum", "drop"):
            if cfg.mut == "cross_fan" and op[0] == "fan":
                late.append(op)  # fan-outs after the rows of the batch
                continue
            if cfg.mut == "fan_first" and op[0] == "fan":
                out.insert(0, op)
                continue
            flush()
            out.append(op)
            continue
        s = seg.setdefault(op[1], {"del": [], "alive": False, "f": {}})
        if op[0] == "delete":
            seg[op[1]] = {"del": [op], "alive": False, "f": {}}
        elif op[0] == "unalive":
            keep = {f: l for f, l in s["f"].items() if f not in ("a", "f", "g")}
            seg[op[1]] = {"del": s["del"] + [op], "alive": False, "f": keep}
        elif op[0] == "alive":
            s["alive"] = True
        elif op[0] == "set":
            s["f"][op[2]] = [op]
        else:  # remove v is conditional
            l = s["f"].setdefault(op[2], [])
            if l and l[-1][0] == "set":
                if l[-1][3] == op[3]:
                    s["f"][op[2]] = [("set", op[1], op[2], None)]
            elif cfg.mut == "one_remove":
                s["f"][op[2]] = [op]
            else:
                l.append(op)
    flush()
    return out + late


def compares(ev):
    return ev.kind == "chunk" and ev.body["kind"] in ("check", "sum")


class Pos:
    """The position: saved inside each frame."""

    def __init__(self):
        self.epoch, self.gen, self.last, self.off = 0, 0, 0, 0
        self.fields, self.comp = OWN, frozenset()  # configured; proved complete
        self.cover, self.gap = None, ""
        self.passed = None  # (job, its parts up to this parent): an unbroken pass
        self.tainted, self.voided = False, None  # voided: the newest event; None: not known
        self.is_asked = False  # for all rows of a table, and no load has begun since
        self.topic, self.owes = None, frozenset()  # owes: requests applied, answer not yet seen
        self.fences = ()  # (generation, tick, clock) of the last fences
        self.h = 0  # running checksum; None after a gap
        self.audit = ()
        self.kept = ()

    def copy(self):
        return copy.copy(self)

    @property
    def complete(self):
        return self.comp >= self.fields & OWN

    @complete.setter
    def complete(self, yes):  # what Postgres proves says nothing about posted fields
        self.comp = self.comp - OWN | (self.fields & OWN if yes else frozenset())

    def configure(self, fields, cfg):
        """Another index configuration: a frame of its own. Returns the ops."""
        gone, new = self.fields - fields, fields - self.fields
        self.fields = fields
        if cfg.mut != "field_keep":
            self.comp -= gone
        if self.cover and cfg.mut != "field_join":
            self.cover = self.cover[:3] + (self.cover[3] - gone - new,)
        elif self.cover:
            self.cover = self.cover[:3] + (fields,)
        return [("drop", f) for f in gone]

    def known(self, ops, P, p):
        """Ops on fields that are not configured are counted, never stored; so is a value that no
        slot can hold."""
        for op in ops:
            if "t" not in self.fields:
                if (
                    op[0] in ("set", "remove")
                    and op[2] == "t"
                    or op[0] in ("load", "check")
                    and op[1]["phase"] == 1
                ):
                    continue
                if op[0] == "rfr":
                    op = (
                        "rfr",
                        dict(
                            op[1], ents={e: (a, v, None) for e, (a, v, t) in op[1]["ents"].items()}
                        ),
                        P,
                        p,
                    )
            if (
                DEAD[0] is not None
                and op[0] in ("set", "remove")
                and op[2] == "a"
                and (op[3] or 0) >= DEAD[0]
            ):
                if op[0] == "remove" or self.keep:
                    continue
                op = op[:3] + (None,)
            yield op


class Shard:
    def __init__(self, world, p):
        self.w, self.p, self.cfg = world, p, world.cfg
        self.wal, self.durable = [], 0  # frames; the first `durable` are on disk
        self.ckpt = []  # [(frames before it, state, pos, verdicts)]
        self.base = 0  # frames trimmed from the head
        self.committed = (0, "mine")  # Kafka group offset and metadata
        self.up, self.batch = False, None
        self.reports, self.verdicts = [], []
        self.old, self.served = None, 0  # the state that serves while a replay is built beside it
        self.fields = OWN | {"x"} if self.cfg.posts else OWN

    # --- restart ------------------------------------------------------------
    def start(self):
        if self.up:
            return False
        off, meta = self.committed
        had = self.old["off"] if self.old else self.held()
        if meta is None and off >= had:  # forward, or a replay taken back: what serves continues
            if self.old and self.cfg.mut != "takeback_half":
                for k in ("wal", "durable", "ckpt", "base"):
                    setattr(self, k, self.old[k])
            self.old = None
        elif meta is None:  # operator's reset: replay, beside the state that serves
            self.old = self.old or dict(
                wal=list(self.wal),
                durable=self.durable,
                ckpt=list(self.ckpt),
                base=self.base,
                off=had,
                comp=self.wal[-1]["pos"].comp if self.wal else None,
            )
            self.ckpt = [c for c in self.ckpt if c[2].off <= off]
            if self.cfg.mut == "reset_ignored":
                pass
            elif self.ckpt:
                n = self.ckpt[-1][0]
                del self.wal[max(0, n - self.base) :]
            else:
                self.wal, self.base = [], 0
            self.durable = len(self.wal)
        del self.wal[self.durable :]
        if self.ckpt:
            n, st, pos, self.verdicts = self.ckpt[-1]
            self.state, self.pos, self.frame = copy.deepcopy(st), pos.copy(), n
        else:
            self.state, self.pos, self.frame, self.verdicts = {}, Pos(), 0, []
        for fr in self.wal[self.frame - self.base :]:
            self.run(fr)
        if (
            self.cfg.mut in ("commit_early", "commit_early_hidden")
            and self.committed[0] > self.pos.off
        ):
            self.pos = self.pos.copy()
            self.pos.off = self.committed[0]  # trusts the group's offset
        if not self.wal and not self.ckpt:
            self.pos.fields = self.fields
            self.pos.comp = (
                frozenset("x") & self.fields if self.w.log_start[self.p] == 0 else frozenset()
            )
        if self.pos.fields != self.fields:
            pos = self.pos.copy()
            self.note(pos, pos.configure(self.fields, self.cfg))
        if (
            meta is None and off > had
        ):  # a reset forward: what it skips is lost, now, not at the next number
            pos = self.pos.copy()
            if self.cfg.mut != "skip_seq":
                self.lost(pos, "skipped by a reset")
                pos.comp = frozenset()
            pos.off = off
            self.note(pos, [])
        if meta is None and self.cfg.mut != "reset_again":
            self.commit(
                self.pos.off
            )  # answered: seen again after a crash it would look like a reset forward
        self.up, self.batch = True, None
        self.serves()
        return True

    def serves(self):
        """The state that answers never goes back."""
        off = self.old["off"] if self.old and self.cfg.mut != "serve_new" else self.pos.off
        if off < self.served and not self.w.faults:
            raise Violation(
                f"p{self.p}: the state that serves went back from {self.served} to {off}"
            )
        self.served = max(off, self.served)

    def held(self):
        return (
            self.wal[self.durable - 1]["pos"].off
            if self.durable
            else self.ckpt[-1][2].off if self.ckpt else 0
        )

    def note(self, pos, ops):
        """A frame that no event caused."""
        self.wal.append(dict(ops=ops, pos=pos, off0=pos.off))
        self.durable = len(self.wal)
        self.run(self.wal[-1])

    def crash(self, rng):
        if not self.up:
            return False
        self.up, self.batch = False, None
        if self.durable < len(self.wal):  # a torn tail: some unsynced frames survive
            keep = rng.randrange(self.durable, len(self.wal) + 1)
            del self.wal[keep:]
            self.durable = len(self.wal)
        return True

    # --- the rule for one event --------------------------------------------
    def lost(self, pos, why):
        pos.complete, pos.cover, pos.owes, pos.passed = False, None, frozenset(), None
        pos.gap = pos.gap or why

    def ask(self, pos, ev):
        """Requests are kept by their outbox row; only an answer that names the row removes it."""
        pos.owes |= {
            (ev.rid[0],) + op[:2] for op in ev.body if op[0] in ("ref", "refp", "refan", "all")
        }
        pos.is_asked |= any(op[0] == "all" for op in ev.body)
        if self.cfg.owes_max and len(pos.owes) > self.cfg.owes_max:
            if self.cfg.mut == "full_drops":
                pos.owes = frozenset(sorted(pos.owes)[-self.cfg.owes_max :])
            else:
                self.lost(pos, "too many requests")

    def accept(self, pos, ev):
        """Returns the ops of an event, or None if it is dropped. Changes pos."""
        cfg = self.cfg
        if ev.kind == "post":  # unnumbered: before any look at epoch and generation
            return [("post", ev.seq)]
        if ev.topic and pos.topic and ev.topic != pos.topic and cfg.mut != "topic_late":
            self.lost(pos, "another topic")  # looked at before epoch and generation
        pos.topic = ev.topic or pos.topic
        if ev.epoch < pos.epoch:
            return None
        if ev.epoch > pos.epoch:
            pos.fences, pos.owes = (), frozenset()
        if ev.kind == "fence":  # a generation can open no window after the fence of a later one
            pos.fences = (pos.fences + ((ev.gen, ev.tick, ev.clock),))[-8:]
        if ev.epoch > pos.epoch:  # a new history: nothing known about it yet
            first = pos.epoch == 0
            pos.epoch, pos.gen, pos.last, pos.cover, pos.h = ev.epoch, ev.gen, 0, None, 0
            pos.passed = pos.voided = None
            if cfg.mut == "epoch_complete" and not first:
                pass
            else:
                pos.complete = ev.kind == "fence" and ev.body["empty"] and first
                if cfg.naive_complete and first:
                    pos.complete = True
        if ev.gen < pos.gen and cfg.mut not in ("no_fence", "no_gen_rule", "stale_chunk"):
            by = [x for x in pos.fences if x[0] > ev.gen]
            if (
                cfg.rival == "tick"
                and by
                and ev.tick > by[0][1]
                or cfg.rival == "clock"
                and ev.kind == "wm"
                and by
                and ev.clock > by[0][2]
            ):
                self.lost(pos, "rival")
            return None
        if ev.gen > pos.gen and ev.kind != "fence" and cfg.mut not in ("no_fence_mark",):
            self.lost(pos, "fence missing")
        pos.gen = max(ev.gen, pos.gen)
        if ev.kind in ("row", "fan", "rej"):
            if ev.seq <= pos.last:
                return None
            if ev.seq != pos.last + 1 and cfg.mut != "jump_ok":
                self.lost(pos, f"jump {pos.last}->{ev.seq}")
            pos.h = hash((pos.h, *ev.dig)) if ev.seq == pos.last + 1 and pos.h is not None else None
            pos.last = ev.seq
            pos.audit = pos.audit + (ev.rid + (ev.kind,),)
            self.ask(pos, ev)
            return ev.body
        # marks and chunks carry the seq that they follow
        if ev.seq > pos.last:
            if cfg.mut != "jump_ok":
                self.lost(pos, f"mark at {ev.seq}, last {pos.last}")
            pos.last, pos.h = ev.seq, None
        if cfg.chain and ev.seq == pos.last:
            if pos.h is not None and pos.h != ev.h:
                self.lost(pos, "other rows under the same numbers")
            pos.h = ev.h
        if ev.kind in ("fence", "wm") and ev.voided is not None:
            self.number(pos, ev.voided)
        if ev.kind == "void":
            self.void(pos, ev.body)
            return []
        if ev.kind == "fence":
            return []
        if ev.seq < pos.last and cfg.mut not in ("no_fence", "stale_chunk", "stale_only"):
            if cfg.back and ev.gen == pos.gen:  # the numbers went back inside one epoch
                self.lost(pos, f"{ev.kind} at {ev.seq}, last {pos.last}")
            return None  # stale: the chunk is not exact here
        if (
            ev.kind == "wm"
            and not ev.owed
            or compares(ev)
        ) and pos.owes:
            if cfg.mut not in (
                "ref_trust",
                "ref_nofan",
                "page_join",
                "mark_owed",
                "ref_memory",
                "ref_trim",
                "ref_sub",
                "check_owed",
                "spill_lost",
                "spill_mark",
                "spill_ref",
            ):
                self.lost(
                    pos, "an answer was lost"
                )  # chunks take no seq: nothing else would show it
        if ev.kind == "wm":
            self.w.at_watermark(self, pos, ev)
            return []
        b = ev.body
        if ev.kind == "begin":
            if b.get("heals") and b["heals"] & pos.comp and pos.is_asked:
                raise Violation(f"p{self.p} says complete what the load of a request will change")
            pos.is_asked = False  # another load may prove it
            if b["kind"] == "load" and cfg.mut == "last_flag":
                pos.cover = (b["job"], 0, INF, pos.fields)
            elif b["kind"] == "load" and not (pos.cover and pos.cover[0] == b["job"]):
                pos.cover = (b["job"], b["first"], -1, pos.fields)
            return []
        if ev.kind == "chunk":
            if b["kind"] == "refresh":
                self.at_loaded(pos, b)
                pos.owes = frozenset(
                    o
                    for o in pos.owes
                    if o[0] not in b["ids"] and (cfg.mut != "owes_key" or o[1:] not in b["keys"])
                )
                return [("rfr", b, self.w.P, self.p)]
            if b["kind"] == "load" and b["phase"] == 2:
                self.accept_part(pos, b)
                return [(b["kind"], b, self.w.P, self.p)]
            if (
                b["kind"] == "load"
                and pos.cover
                and pos.cover[:2] == (b["job"], b["phase"])
                and b["lo"] <= pos.cover[2]
            ):
                pos.cover = (
                    (b["job"], b["phase"] + 1, -1)
                    if (b["last"] if cfg.mut == "last_flag" else b["hi"] == INF)
                    else (b["job"], b["phase"], max(b["hi"], pos.cover[2]))
                ) + pos.cover[3:]
            return [(b["kind"], b, self.w.P, self.p)]
        if ev.kind == "end" and b["kind"] == "load":
            if cfg.mut == "end_trusted" or pos.cover and pos.cover[:3] == (b["job"], 2, -1):
                own = {f for ph in phases(cfg)[b["first"] : 2] for f in ph} | (
                    {"alive"} if b["first"] == 0 else set()
                )
                pos.comp |= own & (pos.cover[3] if pos.cover else pos.fields)
                if pos.passed == (b["job"], INF) and "f" in pos.comp:
                    pos.comp |= {"g"} & pos.fields  # its query reads f, covered earlier in this job
                if b["first"] == 0:
                    pos.tainted = False
                if pos.complete:
                    pos.gap = ""
            return []
        return []

    def number(self, pos, number):
        """A shard that has missed a voided event does not know which fields it was about."""
        if pos.voided not in (None, number):
            pos.complete, pos.cover, pos.passed = False, None, None
            self.w.count("void-missed")
        pos.voided = number

    def void(self, pos, b):
        if pos.voided is not None and b["number"] <= pos.voided:
            return
        if pos.voided is not None:
            self.number(pos, b["number"] - 1)
        pos.voided = b["number"]
        pos.comp -= b["fields"]
        if pos.cover:
            pos.cover = pos.cover[:3] + (pos.cover[3] - b["fields"],)

    def at_loaded(self, pos, b):
        """A row that asks for all rows is named when they were loaded."""
        named = {o for o in pos.owes if o[0] in b["ids"] and o[1] == "all"}
        waits = any(o[1] == "all" for o in pos.owes - named)
        if named and not waits and not pos.gap and "t" not in pos.comp:
            raise Violation(f"p{self.p}: {named} answered before the load has ended")

    def accept_part(self, pos, b):
        """A part of a pass: the first one takes all values, whatever was covered."""
        cfg = self.cfg
        if (b["start"] or cfg.mut == "pass_any") and cfg.mut != "pass_proved":
            pos.comp -= {"g"}
        if b["start"]:
            pos.passed = (b["job"], b["hi"])
        elif (
            pos.passed
            and pos.passed[0] == b["job"]
            and b["lo"] <= pos.passed[1]
            or cfg.mut == "pass_holes"
        ):
            pos.passed = (b["job"], max(b["hi"], pos.passed[1] if pos.passed else -1))
        if pos.passed == (b["job"], INF) and ("f" in pos.comp or cfg.mut == "pass_blind"):
            pos.comp |= {"g"} & pos.fields

    # --- steps: poll, append, fsync, apply, commit ----------------------------
    def step(self, rng):
        if not self.up:
            return False
        if self.batch is None:
            return self.poll(rng)
        return getattr(self, "st_" + self.batch["at"])(rng)

    def poll(self, rng):
        log, start = self.w.logs[self.p], self.w.log_start[self.p]
        if self.pos.off > len(log) or self.pos.off < start:
            pos = self.pos.copy()  # retention or truncation under our feet
            self.lost(pos, "offset out of range")
            if self.cfg.mut != "skip_seq":
                pos.comp = frozenset()
            pos.off = max(start, min(pos.off, len(log)))
            self.batch = dict(
                at="append",
                fr=dict(ops=[], pos=pos, off0=self.pos.off),
                shadow=copy.deepcopy(self.state),
            )
            return True
        evs = log[self.pos.off : self.pos.off + rng.choice([1, 2, 3, 6, 10])]
        if not evs:
            return False
        if self.cfg.mut not in ("sum_open", "sum_late"):  # a comparison closes its batch
            cut = [i for i, ev in enumerate(evs) if compares(ev)]
            evs = evs[: cut[0] + 1] if cut else evs
        pos, raw, sh, naive = self.pos.copy(), [], copy.deepcopy(self.state), []
        expect = self.verdicts
        pos.keep = self.cfg.dead == "keep"
        self.shadow = sh
        for ev in evs:
            ops = list(pos.known(self.accept(pos, ev) or [], self.w.P, self.p))
            for op in ops:
                if op[0] == "check":
                    self.w.at_check(self, sh, op, ev, pos)
                if op[0] == "sum":
                    naive.append(self.w.at_sum(self, sh, op, pos))
                if op[0] in ("sum", "check"):
                    expect = self.judged(expect, sh, op, pos)
                apply_op(sh, op, self.cfg)
                raw.append(op)
        pos.off += len(evs)
        self.batch = dict(
            at="append",
            fr=dict(
                ops=compact(raw, self.cfg),
                raw=raw,
                pos=pos,
                off0=self.pos.off,
                naive=naive,
                expect=expect,
            ),
            shadow=sh,
        )
        if self.cfg.mut in ("commit_early", "commit_early_hidden"):
            self.commit(pos.off)
        return True

    def st_append(self, rng):
        self.wal.append(self.batch["fr"])
        self.batch["at"] = "apply" if self.cfg.mut == "apply_early" else "fsync"
        return True

    def st_fsync(self, rng):
        self.durable = len(self.wal)
        self.batch["at"] = "commit" if self.cfg.mut == "apply_early" else "apply"
        return True

    def judged(self, verdicts, st, op, pos):
        """The newest verdict of each range: what differs, and what could not be compared."""
        c, own = op[1], pos.fields & OWN
        if op[0] == "sum":
            v = (sum_diff(st, op, own & pos.comp, self.cfg), own - pos.comp)
        else:
            v = (frozenset(check_diff(st, op, self.cfg)), frozenset())
        inside = lambda o: o[0] == op[0] and c["lo"] <= o[1] and o[2] <= c["hi"]
        return [o for o in verdicts if not inside(o)] + [(op[0], c["lo"], c["hi"], *v)]

    def run(self, fr):
        """Applies a frame. Verdicts are not in it: they are found again when it is replayed."""
        naive = list(fr.get("naive", ()))
        for op in fr["ops"]:
            if op[0] in ("sum", "check"):
                self.verdicts = self.judged(self.verdicts, self.state, op, fr["pos"])
            if op[0] == "sum":
                rep = sum_diff(self.state, op, fr["pos"].fields, self.cfg)
                self.reports.append((op[1]["job"], rep))
                if rep != naive.pop(0):
                    raise Violation(f"sum p{self.p}: the compacted batch reports {set(rep)}")
            elif op[0] == "check":
                self.reports.append((op[1]["job"], frozenset(check_diff(self.state, op, self.cfg))))
            else:
                apply_op(self.state, op, self.cfg)
        if self.verdicts != fr.get("expect", self.verdicts):
            raise Violation(f"verdicts p{self.p}: {self.verdicts}, were {fr['expect']}")
        self.pos = fr["pos"].copy()
        self.frame += 1
        self.w.order_law(self)

    def st_apply(self, rng):
        self.run(self.batch["fr"])
        if self.state != self.batch["shadow"]:
            raise Violation(
                f'L6 p{self.p}: {self.batch["fr"].get("raw")} -> {self.batch["fr"]["ops"]}'
            )
        self.batch["at"] = "fsync" if self.cfg.mut == "apply_early" else "commit"
        return True

    def st_commit(self, rng):
        self.commit(self.pos.off)
        self.batch = None
        if self.old and self.pos.off >= self.old["off"]:
            if self.old["comp"] and not self.pos.comp >= self.old["comp"]:
                self.w.count("replay-less-complete")
                if self.cfg.swap == "comp":  # taken back: it came as far, but proves less
                    for k in ("wal", "durable", "ckpt", "base"):
                        setattr(self, k, self.old[k])
                    self.committed = (self.held(), "mine")
                    self.up = False
            self.old = None
            if not self.up:
                return True
        self.serves()
        if rng.random() < 0.2:
            kept = [] if self.cfg.mut == "verdict_memory" else self.verdicts
            here = (self.frame, copy.deepcopy(self.state), self.pos.copy(), kept)
            self.ckpt = self.ckpt[-1:] + [here]
            n = self.ckpt[0][0] - self.base  # WAL start <= oldest kept checkpoint
            if n > 0:
                del self.wal[:n]
                self.durable -= n
                self.base += n
        return True

    def commit(self, off):
        self.committed = (off, "mine")
        self.w.order_law(self)

    def damage(self, rng):
        """Plant a wrong value, durably (as a frame of its own, beside the protocol)."""
        if not self.up or self.batch:
            return False
        e = rng.randrange(self.cfg.E) // self.w.P * self.w.P + self.p
        f = rng.choice(["alive", "a", "g", "t", "t"])
        old = self.state.get(e, {}).get(f)
        v = (
            (None if old else True)
            if f == "alive"
            else rng.choice([None, 200, 201] if old is not None else [200])
        )
        pos = self.pos.copy()
        pos.tainted = True
        if pos.cover and pos.cover[0]:
            pos.cover = pos.passed = None  # the running load may already be past this entity
        self.wal.append(dict(ops=[("dmg", e, f, v)], pos=pos, off0=pos.off))
        self.durable = len(self.wal)
        self.run(self.wal[-1])
        return True

    def reset(self, rng):
        """kafka-consumer-groups --reset-offsets (the group is down)."""
        if self.up:
            return False
        at = self.old["off"] if self.old else self.held()
        to = rng.choice([0, rng.randrange(0, at + 1)])
        if self.cfg.forward and rng.random() < 0.5:
            to = (
                rng.randrange(at, len(self.w.logs[self.p]) + 1)
                if at < len(self.w.logs[self.p])
                else at
            )
        self.committed = (to, None)
        return True
