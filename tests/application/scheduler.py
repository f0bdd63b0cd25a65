"""Runs a schedule: one statement at a time, of several sessions, in the order of the schedule.

A statement that waits for another session's lock is left waiting, and the next action is taken.
Only one statement may wait at a time: a second one is cancelled, so there is no deadlock whose
victim would depend on time, and no two statements wake up together. What each action led to is
its outcome: command tag and rows, or sqlstate, and whether it waited. The same schedule on the
same rows has the same outcomes, so those of a database with our triggers and of one without can
be compared action by action (L12).
"""

import dataclasses
import select
import time

import psycopg
from psycopg import pq

POLL_S = 0.004
STUCK_S = 240  # a busy machine may stall
IN_ERROR = pq.TransactionStatus.INERROR
# For all sessions of a schedule. Scans by index visit rows in an order that does not depend on
# where older versions were.
SETTINGS = {"deadlock_timeout": "1h", "enable_seqscan": "off",
            "enable_bitmapscan": "off", "enable_hashjoin": "off"}
# Rows that a wait for the lock of a session, or of a prepared transaction, has to be told from: the
# producer reads tables, and DDL waits for it.
BLOCKED = """
SELECT pid FROM unnest(%s::int[]) AS pid
WHERE pg_blocking_pids(pid) && (%s::int[] || 0)
"""


class StuckError(Exception):
    """A statement neither ended nor waits for a session."""


@dataclasses.dataclass
class Outcome:
    """What an action led to. `waited` is true when it had to wait for another session."""

    text: str
    waited: bool = False
    message: str = dataclasses.field(default="", compare=False)


class Session:
    """One connection, whose statements do not block the scheduler."""

    def __init__(self, dsn):
        self._connection = psycopg.connect(dsn, autocommit=True)
        self._connection.execute("SET client_min_messages = error")
        self._pg = self._connection.pgconn
        self._copied = None
        self._results = []
        self.busy = False

    @property
    def pid(self):
        return self._pg.backend_pid

    @property
    def is_failed(self):
        """Whether its transaction is aborted."""
        return not self.busy and self._pg.transaction_status == IN_ERROR

    def send(self, sql, copied=None):
        self._copied = copied
        self._results = []
        self._pg.send_query(sql.encode())
        self.busy = True

    def poll(self):
        """Waits a little for the end of the statement; returns its outcome or None."""
        select.select([self._pg.socket], [], [], POLL_S)
        self._pg.consume_input()
        while not self._pg.is_busy():
            result = self._pg.get_result()
            if result is None:
                self.busy = False
                return self._outcome()
            if result.status == pq.ExecStatus.COPY_IN:
                self._pg.put_copy_data((self._copied or "").encode())
                self._pg.put_copy_end()
            else:
                self._results.append(result)
        return None

    def _outcome(self):
        result = self._results[-1]
        if result.status == pq.ExecStatus.FATAL_ERROR:
            state = result.error_field(pq.DiagnosticField.SQLSTATE) or b"?"
            return Outcome(state.decode(), message=result.error_message.decode(errors="replace"))
        rows = [[result.get_value(row, column) for column in range(result.nfields)]
                for row in range(result.ntuples)]
        return Outcome(f"{result.command_status.decode()} {sorted(map(str, rows)) if rows else ''}")

    def close(self):
        self._connection.close()


class Scheduler:
    """Sessions of one database, and the outcomes of their actions."""

    def __init__(self, dsn, sessions):
        settings = " ".join(f"-c {name}={value}" for name, value in SETTINGS.items())
        own = psycopg.conninfo.make_conninfo(dsn, options=settings)
        self._name = psycopg.conninfo.conninfo_to_dict(dsn)["dbname"]
        self._sessions = [Session(own) for _ in range(sessions)]
        self._monitor = psycopg.connect(dsn, autocommit=True)
        self._pids = [session.pid for session in self._sessions]
        self._backlog = [[] for _ in self._sessions]
        self._running = [None] * sessions  # the number of the action that is waiting
        self._began = [0] * sessions  # when it was sent, in actions
        self.outcomes = {}  # by number of the action
        self.order = []  # numbers of actions in the order of their ends

    def run(self, actions, see=lambda number, outcome: None):
        """Runs the actions; `see` is called with each outcome and may raise to end the run."""
        for number, action in enumerate(actions):
            self._backlog[action.session].append((number, action))
            self._advance(action.session, see)
        self._drain(see)

    def _advance(self, index, see):
        """Runs what the session has to do until it waits."""
        session = self._sessions[index]
        while self._backlog[index] and not session.busy:
            number, action = self._backlog[index].pop(0)
            sql = action.sql.replace("'@", f"'{self._name}")
            if session.is_failed and not sql.startswith(("ROLLBACK", "COMMIT", "PREPARE")):
                continue
            session.send(sql, action.copied)
            self._running[index] = number
            self._began[index] = max(self._began) + 1
            self._settle(see)

    def _settle(self, see):
        """Waits until each statement has ended, or one of them waits for a session."""
        deadline = time.monotonic() + STUCK_S
        while busy := [i for i, session in enumerate(self._sessions) if session.busy]:
            if any([self._take(index, see) for index in busy]):
                continue
            pids = [self._pids[index] for index in busy]
            blocked = self._monitor.execute(BLOCKED, (pids, self._pids)).fetchall()
            if len(blocked) == len(busy):
                if len(busy) == 1:
                    break
                self._cancel(busy)
            if time.monotonic() > deadline:
                raise StuckError(f"stuck for {STUCK_S} s: {self._describe(busy)}")
        for index in busy:
            self._note(self._running[index], Outcome("waits", True), see)

    def _cancel(self, busy):
        """Cancels the statement that began to wait last."""
        last = max(busy, key=lambda index: self._began[index])
        self._monitor.execute("SELECT pg_cancel_backend(%s)", (self._pids[last],))

    def _note(self, number, outcome, see):
        if self.outcomes.get(number) != outcome:
            see(number, outcome)
        self.outcomes[number] = outcome

    def _take(self, index, see):
        """Notes the outcome of a session's statement if it has ended."""
        outcome = self._sessions[index].poll()
        if outcome is None:
            return False
        number = self._running[index]
        outcome.waited = number in self.outcomes
        self.order.append(number)
        self._note(number, outcome, see)
        return True

    def _drain(self, see):
        """Ends all transactions. One that waits for a prepared transaction is helped."""
        deadline = time.monotonic() + STUCK_S
        while any(self._backlog) or any(session.busy for session in self._sessions):
            for index in range(len(self._sessions)):
                self._advance(index, see)
            self._settle(see)
            if all(s.busy for s, b in zip(self._sessions, self._backlog) if b or s.busy):
                self._end_one()
            if time.monotonic() > deadline:
                raise StuckError("the schedule does not end")
        for session in self._sessions:
            session.send("ROLLBACK")
            while session.busy:
                session.poll()
        self._end_prepared()

    def _end_one(self):
        """Ends what everybody waits for: a prepared transaction, or that of an idle session."""
        self._end_prepared()
        for session in self._sessions:
            if not session.busy:
                session.send("ROLLBACK")
                while session.busy:
                    session.poll()

    def _end_prepared(self):
        found = self._monitor.execute(
            "SELECT gid FROM pg_prepared_xacts WHERE database = current_database()").fetchall()
        for (gid,) in found:
            self._monitor.execute(f"ROLLBACK PREPARED '{gid}'")

    def _describe(self, busy):
        return self._monitor.execute(
            "SELECT pid, wait_event_type, wait_event, left(query, 200), pg_blocking_pids(pid)"
            " FROM pg_stat_activity WHERE pid = ANY (%s)",
            ([self._pids[i] for i in busy],)).fetchall()

    def close(self):
        for session in self._sessions:
            session.close()
        self._monitor.close()
