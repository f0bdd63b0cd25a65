#include "bench/rows.h"

#include <stdio.h>

#include "bench/entities.h"
#include "common/base/check.h"

enum { ROWS_OF_IMAGE = 12, ROWS_OF_FAN_OUT = 2000, USERS = 50000 };
enum { IMAGES_OF_POST = 5, LEVELS = 6, OPS_MAX = 8 };

const struct config rows_config = {
    .index = "bench",
    .topic = {.name = "bench", .partitions = 1, .max_slots = INT64_C(1) << 32},
    .consumer = {.group = "bench", .batch_rows = ROWS_OF_BATCH, .batch_bytes = 64 << 20},
    .index_config = {.filter_fields = NULL},
};

void
rows_init(struct rows *rows)
{
    struct error err;
    *rows = (struct rows){0};
    CHECK(event_codec_create(&rows->codec, &err) == 0);
}

void
rows_free(struct rows *rows)
{
    event_codec_destroy(rows->codec);
    buffer_free(&rows->bytes);
}

static uint32_t
make_image(struct op ops[OPS_MAX], uint64_t random)
{
    ops[0] = (struct op){.kind = OP_ALIVE};
    ops[1] = set_op(LEVEL, INT64_C(1) << random % LEVELS);
    ops[2] = set_op(TYPE, 0);
    ops[3] = set_op(USER, skewed(random, USERS));
    ops[4] = set_op(HAS_META, 1);
    ops[5] = set_op(EXISTED_AT, NOW_S - (int64_t)(random % 100000000));
    return 6;
}

static void
make_row(struct rows *rows, uint64_t ids)
{
    static char query[48];
    struct op nested = set_op(AVAILABILITY, 0), ops[OPS_MAX];
    uint64_t random = mix((uint64_t)++rows->seq);
    struct event event = {.epoch = 1,
                          .generation = 1,
                          .source = TEXT("default"),
                          .seq = rows->seq,
                          .row_id = rows->seq,
                          .kind = EVENT_ROW,
                          .entity_id = (int64_t)(random % ids),
                          .ops = {ops, 1}};
    if (rows->seq % ROWS_OF_FAN_OUT == 1) {
        snprintf(query, sizeof query, "postId eq %llu",
                 (unsigned long long)(random % ids / IMAGES_OF_POST));
        event.kind = EVENT_FAN_OUT;
        ops[0] = (struct op){
            .kind = OP_FAN_OUT, .query = text_of(query), .nested = &nested, .nested_count = 1};
    } else if (rows->seq % ROWS_OF_IMAGE == 0) {
        event.ops.count = make_image(ops, random);
    } else {
        ops[0] = set_op(TAG_IDS, skewed(mix(random), TAGS));
        ops[0].kind = OP_ADD;
    }
    CHECK(event_encode(rows->codec, &event, &rows->bytes, NULL) == 0);
}

void
rows_make(struct rows *rows, uint64_t ids)
{
    buffer_clear(&rows->bytes);
    for (int i = 0; i < ROWS_OF_BATCH; i++) {
        make_row(rows, ids);
        rows->ends[i] = rows->bytes.bytes;
    }
}

void
rows_add(const struct rows *rows, struct batch *batch)
{
    size_t begin = 0;
    for (int i = 0; i < ROWS_OF_BATCH; i++) {
        const struct kafka_record record = {.offset = rows->seq - ROWS_OF_BATCH + i,
                                            .value = (const char *)rows->bytes.data + begin,
                                            .value_bytes = rows->ends[i] - begin};
        CHECK(batch_add(batch, &record, NULL) == 0);
        begin = rows->ends[i];
    }
}
