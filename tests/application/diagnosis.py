"""What database, producer and index knew of entities that differ."""

import http.client
import json
import re

import pipeline
import psycopg

ENTITIES = 3  # that are described
ROWS = 80  # of the outbox, the newest

OPS = """
SELECT o.id, o.txid, (
    SELECT min(w.tick) FROM bitdex_windows AS w WHERE pg_visible_in_snapshot(o.txid, w.s2)
), o.entity_id, o.ops::text
FROM "BitdexOps" AS o
WHERE o.entity_id = ANY(%s) OR o.ops @? '$[*] ? (exists(@.key) || exists(@.all))'
ORDER BY o.id DESC LIMIT %s
"""
TABLES = {
    "newest windows": "SELECT tick, sub_id, generation, s1, s2, answered, last_row_id, seq"
                      " FROM bitdex_windows ORDER BY tick DESC, sub_id DESC LIMIT 3",
    "jobs": "SELECT to_jsonb(j) FROM bitdex_jobs AS j ORDER BY 1 DESC LIMIT 10",
    "dead letters": "SELECT to_jsonb(d) FROM bitdex_dead_letters AS d LIMIT 10",
}


def describe(line, differences):
    """Lines about the entities that the text names as "entity N"."""
    try:
        return "\n".join(_lines(line, differences))
    except (OSError, http.client.HTTPException, pipeline.PipelineError, psycopg.Error) as error:
        return f"nothing: {error!r}"


def _lines(line, differences):
    entities = sorted({int(number) for number in re.findall(r"\bentity (\d+)", differences)})
    lines = []
    with line.connect() as connection:
        rows = connection.execute(OPS, (entities[:ENTITIES], ROWS)).fetchall()
        lines += ["ops rows of these entities, and those of parents and whole tables:"]
        lines += [f"  id {row[0]}, txid {row[1]}, window {row[2]}, entity {row[3]}: {row[4]}"
                  for row in reversed(rows)]
        for title, query in TABLES.items():
            lines += [f"{title}:"]
            lines += [f"  {', '.join(map(str, row))}" for row in connection.execute(query)]
    lines += [f"entity {entity} in the index: "
              f"{json.dumps(line.api.get(f'/api/indexes/gallery/entities/{entity}'))}"
              for entity in entities[:ENTITIES]]
    lines += [f"producer: {json.dumps(line.producer.api.get('/api/status'))}",
              f"consumer: {json.dumps(line.api.get('/api/internal/sync-lag'))}"]
    return lines
