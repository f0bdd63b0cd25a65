#include "consumer/ingest/ops_sink.h"

#include <stdlib.h>

#include "common/base/check.h"

void
ops_post_add(struct ops_post *post, size_t begin, int64_t entity_id, int32_t partition)
{
    CHECK(begin < post->bytes.bytes);
    CHECK(partition >= 0 || partition == OPS_ALL_PARTITIONS);
    if (post->count > 0) {
        const struct ops_span *last = &post->spans[post->count - 1];
        CHECK(last->begin + last->bytes == begin);
    }
    if (post->count == post->capacity) {
        post->capacity = post->capacity == 0 ? 16 : 2 * post->capacity;
        post->spans = memory_realloc(post->spans, post->capacity * sizeof *post->spans);
    }
    CHECK(post->count < post->capacity);
    post->spans[post->count++] = (struct ops_span){
        .begin = begin,
        .bytes = post->bytes.bytes - begin,
        .entity_id = entity_id,
        .partition = partition,
    };
}

void
ops_post_want_offsets(struct ops_post *post, int32_t partitions)
{
    CHECK(partitions > 0);
    CHECK(post->offsets == NULL);
    post->offsets = memory_alloc((size_t)partitions * sizeof *post->offsets);
    for (int32_t i = 0; i < partitions; i++)
        post->offsets[i] = OPS_OFFSET_NONE;
}

void
ops_post_free(struct ops_post *post)
{
    free(post->offsets);
    buffer_free(&post->bytes);
    free(post->spans);
}

int
ops_post_check_bytes(const struct ops_post *post, int64_t bytes_max, struct error *err)
{
    CHECK(bytes_max >= 0);
    CHECK(post->count <= post->capacity);
    for (uint32_t i = 0; i < post->count; i++)
        if (post->spans[i].bytes > (size_t)bytes_max)
            return error_set(err, ERR_DATA, "ops[%u]: the event has %zu bytes, more than %lld", i,
                             post->spans[i].bytes, (long long)bytes_max);
    return 0;
}

int32_t
ops_span_partitions(const struct ops_span *span, int32_t partitions, int32_t *first)
{
    bool all = span->partition == OPS_ALL_PARTITIONS;
    CHECK(all || (0 <= span->partition && span->partition < partitions));
    *first = all ? 0 : span->partition;
    return all ? partitions : 1;
}

int
ops_post_fail(struct error *err, bool nothing_stored)
{
    return error_wrap(err, err->code,
                      nothing_stored ? "nothing was stored"
                                     : "it is not known what was stored, send it again");
}
