#include "producer/refresh/request.h"

bool
request_equal(const struct request *a, const struct request *b)
{
    bool equal = a->kind == b->kind && a->entity_id == b->entity_id && a->entry == b->entry &&
                 a->level == b->level && text_equal(a->key, b->key) &&
                 a->field_count == b->field_count;
    for (uint32_t i = 0; equal && i < a->field_count; i++)
        equal = text_equal(a->fields[i], b->fields[i]);
    return equal;
}

static uint64_t
mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 32;
}

uint64_t
request_hash(const struct request *request)
{
    uint64_t hash = mix((uint64_t)request->kind, (uint64_t)request->entity_id);
    hash = mix(hash, request->entry);
    hash = mix(hash, request->level);
    if (request->key.bytes > 0)
        hash = mix(hash, text_hash(request->key));
    for (uint32_t i = 0; i < request->field_count; i++)
        hash = mix(hash, text_hash(request->fields[i]));
    return hash;
}
