#!/usr/bin/env python3
"""Checks the style that a program can check. Prints `file:line: rule: what to do`; exit 1 if any.

    lint.py [--list-c | --measure] [ROOT]

A rule is a generator over one Source and yields the line and what to do there. RULES, at the end,
says which files each one reads. `format`, `map` and `circle` read all C files at once: rooms.py has
the last two. The banned words are those of docs/GLOSSARY.md. --measure prints a table of figures.
"""

import argparse
import functools
import os
import pathlib
import re
import statistics
import subprocess
import sys

import rooms

FUNCTION_LINES = 70
FILE_LINES = 1000
LINE_COLUMNS = 100

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
    "systemd/": "common/service",
    "unicode/": "consumer/engine",
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
    "pg_connect": (
        r"^(common|consumer)/|^producer/source/source_connection\.c$",
        "use source_connect(), which asks what holds for one connection only",
    ),
}


class Source:
    """A text file as the rules read it."""

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
    """How a header is named; rooms.py checks the directions."""
    for line, delimiter, header in source.includes:
        top, slash, _ = header.partition("/")
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


def read_banned_words(glossary):
    """Patterns by phrase: what is in backticks in the first column of the glossary's last table."""
    _, _, section = glossary.rpartition("\n## ")
    found = {}
    for row in re.findall(r"^\|([^|]*)\|([^|]*)\|$", section, re.M):
        for phrase in re.findall(r"`([^`]+)`", row[0]):
            # Words of a phrase may stand on two lines of a comment, or in an identifier.
            words = r"[\s_*#/-]+".join(re.escape(word) for word in re.split(r"[\s_]+", phrase))
            pattern = rf"(?<![A-Za-z]){words}(?![A-Za-z])"
            found[phrase] = (re.compile(pattern, re.I), row[1].strip())
    return found


# "behind" is for lag alone: an amount of it, or what falls or is furthest behind.
LAG_BEHIND = re.compile(
    r"(?<![A-Za-z])(?:rows?|messages?|events?|s|ms|seconds?|minutes?|hours?|how far|furthest"
    r"|further|lags?|fall(?:s|en|ing)?|fell)[\s*#/]+behind",
    re.I,
)


def check_words(source, words):
    for phrase, (pattern, instead) in words.items():
        for match in pattern.finditer(source.text):
            if match[0] != "is None":  # Python's
                yield source.line_of(match.start()), f'no "{phrase}": {instead}'
    lag = {match.end() for match in LAG_BEHIND.finditer(source.text)}
    for match in re.finditer(r"(?<![A-Za-z])behind(?![A-Za-z])", source.text, re.I):
        if match.end() not in lag:
            yield source.line_of(match.start()), '"behind" is for lag: write after, below, next'


GLOSSARY = "docs/GLOSSARY.md"
WORDS_EXEMPT = {GLOSSARY, "tests/unit/test_lint.py", "scripts/lint.py"}
C_FILE = r"\.[ch]$"
CODE_FILE = r"\.(c|h|py|sh|cmake)$|(^|/)(CMakeLists\.txt|Makefile[^/]*)$|^scripts/[^/.]*$"
RULES = {  # name: (paths that it reads, check)
    "include": (C_FILE, check_include),
    "own-header": (r"\.c$", check_own_header),
    "owner": (C_FILE, check_owner),
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


def read_sources(root):
    for path in list_files(root):
        try:
            yield Source(root, path)
        except UnicodeDecodeError:
            continue  # not text


def check(root):
    """(path, line, rule, what to do) of everything found below `root`, in order."""
    sources = list(read_sources(root))
    texts = {source.path: source.text for source in sources}
    c_sources = [source for source in sources if source.is_c]
    words = read_banned_words(texts.get(GLOSSARY, ""))
    findings = list(check_format(root, [source.path for source in c_sources]))
    findings += rooms.check(c_sources, texts)
    for source in sources:
        for rule, (paths, find) in RULES.items():
            if re.search(paths, source.path):
                findings += [(source.path, line, rule, what) for line, what in find(source)]
        if source.path not in WORDS_EXEMPT:
            found = check_words(source, words)
            findings += [(source.path, line, "words", what) for line, what in found]
    return sorted(findings)


def functions(source):
    """(lines, depth of nesting) of each function: what is between braces at the margin."""
    for match in re.finditer(r"^\{$.*?^\}$", source.code, re.M | re.S):
        depth = deepest = 0
        for brace in re.findall(r"[{}]", match[0]):
            depth += 1 if brace == "{" else -1
            deepest = max(deepest, depth)
        yield match[0].count("\n") - 1, deepest - 1


def comment_lines(source):
    spans = re.findall(r"//[^\n]*|/\*.*?\*/", source.text, re.S)
    return sum(span.count("\n") + 1 for span in spans)


def measure(root):
    """(figure, value) about the C sources of the programs, for a reader to compare."""
    everything = list(read_sources(root))
    glossary = root / GLOSSARY
    words = read_banned_words(glossary.read_text() if glossary.exists() else "")
    sources = [source for source in everything if rooms.is_room_file(source.path)]
    texts = {source.path: source.text for source in everything}
    found = [item for source in sources for item in functions(source)]
    if not found:
        return
    yield "functions", len(found)
    yield "lines a function, median", statistics.median(lines for lines, _ in found)
    yield "lines a function, longest", max(lines for lines, _ in found)
    yield "nesting, deepest", max(depth for _, depth in found)
    for program in (*rooms.PROGRAMS, ""):
        chosen = [source for source in sources if source.path.startswith(program)]
        count = sum(1 for source in chosen for _ in functions(source))
        checks = sum(len(re.findall(r"\bCHECK\(", source.code)) for source in chosen)
        checks -= sum(len(re.findall(r"define CHECK\(", source.code)) for source in chosen)
        yield f"checks a function, {program or 'all'}", f"{checks / max(count, 1):.2f}"
    lines = sum(len(source.lines) for source in sources)
    yield "lines with comments", f"{sum(map(comment_lines, sources)) / lines:.0%}"
    exempt = [source for source in everything if source.path not in WORDS_EXEMPT]
    yield "banned words", sum(1 for source in exempt for _ in check_words(source, words))
    declared = rooms.room_arrows(rooms.read_rooms(texts))
    arrows = rooms.module_arrows(sources)
    yield "rooms", len(declared)
    yield "arrows between rooms", sum(map(len, declared.values()))
    yield "circles of rooms", len(rooms.find_circles(declared))
    yield "modules", len(arrows)
    yield "arrows between modules", sum(map(len, arrows.values()))
    circles = rooms.find_circles(arrows)
    yield "circles of modules", f"{len(circles)} ({sum(map(len, circles))} modules in them)"


def main():
    parser = argparse.ArgumentParser(description="Checks the style that a program can check.")
    parser.add_argument("--list-c", action="store_true", help="only list the C files")
    parser.add_argument("--measure", action="store_true", help="print figures about the C sources")
    home = pathlib.Path(__file__).resolve().parent.parent
    parser.add_argument("root", nargs="?", type=pathlib.Path, default=home)
    args = parser.parse_args()
    if args.list_c:
        print(*(path for path in list_files(args.root) if re.search(C_FILE, path)), sep="\n")
        return 0
    if args.measure:
        for figure, value in measure(args.root):
            print(f"{figure:28}{value:>24}")
        return 0
    findings = check(args.root)
    for path, line, rule, what in findings:
        print(f"{path}:{line}: {rule}: {what}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
