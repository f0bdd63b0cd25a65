/* Which documents, and which of their fields: what requests say about documents. No I/O; any
 * thread.
 *
 *     a query             {"include_docs":true}, or a list of fields; "fields" means the same
 *     POST .../documents  {"ids":[7,8],"fields":["nsfwLevel"]}; "slot_ids" means "ids"
 *     POST .../document   {"slot_id":7,"fields":true}; "id" means "slot_id"
 *
 * `true` and ["*"] are all fields of the index, `false` and [] none. "id" may be in the list; a
 * document has it anyway. Members that are absent or null have their defaults: no documents in a
 * query, otherwise all fields.
 */
#ifndef CONSUMER_QUERY_DOCUMENT_REQUEST_H
#define CONSUMER_QUERY_DOCUMENT_REQUEST_H

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/config/config_fields.h"
#include "common/json/json_value.h"

struct document_fields {
    bool wanted; /* false: none */
    bool all;
    const struct text *names; /* unless `all` */
    uint32_t count;
};

/* Reads "include_docs" or "fields" of a query. ERR_DATA: both are there, or the value is neither a
 * boolean nor a list of names. The names belong to `arena`, as `body` does. */
int document_fields_parse(const struct json_value *body, struct arena *arena,
                          struct document_fields *fields, struct error *err);
/* The numbers of the fields. ERR_DATA names a field that the index does not have, and lists those
 * it has. */
int document_fields_resolve(const struct document_fields *fields, const struct config_fields *index,
                            struct field_set *set, struct error *err);

struct document_request {
    const int64_t *ids; /* any integers */
    uint32_t count;
    struct document_fields fields;
};

/* Parses the body of POST .../documents into `arena`. ERR_DATA says what is wrong; also more than
 * `limit` ids. */
int document_request_parse(struct text body, uint64_t limit, struct arena *arena,
                           struct document_request *request, struct error *err);
/* The same for POST .../document: one id. */
int document_request_parse_one(struct text body, struct arena *arena,
                               struct document_request *request, struct error *err);

#endif
