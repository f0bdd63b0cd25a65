/* The engine's image: its exact bytes, and damage to them. test_engine_model shows that an engine
 * that is loaded from an image behaves as before. */
#include "tests/unit/unit_test.h"

#include <stdlib.h>
#include <string.h>

#include "tests/support/allocations.h"
#include "tests/unit/engine_fixture.h"
#include "tests/unit/random_input.h"

static const struct config_filter_field small_filter_fields[] = {
    {.name = "level", .type = FIELD_SINGLE_VALUE},
    {.name = "tags", .type = FIELD_MULTI_VALUE},
    {.name = "type", .type = FIELD_STRING},
};
static const struct config_sort_field small_sort_fields[] = {{.name = "rank", .bits = 2}};
static const struct config_index small_index = {
    .filter_fields = small_filter_fields,
    .filter_field_count = 3,
    .sort_fields = small_sort_fields,
    .sort_field_count = 1,
};

static struct engine *
small_engine(int32_t partition)
{
    struct engine *engine = NULL;
    struct error err;
    const struct engine_options options = {
        .index = &small_index, .partition = partition, .partitions = 2, .max_slots = 1 << 20};
    assert_int_equal(engine_create(&options, &engine, &err), 0);
    return engine;
}

static struct text
text_in(const struct buffer *bytes)
{
    return (struct text){(const char *)bytes->data, bytes->bytes};
}

/* One entity, one that is deleted and not swept, and a value of an entity that is not alive. */
static void
fill_small(struct engine *engine)
{
    fixture_apply(engine, 0,
                  "[{'op':'set','field':'level','value':-2},{'op':'alive'},"
                  "{'op':'set','field':'tags','value':[300,7]},"
                  "{'op':'set','field':'type','value':'b'},{'op':'set','field':'none','value':1},"
                  "{'op':'set','field':'rank','value':1}]");
    fixture_apply(engine, 4, "[{'op':'alive'},{'op':'set','field':'type','value':'a'}]");
    fixture_apply(engine, 4, "[{'op':'delete'}]");
    fixture_apply(engine, 131074, "[{'op':'set','field':'level','value':-2}]");
}

static void
count_bytes(void *context, const void *data, size_t bytes)
{
    (void)data;
    *(size_t *)context += bytes;
}

/* In a copy of the process another thread may hold the lock of malloc() for ever. */
static void
test_saving_allocates_no_memory(void **state)
{
    (void)state;
    struct engine *engine = small_engine(0);
    size_t bytes = 0;
    const struct image_sink sink = {&bytes, count_bytes};
    fill_small(engine);
    for (int id = 0; id < 20000; id += 2)
        fixture_apply(engine, id,
                      id % 3 == 0 ? "[{'op':'alive'},{'op':'set','field':'level','value':1},"
                                    "{'op':'set','field':'type','value':'c'}]"
                                  : "[{'op':'alive'},{'op':'set','field':'tags','value':[1,2]},"
                                    "{'op':'set','field':'rank','value':2}]");
    for (int optimized = 0; optimized < 2; optimized++) {
        uint64_t before = allocations_count();
        engine_save(engine, &sink);
        assert_int_equal(allocations_count(), before);
        engine_optimize(engine); /* with runs */
    }
    assert_true(bytes > 20000);
    engine_destroy(engine);
}

/* Whoever changes a byte here changes the format, and has to increase its version. */
static void
test_the_format_is_these_bytes(void **state)
{
    (void)state;
    static const uint8_t wanted[] = {
        0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x04, 0x00, 0x00,
        0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x12, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x3a, 0x30, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x10,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x12, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x3a, 0x30,
        0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x00, 0x00, 0x00, 0x02,
        0x00, 0x05, 0x00, 0x00, 0x00, 0x6c, 0x65, 0x76, 0x65, 0x6c, 0x01, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x1c, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x3a, 0x30, 0x00, 0x00,
        0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x18, 0x00, 0x00,
        0x00, 0x1a, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x01, 0x00, 0x01, 0x00, 0x04, 0x00, 0x00, 0x00, 0x74, 0x61, 0x67, 0x73,
        0x03, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x12, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x3a, 0x30, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x04, 0x00, 0x00, 0x00, 0x03, 0x0e,
        0xa4, 0x02, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x2c, 0x01, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x07, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x00, 0x00,
        0x00, 0x74, 0x79, 0x70, 0x65, 0x05, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x14, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x3a, 0x30, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x01, 0x00, 0x10, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x02, 0x00, 0x00, 0x00,
        0x01, 0x00, 0x00, 0x00, 0x62, 0x01, 0x00, 0x00, 0x00, 0x61, 0x02, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00,
        0x00, 0x02, 0x00, 0x00, 0x00, 0x04, 0x00, 0x00, 0x00, 0x72, 0x61, 0x6e, 0x6b, 0x00, 0x02,
        0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x12, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x3a,
        0x30, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x12, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x3a, 0x30, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x3a, 0x30, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x3a, 0x30, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00,
    };
    struct engine *engine = small_engine(0);
    struct buffer bytes = {0};
    fill_small(engine);
    fixture_save(engine, &bytes);
    assert_int_equal(bytes.bytes, sizeof wanted);
    assert_memory_equal(bytes.data, wanted, sizeof wanted);
    engine_destroy(engine);
    struct error err = {0};
    engine = small_engine(0);
    bytes.data[0] = 1; /* the earlier version, in which every code has a text */
    assert_int_equal(fixture_load(engine, text_in(&bytes), &err), 0);
    fixture_save(engine, &bytes);
    assert_memory_equal(bytes.data, wanted, sizeof wanted);
    buffer_free(&bytes);
    engine_destroy(engine);
}

static void
test_the_state_of_another_partition_or_configuration_is_refused(void **state)
{
    (void)state;
    struct engine *engine = small_engine(0), *other = small_engine(1), *larger = fixture_engine();
    struct buffer bytes = {0};
    struct error err = {0};
    fixture_save(engine, &bytes);
    assert_int_equal(fixture_load(other, text_in(&bytes), &err), ERR_DATA);
    assert_non_null(strstr(err.message, "belongs to another partition or configuration"));
    assert_int_equal(fixture_load(larger, text_in(&bytes), &err), ERR_DATA);
    buffer_free(&bytes);
    engine_destroy(engine);
    engine_destroy(other);
    engine_destroy(larger);
}

/* --- damage ---------------------------------------------------------------------------------- */

static int
read_entity(void *context, const struct engine_entity *entity)
{
    struct buffer text = {0};
    fixture_entity_text(context, entity->entity_id, &text);
    buffer_free(&text);
    return 0;
}

/* Runs queries, a scan, ops and a sweep. Their results do not matter; a sanitizer or a CHECK finds
 * what a damaged state breaks. */
static void
use_engine(struct engine *engine, const char *const *queries, size_t query_count, int64_t entity_id)
{
    struct buffer text = {0};
    engine_advance(engine, 5);
    for (size_t i = 0; i < query_count; i++)
        fixture_query(engine, queries[i], &text);
    engine_scan(engine, INT64_MIN, INT64_MAX, read_entity, engine);
    fixture_apply(engine, entity_id,
                  "[{'op':'delete'},{'op':'alive'},{'op':'set','field':'rank','value':2},"
                  "{'op':'set','field':'type','value':'z'}]");
    fixture_apply(engine, 0,
                  "[{'op':'queryOpSet','query':'type eq b','ops':["
                  "{'op':'set','field':'rank','value':3},{'op':'remove','field':'type','value':'b'}"
                  "]}]");
    engine_sweep(engine);
    engine_optimize(engine);
    fixture_save(engine, &text);
    buffer_free(&text);
}

static const char *const small_queries[] = {
    "{'filters':[{'Eq':['level',{'Integer':-2}]}],'limit':9}",
    "{'filters':[{'Gt':['tags',{'Integer':7}]}],'limit':9}",
    "{'filters':[{'Not':{'Eq':['type',{'String':'a'}]}}],'limit':9,"
    "'sort':{'field':'rank','direction':'Desc'}}",
};

/* Whether the bytes were accepted. */
static bool
try_small(struct text bytes)
{
    struct engine *engine = small_engine(0);
    struct error err = {0};
    int rc = fixture_load(engine, bytes, &err);
    if (rc == 0)
        use_engine(engine, small_queries, sizeof small_queries / sizeof small_queries[0], 0);
    else
        assert_int_equal(rc, ERR_DATA);
    engine_destroy(engine);
    return rc == 0;
}

static void
test_F40_a_state_cut_at_any_byte_is_refused(void **state)
{
    (void)state;
    struct engine *engine = small_engine(0);
    struct buffer bytes = {0};
    fill_small(engine);
    fixture_save(engine, &bytes);
    assert_true(try_small(text_in(&bytes)));
    for (size_t cut = 0; cut < bytes.bytes; cut++)
        assert_false(try_small((struct text){(const char *)bytes.data, cut}));
    buffer_append(&bytes, "", 1);
    assert_false(try_small(text_in(&bytes)));
    buffer_free(&bytes);
    engine_destroy(engine);
}

static void
test_F40_a_flipped_bit_is_refused_or_gives_a_valid_state(void **state)
{
    (void)state;
    struct engine *engine = small_engine(0);
    struct buffer bytes = {0};
    fill_small(engine);
    fixture_save(engine, &bytes);
    size_t refused = 0;
    for (size_t bit = 0; bit < bytes.bytes * 8; bit++) {
        bytes.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        refused += !try_small(text_in(&bytes));
        bytes.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_true(refused > bytes.bytes * 4); /* a checksum would refuse them all */
    buffer_free(&bytes);
    engine_destroy(engine);
}

/* Bitmaps of all kinds, columns of all widths, and a vocabulary. */
static void
fill_large(struct engine *engine)
{
    struct buffer row = {0};
    for (int i = 0; i < 6000; i++) {
        int64_t slot = i < 5000 ? i : i * INT64_C(50);
        buffer_clear(&row);
        buffer_append_format(&row,
                             "[{'op':'alive'},{'op':'set','field':'nsfwLevel','value':%d},"
                             "{'op':'set','field':'postId','value':%lld},"
                             "{'op':'set','field':'tagIds','value':[%d,%d,-5]},"
                             "{'op':'set','field':'hasMeta','value':%s},"
                             "{'op':'set','field':'type','value':'b%d'},"
                             "{'op':'set','field':'publishedAt','value':%d}]",
                             i % 3, (long long)i * i * i, i % 40, i % 700,
                             i % 2 == 0 ? "true" : "false", i % 30, i % 9);
        fixture_apply(engine, fixture_entity(slot), buffer_string(&row));
        if (i % 50 == 0)
            fixture_apply(engine, fixture_entity(slot), "[{'op':'delete'}]");
    }
    buffer_free(&row);
}

static void
damage(struct buffer *bytes)
{
    for (uint64_t edits = 1 + random_below(3); edits > 0; edits--) {
        size_t at = random_below(bytes->bytes);
        if (random_below(2) == 0)
            bytes->data[at] = (uint8_t)random_below(256);
        else if (random_below(2) == 0 && at + 4 <= bytes->bytes)
            memset(bytes->data + at, random_below(2) == 0 ? 0xff : 0, 4);
        else
            bytes->data[at] ^= (uint8_t)(1 << random_below(8));
    }
}

static void
test_F40_random_damage_is_refused_or_gives_a_valid_state(void **state)
{
    (void)state;
    static const char *const queries[] = {
        "{'filters':[{'Eq':['type',{'String':'b7'}]}],'limit':9,"
        "'sort':{'field':'postId','direction':'Desc'}}",
        "{'filters':[{'Lt':['postId',{'Integer':70000}]},{'Eq':['hasMeta',{'Bool':true}]}],"
        "'limit':50,'sort':{'field':'sortAt','direction':'Asc'}}",
        "{'filters':[{'Gt':['tagIds',{'Integer':600}]}],'limit':9}",
    };
    struct engine *engine = fixture_engine();
    struct buffer states[2] = {0}, bytes = {0};
    fill_large(engine);
    fixture_save(engine, &states[0]);
    engine_optimize(engine);
    fixture_save(engine, &states[1]);
    while (random_round(100)) {
        const struct buffer *whole = &states[random_below(2)];
        struct engine *loaded = fixture_engine();
        struct error err = {0};
        buffer_clear(&bytes);
        buffer_append(&bytes, whole->data, whole->bytes);
        damage(&bytes);
        int rc = fixture_load(loaded, text_in(&bytes), &err);
        if (rc == 0)
            use_engine(loaded, queries, COUNT_OF(queries), fixture_entity(7));
        else
            assert_int_equal(rc, ERR_DATA);
        engine_destroy(loaded);
    }
    buffer_free(&states[0]);
    buffer_free(&states[1]);
    buffer_free(&bytes);
    engine_destroy(engine);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_format_is_these_bytes),
        cmocka_unit_test(test_saving_allocates_no_memory),
        cmocka_unit_test(test_the_state_of_another_partition_or_configuration_is_refused),
        cmocka_unit_test(test_F40_a_state_cut_at_any_byte_is_refused),
        cmocka_unit_test(test_F40_a_flipped_bit_is_refused_or_gives_a_valid_state),
        cmocka_unit_test(test_F40_random_damage_is_refused_or_gives_a_valid_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
