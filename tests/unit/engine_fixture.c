#include "tests/unit/engine_fixture.h"

#include "tests/unit/unit_test.h"

#include <stdlib.h>
#include <string.h>

#include "common/ops/ops_json.h"
#include "consumer/query/query_merge.h"
#include "consumer/query/query_request.h"

static const struct config_filter_field filter_fields[] = {
    {.name = "nsfwLevel", .type = FIELD_SINGLE_VALUE, .is_nullable = true},
    {.name = "postId", .type = FIELD_SINGLE_VALUE},
    {.name = "tagIds", .type = FIELD_MULTI_VALUE},
    {.name = "hasMeta", .type = FIELD_BOOLEAN},
    {.name = "type", .type = FIELD_STRING, .ignores_case = true},
    {.name = "score", .type = FIELD_SINGLE_VALUE, .is_nullable = true},
};
static const char *const sort_at_sources[] = {"existedAt", "publishedAt"};
static const char *const first_at_sources[] = {"existedAt", "score"};
static const struct config_sort_field sort_fields[] = {
    {.name = "postId", .bits = 63},
    {.name = "rank", .bits = 10},
    {.name = "existedAt", .bits = 32},
    {.name = "publishedAt", .bits = 32},
    {.name = "sortAt",
     .bits = 32,
     .computed_op = COMPUTED_GREATEST,
     .source_fields = sort_at_sources,
     .source_field_count = 2},
    {.name = "firstAt",
     .bits = 33,
     .computed_op = COMPUTED_LEAST,
     .source_fields = first_at_sources,
     .source_field_count = 2},
};
const struct config_index fixture_index = {
    .filter_fields = filter_fields,
    .filter_field_count = sizeof filter_fields / sizeof filter_fields[0],
    .sort_fields = sort_fields,
    .sort_field_count = sizeof sort_fields / sizeof sort_fields[0],
    .visible_from = "publishedAt",
};

struct engine *
fixture_engine(void)
{
    struct engine *engine = NULL;
    struct error err;
    struct engine_options options = {
        .index = &fixture_index,
        .partition = FIXTURE_PARTITION,
        .partitions = FIXTURE_PARTITIONS,
        .max_slots = INT64_C(1) << 32,
    };
    assert_int_equal(engine_create(&options, &engine, &err), 0);
    return engine;
}

int64_t
fixture_entity(int64_t slot)
{
    return slot * FIXTURE_PARTITIONS + FIXTURE_PARTITION;
}

static struct text
fixture_json(struct arena *arena, const char *json)
{
    char *text = arena_strdup(arena, text_of(json));
    for (char *at = text; *at != '\0'; at++)
        *at = *at == '\'' ? '"' : *at;
    return text_of(text);
}

int
fixture_parse(struct arena *arena, const char *json, struct ops *ops, enum ops_route *route)
{
    struct error err;
    int rc =
        ops_json_parse(fixture_json(arena, json), &ops_limits_default, arena, ops, route, &err);
    if (rc != 0)
        fail_msg("%s: %s", json, err.message);
    return rc;
}

struct ops
fixture_prepare(const struct engine *engine, struct arena *arena, const struct ops *ops)
{
    struct error err;
    struct op *prepared = arena_alloc(arena, ops->count * sizeof *prepared);
    for (uint32_t i = 0; i < ops->count; i++) {
        prepared[i] = ops->items[i];
        int rc = prepared[i].kind == OP_FAN_OUT
                     ? engine_prepare_fan_out(engine, &prepared[i], arena, &err)
                     : engine_check_op(engine, &prepared[i], &err);
        if (rc != 0)
            fail_msg("op %u: %s", i, err.message);
    }
    return (struct ops){prepared, ops->count};
}

void
fixture_apply(struct engine *engine, int64_t entity_id, const char *json)
{
    struct arena arena;
    struct ops ops;
    enum ops_route route;
    arena_init(&arena);
    fixture_parse(&arena, json, &ops, &route);
    ops = fixture_prepare(engine, &arena, &ops);
    if (route == OPS_ROUTE_FAN_OUT)
        engine_apply_fan_out(engine, &ops);
    else
        engine_apply_row(engine, entity_id, &ops);
    arena_free(&arena);
}

int
fixture_check(const struct engine *engine, const char *json, struct error *err)
{
    struct arena arena;
    struct ops ops;
    enum ops_route route;
    int rc = 0;
    arena_init(&arena);
    fixture_parse(&arena, json, &ops, &route);
    for (uint32_t i = 0; i < ops.count && rc == 0; i++)
        rc = engine_check_op(engine, &ops.items[i], err);
    arena_free(&arena);
    return rc;
}

static void
fixture_take(void *context, const void *data, size_t bytes)
{
    buffer_append(context, data, bytes);
}

void
fixture_save(const struct engine *engine, struct buffer *bytes)
{
    const struct image_sink sink = {bytes, fixture_take};
    buffer_clear(bytes);
    engine_save(engine, &sink);
}

/* In pieces of many sizes. */
static int
fixture_give(void *context, struct text *data, struct error *err)
{
    struct text *left = context;
    size_t bytes = left->bytes % 1009 + 1;
    if (left->bytes == 0)
        return error_set(err, ERR_DATA, "ends early");
    if (bytes > left->bytes)
        bytes = left->bytes;
    *data = (struct text){left->data, bytes};
    *left = (struct text){left->data + bytes, left->bytes - bytes};
    return 0;
}

int
fixture_load(struct engine *engine, struct text bytes, struct error *err)
{
    const struct image_source source = {&bytes, fixture_give};
    int rc = engine_load(engine, &source, err);
    return rc == 0 && bytes.bytes > 0 ? error_set(err, ERR_DATA, "more than the state") : rc;
}

static int
fixture_run(const struct engine *engine, struct text body, struct arena *arena, struct buffer *out,
            struct error *err)
{
    static const struct query_limits limits = {
        .limit = 100000, .page = UINT64_MAX, .depth = 16, .clauses = 1000, .values = 1000};
    struct query_request request;
    struct engine_result result;
    struct query_page page;
    int rc = query_request_parse(body, &limits, arena, &request, err);
    if (rc == 0)
        rc = engine_query(engine, &request.query, &result, err);
    if (rc != 0)
        return rc;
    query_merge(&request.query, &result, 1, &page);
    for (uint64_t i = 0; i < page.count; i++)
        buffer_append_format(out, "%s%lld", i > 0 ? "," : "", (long long)page.hits[i].entity_id);
    buffer_append_format(out, "/%llu", (unsigned long long)page.total_matched);
    query_page_free(&page);
    engine_result_free(&result);
    return 0;
}

const char *
fixture_query(const struct engine *engine, const char *json, struct buffer *out)
{
    struct arena arena;
    struct error err;
    arena_init(&arena);
    buffer_clear(out);
    if (fixture_run(engine, fixture_json(&arena, json), &arena, out, &err) != 0)
        buffer_append_text(out, err.message);
    arena_free(&arena);
    return buffer_string(out);
}

const char *
fixture_entity_text(const struct engine *engine, int64_t entity_id, struct buffer *out)
{
    bool alive;
    struct buffer members;
    buffer_init(&members);
    buffer_clear(out);
    engine_entity_json(engine, entity_id, &members, &alive);
    buffer_append_text(out, alive ? "" : "!alive ");
    buffer_append(out, members.data, members.bytes);
    buffer_free(&members);
    return buffer_string(out);
}

/* --- a world --------------------------------------------------------------------------------- */

int
world_setup(void **state)
{
    struct world *world = memory_zalloc(sizeof *world);
    world->engine = fixture_engine();
    *state = world;
    return 0;
}

int
world_teardown(void **state)
{
    struct world *world = *state;
    engine_destroy(world->engine);
    buffer_free(&world->out);
    free(world);
    return 0;
}

void
world_apply(struct world *world, int64_t slot, const char *json)
{
    fixture_apply(world->engine, fixture_entity(slot), json);
}

void
assert_query(struct world *world, const char *json, const char *wanted)
{
    assert_string_equal(fixture_query(world->engine, json, &world->out), wanted);
}

void
world_restart(struct world *world, int64_t now_s)
{
    struct error err;
    fixture_save(world->engine, &world->out);
    engine_destroy(world->engine);
    world->engine = fixture_engine();
    const struct text bytes = {(const char *)world->out.data, world->out.bytes};
    if (fixture_load(world->engine, bytes, &err) != 0)
        fail_msg("%s", err.message);
    engine_advance(world->engine, now_s);
}
