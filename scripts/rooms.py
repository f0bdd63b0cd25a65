"""The map of the programs: rooms (directories), their modules, and the arrows between them.

A room is a directory that CMake builds with bitdex_room(); USES names the rooms that its files may
include. A module is a source file `x.c` with its header `x.h`; a header without a source file is a
module of its own. A module has an arrow to each module whose header it includes, and to each module
that defines a function that it calls, whatever header declares that function.
"""

import collections
import os
import re

# Rooms from the top to the bottom, as docs/ARCHITECTURE.md draws them. A room may use rooms of a
# later level only; rooms of one level never use each other.
ORDER = (
    "producer: commands > api, verify > drain > refresh > load > source, sink, triggers",
    "consumer: commands > api > group > partition"
    " > ingest, dead_letter, compact, dumps, wal, checkpoint, audit, query > engine > engine/store",
    "common: cli, kafka, event, http, retry, service > config, ops, pg, metrics"
    " > json, files, expression > base",
)
# Stages stand beside each other: the room above joins them. These arrows are the exceptions.
STAGES = {
    "producer": ("source", "sink", "triggers", "load"),
    "consumer": (
        "ingest", "dead_letter", "compact", "dumps", "wal", "checkpoint", "audit", "query",
        "engine"),
}
STAGE_ARROWS = {
    ("consumer/query", "consumer/engine"),
    ("producer/load", "producer/source"),
    ("producer/load", "producer/triggers"),
}
PROGRAMS = ("producer", "consumer", "common")

# In our format the name of a function begins its line, and its braces are alone at the margin.
DEFINITION = re.compile(r"^(?P<type>[^\n]*)\n(?P<name>[a-z_]\w*)\((?:[^;{}]*?)\)\n\{", re.M)


def levels():
    """By directory of a room: its program and its level, 0 at the top."""
    found = {}
    for line in ORDER:
        program, _, rest = line.partition(": ")
        for level, names in enumerate(rest.split(" > ")):
            for name in names.split(", "):
                found[f"{program}/{name}"] = (program, level)
    return found


LEVELS = levels()


def is_room_file(path):
    return path.split("/")[0] in PROGRAMS and path.endswith((".c", ".h"))


class Room:
    """What one CMakeLists.txt says about its directory."""

    def __init__(self, path, text, match):
        self.path = path  # of the CMakeLists.txt
        self.directory = os.path.dirname(path)
        self.line = text.count("\n", 0, match.start()) + 1
        words = re.sub(r"#[^\n]*", "", match[1]).split()
        self.name = words[0]
        self.uses = []
        keyword = None
        for word in words[1:]:
            if word in {"SOURCES", "USES", "OWNS"}:
                keyword = word
            elif keyword == "USES":
                self.uses.append(word)


def read_rooms(texts):
    """Rooms by name; `texts` has the text of every file of the tree by its path."""
    rooms = {}
    for path, text in texts.items():
        if path.split("/")[0] in PROGRAMS and path.endswith("CMakeLists.txt"):
            for match in re.finditer(r"bitdex_room\(([^)]*)\)", text):
                room = Room(path, text, match)
                rooms[room.name] = room
    return rooms


def room_name(directory):
    return directory.replace("/", "_")


def room_of_header(header):
    """The directory of a header of ours; None for another header."""
    directory = os.path.dirname(header)
    return directory if header.split("/")[0] in PROGRAMS else None


def find_circles(arrows):
    """Strongly connected parts of more than one node, each sorted (Tarjan, without recursion)."""
    index, low, stack, on_stack, circles = {}, {}, [], set(), []
    for start in sorted(arrows):
        if start in index:
            continue
        work = [(start, iter(sorted(arrows[start])))]
        index[start] = low[start] = len(index)
        stack.append(start)
        on_stack.add(start)
        while work:
            node, following = work[-1]
            descended = False
            for other in following:
                if other not in index:
                    index[other] = low[other] = len(index)
                    stack.append(other)
                    on_stack.add(other)
                    work.append((other, iter(sorted(arrows.get(other, ())))))
                    descended = True
                    break
                if other in on_stack:
                    low[node] = min(low[node], index[other])
            if descended:
                continue
            work.pop()
            if work:
                low[work[-1][0]] = min(low[work[-1][0]], low[node])
            if low[node] == index[node]:
                part = []
                while True:
                    other = stack.pop()
                    on_stack.discard(other)
                    part.append(other)
                    if other == node:
                        break
                if len(part) > 1:
                    circles.append(sorted(part))
    return sorted(circles)


def module_of(path):
    return path.rpartition(".")[0]


def definitions(sources):
    """By program and name: the module that defines a function that others may call."""
    found = {}
    for source in sources:
        if source.path.endswith(".c"):
            for match in DEFINITION.finditer(source.code):
                if not match["type"].startswith("static"):
                    found[source.path.split("/")[0], match["name"]] = module_of(source.path)
    return found


def calls(source):
    """Names of the functions of other files that a file calls; a header only declares."""
    if not source.path.endswith(".c"):
        return set()
    own = {match["name"] for match in DEFINITION.finditer(source.code)}
    attributes = r"__attribute__\(\(.*?\)\)"
    code = re.sub(attributes, "", source.code)
    return set(re.findall(r"(?<![\w.>])([a-z_]\w*)\s*\(", code)) - own


def module_arrows(sources):
    """By module: the modules that it depends on, by what it includes and by what it calls."""
    arrows = collections.defaultdict(set)
    defined = definitions(sources)
    for source in sources:
        module = module_of(source.path)
        arrows[module]  # a module without arrows is a node too
        for _, _, header in source.includes:
            if room_of_header(header) and module_of(header) != module:
                arrows[module].add(module_of(header))
        for name in calls(source):
            other = defined.get((source.path.split("/")[0], name)) or defined.get(("common", name))
            if other not in {None, module}:
                arrows[module].add(other)
    return arrows


def room_arrows(rooms):
    """By directory of a room: the directories of the rooms that it says it uses."""
    directories = {room.name: room.directory for room in rooms.values()}
    return {
        room.directory: {directories[name] for name in room.uses if name in directories}
        for room in rooms.values()
    }


def check_room(room, rooms):
    """(line, what to do) about what a room declares."""
    directories = {other.name: other.directory for other in rooms.values()}
    if room.name != room_name(room.directory):
        yield room.line, f"name the room {room_name(room.directory)}, after its directory"
    if room.directory not in LEVELS:
        yield room.line, f"{room.directory}/ has no place in the order of scripts/rooms.py"
        return
    program, level = LEVELS[room.directory]
    for name in room.uses:
        other = directories.get(name)
        if other is None or other not in LEVELS:
            continue  # a target that is not a room, or a room that is reported itself
        other_program, other_level = LEVELS[other]
        arrow = (room.directory, other)
        if other_program not in {program, "common"}:
            yield room.line, f"{program}/ never uses {other}/: move what both need to common/"
        elif program == other_program and other_level <= level:
            yield room.line, f"{room.directory}/ never uses {other}/: arrows go down"
        elif is_stage(room.directory) and is_stage(other) and arrow not in STAGE_ARROWS:
            yield room.line, f"{room.directory}/ never uses {other}/: let the room above join them"


def is_stage(directory):
    program, _, name = directory.partition("/")
    return name in STAGES.get(program, ())


def check_files(sources, rooms):
    """(path, line, what to do) about includes that the rooms do not declare, and the reverse."""
    included = collections.defaultdict(set)
    for source in sources:
        directory = source.directory
        room = rooms.get(room_name(directory))
        if directory in PROGRAMS:
            if source.name != "main.c":
                yield source.path, 1, f"move the file into a room: only main.c is in {directory}/"
                continue
        elif room is None:
            yield source.path, 1, f"declare the room: {directory}/CMakeLists.txt, bitdex_room()"
            continue
        for line, _, header in source.includes:
            other = room_of_header(header)
            if other is None or other == directory:
                continue
            included[directory].add(room_name(other))
            if room is None:
                allowed = other in LEVELS and LEVELS[other][0] in {directory, "common"}
                what = f"{directory}/main.c includes only rooms of its program and of common/"
            else:
                allowed = room_name(other) in room.uses
                what = f'"{header}": {room.path} does not name {room_name(other)} in USES'
            if not allowed:
                yield source.path, line, what
    for room in rooms.values():
        for name in room.uses:
            if name in rooms and name not in included[room.directory]:
                yield room.path, room.line, f"remove {name} from USES: no file includes it"


def check(sources, texts):
    """(path, line, rule, what to do) about the map of the whole tree."""
    sources = [source for source in sources if is_room_file(source.path)]
    rooms = read_rooms(texts)
    for room in rooms.values():
        for line, what in check_room(room, rooms):
            yield room.path, line, "map", what
    for path, line, what in check_files(sources, rooms):
        yield path, line, "map", what
    for circle in find_circles(room_arrows(rooms)):
        yield f"{circle[0]}/CMakeLists.txt", 1, "circle", f"rooms: {' <-> '.join(circle)}"
    paths = {module_of(source.path): source.path for source in sources}
    for circle in find_circles(module_arrows(sources)):
        yield paths.get(circle[0], circle[0]), 1, "circle", f"modules: {' <-> '.join(circle)}"
    drawn = texts.get("docs/ARCHITECTURE.md")
    for line in ORDER:
        if drawn is not None and line not in re.sub(r"\s+", " ", drawn):
            yield "docs/ARCHITECTURE.md", 1, "map", f"draw the order of the rooms: {line}"
