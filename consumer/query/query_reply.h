/* The reply to a query, as JSON:
 *
 *     {"ids":[...],"total_matched":N,"elapsed_us":T,"cursor":{"sort_value":7,"slot_id":123},
 *      "complete":true,"missing_partitions":[],"snapshot":"745:750:745","tick":N,
 *      "lag_seconds":S}
 *
 * With documents, "documents" follows "ids": one for each id, in the same order. An index as of a
 * moment adds "as_of".
 *
 * The cursor is the last entry of the page, in the form that the next request takes. It is null
 * when the page is not full, because nothing follows then.
 *
 * The last three are those of the shard that is furthest behind: the source snapshot that it is
 * proved to hold, in Postgres' text form, the window that it ends, and its age. They are null when
 * a shard has proved none.
 *
 * Any thread.
 */
#ifndef CONSUMER_QUERY_QUERY_REPLY_H
#define CONSUMER_QUERY_QUERY_REPLY_H

#include "consumer/query/query_documents.h"
#include "consumer/query/query_merge.h"

struct buffer;

struct query_reply {
    const struct query_page *page;
    const struct query_documents *documents; /* NULL: without documents */
    int64_t elapsed_us;
    bool complete; /* every shard answered, and its fields that are used are complete */
    const int32_t *missing_partitions; /* that did not answer */
    uint32_t missing_count;
    const char *snapshot; /* terminated; NULL: none is proved, and the next two are not read */
    int64_t tick;
    double lag_s;
    struct text as_of; /* the moment that the index is of, as JSON; empty: it follows its source */
};

/* Appends the JSON to `out`. */
void query_reply_write(const struct query_reply *reply, struct buffer *out);

#endif
