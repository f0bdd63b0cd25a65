#include "bench/entities.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/memory.h"

double
cpu_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

uint64_t
mix(uint64_t seed)
{
    seed += UINT64_C(0x9e3779b97f4a7c15);
    seed = (seed ^ seed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    seed = (seed ^ seed >> 27) * UINT64_C(0x94d049bb133111eb);
    return seed ^ seed >> 31;
}

int64_t
skewed(uint64_t random, uint64_t count)
{
    double part = (double)(random >> 11) / 9007199254740992.0;
    return (int64_t)exp(part * log((double)count + 1));
}

static const struct config_filter_field filter_fields[] = {
    [LEVEL] = {.name = "nsfwLevel", .type = FIELD_SINGLE_VALUE},
    [USER] = {.name = "userId", .type = FIELD_SINGLE_VALUE},
    [POST] = {.name = "postId", .type = FIELD_SINGLE_VALUE},
    [TYPE] = {.name = "type", .type = FIELD_STRING},
    [BASE_MODEL] = {.name = "baseModel", .type = FIELD_STRING},
    [AVAILABILITY] = {.name = "availability", .type = FIELD_STRING},
    [HAS_META] = {.name = "hasMeta", .type = FIELD_BOOLEAN},
    [POI] = {.name = "poi", .type = FIELD_BOOLEAN},
    [TAG_IDS] = {.name = "tagIds", .type = FIELD_MULTI_VALUE},
    [TOOL_IDS] = {.name = "toolIds", .type = FIELD_MULTI_VALUE},
    [VERSION_IDS] = {.name = "modelVersionIds", .type = FIELD_MULTI_VALUE},
};
static const char *const sort_at_sources[] = {"existedAt", "publishedAt"};
static const struct config_sort_field sort_fields[] = {
    {.name = "existedAt", .bits = 32},
    {.name = "publishedAt", .bits = 32},
    {.name = "sortAt",
     .bits = 32,
     .computed_op = COMPUTED_GREATEST,
     .source_fields = sort_at_sources,
     .source_field_count = 2},
};
const struct config_index index_config = {
    .filter_fields = filter_fields,
    .filter_field_count = EXISTED_AT,
    .sort_fields = sort_fields,
    .sort_field_count = FIELDS - EXISTED_AT,
    .visible_from = "publishedAt",
};
static const char *const types[] = {"image", "video", "audio"};
static const char *const base_models[] = {"SDXL 1.0", "SD 1.5", "Pony",   "Flux.1 D", "Illustrious",
                                          "SD 2.1",   "SD 3.5", "NoobAI", "Flux.1 S", "Other"};
static const char *const availabilities[] = {"Public", "Private", "Unsearchable"};

const char *
field_name(int field)
{
    return field < EXISTED_AT ? filter_fields[field].name : sort_fields[field - EXISTED_AT].name;
}

uint64_t entities = 2000000;

uint32_t
entity_values(int field, uint64_t id, int64_t values[SETS_MAX])
{
    uint64_t random = mix(id * FIELDS + (uint64_t)field);
    uint32_t count = 1;
    switch (field) {
    case LEVEL:
        values[0] = INT64_C(1) << (skewed(random, 31) - 1) % 6;
        break;
    case USER:
        values[0] = skewed(random, entities / 20 + 1);
        break;
    case POST:
        values[0] = (int64_t)(id * 10 / 46);
        break;
    case TYPE:
        values[0] = random % 20 == 0;
        break;
    case BASE_MODEL:
        values[0] = skewed(random, 10) - 1;
        break;
    case AVAILABILITY:
        values[0] = random % 50 == 0 ? (int64_t)(random >> 20) % 2 + 1 : 0;
        break;
    case HAS_META:
        values[0] = random % 10 < 6;
        break;
    case POI:
        values[0] = random % 50 == 0;
        break;
    case EXISTED_AT:
        values[0] = NOW_S - (int64_t)((entities - id) * 20 + random % 1000000);
        break;
    case PUBLISHED_AT:
        count = random % 10 > 0;
        values[0] = NOW_S - (int64_t)(mix(id * 10 / 46) % 60000000) + 600000;
        break;
    case TAG_IDS:
        count = 10 + random % 41;
        for (uint32_t i = 0; i < count; i++)
            values[i] = skewed(mix(random + i), TAGS);
        break;
    case TOOL_IDS:
        count = random % 10 == 0;
        values[0] = skewed(mix(random), 60);
        break;
    case VERSION_IDS:
        count = random % 4;
        for (uint32_t i = 0; i < count; i++)
            values[i] = skewed(mix(random + i), VERSIONS);
        break;
    default:
        return 0; /* computed */
    }
    return count;
}

uint32_t
text_count(int field)
{
    switch (field) {
    case TYPE:
        return sizeof types / sizeof types[0];
    case BASE_MODEL:
        return sizeof base_models / sizeof base_models[0];
    case AVAILABILITY:
        return sizeof availabilities / sizeof availabilities[0];
    default:
        return 0;
    }
}

struct value
value_of(int field, int64_t number)
{
    const char *const *texts = field == TYPE         ? types
                               : field == BASE_MODEL ? base_models
                                                     : availabilities;
    if (field == TYPE || field == BASE_MODEL || field == AVAILABILITY)
        return (struct value){.kind = VALUE_STRING, .string = text_of(texts[number])};
    if (field == HAS_META || field == POI)
        return (struct value){.kind = VALUE_BOOLEAN, .boolean = number != 0};
    return (struct value){.kind = VALUE_INTEGER, .integer = number};
}

struct op
set_op(int field, int64_t number)
{
    return (struct op){
        .kind = OP_SET, .field = text_of(field_name(field)), .value = value_of(field, number)};
}

struct engine *
engine_open(const struct config_index *index)
{
    struct engine *engine;
    struct error err;
    struct engine_options options = {index, 0, 1, INT64_C(1) << 32};
    if (engine_create(&options, &engine, &err) != 0) {
        fprintf(stderr, "engine: %s\n", err.message);
        exit(1);
    }
    engine_advance(engine, NOW_S);
    return engine;
}

/* `items` has room for FIELDS + 1 ops; their lists are in `values`. Returns how many there are. */
static uint32_t
fill_ops(uint64_t id, struct op *items, int64_t values[FIELDS][SETS_MAX])
{
    uint32_t ops = 1;
    items[0] = (struct op){.kind = OP_ALIVE};
    for (int field = 0; field < FIELDS; field++) {
        uint32_t count = entity_values(field, id, values[field]);
        if (count == 0)
            continue;
        struct op *op = &items[ops++];
        *op = set_op(field, values[field][0]);
        if (field < TAG_IDS || field > VERSION_IDS)
            continue;
        op->value = (struct value){.kind = VALUE_INTEGERS};
        op->value.integers.items = values[field];
        op->value.integers.count = count;
    }
    return ops;
}

void
make_entity(uint64_t id, struct arena *arena, struct ops *ops)
{
    int64_t values[FIELDS][SETS_MAX];
    struct op filled[FIELDS + 1];
    uint32_t count = fill_ops(id, filled, values);
    struct op *items = arena_alloc(arena, count * sizeof *items);
    memcpy(items, filled, count * sizeof *items);
    for (uint32_t i = 0; i < count; i++) {
        if (items[i].value.kind != VALUE_INTEGERS || items[i].kind != OP_SET)
            continue;
        size_t bytes = items[i].value.integers.count * sizeof(int64_t);
        int64_t *list = arena_alloc(arena, bytes);
        memcpy(list, items[i].value.integers.items, bytes);
        items[i].value.integers.items = list;
    }
    *ops = (struct ops){items, count};
}

void
load_entity(struct engine *engine, uint64_t id)
{
    int64_t values[FIELDS][SETS_MAX];
    struct op items[FIELDS + 1];
    uint32_t count = fill_ops(id, items, values);
    engine_apply_row(engine, (int64_t)id, &(struct ops){items, count});
}
