/* The body of POST /ops. */
#include "tests/unit/unit_test.h"

#include <string.h>

#include "consumer/ingest/ops_request.h"
#include "tests/unit/engine_fixture.h"
#include "tests/unit/random_input.h"

static const struct config_topic topic = {.partitions = FIXTURE_PARTITIONS, .max_slots = 100};
static struct engine *engine;

static int
check_op(const void *context, const struct op *op, struct error *err)
{
    int rc = engine_check_names(context, op, err);
    return rc == 0 ? engine_check_op(context, op, err) : rc;
}

static int
parse_text(struct text text, struct arena *arena, struct ops_request *request, struct error *err)
{
    const struct ops_rules rules = {&topic, check_op, engine};
    return ops_request_parse(text, &rules, arena, request, err);
}

static int
parse(struct arena *arena, const char *json, struct ops_request *request, struct error *err)
{
    char *text = arena_strdup(arena, text_of(json));
    for (char *at = text; *at != '\0'; at++)
        *at = *at == '\'' ? '"' : *at;
    return parse_text(text_of(text), arena, request, err);
}

static void
check_refused(const char *json, const char *reason)
{
    struct error err = {0};
    struct ops_request request;
    struct arena arena;
    arena_init(&arena);
    int rc = parse(&arena, json, &request, &err);
    if (rc != ERR_DATA || strstr(err.message, reason) == NULL)
        fail_msg("%s: expected \"%s\", got %d \"%s\"", json, reason, rc, err.message);
    arena_free(&arena);
}

static void
test_the_whole_form_is_read(void **state)
{
    (void)state;
    static const char json[] =
        "{'ops':[{'entity_id':7,'ops':[{'op':'set','field':'nsfwLevel','value':2}],"
        "'creates_slot':true},"
        "{'entity_id':-3,'ops':[{'op':'queryOpSet','query':'postId eq "
        "5','ops':[{'op':'delete'}]}]},"
        "{'entity_id':299,'ops':[],'creates_slot':true},"
        "{'entity_id':0,'ops':[{'op':'delete'}],'creates_slot':null}],"
        "'meta':{'source':'pg-sync-default','cursor':1,'max_id':2,'lag_rows':0,'host':'x'}}";
    struct error err = {0};
    struct ops_request request;
    struct arena arena;
    arena_init(&arena);
    if (parse(&arena, json, &request, &err) != 0)
        fail_msg("%s", err.message);
    assert_int_equal(request.count, 4);
    assert_int_equal(request.entries[0].entity_id, 7);
    assert_int_equal(request.entries[0].ops.count, 2);
    assert_int_equal(request.entries[0].ops.items[0].kind, OP_ALIVE);
    assert_int_equal(request.entries[0].ops.items[1].kind, OP_SET);
    assert_false(request.entries[0].is_fan_out);
    assert_true(request.entries[1].is_fan_out);
    assert_int_equal(request.entries[1].entity_id, -3);
    assert_int_equal(request.entries[2].ops.count, 1);
    assert_int_equal(request.entries[2].ops.items[0].kind, OP_ALIVE);
    assert_int_equal(request.entries[3].ops.count, 1);
    assert_int_equal(request.entries[3].ops.items[0].kind, OP_DELETE);
    assert_true(text_is(request.meta.source, "pg-sync-default"));
    assert_int_equal(request.meta.cursor, 1);
    assert_int_equal(request.meta.max_id, 2);
    assert_int_equal(request.meta.lag_rows, 0);
    arena_free(&arena);
}

static void
test_meta_and_its_numbers_are_optional(void **state)
{
    (void)state;
    static const char *const bodies[] = {"{'ops':[]}", "{'ops':[],'meta':null}",
                                         "{'meta':{'source':'a','cursor':null},'ops':[]}"};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct error err = {0};
        struct ops_request request;
        struct arena arena;
        arena_init(&arena);
        assert_int_equal(parse(&arena, bodies[i], &request, &err), 0);
        assert_int_equal(request.count, 0);
        assert_int_equal(request.meta.source.bytes, i == 2);
        assert_int_equal(request.meta.cursor, -1);
        assert_int_equal(request.meta.max_id, -1);
        assert_int_equal(request.meta.lag_rows, -1);
        arena_free(&arena);
    }
}

#define ENTRY(ops) "{'ops':[{'entity_id':1,'ops':[{'op':'alive'}]},{'entity_id':2,'ops':" ops "}]}"

static void
test_L9_what_cannot_be_applied_is_refused_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        const char *reason;
    } refusals[] = {
        {"", "the body: "},
        {"[]", "the body: is not an object"},
        {"{'ops':[]", "the body: "},
        {"{}", "the body needs ops"},
        {"{'ops':{}}", "the body needs ops"},
        {"{'ops':[],'op':1}", "the body: has an unknown member"},
        {"{'ops':[3]}", "ops[0]: is not an object"},
        {"{'ops':[{'ops':[{'op':'alive'}]}]}", "ops[0]: needs entity_id"},
        {"{'ops':[{'entity_id':1.5,'ops':[{'op':'alive'}]}]}", "ops[0]: needs entity_id"},
        {"{'ops':[{'entity_id':1}]}", "ops[0]: needs ops"},
        {"{'ops':[{'entity_id':1,'ops':[],'create_slot':true}]}", "ops[0]: has an unknown member"},
        {"{'ops':[{'entity_id':1,'ops':[],'creates_slot':1}]}", "ops[0]: creates_slot must be"},
        {"{'ops':[{'entity_id':-1,'ops':[{'op':'alive'}]}]}", "ops[0]: entity -1 is beyond"},
        {"{'ops':[{'entity_id':300,'ops':[{'op':'alive'}]}]}", "ops[0]: entity 300 is beyond"},
        {"{'ops':[{'entity_id':1,'creates_slot':true,"
         "'ops':[{'op':'queryOpSet','query':'postId eq 5','ops':[{'op':'delete'}]}]}]}",
         "ops[0]: creates_slot is not possible with a queryOpSet"},
        {ENTRY("[]"), "ops[1]: "},
        {ENTRY("[{'op':'fly'}]"), "ops[1]: ops[0]"},
        {ENTRY("[{'op':'alive'},{'op':'refresh'}]"),
         "ops[1]: ops[1].op: a refresh cannot be posted"},
        {ENTRY("[{'op':'refresh','entry':'Post.title','key':7}]"),
         "ops[1]: ops[0].op: a refresh cannot be posted"},
        {ENTRY("[{'op':'set','field':'nsfwLevel','value':'high'}]"), "nsfwLevel"},
        {ENTRY("[{'op':'set','field':'rank','value':1024}]"), "rank"},
        {ENTRY("[{'op':'alive'},{'op':'queryOpSet','query':'a eq 1','ops':[{'op':'delete'}]}]"),
         "ops[1]: "},
        {ENTRY("[{'op':'queryOpSet','query':'nothing eq 1','ops':[{'op':'delete'}]}]"),
         "ops[1]: fan-out query"},
        {ENTRY("[{'op':'queryOpSet','query':'postId','ops':[{'op':'delete'}]}]"), "ops[1]: "},
        {"{'ops':[],'meta':7}", "meta.source must be a string"},
        {"{'ops':[],'meta':{}}", "meta.source must be a string"},
        {"{'ops':[],'meta':{'source':''}}", "meta.source must be a string"},
        {"{'ops':[],'meta':{'source':'a','cursor':-1}}", "meta.cursor must be an integer"},
        {"{'ops':[],'meta':{'source':'a','lag_rows':'x'}}", "meta.lag_rows must be an integer"},
    };
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
        check_refused(refusals[i].json, refusals[i].reason);
}

static void
test_F117_a_field_that_the_index_lacks_is_refused_with_the_closest(void **state)
{
    (void)state;
    check_refused(ENTRY("[{'op':'alive'},{'op':'set','field':'nsfwlevl','value':1}]"),
                  "ops[1]: the index has no field \"nsfwlevl\"; closest: \"nsfwLevel\"; fields: ");
    check_refused(ENTRY("[{'op':'add','field':'tags','value':1}]"), "no field \"tags\"");
    check_refused(ENTRY("[{'op':'remove','field':'id','value':1}]"), "no field \"id\"");
    check_refused(ENTRY("[{'op':'queryOpSet','query':'postId eq 5','ops':[{'op':'delete'},"
                        "{'op':'set','field':'hasMeat','value':true}]}]"),
                  "no field \"hasMeat\"; closest: \"hasMeta\"");
}

static void
test_F58_deep_nesting_is_refused(void **state)
{
    (void)state;
    enum { DEPTH = 50000 };
    struct buffer body;
    buffer_init(&body);
    buffer_append_text(&body, "{\"ops\":[],\"meta\":{\"source\":\"a\",\"ignored\":");
    for (int i = 0; i < DEPTH; i++)
        buffer_append_text(&body, "[");
    for (int i = 0; i < DEPTH; i++)
        buffer_append_text(&body, "]");
    buffer_append_text(&body, "}}");
    check_refused(buffer_string(&body), "the body: ");
    buffer_free(&body);
}

/* A damaged body is refused with a reason, or all of its ops can be applied. */
static void
test_random_damage_is_refused_or_can_be_applied(void **state)
{
    (void)state;
    static const char good[] =
        "{\"ops\":[{\"entity_id\":1,\"ops\":[{\"op\":\"add\",\"field\":\"tagIds\",\"value\":[1,2]},"
        "{\"op\":\"set\",\"field\":\"rank\",\"value\":3}],\"creates_slot\":true},{\"entity_id\":9,"
        "\"ops\":[{\"op\":\"queryOpSet\",\"query\":\"postId eq 5\",\"ops\":[{\"op\":\"set\","
        "\"field\":\"hasMeta\",\"value\":true}]}]}],\"meta\":{\"source\":\"a\",\"cursor\":1}}";
    static const char *const pieces[] = {"[", "]",    "{",  "}",   ",",
                                         ":", "null", "-1", "1e9", "\"ops\""};
    random_seed();
    uint32_t accepted = 0;
    for (int i = 0; i < 50000; i++) {
        struct error err = {0};
        struct ops_request request;
        struct arena arena;
        struct buffer body;
        arena_init(&arena);
        buffer_init(&body);
        buffer_append_text(&body, good);
        random_edit(&body, pieces, sizeof pieces / sizeof pieces[0]);
        struct text text = {(const char *)body.data, body.bytes};
        int rc = parse_text(text, &arena, &request, &err);
        assert_true(rc == 0 || (rc == ERR_DATA && err.message[0] != '\0'));
        for (uint32_t j = 0; rc == 0 && j < request.count; j++)
            for (uint32_t k = 0; k < request.entries[j].ops.count; k++)
                assert_int_equal(engine_check_op(engine, &request.entries[j].ops.items[k], &err),
                                 0);
        accepted += rc == 0;
        buffer_free(&body);
        arena_free(&arena);
    }
    assert_in_range(accepted, 100, 49900);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_whole_form_is_read),
        cmocka_unit_test(test_meta_and_its_numbers_are_optional),
        cmocka_unit_test(test_L9_what_cannot_be_applied_is_refused_with_its_place),
        cmocka_unit_test(test_F117_a_field_that_the_index_lacks_is_refused_with_the_closest),
        cmocka_unit_test(test_F58_deep_nesting_is_refused),
        cmocka_unit_test(test_random_damage_is_refused_or_can_be_applied),
    };
    engine = fixture_engine();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    engine_destroy(engine);
    return failed;
}
