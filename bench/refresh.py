"""How fast are requested entities read?

The refresh reader (bench_refresh) reads entities of the gallery in the transaction that would end a
window, compared with prepared SELECTs of the same rows in the same session: all sources of each
entity, one source by its key, and what one entity shows of its parents, which every insert of a
child row asks for. A turn of the reader has as many requests as a backlog has, or as the windows of
a stream of inserts have. A SELECT is given as many ids at once; the second figure is for one SELECT
of each source and entity, as an application would read a row that it shows.
"""

import json
import os
import subprocess

import loading
import pipeline

BENCH_REFRESH = pipeline.BUILD / "bench" / "bench_refresh"
RUNS = 5
STRIDE = 13  # so that the ids are not read as a range
BACKLOG = 4096
WINDOW = 100

IMAGE = """SELECT id, "nsfwLevel", type, "userId", "postId", "blockedFor", minor, poi,
    floor(extract(epoch FROM greatest("scannedAt", "createdAt")))::bigint,
    (flags >> 13) & 1 = 1 AND (flags >> 2) & 1 = 0, (flags >> 14) & 1 = 1
    FROM "Image" WHERE id = ANY ($1)"""
POST = """SELECT image.id, floor(extract(epoch FROM "publishedAt"))::bigint, availability
    FROM "Image" AS image JOIN "Post" AS post ON post.id = "postId" WHERE image.id = ANY ($1)"""
VERSION = """SELECT DISTINCT ON ("imageId") "imageId", "baseModel" FROM "ImageResource"
    JOIN "ModelVersion" AS version ON version.id = "modelVersionId"
    WHERE "imageId" = ANY ($1) ORDER BY "imageId", version.id DESC"""
SELECTS = [
    IMAGE,
    """SELECT "imageId", "tagId" FROM "TagsOnImageNew"
        WHERE "imageId" = ANY ($1) AND (attributes >> 10) & 1 = 0""",
    'SELECT "imageId", "toolId" FROM "ImageTool" WHERE "imageId" = ANY ($1)',
    """SELECT "imageId", "techniqueId", CASE WHEN notes <> '' THEN "techniqueId" END
        FROM "ImageTechnique" WHERE "imageId" = ANY ($1)""",
    'SELECT "imageId", "modelVersionId" FROM "ImageResource" WHERE "imageId" = ANY ($1)',
    POST,
    VERSION,
]


def measure(demo, entry, entities, at_once, selects):
    done = subprocess.run(
        [BENCH_REFRESH, demo.config, entry, str(entities), str(STRIDE), str(at_once), str(RUNS),
         *(" ".join(select.split()) for select in selects)],
        check=True, capture_output=True, text=True, env=os.environ | demo.variables)
    return json.loads(done.stdout)


def print_ratio(label, entities, figures):
    reader, at_once, single = (figures[f"{name}_s"] for name in ("reader", "select", "single"))
    print(f"  {label:34}  {at_once / reader:6.2f}   ({reader / entities * 1e6:,.1f} of "
          f"{at_once / entities * 1e6:,.1f} us an entity; one by one "
          f"{single / entities * 1e6:,.1f} us; {figures['turns']} turns)", flush=True)


def run(demo, images):
    """`demo` has the gallery's empty tables."""
    loading.fill(demo, images)
    demo.init()
    entities = images // STRIDE
    print(f"{entities:,} of {images:,} images are read, medians of {RUNS} runs\n"
          f"  reader over prepared SELECTs")
    cases = [("all sources", "", SELECTS), ("one source by key", "Image.nsfwLevel", [IMAGE]),
             ("of one parent", "Post.publishedAt", [POST]),
             ("of several parents", "ModelVersion.baseModel", [VERSION])]
    for label, entry, selects in cases:
        for at_once in (BACKLOG, WINDOW):
            print_ratio(f"{label}, {at_once:,} at once", entities,
                        measure(demo, entry, entities, at_once, selects))
