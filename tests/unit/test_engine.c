#include "tests/unit/unit_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"
#include "tests/unit/engine_fixture.h"
#include "tests/unit/random_input.h"

static void
assert_entity(struct world *world, int64_t slot, const char *wanted)
{
    assert_string_equal(fixture_entity_text(world->engine, fixture_entity(slot), &world->out),
                        wanted);
}

static void
assert_refused(struct world *world, const char *json, const char *reason)
{
    struct error err;
    int rc = fixture_check(world->engine, json, &err);
    if (rc != ERR_DATA || strstr(err.message, reason) == NULL)
        fail_msg("%s: wanted \"%s\", got %d \"%s\"", json, reason, rc, rc != 0 ? err.message : "");
}

static void
test_set_replaces_a_scalar_without_its_remove(void **state)
{
    world_apply(*state, 1, "[{'op':'alive'},{'op':'set','field':'nsfwLevel','value':1}]");
    world_apply(*state, 1, "[{'op':'set','field':'nsfwLevel','value':16}]");
    assert_entity(*state, 1, "\"nsfwLevel\":16");
    assert_query(*state, "{'filters':[{'Eq':['nsfwLevel',{'Integer':1}]}]}", "/0");
    assert_query(*state, "{'filters':[{'Eq':['nsfwLevel',{'Integer':16}]}]}", "4/1");
}

static void
test_remove_clears_a_scalar_only_of_that_value(void **state)
{
    world_apply(*state, 1, "[{'op':'alive'},{'op':'set','field':'type','value':'image'}]");
    world_apply(*state, 1, "[{'op':'remove','field':'type','value':'video'}]");
    assert_entity(*state, 1, "\"type\":\"image\"");
    world_apply(*state, 1, "[{'op':'remove','field':'type','value':'image'}]");
    assert_entity(*state, 1, "");
}

static void
test_set_null_clears_every_kind_of_field(void **state)
{
    world_apply(
        *state, 1,
        "[{'op':'set','field':'nsfwLevel','value':1},{'op':'set','field':'rank','value':2},"
        "{'op':'set','field':'tagIds','value':[3,4]},{'op':'set','field':'type','value':'x'},"
        "{'op':'set','field':'hasMeta','value':false}]");
    assert_entity(*state, 1,
                  "!alive \"nsfwLevel\":1,\"tagIds\":[3,4],\"hasMeta\":false,\"type\":\"x\","
                  "\"rank\":2");
    world_apply(
        *state, 1,
        "[{'op':'set','field':'nsfwLevel','value':null},"
        "{'op':'set','field':'rank','value':null},{'op':'set','field':'tagIds','value':null},"
        "{'op':'set','field':'type','value':null},{'op':'set','field':'hasMeta','value':null}]");
    assert_entity(*state, 1, "!alive ");
}

static void
test_multi_value_ops_take_one_value_or_an_array(void **state)
{
    world_apply(*state, 0, "[{'op':'set','field':'tagIds','value':[9,3,3]}]");
    world_apply(*state, 0, "[{'op':'set','field':'tagIds','value':5}]");
    world_apply(*state, 0, "[{'op':'add','field':'tagIds','value':[7,3,1]}]");
    assert_entity(*state, 0, "!alive \"tagIds\":[1,3,5,7,9]");
    world_apply(*state, 0, "[{'op':'remove','field':'tagIds','value':[1,9,100]}]");
    world_apply(*state, 0, "[{'op':'remove','field':'tagIds','value':5}]");
    assert_entity(*state, 0, "!alive \"tagIds\":[3,7]");
    world_apply(*state, 0, "[{'op':'set','field':'tagIds','value':[2]}]");
    assert_entity(*state, 0, "!alive \"tagIds\":[2]");
    world_apply(*state, 0, "[{'op':'set','field':'tagIds','value':[]}]");
    assert_entity(*state, 0, "!alive ");
}

static void
test_values_before_alive_are_kept_and_invisible(void **state)
{
    world_apply(*state, 2, "[{'op':'add','field':'tagIds','value':42}]");
    assert_query(*state, "{'filters':[{'Eq':['tagIds',{'Integer':42}]}]}", "/0");
    world_apply(*state, 2, "[{'op':'alive'}]");
    assert_query(*state, "{'filters':[{'Eq':['tagIds',{'Integer':42}]}]}", "7/1");
}

static void
test_F27_insert_after_delete_in_one_row_ends_alive(void **state)
{
    world_apply(*state, 1,
                "[{'op':'alive'},{'op':'set','field':'nsfwLevel','value':1},"
                "{'op':'add','field':'tagIds','value':1}]");
    world_apply(*state, 1,
                "[{'op':'delete'},{'op':'alive'},{'op':'set','field':'nsfwLevel','value':2}]");
    assert_entity(*state, 1, "\"nsfwLevel\":2");
    assert_query(*state, "{'filters':[{'Eq':['tagIds',1]}]}", "/0");
}

static void
test_F30_fan_out_reaches_slots_that_are_not_alive(void **state)
{
    world_apply(*state, 3, "[{'op':'set','field':'postId','value':7}]");
    world_apply(*state, 4, "[{'op':'alive'},{'op':'set','field':'postId','value':7}]");
    world_apply(*state, 5, "[{'op':'alive'},{'op':'set','field':'postId','value':8}]");
    world_apply(*state, 0,
                "[{'op':'queryOpSet','query':'postId eq 7',"
                "'ops':[{'op':'set','field':'nsfwLevel','value':4}]}]");
    assert_entity(*state, 3, "!alive \"nsfwLevel\":4,\"postId\":7");
    assert_entity(*state, 4, "\"nsfwLevel\":4,\"postId\":7");
    assert_entity(*state, 5, "\"postId\":8");
}

/* The second fan-out of a row matches what the first one wrote, as if they came one by one. */
static void
test_F68_a_fan_out_matches_what_the_previous_one_wrote(void **state)
{
    world_apply(*state, 1, "[{'op':'set','field':'postId','value':7}]");
    world_apply(*state, 0,
                "[{'op':'queryOpSet','query':'postId eq 7',"
                "'ops':[{'op':'set','field':'postId','value':8}]},"
                "{'op':'queryOpSet','query':'postId eq 7',"
                "'ops':[{'op':'set','field':'rank','value':1}]}]");
    assert_entity(*state, 1, "!alive \"postId\":8");
}

/* All nested ops apply to the slots of one match, even when the first of them ends the match. */
static void
test_fan_out_matches_once_for_all_its_ops(void **state)
{
    world_apply(*state, 1, "[{'op':'set','field':'type','value':'SD 1.5'}]");
    world_apply(
        *state, 0,
        "[{'op':'queryOpSet','query':'type EQ SD 1.5 and type in [SD 1.5, x]','ops':["
        "{'op':'remove','field':'type','value':'SD 1.5'},"
        "{'op':'set','field':'type','value':'SDXL'},{'op':'set','field':'rank','value':1}]}]");
    assert_entity(*state, 1, "!alive \"type\":\"SDXL\",\"rank\":1");
}

static void
test_fan_out_may_delete(void **state)
{
    world_apply(*state, 1, "[{'op':'alive'},{'op':'set','field':'postId','value':7}]");
    world_apply(*state, 2, "[{'op':'alive'}]");
    world_apply(*state, 0, "[{'op':'queryOpSet','query':'postId in [7]','ops':[{'op':'delete'}]}]");
    assert_entity(*state, 1, "!alive ");
    assert_query(*state, "{}", "7/1");
}

static void
test_fan_out_values_take_the_type_of_their_field(void **state)
{
    world_apply(
        *state, 1,
        "[{'op':'set','field':'type','value':'123'},{'op':'set','field':'postId','value':5},"
        "{'op':'set','field':'hasMeta','value':true}]");
    world_apply(*state, 0,
                "[{'op':'queryOpSet','query':'type eq 123 AND hasMeta eq true AND postId in [5.0]',"
                "'ops':[{'op':'add','field':'tagIds','value':1}]}]");
    world_apply(*state, 0,
                "[{'op':'queryOpSet','query':'postId eq \\'5\\' AND hasMeta eq \\'true\\'',"
                "'ops':[{'op':'add','field':'tagIds','value':2}]}]");
    world_apply(*state, 1, "[{'op':'set','field':'type','value':'1.5'}]");
    world_apply(*state, 0,
                "[{'op':'queryOpSet','query':'type in [1.5]',"
                "'ops':[{'op':'add','field':'tagIds','value':3}]}]");
    world_apply(*state, 1, "[{'op':'set','field':'type','value':'true'}]");
    world_apply(*state, 0,
                "[{'op':'queryOpSet','query':'type eq true',"
                "'ops':[{'op':'add','field':'tagIds','value':4}]}]");
    assert_entity(*state, 1,
                  "!alive \"postId\":5,\"tagIds\":[1,2,3,4],\"hasMeta\":true,\"type\":\"true\"");
}

/* With enough slots that a page is read from the bit slices. */
static void
test_F34_a_smaller_sort_value_replaces_a_larger_one(void **state)
{
    enum { SLOTS = 2000 };
    for (int64_t slot = 0; slot < SLOTS; slot++)
        world_apply(*state, slot, "[{'op':'alive'},{'op':'set','field':'rank','value':7}]");
    world_apply(*state, 1, "[{'op':'set','field':'rank','value':1023}]");
    assert_query(*state, "{'sort':{'field':'rank'},'limit':1}", "4/2000");
    assert_query(*state, "{'filters':[{'Lt':['rank',1023]}],'limit':0}", "/1999");
    assert_query(*state, "{'filters':[{'Gt':['rank',1022]}]}", "4/1");
    world_apply(*state, 1, "[{'op':'set','field':'rank','value':5}]");
    assert_entity(*state, 1, "\"rank\":5");
    assert_query(*state, "{'sort':{'field':'rank'},'limit':2}", "5998,5995/2000");
    assert_query(*state, "{'sort':{'field':'rank','direction':'Asc'},'limit':2}", "4,1/2000");
    assert_query(*state, "{'filters':[{'Lt':['rank',7]}]}", "4/1");
    assert_query(*state, "{'filters':[{'Gt':['rank',7]}]}", "/0");
}

static void
test_F36_null_is_not_zero_false_or_empty(void **state)
{
    world_apply(*state, 0, "[{'op':'alive'}]");
    world_apply(
        *state, 1,
        "[{'op':'alive'},{'op':'set','field':'nsfwLevel','value':0},"
        "{'op':'set','field':'rank','value':0},{'op':'set','field':'hasMeta','value':false},"
        "{'op':'set','field':'type','value':''}]");
    assert_entity(*state, 0, "");
    assert_entity(*state, 1, "\"nsfwLevel\":0,\"hasMeta\":false,\"type\":\"\",\"rank\":0");
    world_apply(*state, 2,
                "[{'op':'alive'},{'op':'set','field':'rank','value':7},"
                "{'op':'set','field':'rank','value':null}]");
    assert_entity(*state, 2, "");
    static const char *const fields[] = {"nsfwLevel", "rank", "hasMeta", "type"};
    static const char *const values[] = {"0", "0", "false", "''"};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        char query[100];
        snprintf(query, sizeof query, "{'filters':[{'IsNull':'%s'}]}", fields[i]);
        assert_query(*state, query, "7,1/2");
        snprintf(query, sizeof query, "{'filters':[{'Eq':['%s',%s]}]}", fields[i], values[i]);
        assert_query(*state, query, "4/1");
    }
}

static void
test_F37_negative_and_64_bit_values_are_ordinary(void **state)
{
    static const char *const numbers[] = {"-5", "4294967296", "9223372036854775807",
                                          "-9223372036854775807", "3.0"};
    static const char *const wanted[] = {"-5", "4294967296", "9223372036854775807",
                                         "-9223372036854775807", "3"};
    struct world *world = *state;
    world_apply(world, 0, "[{'op':'alive'}]");
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        char json[200];
        snprintf(json, sizeof json, "[{'op':'set','field':'postId','value':%s}]", numbers[i]);
        world_apply(world, 0, json);
        snprintf(json, sizeof json, "\"postId\":%s", wanted[i]);
        assert_entity(world, 0, json);
        snprintf(json, sizeof json, "{'filters':[{'Eq':['postId',%s]}]}", numbers[i]);
        assert_query(world, json, "1/1");
        snprintf(json, sizeof json, "{'filters':[{'Gte':['postId',%s]}]}", numbers[i]);
        assert_query(world, json, "1/1");
        snprintf(json, sizeof json, "{'filters':[{'Gt':['postId',%s]}]}", numbers[i]);
        assert_query(world, json, "/0");
    }
}

static void
test_F37_strings_of_any_length(void **state)
{
    struct world *world = *state;
    char json[6000], long_text[5001];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    world_apply(world, 0, "[{'op':'alive'},{'op':'set','field':'type','value':''}]");
    snprintf(json, sizeof json, "[{'op':'alive'},{'op':'set','field':'type','value':'%s'}]",
             long_text);
    world_apply(world, 1, json);
    assert_query(world, "{'filters':[{'Eq':['type','']}]}", "1/1");
    snprintf(json, sizeof json, "{'filters':[{'Eq':['type','%s']}]}", long_text);
    assert_query(world, json, "4/1");
    snprintf(json, sizeof json, "{'filters':[{'Eq':['type','%sx']}]}", long_text);
    assert_query(world, json, "/0");
}

/* The last of 2^32 slots costs a page for each field that it has, and no page below it. */
static void
test_F67_one_huge_slot_costs_a_page_per_field(void **state)
{
    struct world *world = *state;
    struct engine_stats before, after;
    engine_read_stats(world->engine, &before);
    world_apply(world, UINT32_MAX, "[{'op':'alive'},{'op':'set','field':'rank','value':1}]");
    for (int restarts = 0; restarts < 2; restarts++) {
        engine_read_stats(world->engine, &after);
        assert_true(after.memory_bytes - before.memory_bytes < 2 * 1024 * 1024);
        assert_query(world, "{'sort':{'field':'rank'}}", "12884901886/1");
        world_restart(world, 0);
    }
    assert_query(world, "{'cursor':{'slot_id':12884901887}}", "12884901886/1");
    world_apply(world, UINT32_MAX, "[{'op':'delete'}]");
    assert_query(world, "{}", "/0");
}

static void
test_F38_a_string_keeps_its_key_and_no_other_string_gets_it(void **state)
{
    struct world *world = *state;
    for (int64_t slot = 0; slot < 40; slot++) {
        char json[100];
        snprintf(json, sizeof json,
                 "[{'op':'alive'},{'op':'set','field':'type','value':'text %d'}]", (int)slot);
        world_apply(world, slot, json);
        if (slot % 10 == 0)
            world_apply(world, slot, "[{'op':'delete'}]"); /* the key is not released */
        if (slot % 7 == 0)
            world_restart(world, 0);
    }
    for (int64_t slot = 0; slot < 40; slot++) {
        char json[100], wanted[20];
        snprintf(json, sizeof json, "{'filters':[{'Eq':['type','text %d']}]}", (int)slot);
        snprintf(wanted, sizeof wanted, "%d/1", (int)fixture_entity(slot));
        assert_query(world, json, slot % 10 == 0 ? "/0" : wanted);
        snprintf(wanted, sizeof wanted, "\"type\":\"text %d\"", (int)slot);
        assert_entity(world, slot, slot % 10 == 0 ? "!alive " : wanted);
    }
}

/* Times are numbers of seconds; a text would be another unit of the same field. */
static void
test_F84_a_time_is_a_number_and_never_text(void **state)
{
    static const char *const fields[] = {"publishedAt", "existedAt"};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        char json[200], reason[100];
        snprintf(json, sizeof json, "[{'op':'set','field':'%s','value':'2026-01-01T00:00:00Z'}]",
                 fields[i]);
        snprintf(reason, sizeof reason, "field \"%s\" takes an integer, not a string", fields[i]);
        assert_refused(*state, json, reason);
    }
}

static void
test_a_value_of_another_type_is_refused_with_the_field(void **state)
{
    static const struct {
        const char *field;
        const char *value;
        const char *reason;
    } cases[] = {
        {"nsfwLevel", "true", "field \"nsfwLevel\" takes an integer, not a boolean"},
        {"nsfwLevel", "'1'", "field \"nsfwLevel\" takes an integer, not a string"},
        {"nsfwLevel", "1.5", "field \"nsfwLevel\" takes an integer, not 1.5"},
        {"nsfwLevel", "1e19", "field \"nsfwLevel\" takes an integer, not 10000000000000000000"},
        {"nsfwLevel", "9223372036854775808",
         "field \"nsfwLevel\" takes an integer, not 9223372036854775808"},
        {"nsfwLevel", "1234567.125", "field \"nsfwLevel\" takes an integer, not 1234567.125"},
        {"nsfwLevel", "1e300", "field \"nsfwLevel\" takes an integer, not 1e+300"},
        {"nsfwLevel", "[1]", "field \"nsfwLevel\" takes one value, not an array"},
        {"type", "[]", "field \"type\" takes one value, not an array"},
        {"type", "1", "field \"type\" takes a string, not an integer"},
        {"hasMeta", "0", "field \"hasMeta\" takes true or false, not an integer"},
        {"hasMeta", "'true'", "field \"hasMeta\" takes true or false, not a string"},
        {"tagIds", "'a'", "field \"tagIds\" takes an integer, not a string"},
        {"tagIds", "['a']", "field \"tagIds\" takes integers, not an array of strings"},
        {"rank", "1024", "field \"rank\" holds -1023 to 1023, not 1024"},
        {"rank", "-1024", "field \"rank\" holds -1023 to 1023, not -1024"},
        {"existedAt", "4294967296", "holds -4294967295 to 4294967295, not 4294967296"},
        {"score", "8589934592", "holds -8589934591 to 8589934591, not 8589934592"},
        {"sortAt", "1", "field \"sortAt\" is computed and takes no ops"},
        {"sortAt", "null", "field \"sortAt\" is computed and takes no ops"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char json[200];
        snprintf(json, sizeof json, "[{'op':'set','field':'%s','value':%s}]", cases[i].field,
                 cases[i].value);
        assert_refused(*state, json, cases[i].reason);
        snprintf(json, sizeof json,
                 "[{'op':'queryOpSet','query':'postId eq 1','ops':"
                 "[{'op':'set','field':'%s','value':%s}]}]",
                 cases[i].field, cases[i].value);
        assert_refused(*state, json, cases[i].reason);
    }
}

static void
test_fan_out_queries_are_checked(void **state)
{
    assert_refused(*state, "[{'op':'queryOpSet','query':'nope eq 1','ops':[{'op':'delete'}]}]",
                   "fan-out query: the index has no field \"nope\"");
    assert_refused(*state,
                   "[{'op':'queryOpSet','query':'postId eq 1 AND hasMeta eq 1',"
                   "'ops':[{'op':'delete'}]}]",
                   "fan-out query: field \"hasMeta\" takes true or false, not an integer");
    assert_refused(*state,
                   "[{'op':'queryOpSet','query':'postId in [1, x]','ops':[{'op':'delete'}]}]",
                   "fan-out query: field \"postId\" takes an integer, not \"x\"");
}

/* A message that decodes need not come from a valid JSON row. */
static void
test_nested_ops_that_no_fan_out_may_hold_are_refused(void **state)
{
    struct world *world = *state;
    struct error err;
    struct op nested = {.kind = OP_ALIVE};
    struct op fan_out = {
        .kind = OP_FAN_OUT, .query = TEXT("postId eq 1"), .nested = &nested, .nested_count = 1};
    assert_int_equal(engine_check_op(world->engine, &fan_out, &err), ERR_DATA);
    nested.kind = OP_FAN_OUT;
    assert_int_equal(engine_check_op(world->engine, &fan_out, &err), ERR_DATA);
    nested.kind = OP_DELETE;
    assert_int_equal(engine_check_op(world->engine, &fan_out, &err), 0);
    fan_out.query = TEXT("postId");
    assert_int_equal(engine_check_op(world->engine, &fan_out, &err), ERR_DATA);
}

static void
test_remove_of_a_value_that_a_field_cannot_hold_changes_nothing(void **state)
{
    world_apply(*state, 1, "[{'op':'set','field':'rank','value':1023}]");
    world_apply(*state, 1, "[{'op':'remove','field':'rank','value':99999}]");
    assert_entity(*state, 1, "!alive \"rank\":1023");
}

/* What schemas/README.md promises of an unnumbered row that arrives twice: it leaves its entity as
 * it did the first time. A fan-out is asked again. */
static void
test_a_row_that_arrives_twice_leaves_its_entity_as_once(void **state)
{
    static const char *const ops[] = {
        "{'op':'set','field':'postId','value':1}",
        "{'op':'set','field':'postId','value':null}",
        "{'op':'remove','field':'postId','value':1}",
        "{'op':'remove','field':'postId','value':2}",
        "{'op':'add','field':'postId','value':2}",
        "{'op':'add','field':'tagIds','value':[1,2]}",
        "{'op':'remove','field':'tagIds','value':2}",
        "{'op':'set','field':'tagIds','value':[2,3]}",
        "{'op':'alive'}",
        "{'op':'delete'}",
    };
    struct world *world = *state;
    random_seed();
    for (int round = 0; round < 3000; round++) {
        struct buffer row = {0}, once = {0}, twice = {0};
        for (int i = 0; i < 2; i++) { /* what there was before, and the row */
            buffer_clear(&row);
            for (uint64_t left = 1 + random_below(5); left > 0; left--)
                buffer_append_format(&row, "%s%s", row.bytes == 0 ? "[" : ",",
                                     ops[random_below(COUNT_OF(ops))]);
            buffer_append_text(&row, "]");
            world_apply(world, 1, buffer_string(&row));
            world_apply(world, 2, buffer_string(&row));
        }
        world_apply(world, 2, buffer_string(&row));
        fixture_entity_text(world->engine, fixture_entity(1), &once);
        fixture_entity_text(world->engine, fixture_entity(2), &twice);
        assert_string_equal(buffer_string(&once), buffer_string(&twice));
        buffer_free(&row);
        buffer_free(&once);
        buffer_free(&twice);
    }
}

static void
test_an_op_that_arrives_again_overwrites_what_came_between(void **state)
{
    world_apply(*state, 1, "[{'op':'alive'},{'op':'set','field':'postId','value':1}]");
    world_apply(*state, 1, "[{'op':'set','field':'postId','value':2}]");
    world_apply(*state, 1, "[{'op':'alive'},{'op':'set','field':'postId','value':1}]");
    assert_entity(*state, 1, "\"postId\":1");
}

/* As a double of an event, 2^53 may also be what is left of 9007199254740992.5. */
static void
test_F90_a_float_that_may_be_another_number_is_refused(void **state)
{
    struct world *world = *state;
    struct op op = {.kind = OP_SET, .field = TEXT("postId"), .value = {.kind = VALUE_FLOAT}};
    static const double refused[] = {0x1p53, -0x1p53, 0x1p63, 2.5, 1e300};
    static const double taken[] = {3.0, 0x1p53 - 1, 1 - 0x1p53};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        op.value.real = refused[i];
        assert_int_equal(engine_check_op(world->engine, &op, NULL), ERR_DATA);
    }
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) {
        op.value.real = taken[i];
        assert_int_equal(engine_check_op(world->engine, &op, NULL), 0);
    }
}

static void
test_F90_a_number_of_a_query_that_no_value_is_is_refused_as_written(void **state)
{
    static const char *const numbers[] = {"9007199254740992.5", "9223372036854775808", "1e400",
                                          "9007199254740993.0000000001"};
    struct world *world = *state;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct error err = {0};
        char query[64];
        snprintf(query, sizeof query, "postId in [1, %s]", numbers[i]);
        const struct op nested = {.kind = OP_DELETE};
        const struct op op = {
            .kind = OP_FAN_OUT, .query = text_of(query), .nested = &nested, .nested_count = 1};
        assert_int_equal(engine_check_op(world->engine, &op, &err), ERR_DATA);
        if (strstr(err.message, "takes an integer, not ") == NULL ||
            strstr(err.message, numbers[i]) == NULL)
            fail_msg("%s", err.message);
    }
}

static void
test_unknown_fields_are_counted_and_not_stored(void **state)
{
    struct world *world = *state;
    struct engine_stats stats;
    world_apply(world, 1,
                "[{'op':'alive'},{'op':'set','field':'nope','value':1},"
                "{'op':'remove','field':'nope','value':[1]}]");
    world_apply(world, 1, "[{'op':'set','field':'rank','value':1}]");
    world_apply(world, 2, "[{'op':'set','field':'rank','value':1}]");
    world_apply(world, 0,
                "[{'op':'queryOpSet','query':'rank eq 1',"
                "'ops':[{'op':'set','field':'nope','value':1}]}]");
    engine_read_stats(world->engine, &stats);
    assert_int_equal(stats.unknown_field_ops, 3);
    assert_int_equal(stats.alive_slots, 1);
    assert_entity(world, 1, "\"rank\":1");
}

/* Entities 1 (null), 4 (1), 7 (2) and 10 (not alive). */
static void
fill_three_levels(struct world *world)
{
    world_apply(world, 0, "[{'op':'alive'}]");
    world_apply(world, 1,
                "[{'op':'alive'},{'op':'set','field':'nsfwLevel','value':1},"
                "{'op':'set','field':'tagIds','value':[1,2]}]");
    world_apply(world, 2,
                "[{'op':'alive'},{'op':'set','field':'nsfwLevel','value':2},"
                "{'op':'set','field':'tagIds','value':[2,3]}]");
    world_apply(world, 3, "[{'op':'set','field':'nsfwLevel','value':1}]");
}

static void
test_nullable_decides_whether_not_equal_matches_nulls(void **state)
{
    fill_three_levels(*state);
    assert_query(*state, "{'filters':[{'NotEq':['nsfwLevel',1]}]}", "7/1");
    assert_query(*state, "{'filters':[{'Not':{'Eq':['nsfwLevel',1]}}]}", "7,1/2");
    assert_query(*state, "{'filters':[{'NotIn':['nsfwLevel',[1,2]]}]}", "/0");
    assert_query(*state, "{'filters':[{'Not':{'In':['nsfwLevel',[1,2]]}}]}", "1/1");
    assert_query(*state, "{'filters':[{'In':['nsfwLevel',[]]}]}", "/0");
    assert_query(*state, "{'filters':[{'NotIn':['nsfwLevel',[]]}]}", "7,4,1/3");
    assert_query(*state, "{'filters':[{'NotEq':['tagIds',3]}]}", "4,1/2");
    assert_query(*state, "{'filters':[{'NotIn':['tagIds',[3,99]]}]}", "4,1/2");
    assert_query(*state, "{'filters':[{'NotIn':['tagIds',[]]}]}", "7,4,1/3");
    assert_query(*state, "{'filters':[{'NotEq':['hasMeta',true]}]}", "7,4,1/3");
    assert_query(*state, "{'filters':[{'IsNull':'tagIds'}]}", "1/1");
    assert_query(*state, "{'filters':[{'IsNotNull':'tagIds'}]}", "7,4/2");
}

static void
test_comparisons_take_fractions_and_sets(void **state)
{
    fill_three_levels(*state);
    assert_query(*state, "{'filters':[{'Gt':['nsfwLevel',1]}]}", "7/1");
    assert_query(*state, "{'filters':[{'Gt':['nsfwLevel',1.5]}]}", "7/1");
    assert_query(*state, "{'filters':[{'Gte':['nsfwLevel',0.5]}]}", "7,4/2");
    assert_query(*state, "{'filters':[{'Lt':['nsfwLevel',1.5]}]}", "4/1");
    assert_query(*state, "{'filters':[{'Lte':['nsfwLevel',1.5]}]}", "4/1");
    assert_query(*state, "{'filters':[{'Lt':['nsfwLevel',1]}]}", "/0");
    assert_query(*state, "{'filters':[{'Lt':['nsfwLevel',1e300]}]}", "7,4/2");
    assert_query(*state, "{'filters':[{'Gt':['nsfwLevel',1e300]}]}", "/0");
    assert_query(*state, "{'filters':[{'Gt':['nsfwLevel',-1e300]}]}", "7,4/2");
    assert_query(*state, "{'filters':[{'Lt':['nsfwLevel',-1e300]}]}", "/0");
    assert_query(*state, "{'filters':[{'Gte':['tagIds',3]}]}", "7/1");
    assert_query(*state, "{'filters':[{'Lt':['tagIds',3]}]}", "7,4/2");
}

static void
test_filters_combine(void **state)
{
    fill_three_levels(*state);
    assert_query(*state, "{'filters':[{'Eq':['tagIds',2]},{'Eq':['nsfwLevel',1]}]}", "4/1");
    assert_query(*state, "{'filters':[{'Or':[{'IsNull':'tagIds'},{'Eq':['tagIds',3]}]}]}", "7,1/2");
    assert_query(*state, "{'filters':[{'And':[]}]}", "7,4,1/3");
    assert_query(*state, "{'filters':[{'Or':[]}]}", "/0");
    assert_query(*state, "{'filters':[{'Not':{'Or':[{'Eq':['tagIds',1]},{'Eq':['tagIds',3]}]}}]}",
                 "1/1");
}

static void
test_queries_are_refused_with_the_field(void **state)
{
    static const char list[] = "fields: id, nsfwLevel, postId, tagIds, hasMeta, type, score, rank, "
                               "existedAt, publishedAt, sortAt, firstAt";
    static const char sorts[] =
        "sort fields: id, postId, rank, existedAt, publishedAt, sortAt, firstAt";
    char wanted[512];
    snprintf(wanted, sizeof wanted, "the index has no field \"nope\"; %s", list);
    assert_query(*state, "{'filters':[{'Eq':['nope',1]}]}", wanted);
    assert_query(*state, "{'filters':[{'Or':[{'IsNull':'nope'}]}]}", wanted);
    snprintf(wanted, sizeof wanted, "the index has no field \"tagids\"; closest: \"tagIds\"; %s",
             list);
    assert_query(*state, "{'filters':[{'In':['tagids',[1]]}]}", wanted);
    assert_query(*state, "{'filters':[{'Eq':['type',1]}]}",
                 "field \"type\" takes a string, not an integer");
    assert_query(*state, "{'filters':[{'Gt':['type','a']}]}",
                 "field \"type\" has no order to compare by");
    assert_query(*state, "{'filters':[{'Gt':['rank','a']}]}",
                 "field \"rank\" is compared with a number, not a string");
    snprintf(wanted, sizeof wanted,
             "the index has no sort field \"nsfwLevel\", only a filter field of that name; %s",
             sorts);
    assert_query(*state, "{'sort':{'field':'nsfwLevel'}}", wanted);
    snprintf(wanted, sizeof wanted,
             "the index has no sort field \"sortedAt\"; closest: \"sortAt\"; %s", sorts);
    assert_query(*state, "{'sort':{'field':'sortedAt'}}", wanted);
}

struct countdown {
    int left;
    int asked;
};

static int
stop_at_zero(void *context, struct engine_watch *watch, struct error *err)
{
    struct countdown *countdown = context;
    (void)watch;
    countdown->asked++;
    return countdown->left-- > 0 ? 0 : error_set(err, ERR_RETRY, "stop");
}

static void
test_F72_a_query_can_be_ended_at_each_pause(void **state)
{
    struct world *world = *state;
    const struct value one = {.kind = VALUE_INTEGER, .integer = 1};
    const struct value some[] = {one, {.kind = VALUE_INTEGER, .integer = 2}};
    struct filter leaf = {
        .kind = FILTER_EQ, .field = text_of("nsfwLevel"), .values = &one, .count = 1};
    struct filter list = {
        .kind = FILTER_NOT_IN, .field = text_of("tagIds"), .values = some, .count = 2};
    struct filter parts[] = {{.kind = FILTER_NOT, .children = &leaf, .count = 1}, list, leaf};
    struct filter any = {.kind = FILTER_OR, .children = parts, .count = 3};
    struct filter both[] = {any, {.kind = FILTER_IS_NOT_NULL, .field = text_of("tagIds")}};
    struct filter all = {.kind = FILTER_AND, .children = both, .count = 2};
    int stops = 0, rc = ERR_RETRY;
    fixture_apply(world->engine, fixture_entity(1),
                  "[{'op':'alive'},{'op':'set','field':'tagIds','value':[3]}]");
    fixture_apply(world->engine, fixture_entity(2),
                  "[{'op':'alive'},{'op':'set','field':'nsfwLevel','value':1},"
                  "{'op':'set','field':'tagIds','value':[1]}]");
    for (; rc != 0; stops++) {
        struct countdown countdown = {.left = stops};
        const struct engine_pause pause = {stop_at_zero, &countdown};
        const struct engine_query query = {.filter = &all, .pause = &pause};
        struct engine_result result = {0};
        struct error err;
        rc = engine_query(world->engine, &query, &result, &err);
        assert_int_equal(rc, rc == 0 ? 0 : ERR_RETRY);
        assert_int_equal(countdown.asked, rc == 0 ? stops : stops + 1);
        assert_int_equal(result.total_matched, rc == 0 ? 2 : 0);
        engine_result_free(&result);
    }
    assert_true(stops > 6);
}

static void
test_nulls_sort_last_in_both_directions(void **state)
{
    static const char *const ranks[] = {"5", "null", "-3", "5", "null"};
    for (int64_t slot = 0; slot < 5; slot++) {
        char json[100];
        snprintf(json, sizeof json, "[{'op':'alive'},{'op':'set','field':'rank','value':%s}]",
                 ranks[slot]);
        world_apply(*state, slot, json);
    }
    assert_query(*state, "{'sort':{'field':'rank'}}", "10,1,7,13,4/5");
    assert_query(*state, "{'sort':{'field':'rank','direction':'Asc'}}", "7,1,10,4,13/5");
    assert_query(*state, "{'sort':{'field':'rank'},'limit':2,'offset':1}", "1,7/5");
    assert_query(*state, "{'sort':{'field':'rank'},'limit':0}", "/5");
    assert_query(*state, "{'sort':{'field':'rank'},'cursor':{'sort_value':5,'slot_id':10}}",
                 "1,7,13,4/5");
    assert_query(*state, "{'sort':{'field':'rank'},'cursor':{'sort_value':null,'slot_id':13}}",
                 "4/5");
    assert_query(*state, "{'sort':{'field':'rank'},'cursor':{'sort_value':4,'slot_id':99}}",
                 "7,13,4/5");
}

static void
test_computed_values_ignore_nulls_and_follow_their_sources(void **state)
{
    world_apply(*state, 1, "[{'op':'set','field':'existedAt','value':-5}]");
    assert_entity(*state, 1, "!alive \"existedAt\":-5,\"sortAt\":-5,\"firstAt\":-5");
    world_apply(*state, 1, "[{'op':'set','field':'publishedAt','value':7}]");
    world_apply(*state, 1, "[{'op':'set','field':'score','value':0}]");
    assert_entity(*state, 1,
                  "!alive \"score\":0,\"existedAt\":-5,\"publishedAt\":7,\"sortAt\":7,"
                  "\"firstAt\":-5");
    world_apply(*state, 1, "[{'op':'remove','field':'existedAt','value':-5}]");
    assert_entity(*state, 1, "!alive \"score\":0,\"publishedAt\":7,\"sortAt\":7,\"firstAt\":0");
    world_apply(
        *state, 1,
        "[{'op':'set','field':'score','value':null},{'op':'set','field':'publishedAt','value':null}"
        "]");
    assert_entity(*state, 1, "!alive ");
}

static void
test_computed_values_follow_a_fan_out(void **state)
{
    world_apply(
        *state, 1,
        "[{'op':'set','field':'existedAt','value':3},{'op':'set','field':'postId','value':9}]");
    world_apply(*state, 0,
                "[{'op':'queryOpSet','query':'postId eq 9','ops':["
                "{'op':'set','field':'publishedAt','value':5}]}]");
    assert_entity(*state, 1,
                  "!alive \"postId\":9,\"existedAt\":3,\"publishedAt\":5,\"sortAt\":5,"
                  "\"firstAt\":3");
    world_apply(*state, 0,
                "[{'op':'queryOpSet','query':'sortAt eq 5','ops':["
                "{'op':'remove','field':'publishedAt','value':5}]}]");
    assert_entity(*state, 1, "!alive \"postId\":9,\"existedAt\":3,\"sortAt\":3,\"firstAt\":3");
}

/* More slots than are swept at once, written again before and after the sweep. */
static void
test_F72_a_deleted_slot_has_no_values_before_and_after_the_sweep(void **state)
{
    enum { SLOTS = 40000 };
    struct world *world = *state;
    struct engine_field_stats stats;
    for (int slot = 0; slot < SLOTS; slot++) {
        world_apply(
            world, slot,
            "[{'op':'alive'},{'op':'set','field':'tagIds','value':[1,2]},"
            "{'op':'set','field':'rank','value':3},{'op':'set','field':'postId','value':4}]");
    }
    for (int slot = 0; slot < SLOTS; slot++) {
        world_apply(world, slot, "[{'op':'delete'}]");
        if (slot % 1000 == 0)
            world_apply(world, slot, "[{'op':'alive'},{'op':'add','field':'tagIds','value':7}]");
    }
    assert_query(world, "{'limit':0}", "/40");
    assert_query(world, "{'filters':[{'Eq':['tagIds',1]}],'limit':0}", "/0");
    assert_query(world, "{'filters':[{'IsNull':'rank'},{'Eq':['tagIds',7]}],'limit':0}", "/40");
    assert_entity(world, 1000, "\"tagIds\":[7]");
    assert_entity(world, SLOTS - 1, "!alive ");
    engine_read_field_stats(world->engine, 2, &stats);
    assert_int_equal(stats.slots, 40);
    world_apply(world, 0,
                "[{'op':'queryOpSet','query':'postId eq 4',"
                "'ops':[{'op':'set','field':'nsfwLevel','value':1}]}]");
    assert_entity(world, SLOTS - 1, "!alive ");
}

static uint64_t
count_tags(const struct world *world)
{
    struct engine_field_stats stats;
    assert_true(engine_read_field_stats(world->engine, 2, &stats));
    assert_string_equal(stats.name.data, "tagIds");
    return stats.values;
}

/* With a large vocabulary each sweep is expensive: deleted slots wait to be swept together, and a
 * slot that is written again is swept alone. */
static void
test_F72_a_delete_does_not_sweep_the_whole_vocabulary(void **state)
{
    enum { SLOTS = 20000, DELETED = 2000 };
    struct world *world = *state;
    char json[100];
    for (int slot = 0; slot < SLOTS; slot++) {
        snprintf(json, sizeof json,
                 "[{'op':'alive'},{'op':'add','field':'tagIds','value':[%d,%d]}]", slot,
                 slot + SLOTS);
        world_apply(world, slot, json);
    }
    for (int slot = 0; slot < DELETED; slot++)
        world_apply(world, slot, "[{'op':'delete'}]");
    assert_int_equal(count_tags(world), 2 * SLOTS);
    world_apply(world, 7, "[{'op':'alive'}]");
    assert_int_equal(count_tags(world), 2 * SLOTS - 2);
    engine_sweep(world->engine);
    assert_int_equal(count_tags(world), 2 * (SLOTS - DELETED));
}

static void
test_an_id_of_another_shard_has_no_values(void **state)
{
    struct world *world = *state;
    static const int64_t ids[] = {-1, -2, 0, 2, 3, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++)
        assert_string_equal(fixture_entity_text(world->engine, ids[i], &world->out), "!alive ");
}

static void
check_config_refused(const struct config_index *index, const char *reason)
{
    struct engine_options options = {.index = index, .partitions = 1, .max_slots = 1};
    struct engine *engine;
    struct error err;
    assert_int_equal(engine_create(&options, &engine, &err), ERR_USAGE);
    if (strstr(err.message, reason) == NULL)
        fail_msg("wanted \"%s\", got \"%s\"", reason, err.message);
}

static void
check_sort_refused(const struct config_sort_field *sort, uint32_t count, const char *reason)
{
    static const struct config_filter_field filter = {.name = "x", .type = FIELD_STRING};
    struct config_index index = {.filter_fields = &filter,
                                 .filter_field_count = 1,
                                 .sort_fields = sort,
                                 .sort_field_count = count};
    check_config_refused(&index, reason);
}

static void
test_configurations_beyond_the_limits_are_refused(void **state)
{
    (void)state;
    static const struct config_filter_field twice[] = {{.name = "x", .type = FIELD_STRING},
                                                       {.name = "x", .type = FIELD_STRING}};
    static const struct config_sort_field same[] = {{.name = "s", .bits = 1},
                                                    {.name = "s", .bits = 1}};
    check_config_refused(&(struct config_index){.filter_fields = twice, .filter_field_count = 2},
                         "\"x\" is declared twice");
    check_config_refused(
        &(struct config_index){
            .filter_fields = twice, .filter_field_count = 1, .visible_from = "x"},
        "visible_from: field \"x\" is computed itself, or is not a field of integers");
    check_config_refused(&(struct config_index){.filter_fields = twice,
                                                .filter_field_count = 1,
                                                .visible_from = "y"},
                         "no field \"y\"");
    check_sort_refused(same, 2, "\"s\" is declared twice");
    check_sort_refused(&(struct config_sort_field){.name = "x", .bits = 1}, 1,
                       "not a single_value field");
    check_sort_refused(&(struct config_sort_field){.name = "y", .bits = 0}, 1, "0 bits");
    check_sort_refused(&(struct config_sort_field){.name = "y", .bits = 64}, 1, "64 bits");
}

static void
test_computed_fields_over_fields_without_numbers_are_refused(void **state)
{
    (void)state;
    static const char *const strings[] = {"x"}, *const missing[] = {"z"}, *const itself[] = {"y"};
    static const struct config_filter_field number = {.name = "n", .type = FIELD_SINGLE_VALUE};
    struct config_sort_field sort = {
        .name = "y", .bits = 1, .computed_op = COMPUTED_LEAST, .source_field_count = 1};
    sort.source_fields = strings;
    check_sort_refused(
        &sort, 1,
        "\"y\" is computed: field \"x\" is computed itself, or is not a field of integers");
    sort.source_fields = missing;
    check_sort_refused(&sort, 1, "\"y\" is computed: the index has no field \"z\"");
    sort.source_fields = itself;
    check_sort_refused(&sort, 1, "\"y\" is computed: field \"y\" is computed itself");
    sort.name = "n";
    struct config_index index = {.filter_fields = &number,
                                 .filter_field_count = 1,
                                 .sort_fields = &sort,
                                 .sort_field_count = 1};
    check_config_refused(&index, "\"n\" is computed, so it cannot be a filter field");
}

int
main(void)
{
    setenv("BITDEX_SEED", "9", 0); /* the same rows in every run */
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_set_replaces_a_scalar_without_its_remove),
        WORLD_TEST(test_remove_clears_a_scalar_only_of_that_value),
        WORLD_TEST(test_set_null_clears_every_kind_of_field),
        WORLD_TEST(test_multi_value_ops_take_one_value_or_an_array),
        WORLD_TEST(test_values_before_alive_are_kept_and_invisible),
        WORLD_TEST(test_F27_insert_after_delete_in_one_row_ends_alive),
        WORLD_TEST(test_F30_fan_out_reaches_slots_that_are_not_alive),
        WORLD_TEST(test_F68_a_fan_out_matches_what_the_previous_one_wrote),
        WORLD_TEST(test_fan_out_matches_once_for_all_its_ops),
        WORLD_TEST(test_fan_out_may_delete),
        WORLD_TEST(test_fan_out_values_take_the_type_of_their_field),
        WORLD_TEST(test_F34_a_smaller_sort_value_replaces_a_larger_one),
        WORLD_TEST(test_F36_null_is_not_zero_false_or_empty),
        WORLD_TEST(test_F37_negative_and_64_bit_values_are_ordinary),
        WORLD_TEST(test_F37_strings_of_any_length),
        WORLD_TEST(test_F67_one_huge_slot_costs_a_page_per_field),
        WORLD_TEST(test_F38_a_string_keeps_its_key_and_no_other_string_gets_it),
        WORLD_TEST(test_F84_a_time_is_a_number_and_never_text),
        WORLD_TEST(test_a_value_of_another_type_is_refused_with_the_field),
        WORLD_TEST(test_fan_out_queries_are_checked),
        WORLD_TEST(test_nested_ops_that_no_fan_out_may_hold_are_refused),
        WORLD_TEST(test_remove_of_a_value_that_a_field_cannot_hold_changes_nothing),
        WORLD_TEST(test_a_row_that_arrives_twice_leaves_its_entity_as_once),
        WORLD_TEST(test_an_op_that_arrives_again_overwrites_what_came_between),
        WORLD_TEST(test_F90_a_number_of_a_query_that_no_value_is_is_refused_as_written),
        WORLD_TEST(test_F90_a_float_that_may_be_another_number_is_refused),
        WORLD_TEST(test_unknown_fields_are_counted_and_not_stored),
        WORLD_TEST(test_nullable_decides_whether_not_equal_matches_nulls),
        WORLD_TEST(test_comparisons_take_fractions_and_sets),
        WORLD_TEST(test_filters_combine),
        WORLD_TEST(test_queries_are_refused_with_the_field),
        WORLD_TEST(test_F72_a_query_can_be_ended_at_each_pause),
        WORLD_TEST(test_nulls_sort_last_in_both_directions),
        WORLD_TEST(test_computed_values_ignore_nulls_and_follow_their_sources),
        WORLD_TEST(test_computed_values_follow_a_fan_out),
        WORLD_TEST(test_F72_a_deleted_slot_has_no_values_before_and_after_the_sweep),
        WORLD_TEST(test_F72_a_delete_does_not_sweep_the_whole_vocabulary),
        WORLD_TEST(test_an_id_of_another_shard_has_no_values),
        cmocka_unit_test(test_configurations_beyond_the_limits_are_refused),
        cmocka_unit_test(test_computed_fields_over_fields_without_numbers_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
