/* The documents of a query's page, gathered from one shard after another.
 *
 * A shard's documents are read in the same moment as its hits, so a document always shows what its
 * entity was matched with. Which hits come into the page is known only after the last shard.
 * Therefore only the best offset + limit hits so far are held, each with its document, and a
 * document is read only when its hit is one of them: with N shards about ln N times as many as the
 * page has.
 *
 * One thread.
 */
#ifndef CONSUMER_QUERY_QUERY_DOCUMENTS_H
#define CONSUMER_QUERY_QUERY_DOCUMENTS_H

#include "common/config/config_fields.h"
#include "consumer/engine/engine.h"

struct query_document;

struct query_documents {
    const struct engine_query *query;
    struct field_set fields;
    uint64_t bytes_max;          /* of the documents that are held */
    struct query_document *best; /* in the order of the query */
    uint64_t count;              /* at most offset + limit */
    uint64_t bytes;
};

/* `query` must outlive `documents`. */
void query_documents_init(struct query_documents *documents, const struct engine_query *query,
                          const struct field_set *fields, uint64_t bytes_max);
void query_documents_free(struct query_documents *documents);

/* Takes the documents of one shard's answer to the query; the engine must not have changed since.
 * ERR_DATA: the documents have more than `bytes_max` bytes. */
int query_documents_take(struct query_documents *documents, const struct engine *engine,
                         const struct engine_result *result, struct error *err);

/* The document of the hit at this place of the page, as JSON; `entity_id` is CHECK()ed. */
struct text query_documents_at(const struct query_documents *documents, uint64_t place,
                               int64_t entity_id);

#endif
