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
import measure

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


CASES = {
    "all sources": ("", SELECTS),
    "one source by key": ("Image.nsfwLevel", [IMAGE]),
    "of one parent": ("Post.publishedAt", [POST]),
    "of several parents": ("ModelVersion.baseModel", [VERSION]),
}


def read_once(demo, case, entities, at_once):
    """Microseconds an entity: of the reader, of SELECTs of as many, of SELECTs one by one."""
    entry, selects = CASES[case]
    done = subprocess.run(
        [measure.PROGRAMS / "bench_refresh", demo.config, entry, str(entities), str(STRIDE),
         str(at_once), "1", *(" ".join(select.split()) for select in selects)],
        check=True, capture_output=True, text=True, env=os.environ | demo.variables)
    figures = json.loads(done.stdout)
    return [figures[f"{name}_s"] / entities * 1e6 for name in ("reader", "select", "single")]


def run(scene):
    images = scene.images or scene.size(100_000, 4_000)
    entities = images // STRIDE
    with scene.tables() as demo:
        loading.fill(demo, images)
        demo.init()
        for case in CASES:
            for at_once in (BACKLOG, WINDOW):
                reader, select, single = zip(*(
                    read_once(demo, case, entities, at_once) for _ in range(scene.runs)))
                name = f"refresh: {case}, {at_once:,} at once"
                yield measure.row(name, "SELECTs of as many", "us an entity", reader, select)
                if case == "all sources" and at_once == BACKLOG:
                    yield measure.row(name, "SELECTs one by one", "us an entity", reader, single)
