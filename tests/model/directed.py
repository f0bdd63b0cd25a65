"""Scripted interleavings that random schedules meet too seldom. python3 directed.py"""

import random
from pg import Txn
from cons import Violation
from world import World, config
from prod import Prod


def commit(w, e, a):
    t = Txn()
    w.db.txns.append(t)
    w.db.lock(t, ("img", e))
    old = w.db.get(t, "img", e)
    t.eff[("img", e)] = {"a": a, "f": 0}
    w.db.emit(
        t,
        "slot",
        e,
        ([("alive",)] if old is None else [])
        + [("set", "a", a), ("set", "f", 0), ("set", "g", w.db.truth["par"][0])],
    )
    w.db.end(t, True, True)


def pump(w, p, until, n=300):
    r = random.Random(1)
    for _ in range(n):
        if p.mode == until or w.stopped or p.mode == "dead":
            return
        w.a_deliver(0, r)
        w.a_ack(0, r)
        p.step(r)
    raise AssertionError(p.mode)


def rollback_race(check, chain=False):
    """A window is saved, its events are still in the client; the database is rolled back to before
    the save; the new start looks at the topic before the old client's events arrive."""
    w = World(config(topic_check=check, fence_wait=check == "fence", failover=True, chain=chain), 1)
    r = random.Random(2)
    p = Prod(w, "p", True)
    w.prods.append(p)
    pump(w, p, "idle")
    back = len(w.db.history)
    commit(w, 0, 1)
    pump(w, p, "save")
    p.step(r)  # window saved
    while not p.allread:
        p.do_send(random.Random(3))  # events only in the client's queue
    old = p.client
    w.db.lose(len(w.db.history) - back, False)
    w.faults.add("failover")
    p.step(r)  # reconnect: go-back-N, old client may still deliver
    p.step(r)  # boot: look at the topic, new generation
    while old.q[0] and w.ghosts:
        w.logs[0].append(old.q[0].pop(0))
    commit(w, 0, 2)
    try:
        for _ in range(1):
            if not w.stopped:
                pump(w, p, "save")
                pump(w, p, "idle")
        w.settle(5)
    except Violation as e:
        return f"BROKEN: {e}"
    if w.stats.get("honestly-incomplete"):
        return "index wrong, but reported as incomplete"
    return "holds" + (" (stopped, adopted)" if w.db.prod["epoch"] > 1 else "")


def send_all(w, p):
    """Whatever the client holds is appended and acknowledged."""
    r = random.Random(7)
    while p.client and (any(p.client.q) or any(p.client.un)):
        w.a_deliver(0, r) if any(p.client.q) else None
        for k in range(w.P):
            while p.client and p.client.un[k]:
                p.ack(k)


def twins(nonce, chain=False):
    """A promoted standby and the old primary start their producers at the same time: one
    generation, twice."""
    w = World(config(failover=True, lossless="topic", nonce=nonce, jobs=True, chain=chain), 1)
    a0 = Prod(w, "a0", True)
    w.prods.append(a0)
    pump(w, a0, "idle")
    send_all(w, a0)
    a0.die("")
    w.a_split(0, type("R", (), {"choice": lambda self, l: 0})())
    a, b = Prod(w, "a", True, w.others[0]), Prod(w, "b", True, w.db)
    w.prods += [a, b]
    r = random.Random(1)
    a.step(r), b.step(r)  # both look at the topic, take generation 2, queue a fence
    for p in (a, b):
        w.logs[0].append(p.client.q[0].pop(0))
    commit_on(w, a.db, 0, 1)
    commit_on(w, b.db, 1, 2)
    for p in (a, b):
        for _ in range(60):
            if p.mode != "dead" and p.client:
                p.step(r)
                while p.client and p.client.q[0]:
                    w.logs[0].append(p.client.q[0].pop(0))
    s = w.shards[0]
    s.start()
    try:
        for _ in range(100):
            s.step(r)
        why = w.stopped
        if chain and not s.pos.complete:
            return f"both run on; the digest shows it ({s.pos.gap})"
        w.settle(5)
    except Violation as e:
        return f"BROKEN: {e}"
    return f'holds (stopped: {why or "-"}, epoch {w.db.prod["epoch"]})'


def commit_on(w, db, e, a):
    t = Txn()
    db.txns.append(t)
    db.lock(t, ("img", e))
    t.eff[("img", e)] = {"a": a, "f": 0}
    db.emit(
        t,
        "slot",
        e,
        [("alive",), ("set", "a", a), ("set", "f", 0), ("set", "g", db.truth["par"][0])],
    )
    db.end(t, True, True)


def steady(at):
    """Every window has a stale op and a refresh row: how many of its marks prove anything?"""
    w = World(config(refresh=True, refresh_at=at), 1)
    p = Prod(w, "p", True)
    w.prods.append(p)
    pump(w, p, "idle")
    r, marks = random.Random(3), []
    for i in range(30):
        t = Txn()
        w.db.txns.append(t)
        while not w.db.nested(t, r):
            pass
        w.db.end(t, True, True)
        pump(w, p, "save")
        pump(w, p, "idle")
        send_all(w, p)
        k = len(p.client.q[0])
        p.watermark(p.s2)
        marks.append(p.client.q[0][k].owed)
        send_all(w, p)
    proved, passed = marks.count(False), p.db.newest()["ref"].xmax
    return (
        f"{proved} of {len(marks)} marks prove their snapshot; "
        f"retention could pass {passed} of {p.s2.xmax}"
    )


def early_look():
    """A mark of an empty window names a snapshot that a crash then takes back: an xid that it sees
    is issued again."""
    w = World(config(dbcrash=True), 1)
    p = Prod(w, "p", True)
    w.prods.append(p)
    pump(w, p, "idle")
    w.db.internal_xid()  # a transaction with an xid and no ops rows, not flushed
    seen = w.db.snapshot()  # what a mark of the empty window names
    w.db.crash()
    t = Txn()
    w.db.txns.append(t)
    w.db.touch(t)  # the application: pg_current_xact_id()
    early = seen.sees(t.xid)
    return f"after_xid={t.xid} is answered before that transaction has written anything: {early}"


def other_topic(mut):
    """data_dir has seen epoch 3; the topic was created again by a source in epoch 1 and has grown
    past the held offset."""
    w = World(config(mut=mut), 1)
    w.faults.add("topic")
    s = w.shards[0]
    s.start()
    s.pos.epoch, s.pos.gen, s.pos.complete, s.pos.topic, s.pos.off = 3, 9, True, "T0", 0
    p = Prod(w, "p", True)
    w.prods.append(p)
    pump(w, p, "idle")
    commit(w, 0, 1)
    pump(w, p, "save")
    pump(w, p, "idle")
    p.watermark(p.s2)
    send_all(w, p)
    r = random.Random(1)
    try:
        while s.step(r):
            pass
        w.verdict("other topic")
    except Violation as e:
        return f"BROKEN: {e}"
    return f"holds ({s.pos.gap})"


def ahead_while_down(mut):
    """The producer is down, the group is reset to the end; nothing follows that could show
    the jump."""
    w = World(config(mut=mut, forward=True), 1)
    p = Prod(w, "p", True)
    w.prods.append(p)
    s = w.shards[0]
    r = random.Random(1)
    pump(w, p, "idle")
    send_all(w, p)
    s.start()
    while s.step(r):
        pass
    commit(w, 0, 1)
    pump(w, p, "save")
    pump(w, p, "idle")
    send_all(w, p)
    p.die("down")
    s.crash(r)
    s.committed = (len(w.logs[0]), None)
    s.start()
    try:
        while s.step(r):
            pass
        w.verdict("reset ahead")
    except Violation as e:
        return f"BROKEN: {e}"
    return f"holds ({s.pos.gap})"


def parts(mut, lose=""):
    """A parent with five children is read two at a time; it changes again when the first four are
    done. Kafka may lose what was acknowledged after the first pass, or the first page."""
    w = World(config(parents="refresh", by="rows", mut=mut, truncate=lose), 1)
    r = type("R", (random.Random,), {"choice": lambda self, l: l[1], "random": lambda self: 0.5})()
    p = Prod(w, "p", True)
    w.prods.append(p)
    pump(w, p, "idle")

    def txn(write):
        t = Txn()
        w.db.txns.append(t)
        write(t)
        w.db.end(t, True, True)

    def turn():
        p.step(r)
        for _ in range(80):
            if p.mode == "idle":
                return
            send_all(w, p)
            p.step(r)
            if p.mode in ("boot", "verify"):  # another session
                return
        raise AssertionError(p.mode)

    def child(t):
        for e in range(5):
            t.eff[("img", e)] = {"a": 1, "f": 0}
            w.db.emit(t, "slot", e, [("alive",), ("set", "a", 1), ("set", "f", 0), ("refp",)])

    def parent(v):
        def write(t):
            w.db.touch(t)
            t.eff[("par", 0)] = v
            w.db.emit(t, "refan", 0, [("refan",)])

        return write

    txn(child)
    while p.s2.maxid < 5 or p.owes():
        turn()
    txn(parent(8))
    turn()
    if lose == "page":  # of children 0 and 1
        pages = [ev for ev in w.logs[0] if ev.kind == "chunk" and 0 in ev.body["kin"]]
        del w.logs[0][w.logs[0].index(pages[-1]) :]
        w.faults.add("truncate")
    turn()  # children 2 and 3
    if lose != "page":
        txn(parent(9))
    turn()  # child 4 ends the first pass; the second has read 0 and 1
    keep = len(w.logs[0])
    while p.mode != "idle" or p.owes():
        turn()
    if lose == "end":  # Kafka loses what was acknowledged after it
        del w.logs[0][keep:]
        w.faults.add("truncate")
    p.watermark(p.s2)
    send_all(w, p)
    s = w.shards[0]
    s.start()
    try:
        while s.step(random.Random(1)):
            pass
        w.verdict("parts")
    except Violation as e:
        return f"BROKEN: {e}"
    return f'holds ({s.pos.gap or "complete"})'


def lost_message(mut):
    """The answer for a parent travels in several messages, and Kafka loses the last one."""
    found = set()
    for seed in range(30):
        w = World(config(parents="refresh", by="rows", mut=mut, truncate=True), 1)
        r = type("R", (random.Random,), {"choice": max, "random": lambda self: 0.5})()
        p = Prod(w, "p", True)
        w.prods.append(p)
        pump(w, p, "idle")
        for write in (
            lambda t: [commit_child(w, t, e) for e in range(4)],
            lambda t: t.eff.update({("par", 0): 9}) or w.db.emit(t, "refan", 0, [("refan",)]),
        ):
            t = Txn()
            w.db.txns.append(t)
            write(t)
            w.db.end(t, True, True)
            for _ in range(80):
                p.step(r)
                if p.chunk and "seed" in p.chunk:
                    p.chunk["seed"] = seed
                send_all(w, p)
                if p.mode == "idle" and not p.owes() and p.s2.maxid == w.db.next_id - 1:
                    break
        last = [ev for ev in w.logs[0] if ev.kind == "chunk"][-1]
        del w.logs[0][w.logs[0].index(last) :]
        w.faults.add("truncate")
        p.watermark(p.s2)
        send_all(w, p)
        s = w.shards[0]
        s.start()
        try:
            while s.step(random.Random(1)):
                pass
            w.verdict("a lost message")
        except Violation as e:
            return f"BROKEN: {e}"
        found.add(s.pos.gap or "complete")
    return f"holds ({', '.join(sorted(found))})"


def commit_child(w, t, e):
    t.eff[("img", e)] = {"a": 1, "f": 0}
    w.db.emit(t, "slot", e, [("alive",), ("set", "a", 1), ("set", "f", 0), ("refp",)])


if __name__ == "__main__":
    for m in ("part_first", ""):
        print("a lost message,", m or "the last one names the row", "->", lost_message(m))
    for m in ("page_join", ""):
        print("a parent read in parts,", m or "each request its own pass", "->", parts(m))
    for m in ("owes_key", ""):
        print(
            "   and the last parts lost by Kafka,",
            m or "answers name the rows they answer",
            "->",
            parts(m, "end"),
        )
    for m in ("back_ignored", ""):
        print("   and a page lost by Kafka,", m or "a session ends", "->", parts(m, "page"))
    for n in (False, True):
        print(
            "twins, fences named" if n else "twins, own fence = own generation",
            "->",
            twins(n),
            "| digest over ids ->",
            twins(n, True),
            "| and contents ->",
            twins(n, "body"),
        )
    for at in ("next", "own"):
        print("refresh in every window, read at the", at, "end ->", steady(at))
    print("mark of an empty window ->", early_look())
    for m in ("topic_late", ""):
        print("another topic,", m or "looked at first", "->", other_topic(m))
    for m in ("skip_seq", ""):
        print("reset ahead while the producer is down,", m or "recorded", "->", ahead_while_down(m))
    for c in ("none", "mark", "event", "fence"):
        print("rollback race, topic check at", c, "->", rollback_race(c))
        print("   the same with the running checksum ->", rollback_race(c, True))
