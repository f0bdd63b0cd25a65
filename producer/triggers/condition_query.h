/* The conditions that the catalogue of the database decides, each by one query. Pure; any thread.
 */
#ifndef PRODUCER_TRIGGERS_CONDITION_QUERY_H
#define PRODUCER_TRIGGERS_CONDITION_QUERY_H

#include "common/base/memory.h"
#include "producer/triggers/condition.h"

/* The columns of an answer, whose rows are the conditions. */
enum {
    CONDITION_QUERY_ENTRY, /* its index, null for none */
    CONDITION_QUERY_OBJECT,
    CONDITION_QUERY_MESSAGE,
    CONDITION_QUERY_REMEDY,
    CONDITION_QUERY_COLUMNS,
};

/* All texts are SQL over the relations of the WITH list. */
struct condition_query {
    enum condition_kind kind;
    enum condition_severity severity;
    const char *entry;
    const char *object;
    const char *message;
    const char *remedy;
    const char *rows; /* what follows FROM */
};

extern const struct condition_query condition_queries[];
extern const uint32_t condition_query_count;

/* Appends the WITH list over which the queries run: the entries, as far as they could be read. The
 * search_path of the session must be pg_catalog. */
void condition_query_append_entries(struct buffer *out, const struct entry *entries, uint32_t count,
                                    const char *outbox_schema);

/* Appends the SELECT that follows it. */
void condition_query_append(struct buffer *out, const struct condition_query *query);

#endif
