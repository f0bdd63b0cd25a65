"""Producer instance and the Kafka logs of the model."""

import random

from cons import Violation, phases
from pg import INF, asked, asked_everywhere, sums, table_values, view

PHASES = ("img", "tag", "par")


class Ev:
    __slots__ = (
        "kind",
        "epoch",
        "gen",
        "tick",
        "seq",
        "rid",
        "body",
        "ent",
        "h",
        "owed",
        "clock",
        "src",
        "off",
        "topic",
        "dig",
        "voided",
    )

    def __init__(self, kind, epoch, gen, tick, seq, rid=None, body=None):
        self.kind, self.epoch, self.gen, self.tick, self.seq, self.rid, self.body = (
            kind,
            epoch,
            gen,
            tick,
            seq,
            rid,
            body,
        )
        self.ent = self.h = None
        self.topic = None  # marks name the topic
        self.voided = None  # marks: the newest voided event
        self.owed = False  # marks: refreshes of this partition not yet answered

    def __repr__(self):
        b = "" if self.kind == "wm" else self.body
        return f"{self.kind}(ep{self.epoch} g{self.gen} t{self.tick} s{self.seq} r{self.rid} {b})"


class Client:
    """One Kafka client: a queue per partition, delivered in order; may outlive its producer
    (ghost)."""

    def __init__(self, P):
        self.q = [[] for _ in range(P)]
        self.un = [[] for _ in range(P)]  # appended, ack not yet seen by the producer
        self.acked = [-1] * P  # greatest acknowledged offset
        self.last = [-1] * P  # the same, of every client

    def idle(self):
        return not any(self.q) and not any(self.un)


class Stop(Exception):
    pass


class Prod:
    def __init__(self, world, name, ver, db=None):
        self.w, self.db, self.cfg, self.P = world, db or world.db, world.cfg, world.P
        self.src, self.rival = None, False
        self.name, self.ver = name, ver
        self.mode, self.client, self.why = "boot", None, ""
        self.chunk, self.then = None, []  # the step that is being sent, those after it
        self.early = ()  # mutation ref_early
        self.conn = self.db.conn

    # --- helpers ------------------------------------------------------------
    def die(self, why):
        self.mode, self.why = "dead", why
        if self.client:
            self.w.ghost(self.client)
            self.client = None

    def stop(self, why):
        self.die(why)
        self.w.count("stop: " + why)
        if self.db is self.w.db:  # a producer on a copy or on the old primary just ends
            self.w.stopped = why

    def send(self, p, ev, ent=None):
        ev.ent, ev.h = ent, self.h[p]  # running checksum of (row id, txid) up to seq
        ev.clock, ev.src = self.w.now, self.src
        self.client.q[p].append(ev)

    def owner(self):
        """The generation condition of every database write."""
        if self.cfg.mut in ("no_fence", "no_db_gen"):
            return True
        pr = self.db.prod
        return (
            pr["gen"] == self.gen
            and pr["epoch"] == self.epoch
            and (pr["timeline"] == self.db.timeline)
        )

    def connected(self):
        """Sessions die with the server. A new session sends again from the saved cursor."""
        if self.conn == self.db.conn:
            return True
        self.conn = self.db.conn
        if self.cfg.mut == "keep_memory":  # reconnects and continues with what it has in memory
            return self.mode != "boot"
        self.restart()
        return False

    def restart(self):
        """Go-back-N: destroys the client, takes a new generation, sends again from the cursor."""
        if self.client:
            self.w.ghost(self.client)
        self.client, self.mode, self.chunk, self.then = None, "boot", None, []

    # --- main loop: one step -------------------------------------------------
    def step(self, rng):
        if self.mode == "dead":
            return False
        if self.rival:  # the gaps between acknowledged offsets hold a later generation
            self.rival = False
            if self.owner():  # but the database says that it is ours: a copy of the database
                return self.stop("rival") or True
            return self.die("fenced") or True
        return getattr(self, "do_" + self.mode)(rng)

    def do_boot(self, rng):
        self.conn = self.db.conn
        db, pr, cfg = self.db, self.db.prod, self.cfg
        self.trust = False
        if pr["timeline"] != db.timeline and not cfg.mut == "no_epoch":
            if not cfg.lossless:  # the saved row is here, so it lies before the switch, always
                return self.stop("timeline") or True
            self.w.count("same epoch tried")
            self.trust = cfg.lossless == "lsn"
        self.w.starts += 1
        self.src = (self.name, self.w.starts)  # names this start on every mark
        if (
            cfg.topic_check in ("mark", "event", "fence")
            and not self.trust
            and self.ahead(pr, [None] * self.P)
        ):
            return self.stop("topic ahead") or True
        self.epoch, self.gen = pr["epoch"], pr["gen"] + 1
        pr["gen"] = self.gen
        pr["timeline"] = db.timeline
        db.internal_xid()
        if cfg.mut != "async_gen":
            db.flush()
        self.load_cursor(db.newest())
        self.resume_owed()
        self.client = Client(self.P)
        for p in range(self.P):
            if cfg.mut != "no_fence_mark":
                self.send(
                    p,
                    Ev(
                        "fence",
                        self.epoch,
                        self.gen,
                        self.tick,
                        self.seq[p],
                        None,
                        {"empty": pr["empty"]},
                    ),
                )
                self.client.q[p][-1].voided = pr["voided"]
        self.voided, self.job, self.repair = {}, None, None
        self.mode = "verify"
        return True

    # --- all rows of a source ------------------------------------------------
    # `voided`: the rows whose request has taken `t` from what is complete; True once all partitions
    # have acknowledged that. `job`: the load that answers some of them. A voided event that may
    # not have reached all partitions is repaired by a load of everything.
    def sources(self):
        pr, jobs = self.db.prod, {j["id"]: j for j in self.db.jobs}
        asking = [i for i, o in self.owed.items() if ("all", 0) in o[0]]
        if not self.client.idle() or not self.owner():
            return
        if self.voided and pr["voided"] == pr["voided_sent"] + 1 and not all(self.voided.values()):
            pr["voided_sent"] = pr["voided"]
            self.db.internal_xid()
            self.db.flush()
        self.voided = {i: True for i in self.voided if i in asking}
        if self.repair and (self.repair not in jobs or jobs[self.repair]["done"]):
            self.repair = None
            pr["voided_sent"] = pr["voided"]
            self.db.internal_xid()
            self.db.flush()
        new = [i for i in asking if i not in self.voided]
        if new and self.cfg.mut != "void_silent":
            self.void(new)
        elif new:
            self.voided.update(dict.fromkeys(new, True))
        elif all(j["done"] for j in self.db.jobs if j["kind"] == "load"):
            self.queue_load(asking)

    def void(self, rows):
        """The number is durable before the event is sent; marks carry it from now on."""
        pr = self.db.prod
        pr["voided"] += 1
        self.db.internal_xid()
        self.db.flush()
        for p in range(self.P):
            body = {"number": pr["voided"], "fields": frozenset("t")}
            self.send(p, Ev("void", self.epoch, self.gen, self.tick, self.seq[p], None, body))
        self.voided.update(dict.fromkeys(rows, False))
        self.w.count("voided")

    def queue_load(self, asking):
        """A load that is running already does not count."""
        pr = self.db.prod
        unsent = pr["voided"] != pr["voided_sent"] and not self.repair
        free = [i for i in asking if not (self.job and i in self.job[1])]
        if unsent:
            self.repair = self.w.next_job
            self.w.add_job("load")
        elif free and not self.job:
            self.job = (self.w.next_job, free)
            self.w.add_job("load", first=1)
            self.db.jobs[-1]["heals"] = frozenset("t")

    def loaded(self):
        """The rows that the load has answered."""
        if not self.job:
            return []
        j = next((j for j in self.db.jobs if j["id"] == self.job[0]), None)
        if j and not j["done"] and self.cfg.mut != "all_early":
            return []
        return [i for i in self.job[1] if i in self.owed]

    def load_cursor(self, w):
        self.tick, self.s1, self.s2, self.sub, self.seq, self.h = (
            w["tick"],
            w["s1"],
            w["s2"],
            w["sub"],
            list(w["seq"]),
            list(w["h"]),
        )
        self.readpos, self.out, self.allread = self.sub, [], False

    # --- refresh ------------------------------------------------------------
    # `ref` of a window row: every refresh row that this snapshot sees has been answered by an
    # acknowledged chunk.
    # `owed`: refresh rows of the delivered part of the stream that are not, with the S1 of their
    # window. Above `owed_max` they are only counted, as segments of the outbox that are read again
    # (`spill`).
    def resume_owed(self):
        w = self.db.newest()
        self.owed, self.page, self.spill = {}, {}, []
        g = dict(lo=w["ref"], hi=self.s2, cut=(self.s1, self.sub), upto=INF, after=0, tick=-1)
        g.update(ref=w["ref"], n=[0] * self.P, skip=set())
        self.spill.append(g)
        for r in self.spilled(g):
            self.count_row(g, r, 1)
        self.refill()

    def spilled(self, g):
        """The refresh rows of a segment that have not been taken from it."""
        for i, r in sorted(self.db.outbox.items()):
            if g["after"] < i <= g["upto"] and i not in g["skip"] and asked(r):
                if not g["lo"].sees(r.xid) and g["hi"].sees(r.xid):
                    if g["cut"] is None or g["cut"][0].sees(r.xid):
                        yield r
                    elif i <= g["cut"][1] and self.cfg.mut != "ref_sub":
                        yield r

    def count_row(self, g, r, d):
        for p in range(self.P):
            g["n"][p] += d * (asked_everywhere(r) or r.e % self.P == p)

    def refill(self):
        while self.spill and (len(self.owed) < self.cfg.owed_max or not self.cfg.owed_max):
            g = self.spill[0]
            r = next(self.spilled(g), None)
            if r is None:
                self.spill.pop(0)
                if any(g["n"]) and not self.cfg.mut:
                    raise Violation("a request that is owed is no longer in the outbox")
                continue
            g["after"] = r.id
            self.count_row(g, r, -1)
            self.owed[r.id] = [set(asked(r)), r.e, g["ref"], g["tick"]]

    def hold(self, r):
        """A request has been sent with its row."""
        answering = self.chunk and self.chunk["kind"] == "refresh" and r.id in self.chunk["read"]
        full = self.cfg.owed_max and len(self.owed) >= self.cfg.owed_max or self.spill
        g = self.spill[-1] if self.spill and self.spill[-1]["tick"] == self.tick else None
        if not full or answering:
            self.owed[r.id] = [set(asked(r)), r.e, self.s1, self.tick]
            if g:
                g["skip"].add(r.id)
            return
        if self.cfg.mut == "spill_lost":
            return
        if not g:
            g = dict(lo=self.s1, hi=self.s2, cut=None, after=r.id - 1, tick=self.tick)
            g.update(ref=self.s1, n=[0] * self.P, skip=set())
            self.spill.append(g)
        g["upto"] = r.id
        self.count_row(g, r, 1)
        self.w.count("spilled")

    def owes(self, p=None):
        held = any(
            p is None or o[1] % self.P == p or any(k in ("refan", "all") for k, _ in o[0])
            for o in self.owed.values()
        )
        over = any(any(g["n"]) if p is None else g["n"][p] for g in self.spill)
        return held or over and self.cfg.mut != "spill_mark"

    def answered(self):
        """What a new window saves: the S1 of the oldest window that owes."""
        owing = [(o[3], o[2]) for o in self.owed.values()]
        if self.cfg.mut != "spill_ref":
            owing += [(g["tick"], g["ref"]) for g in self.spill if any(g["n"])]
        if not owing or self.cfg.mut == "ref_memory":
            return self.s2
        return min(owing, key=lambda o: o[0])[1]

    def answer(self, snap, rng):
        """In the transaction of S2: the first rows of the new window are read, and whatever
        refreshes are known by now. One reading answers every request for the same thing."""
        self.refill()
        known = {i: set(o[0]) for i, o in self.owed.items()}
        if self.cfg.refresh_at == "own":
            for r in self.db.window_rows(self.s2, snap, 0, 6):
                if asked(r):
                    known[r.id] = set(asked(r))
        if not known:
            return None
        n = rng.choice([1, 3, 8])  # bounded; the rest waits for the next end of a window
        last_first = rng.random() < 0.5  # of what one row asks for
        keys = [k for i in sorted(known) for k in sorted(known[i], reverse=last_first)]
        keys = [k for k in dict.fromkeys(keys) if k[0] != "all"][:n]
        answered = self.loaded()
        if not keys and not answered:
            return None
        c = dict(kind="refresh", snap=snap, ents={}, pars={}, kin={}, page={}, done=[], read={})
        for key in keys:
            self.read_key(c, key, [i for i in sorted(known) if key in known[i]], rng)
        for i in answered:
            c["read"].setdefault(i, {})["all", 0] = []
        if self.cfg.mut == "name_all":  # names what it has not read
            for i in known:
                c["read"].setdefault(i, {})
        c["rows"] = {  # named: nothing that they ask for is left
            i: read
            for i, read in c["read"].items()
            if not known.get(i, set()) - set(read) or self.cfg.mut in ("name_first", "name_all")
        }
        c.update(ids=sorted(c["rows"]), seed=rng.randrange(1 << 30))
        return c

    def read_key(self, c, key, ids, rng):
        """Adds what one key is worth. `read`: of each row the keys that are answered, and the
        slots that must have been said before that is complete."""
        (k, e), truth, slots = key, c["snap"].truth, []
        if k == "ref":
            v = view(truth, e)
            fields = {f: (v or {}).get(f) for f in "afg"}
            c["ents"][e] = (v is not None, fields, truth["tag"].get(e))
            slots = [("ents", e)]
        elif k == "refp":
            c["kin"][e] = (view(truth, e) or {}).get("g")
            slots = [("kin", e)]
        elif self.cfg.by == "rows":  # its children in this snapshot; many: a page at each turn
            last, rows = self.page.get(key, (-1, ids))
            kids = [x for x, r in sorted(truth["img"].items()) if r["f"] == e and x > last]
            part = kids[: rng.choice([1, 2, self.cfg.E])]
            c["kin"].update({x: truth["par"].get(e) for x in part})
            slots = [("kin", x) for x in part]
            if part != kids:
                c["page"][key] = (part[-1], rows)
                return
            c["done"].append(key)
            # a page that is not the first answers only what was asked before the first
            ids = rows if self.cfg.mut != "page_join" else ids
        elif self.cfg.mut != "ref_nofan":
            c["pars"][e] = truth["par"].get(e)
            slots = [("pars", e)]
        for i in ids:
            c["read"].setdefault(i, {})[key] = slots

    def messages(self, c, p):
        """The parts of an answer in one partition. A row is named by the last part that has
        something of it."""
        rng = random.Random(c["seed"] + p)
        n, place = rng.choice([1, 1, 2, 3]), {}
        parts = [dict(c, ents={}, kin={}, pars={}, ids=[], keys=[]) for _ in range(n)]
        for table in ("ents", "kin", "pars"):
            for e, v in c[table].items():
                if table == "pars" or e % self.P == p:
                    place[table, e] = i = rng.randrange(n)
                    parts[i][table][e] = v
        for row, read in c["rows"].items():
            at = [place[x] for slots in read.values() for x in slots if x in place] or [0]
            i = min(at) if self.cfg.mut == "part_first" else max(at)
            parts[i]["ids"].append(row)
            parts[i]["keys"].extend(read)
        return parts

    def send_answer(self, c):
        for p in range(self.P):
            for part in self.messages(c, p):
                self.send(p, Ev("chunk", self.epoch, self.gen, self.tick, self.seq[p], None, part))

    def ahead(self, pr, upto):
        """Does the topic hold something of a later history than the saved cursor?"""
        tick = self.db.newest()["tick"]
        for p in range(self.P):
            for ev in self.w.logs[p][: upto[p]]:
                if self.cfg.topic_check == "mark" and ev.kind not in ("fence", "wm"):
                    continue
                gen = (
                    pr["gen"] - 1 if upto[p] is not None and self.cfg.nonce else pr["gen"]
                )  # before this start took its own
                if ev.epoch > pr["epoch"] or (
                    ev.epoch == pr["epoch"]
                    and (
                        ev.gen > gen
                        and self.cfg.mut != "gen_ignored"
                        or ev.tick > tick
                        and self.cfg.mut != "tick_ignored"
                    )
                ):
                    return True
        return False

    def do_verify(self, rng):
        if not self.connected():
            return True
        if self.cfg.fence_wait or self.cfg.topic_check == "fence":
            if not self.client.idle():
                return False
        if self.cfg.topic_check == "fence":
            upto = []
            for p in range(self.P):
                own = [
                    i
                    for i, ev in enumerate(self.w.logs[p])
                    if ev.kind == "fence"
                    and (
                        ev.src == self.src
                        if self.cfg.nonce
                        else (ev.epoch, ev.gen) == (self.epoch, self.gen)
                    )
                ]
                upto.append(own[0] if own else None)
            if not self.owner():
                return self.die("fenced") or True
            if not self.trust and self.ahead(self.db.prod, upto):
                return self.stop("topic ahead") or True
        self.mode = "send"
        return True

    def do_send(self, rng):
        """Read the next chunk of the window, save sub_id, or finish."""
        if not self.connected():
            return True
        if self.cfg.mut == "id_cursor" and self.sub == INF:
            self.allread = True
        if rng.random() < 0.25 and self.out and self.cfg.mut not in ("late_save", "txid_order"):
            return self.save_sub()
        if not self.allread:
            limit = rng.choice([1, 2, 5])
            rows = self.db.window_rows(self.s1, self.s2, self.readpos, limit)
            for r in rows:
                try:
                    self.publish(r)
                except Stop:
                    return self.die("fenced") or True
            self.allread = len(rows) < limit
            return True
        if self.client.idle():
            self.mode = "done"
            return True
        if self.chunk and self.chunk["kind"] == "refresh" and rng.random() < 0.5:
            return self.send_chunk()  # the answers need not wait for the rows' acknowledgements
        return False

    def valid(self, r):
        """Validators differ between versions. With reject_saved the verdict of the first reader is
        kept."""
        if not r.kind.startswith("bad"):
            return True
        if not self.cfg.reject_saved:
            return self.ver
        if not self.owner():
            raise Stop  # the verdict is a database write like any other
        return self.db.verdicts.setdefault(r.id, self.ver)

    def parts(self, r):
        ok = self.valid(r)
        if not ok and self.cfg.mut == "naive_reject":
            return [r.e % self.P]
        if not ok and self.cfg.mut == "reject_noseq":
            return []
        return range(self.P) if "fan" in r.kind else [r.e % self.P]

    def publish(self, r):
        ps = self.parts(r)
        ok = self.valid(r)
        ent = [r.id, None, 0]
        for p in ps:
            self.seq[p] += 1
            dig = (r.id, r.xid, r.e, str(r.ops)) if self.cfg.chain == "body" else (r.id, r.xid)
            self.h[p] = hash((self.h[p], *dig))
            ent[2] += 1
            kind = "rej" if not ok else "fan" if "fan" in r.kind else "row"
            ops = (
                []
                if kind == "rej"
                else [op if op[0] == "fan" else (op[0], r.e) + op[1:] for op in r.ops]
            )
            ev = Ev(
                kind,
                self.epoch,
                self.gen,
                self.tick,
                self.seq[p],
                (r.id, r.xid, r.e if r.kind in ("slot", "ref") else None),
                ops,
            )
            ev.dig = dig
            self.send(p, ev, ent)
        ent[1] = (list(self.seq), list(self.h))
        self.out.append(ent)
        if asked(r) and r.id not in self.early:
            self.hold(r)
        self.readpos = r.id

    def save_sub(self):
        if not self.owner():
            return self.die("fenced") or True
        pos = None
        while self.out and (self.out[0][2] == 0 or self.cfg.mut == "sub_before_ack"):
            pos = self.out.pop(0)
        if pos is None:
            return False
        self.db.windows.append(
            dict(
                tick=self.tick,
                gen=self.gen,
                s1=self.s1,
                s2=self.s2,
                sub=pos[0],
                seq=pos[1][0],
                h=pos[1][1],
                ref=max(
                    (w for w in self.db.windows if w["tick"] == self.tick), key=lambda w: w["sub"]
                )["ref"],
            )
        )
        self.db.internal_xid()  # need not be synchronous
        return True

    def do_done(self, rng):
        if not self.connected():
            return True
        if self.cfg.mut == "late_save" and getattr(self, "late_w", None):
            if not self.owner():
                return self.die("fenced") or True
            self.db.windows.append(dict(self.late_w, sub=INF, seq=list(self.seq), h=list(self.h)))
            self.late_w = None
            self.db.flush()
        if self.chunk:
            return self.send_chunk()
        if rng.random() < 0.5:
            self.watermark(self.s2)
        self.mode = "idle"
        return True

    def watermark(self, snap):
        for p in range(self.P):
            ev = Ev("wm", self.epoch, self.gen, self.tick, self.seq[p], None, snap)
            ev.owed = self.cfg.mut != "mark_owed" and self.owes(p)
            ev.topic = self.w.topic
            ev.voided = self.db.prod["voided"]
            self.send(p, ev)

    def do_idle(self, rng):
        """Take S2 and look for rows; read a chunk of a job in the same transaction."""
        if not self.connected():
            return True
        if self.cfg.source:
            self.sources()
        self.new = self.db.snapshot()
        steps = self.read_steps(rng)
        self.chunk, self.then = (steps[0], steps[1:]) if steps else (None, [])
        rows = self.db.window_rows(self.s2, self.new, 0, 1)
        if self.cfg.mut == "id_cursor":
            rows = [r for r in self.db.outbox.values() if self.s2.maxid < r.id <= self.new.maxid]
        if rows:
            self.mode = "save"
            return True
        if self.cfg.empty_advances:  # an empty window saves nothing, memory moves on
            if self.cfg.mut != "keep_s1":
                self.s2 = self.new
        if self.chunk:
            return self.send_chunk()
        if rng.random() < 0.06 and self.client.idle() and not self.w.hush:
            self.watermark(self.new if self.cfg.empty_advances else self.s2)
        return True

    def read_steps(self, rng):
        """What one end of a window carries, in this order, from one snapshot: answers, a chunk of a
        load, a comparison."""
        steps, jobs = [], [j for j in self.db.jobs if not j["done"]]
        load = next((j for j in jobs if j["kind"] == "load"), None)
        compared = next((j for j in jobs if j["kind"] != "load"), None)
        if self.cfg.refresh or self.cfg.source or self.cfg.parents == "refresh":
            if rng.random() < 0.95:
                a = self.answer(self.new, rng)
                steps = [a] if a else []
        if self.cfg.mut == "check_owed" and compared and rng.random() < 0.6:
            steps = []  # compares although refreshes are owed
        for j in (load, compared):
            if j and rng.random() < 0.55 and (steps or self.client.idle()):
                steps.append(self.read_chunk(j, self.new, rng))
        return steps

    def do_save(self, rng):
        """Open the window: one synchronous INSERT conditional on the generation."""
        if not self.connected():
            return True
        if self.cfg.cond == "read" and not getattr(self, "checked", False):
            if not self.owner():
                return self.die("fenced") or True
            self.checked = True  # check and insert are two steps: no row lock held
            return True
        if self.cfg.cond != "read" and not self.owner():
            return self.die("fenced") or True
        self.checked = False
        db = self.db
        if self.cfg.unique and any(w["tick"] == self.tick + 1 for w in db.windows):
            return self.restart() or True  # primary key (name, tick): somebody else opened it
        w = dict(
            tick=self.tick + 1,
            gen=self.gen,
            s1=self.s2,
            s2=self.new,
            sub=0,
            seq=list(self.seq),
            h=list(self.h),
            ref=self.answered(),
        )
        if self.cfg.mut == "ref_early" and self.chunk and self.chunk["kind"] == "refresh":
            self.send_answer(self.chunk)  # the answer overtakes the window that it was read at
            self.early, self.chunk = self.chunk["ids"], None
        if self.cfg.mut == "late_save":  # the cursor is saved after the window instead of before it
            self.late_w = w
        else:
            db.windows.append(w)
        db.internal_xid()
        if self.cfg.mut != "async_open":
            db.flush()
        del db.windows[:-12]
        c = self.chunk
        self.load_cursor(w)
        self.chunk = c
        self.mode = "send"
        return True

    # --- jobs ---------------------------------------------------------------
    def read_chunk(self, j, snap, rng):
        n = rng.choice([1, 2, 4])
        tab = PHASES[j["phase"]]
        if tab == "par":
            n = 1  # several parts, although there are two parents
        top = j.get("hi", INF)
        if j["kind"] == "sum":
            l = [
                x
                for x in table_values(snap.truth, self.cfg.sum_raw)
                if not self.cfg.orphan or x[0] in snap.truth["img"]
            ]
            return dict(
                job=j["id"],
                kind="sum",
                phase=0,
                lo=j["lo"],
                hi=top,
                last=True,
                rows={},
                snap=snap,
                sums=[sums(l, j["lo"], top, self.P, p) for p in range(self.P)],
            )
        keys = [k for k in sorted(snap.truth[tab]) if j["lo"] < k <= top][:n]
        hi = keys[-1] if len(keys) == n else top
        if self.cfg.mut == "hi_max":  # the last range ends at the greatest key in Postgres
            hi = keys[-1] if keys else j["lo"]
        rows = {}
        for k in keys:
            if tab == "img":
                v = view(snap.truth, k)
                rows[k] = {x: v.get(x) for x in phases(self.cfg)[0]}
            elif tab == "par":
                rows[k] = snap.truth["par"][k]
            elif snap.truth["tag"][k] is not None:
                rows[k] = {"t": snap.truth["tag"][k]}
        last = hi == top or (self.cfg.mut == "hi_max" and len(keys) < n)
        return dict(
            job=j["id"],
            kind=j["kind"],
            phase=j["phase"],
            lo=j["lo"],
            hi=hi,
            last=last,
            rows=rows,
            snap=snap,
            start=j["lo"] == j.get("lo0", -1) or self.cfg.mut == "pass_resets",
        )

    def phases(self, j):
        return (
            3
            if self.cfg.passes
            and j["kind"] == "load"
            and j["lo0"] == -1
            and j.get("hi", INF) == INF
            else 2
        )

    def send_chunk(self):
        if self.chunk["kind"] in ("check", "sum") and self.owes() and self.cfg.mut != "check_owed":
            return self.next_step()  # what is owed is a known difference: compare later
        if self.chunk["kind"] == "refresh":
            if self.cfg.mut == "ref_late":
                self.chunk = self.answer(self.db.snapshot(), random.Random(1)) or self.chunk
            self.send_answer(self.chunk)
            self.mode = "chunk"
            return True
        j = next((j for j in self.db.jobs if j["id"] == self.chunk["job"]), None)
        if j is None or not self.owner():
            return self.die("fenced") or True
        c = self.chunk
        if self.cfg.mut == "chunk_anywhere":  # read now, not at the end of the window
            c = self.read_chunk(j, self.db.snapshot(), random.Random(c["hi"] + self.tick))
            self.chunk = c
        for p in range(self.P):
            if j["lo"] == j.get("lo0", -1) and j["phase"] == j["first"]:
                self.send(
                    p,
                    Ev(
                        "begin",
                        self.epoch,
                        self.gen,
                        self.tick,
                        self.seq[p],
                        None,
                        dict(job=j["id"], kind=j["kind"], first=j["first"], heals=j.get("heals")),
                    ),
                )
            self.send(p, Ev("chunk", self.epoch, self.gen, self.tick, self.seq[p], None, c))
            if c["last"] and j["phase"] == self.phases(j) - 1:
                self.send(
                    p,
                    Ev(
                        "end",
                        self.epoch,
                        self.gen,
                        self.tick,
                        self.seq[p],
                        None,
                        {"job": j["id"], "kind": j["kind"], "first": j["first"]},
                    ),
                )
        self.mode = "chunk"
        return True

    def do_chunk(self, rng):
        if not self.connected():
            return True
        if not self.client.idle():
            return False
        if not self.owner():
            return self.die("fenced") or True
        if self.chunk["kind"] == "refresh":
            for i, read in self.chunk["read"].items():
                if i in self.owed:
                    self.owed[i][0] -= set(read)
                if i in self.chunk["rows"]:
                    self.owed.pop(i, None)
            for key in self.chunk["done"]:
                self.page.pop(key, None)
            self.page.update(self.chunk["page"])
            if self.job and not any(i in self.owed for i in self.job[1]):
                self.job = None
            return self.next_step() and (self.chunk or self.maybe_mark(rng) or True)
        for j in self.db.jobs:
            if j["id"] == self.chunk["job"] and (j["phase"], j["lo"]) == (
                self.chunk["phase"],
                self.chunk["lo"],
            ):
                if self.chunk["last"]:
                    j["phase"], j["lo"] = j["phase"] + 1, j.get("lo0", -1)
                    j["done"] = j["phase"] == self.phases(j) or j["kind"] == "sum"
                else:
                    j["lo"] = self.chunk["hi"]
        self.db.internal_xid()
        return self.next_step()

    def next_step(self):
        """The next step of this end of a window."""
        self.chunk, self.mode = self.then.pop(0) if self.then else None, "idle"
        return self.send_chunk() if self.chunk else True

    def maybe_mark(self, rng):
        if self.mode == "idle" and rng.random() < 0.6:
            self.watermark(self.s2)

    # --- Kafka client -------------------------------------------------------
    def ack(self, p):
        if not self.client or not self.client.un[p]:
            return False
        ev = self.client.un[p].pop(0)
        if ev.off <= self.client.last[p] and self.cfg.mut != "back_ignored":
            self.restart()  # the topic has lost what it had acknowledged
            return True
        self.client.last[p] = ev.off
        if self.cfg.look:
            gap = (
                self.w.logs[p][self.client.acked[p] + 1 : ev.off]
                if self.client.acked[p] >= 0
                else ()
            )
            self.rival |= any(
                (x.epoch, x.gen) >= (self.epoch, self.gen) and x.src != self.src for x in gap
            )
            self.client.acked[p] = ev.off
        if ev.ent:
            ev.ent[2] -= 1
        return True

    def error(self, p, rng):
        """A delivery is reported as failed; the broker may have appended it or not."""
        if not self.client or not (self.client.un[p] or self.client.q[p]):
            return False
        if self.cfg.mut == "app_retry":
            src = (
                self.client.un[p] if self.client.un[p] and rng.random() < 0.5 else self.client.q[p]
            )
            if src:
                self.client.q[p].append(src.pop(0))
            return True
        self.restart()
        return True
