#!/usr/bin/env python3
"""Checks the style that a program can check. Prints `file:line: rule: what to do`; exit 1 if any.

    lint.py [--list-c] [ROOT]

A rule is a generator over one Source (`format` sees all C files at once) and yields the line and
what to do there. RULES, at the end, says which files each one reads.
"""

import argparse
import functools
import os
import pathlib
import re
import subprocess
import sys

FUNCTION_LINES = 70
FILE_LINES = 1000
LINE_COLUMNS = 100

# Directories of a program that stand beside each other and so never include each other; what stands
# above them (commands/, api/ and the files directly in the program's directory) includes them all.
STAGES = {
    "producer": {"source", "sink", "triggers", "load"},
    "consumer": {"ingest", "dead_letter", "compact", "wal", "checkpoint", "engine", "query"},
}
ABOVE_STAGES = {"commands", "api"}
STAGE_EXCEPTIONS = {
    ("consumer/query", "consumer/engine/engine.h"),  # queries are put to an engine
    ("consumer/ingest", "consumer/engine/engine.h"),
}

# Who may include a library: how the header's name begins, and the directory.
OWNERS = {
    "avro.h": "common/event",
    "avro/": "common/event",
    "curl/": "common/http",
    "isa-l": "common/files",
    "libpq-fe.h": "common/pg",
    "librdkafka/": "common/kafka",
    "microhttpd.h": "common/http",
    "openssl/": "producer/triggers",
    "roaring/": "consumer/engine",
    "yajl/": "common/json",
    "yaml.h": "common/config",
}

# Calls that are banned everywhere, and what to write instead.
BANNED = {
    "strcpy": "copy with a length: struct text, memcpy",
    "strcat": "use struct buffer",
    "sprintf": "use snprintf or buffer_append_format",
    "vsprintf": "use vsnprintf",
    "gets": "use fgets or getline",
    "atoi": "use strtol and check its end",
    "atol": "use strtol and check its end",
    "atoll": "use strtoll and check its end",
    "atof": "use strtod and check its end",
    "strtok": "use strtok_r or struct text",
    "system": "use posix_spawn, without a shell",
    "popen": "use posix_spawn, without a shell",
    "rand": "use a generator that is seeded and passed in",
    "srand": "use a generator that is seeded and passed in",
    "usleep": "use clock_sleep_ms",
    "localtime": "use localtime_r",
    "gmtime": "use gmtime_r",
    "ctime": "use clock_format_utc",
    "asctime": "use clock_format_utc",
    "alloca": "use an arena",
}
# Calls that have one place, given as a pattern of paths; tests and bench are free to make them.
BANNED_ELSEWHERE = {
    "exit": (r"(^|/)main\.c$", "return the error: only main exits"),
    "abort": (r"^common/base/", "use CHECK"),
    "assert": (r"^$", "use CHECK, which is on in every build"),
}


class Source:
    """A text file as the rules see it."""

    def __init__(self, root, path):
        self.path = path
        self.text = (root / path).read_bytes().decode()
        self.lines = self.text.split("\n")
        self.siblings = {file.name for file in (root / path).parent.iterdir()}
        self.directory, _, self.name = path.rpartition("/")
        self.is_c = path.endswith((".c", ".h"))
        self.is_exempt = path.startswith(("tests/", "bench/"))

    @functools.cached_property
    def code(self):
        """The C text with comments and the insides of literals blanked, lines and columns kept."""
        token = r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'"

        def blank(match):
            return re.sub(r"[^\n\"']", " ", match[0])

        return re.sub(token, blank, self.text, flags=re.S)

    @functools.cached_property
    def includes(self):
        """(line, delimiter, header) of every #include that is not commented out."""
        found = []
        for match in re.finditer(r"^[ \t]*#[ \t]*include\b", self.code, re.M):
            line = self.line_of(match.start())
            header = re.search(r'([<"])([^>"]+)[>"]', self.lines[line - 1])
            if header is not None:
                found.append((line, header[1], header[2]))
        return found

    def line_of(self, offset):
        return self.text.count("\n", 0, offset) + 1


def check_include(source):
    """Directions between the programs, and how a header is named."""
    program = source.path.split("/")[0]
    forbidden = {
        "producer": {"consumer"},
        "consumer": {"producer"},
        "common": {"producer", "consumer"},
    }.get(program, set())
    for line, delimiter, header in source.includes:
        top, slash, _ = header.partition("/")
        if top in forbidden:
            yield line, f"{program}/ never includes {top}/: move what both need to common/"
        is_ours = top in {"common", "producer", "consumer", "tests", "bench"} and slash
        if delimiter == "<" and is_ours:
            yield line, f'write "{header}" with quotes'
        elif delimiter == '"' and not is_ours:
            yield line, f'name "{header}" from the root, or a library\'s header with <>'


def check_own_header(source):
    """Read first, it proves that it needs nothing before it."""
    stem = source.name.removesuffix(".c")
    own = [f"{stem}.h", f"{stem}_internal.h"]
    if source.name == stem or not source.siblings.intersection(own):
        return
    wanted = [f"{source.directory}/{name}".lstrip("/") for name in own]
    line, _, first = source.includes[0] if source.includes else (1, "", "")
    if first not in wanted:
        yield line, f'include "{wanted[0]}" first'


def check_owner(source):
    if source.is_exempt:
        return
    for line, _, header in source.includes:
        for start, owner in OWNERS.items():
            if header.startswith(start) and not (source.directory + "/").startswith(owner + "/"):
                yield line, f"only {owner}/ includes {header}: use its interface"


def check_stage(source):
    program, _, rest = source.path.partition("/")
    stages = STAGES.get(program, set())
    stage = rest.split("/")[0]
    if stage not in stages:
        return
    for line, _, header in source.includes:
        other = header.removeprefix(f"{program}/").split("/")[0]
        if not header.startswith(f"{program}/{other}/") or other == stage:
            continue
        if other in stages | ABOVE_STAGES:
            if (f"{program}/{stage}", header) not in STAGE_EXCEPTIONS:
                yield line, f"{stage}/ never includes {other}/: let the pipeline join them"


def check_length(source):
    if len(source.lines) - 1 > FILE_LINES:
        yield FILE_LINES + 1, f"split the file: more than {FILE_LINES} lines"
    for line, text in enumerate(source.lines, 1):
        if len(text) > LINE_COLUMNS:
            yield line, f"wrap the line: {len(text)} columns, at most {LINE_COLUMNS}"
    # In our format, only a function's braces stand alone at the margin.
    for match in re.finditer(r"^\{$.*?^\}$", source.code if source.is_c else "", re.M | re.S):
        count = match[0].count("\n") + 1
        if count > FUNCTION_LINES:
            what = f"split the function: {count} lines, at most {FUNCTION_LINES}"
            yield source.line_of(match.start()), what


def check_banned(source):
    # A member that is called through a pointer may have any name.
    for match in re.finditer(r"(?<![\w.])(?<!->)(\w+)\s*\(", source.code):
        name = match[1]
        line = source.line_of(match.start())
        if name in BANNED:
            yield line, f"no {name}(): {BANNED[name]}"
        elif name in BANNED_ELSEWHERE and not source.is_exempt:
            place, instead = BANNED_ELSEWHERE[name]
            if not re.search(place, source.path):
                yield line, f"no {name}() here: {instead}"


def check_todo(source):
    # The brackets keep these patterns from finding themselves.
    for line, text in enumerate(source.lines, 1):
        for match in re.finditer(r"\b(TOD[O]|FIXM[E]|XX[X])\b(?! ?\([^)]+\))", text):
            yield line, f"do it now, or give the reason: {match[0]}(reason)"


def check_guard(source):
    if not source.text.startswith("/*"):
        yield 1, "begin the header with a comment: what it is, and its contract"
    guard = re.sub(r"\W", "_", source.path).upper()
    found = re.search(r"^#ifndef (\w+)\n#define (\w+)$", source.code, re.M)
    if found is None or {found[1], found[2]} != {guard}:
        line = source.line_of(found.start()) if found else 1
        yield line, f"guard the header with {guard}"


def check_whitespace(source):
    tabs_belong = re.search(r"(^|/)Makefile[^/]*$|\.(mk|tsv)$", source.path)
    for line, text in enumerate(source.lines, 1):
        if "\t" in text and not tabs_belong:
            yield line, "replace the tab by spaces"
        if text != text.rstrip():
            yield line, "remove the space at the end"


C_FILE = r"\.[ch]$"
CODE_FILE = r"\.(c|h|py|sh|cmake)$|(^|/)(CMakeLists\.txt|Makefile[^/]*)$|^scripts/[^/.]*$"
RULES = {  # name: (paths that it reads, check)
    "include": (C_FILE, check_include),
    "own-header": (r"\.c$", check_own_header),
    "owner": (C_FILE, check_owner),
    "stage": (C_FILE, check_stage),
    "length": (CODE_FILE, check_length),
    "banned": (C_FILE, check_banned),
    "todo": (r"", check_todo),
    "guard": (r"\.h$", check_guard),
    "whitespace": (r"", check_whitespace),
}


def list_files(root):
    """Every file that is or could be committed, relative to the root."""
    command = ["git", "-C", root, "ls-files", "-z", "-co", "--exclude-standard"]
    try:
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        names = output.rstrip("\0").split("\0")
    except (OSError, subprocess.CalledProcessError):  # an unpacked archive, say
        names = []
        for directory, children, files in os.walk(root):
            children[:] = [name for name in children if name not in {".git", ".local", "build"}]
            names += [os.path.relpath(os.path.join(directory, name), root) for name in files]
    return sorted(name for name in set(names) if (root / name).is_file())


def check_format(root, c_files):
    """One finding a file: the rest is for clang-format itself to do."""
    if not c_files:
        return
    command = ["clang-format", "--style=file", "--fallback-style=none", "--dry-run", "-Werror"]
    try:
        done = subprocess.run([*command, *c_files], cwd=root, capture_output=True, text=True)
    except FileNotFoundError:
        sys.exit("lint: clang-format is missing: run scripts/install")
    seen = set()
    for path, line, message in re.findall(r"^([^:\n]+):(\d+):\d+: error: (.*)", done.stderr, re.M):
        if path not in seen:
            seen.add(path)
            yield path, int(line), "format", "run make -f Makefile.local fmt"
    if done.returncode != 0 and not seen:
        sys.exit(f"lint: clang-format failed:\n{done.stderr}")


def check(root):
    """(path, line, rule, what to do) of everything found below `root`, in order."""
    files = list_files(root)
    findings = list(check_format(root, [path for path in files if re.search(C_FILE, path)]))
    for path in files:
        try:
            source = Source(root, path)
        except UnicodeDecodeError:
            continue  # not text
        for rule, (paths, find) in RULES.items():
            if re.search(paths, path):
                findings += [(path, line, rule, what) for line, what in find(source)]
    return sorted(findings)


def main():
    parser = argparse.ArgumentParser(description="Checks the style that a program can check.")
    parser.add_argument("--list-c", action="store_true", help="only list the C files")
    home = pathlib.Path(__file__).resolve().parent.parent
    parser.add_argument("root", nargs="?", type=pathlib.Path, default=home)
    args = parser.parse_args()
    if args.list_c:
        print(*(path for path in list_files(args.root) if re.search(C_FILE, path)), sep="\n")
        return 0
    findings = check(args.root)
    for path, line, rule, what in findings:
        print(f"{path}:{line}: {rule}: {what}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
