"""What the sections of the bench share: rows of the table, medians, processor time, clients.

A section is a function that gets a scene (scene.py) and yields rows. A row compares figures of ours
with figures of something that needs only what the task needs, run by run: its ratio is the median
of the runs' ratios. A row without a counterpart is the median of its figures. In the file, a row is

    section       of bench.py
    name          what was measured
    compared_with what the figure is divided by; null: nothing
    unit          of both figures; a unit that ends in "/s" is better when it is greater
    ours, theirs  medians; theirs is null without a counterpart
    ratio         ours / theirs, median; null without a counterpart
    least, greatest  of the runs' ratios; without a counterpart, of the figures
    runs          how many
    aim           of the ratio, or of the figure without a counterpart; null: none
"""

import json
import os
import pathlib
import statistics
import subprocess
import time

import pipeline

PROGRAMS = pipeline.BUILD / "bench"
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
SETTLE_S = 0.5  # until the time of sessions that have ended is added to that of the postmaster


def row(name, compared_with, unit, ours, theirs, aim=None):
    """`ours` and `theirs`: a figure of each run, in the order of the runs."""
    ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
    return {"name": name, "compared_with": compared_with, "unit": unit,
            "ours": statistics.median(ours), "theirs": statistics.median(theirs),
            "ratio": statistics.median(ratios), "least": min(ratios), "greatest": max(ratios),
            "runs": len(ratios), "aim": aim}


def figure(name, unit, values, aim=None):
    """A row without a counterpart."""
    return {"name": name, "compared_with": None, "unit": unit,
            "ours": statistics.median(values), "theirs": None, "ratio": None,
            "least": min(values), "greatest": max(values), "runs": len(values), "aim": aim}


def is_better_greater(one):
    return one["unit"].endswith("/s")


def p99(values):
    return sorted(values)[len(values) * 99 // 100]


def run_client(program, *arguments, environment=None):
    """Runs a program of bench/ and returns the lines of numbers that it prints."""
    done = subprocess.run([PROGRAMS / program, *map(str, arguments)], capture_output=True,
                          text=True, env=os.environ | (environment or {}))
    if done.returncode != 0:
        raise pipeline.PipelineError(f"{program}: {done.returncode}: {done.stderr.strip()}")
    return [[float(number) for number in line.split()] for line in done.stdout.splitlines()]


def seconds_of(action):
    begin = time.monotonic()
    action()
    return time.monotonic() - begin


def processor_s(pid, with_children=False):
    """Processor time of a process; with those of its children that have ended or still run."""
    total = 0
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        user, system, ended_user, ended_system = map(int, fields[11:15])
        if int(path.parent.name) == pid:
            total += user + system + (ended_user + ended_system if with_children else 0)
        elif with_children and int(fields[1]) == pid:
            total += user + system
    return total / TICKS_PER_S


def session_us(pid):
    """Processor time of a session of Postgres (proc_pid_schedstat(5)), in microseconds."""
    return int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1000


class Meter:
    """Seconds, and seconds of processor time of the two servers, from its creation to stop()."""

    def __init__(self, scene):
        self._servers = {"postgres": (scene.postgres.pid, True), "kafka": (scene.kafka.pid, False)}
        self._before = self._read()
        self._begin = time.monotonic()

    def _read(self):
        return {name: processor_s(*server) for name, server in self._servers.items()}

    def stop(self):
        took_s = time.monotonic() - self._begin
        time.sleep(SETTLE_S)
        after = self._read()
        return {"seconds": took_s} | {name: after[name] - self._before[name] for name in after}


def number(value):
    """A figure in print: three digits or all that are before the point."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def print_rows(rows):
    for one in rows:
        result = one["ours"] if one["ratio"] is None else one["ratio"]
        spread = f"({number(one['least'])} to {number(one['greatest'])})"
        spread = spread if one["runs"] > 1 else ""
        aim = "" if one["aim"] is None else f"aim {number(one['aim'])}"
        both = "" if one["ratio"] is None else f"{number(one['ours'])} and {number(one['theirs'])} "
        over = "" if one["ratio"] is None else f", over {one['compared_with']}"
        print(f"  {number(result):>9}  {spread:20} {aim:8}  {one['name']}{over}: "
              f"{both}{one['unit']}", flush=True)


BUSY = 3  # programs that wait for each core, of which some are the bench's own


def markdown_of(one, is_busy):
    """The row as a line of a table of docs/PERFORMANCE.md."""
    result = number(one["ours"] if one["ratio"] is None else one["ratio"])
    if one["ratio"] is None:
        result += f" {one['unit']}"
    if one["runs"] > 1:
        result += f" ({number(one['least'])} to {number(one['greatest'])})"
    result += " *" if is_busy else ""
    both = f"{number(one['ours'])} and {number(one['theirs'])} {one['unit']}"
    cells = [one["section"], one["name"], one["compared_with"] or "", result,
             "" if one["theirs"] is None else both, number(one["aim"])]
    return f"| {' | '.join(cells)} |\n"


TABLE_BEGIN = "<!-- The table of scripts/bench --document. -->\n"
TABLE_END = "<!-- The end of the table. -->\n"
TABLE_HEAD = ("| section | | compared with | result | both figures | aim |\n"
              "|---|---|---|---|---|---|\n")


def document(results, path):
    """Replaces the table in a document. A star is at what was measured on a busy machine."""
    before, begin, rest = path.read_text().partition(TABLE_BEGIN)
    _, end, after = rest.partition(TABLE_END)
    assert begin and end, f"{path} has no place for the table"
    lines = [markdown_of(one, results.is_busy(one["section"])) for one in results.rows]
    path.write_text(f"{before}{begin}{TABLE_HEAD}{''.join(lines)}{end}{after}")


class Results:
    """The file of the table. Each section that is put there replaces what the file had of it. Its
    rows are in the order of `sections`."""

    def __init__(self, path, sections):
        self._path = path
        self._order = {name: number for number, name in enumerate(sections)}
        self._content = {"sections": {}, "rows": []}
        self._read()

    def _read(self):
        if self._path.exists():
            self._content = json.loads(self._path.read_text())

    @property
    def rows(self):
        return self._content["rows"]

    def is_busy(self, section):
        about = self._content["sections"][section]
        return about["load_average"] > BUSY * about["cores"]

    def put(self, section, rows, about):
        """`about`: when and how it was measured, and its error if it has failed."""
        self._read()  # another run may have put a section there
        self._content["sections"][section] = about
        kept = [one for one in self.rows if one["section"] != section]
        kept += [{"section": section} | one for one in rows]
        self._content["rows"] = sorted(kept, key=lambda one: self._order[one["section"]])
        self._path.write_text(json.dumps(self._content, indent=1) + "\n")


TOLERANCE = 2


def worse_than(rows, committed):
    """(row, committed row) of the ratios that are worse by more than TOLERANCE. A committed row
    that was not measured is worse too: (None, committed row)."""
    found = {(one["section"], one["name"], one["compared_with"]): one for one in rows}
    for old in committed:
        one = found.get((old["section"], old["name"], old["compared_with"]))
        if one is None:
            yield None, old
        elif old["ratio"] is not None:
            change = one["ratio"] / old["ratio"]
            if (1 / change if is_better_greater(one) else change) > TOLERANCE:
                yield one, old
