"""The gallery as CSV files for config/gallery-csv.yaml, and what their index must hold.

Tests and benchmarks share it. Files have no header; an empty value is null.
"""

import csv
import itertools
import pathlib
import random

IMAGE = ["id", "url", "nsfwLevel", "hash", "flags", "type", "userId", "blockedFor",
         "scannedAtSecs", "createdAtSecs", "postId", "width", "height"]  # fmt: skip
FILES = ["images", "tags", "tools"]
FIRST_SECOND = 1_600_000_000


def image_lines(rng, ids):
    """Lines of images.csv; every eighth quotes a comma, a quote and a line break."""
    for n, image in enumerate(ids):
        url = f"u{image:x}.jpeg" if n % 8 else f'"say ""{image}"",\nagain"'
        scanned = FIRST_SECOND + rng.randrange(100_000_000) if n % 5 else ""
        blocked = rng.choice(["", "", "", "tos", "moderated"])
        post = n // 5 if n % 3 else ""
        yield (
            f"{image},{url},{1 << rng.randrange(6)},h{n % 97},{rng.randrange(1 << 15)},"
            f"{'image' if n % 7 else 'video'},{1 + int(rng.paretovariate(1)) % 100_000},{blocked},"
            f"{scanned},{FIRST_SECOND + n},{post},{256 + n % 1800},{512 + n % 900}\n"
        )


def join_lines(rng, ids, mean, values):
    """Lines "value,image" of a join table: on average `mean` for each image, skewed by Zipf."""
    for image in ids:
        count = rng.randrange(2 * mean + 1)
        for value in {1 + int(rng.paretovariate(0.7)) % values for _ in range(count)}:
            yield f"{value},{image}\n"


def write(directory, images, seed=1, step=1, tags=15, shuffled=()):
    """Writes the three files. The lines of those that are `shuffled` are in a random order."""
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    rng = random.Random(seed)
    ids = range(step, (images + 1) * step, step)
    files = {
        "images": image_lines(rng, ids),
        "tags": join_lines(rng, ids, tags, 5000),
        "tools": join_lines(rng, ids, 1, 30),
    }
    for name, lines in files.items():
        if name in shuffled:
            lines = list(lines)
            rng.shuffle(lines)
        with open(directory / f"{name}.csv", "w", newline="") as file:
            while batch := list(itertools.islice(lines := iter(lines), 10_000)):
                file.writelines(batch)


def integer(text):
    return int(text) if text else None


def image_fields(row):
    flags = int(row["flags"])
    times = [integer(row["scannedAtSecs"]), integer(row["createdAtSecs"])]
    fields = {name: integer(row[name])
              for name in ("nsfwLevel", "userId", "postId", "width", "height")}  # fmt: skip
    fields |= {name: row[name] or None for name in ("type", "blockedFor")}
    fields |= {
        "minor": bool(flags >> 3 & 1),
        "poi": bool(flags >> 4 & 1),
        "hasMeta": bool(flags >> 13 & 1) and not flags >> 2 & 1,
        "onSite": bool(flags >> 14 & 1),
        "existedAt": max(time for time in times if time is not None),
    }
    return {name: value for name, value in fields.items() if value is not None}


def read_truth(directory):
    """{image id: fields} of the images, as the index returns them."""
    directory = pathlib.Path(directory)
    with open(directory / "images.csv", newline="") as file:
        truth = {int(row["id"]): image_fields(row) for row in csv.DictReader(file, IMAGE)}
    for name, field in (("tags", "tagIds"), ("tools", "toolIds")):
        with open(directory / f"{name}.csv", newline="") as file:
            for value, image in csv.reader(file):
                if int(image) in truth:
                    truth[int(image)].setdefault(field, []).append(int(value))
    for fields in truth.values():
        for field in {"tagIds", "toolIds"} & fields.keys():
            fields[field].sort()
    return truth
