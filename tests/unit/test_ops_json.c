#include "tests/unit/unit_test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/event/event_codec.h"
#include "common/json/json_parse.h"
#include "common/json/json_scan.h"
#include "common/json/json_value.h"
#include "common/ops/ops_json.h"
#include "tests/unit/random_input.h"

enum { RANDOM_ROWS = 3000 };

static struct arena arena;
static struct event_codec *codec;

static int
setup(void **state)
{
    (void)state;
    struct error err;
    arena_init(&arena);
    return event_codec_create(&codec, &err);
}

static int
teardown(void **state)
{
    (void)state;
    event_codec_destroy(codec);
    arena_free(&arena);
    return 0;
}

/* The ops as JSON, allocated in the arena. */
static struct text
written(const struct ops *ops)
{
    struct buffer out = {0};
    ops_json_write(ops, &out);
    struct text copy = arena_text(&arena, (struct text){(char *)out.data, out.bytes});
    buffer_free(&out);
    return copy;
}

static struct ops
parse(struct text json, enum ops_route *route)
{
    struct ops ops;
    struct error err;
    if (ops_json_parse(json, &ops_limits_default, &arena, &ops, route, &err) != 0)
        fail_msg("%.*s: %s", TEXT_ARGS(json), err.message);
    return ops;
}

static void
check_refused(struct text json, const struct ops_limits *limits, const char *refusal,
              enum ops_route wanted_route)
{
    struct ops ops;
    struct error err = {0};
    enum ops_route route = wanted_route == OPS_ROUTE_FAN_OUT ? OPS_ROUTE_ENTITY : OPS_ROUTE_FAN_OUT;
    int rc = ops_json_parse(json, limits, &arena, &ops, &route, &err);
    if (rc != ERR_DATA || strcmp(err.message, refusal) != 0)
        fail_msg("%.*s: wanted \"%s\", got %d \"%s\"", TEXT_ARGS(json), refusal, rc, err.message);
    if (route != wanted_route)
        fail_msg("%.*s: routed %d", TEXT_ARGS(json), (int)route);
}

#define SET(value) "[{\"op\":\"set\",\"field\":\"f\",\"value\":" value "}]"
#define REMOVE(value) "[{\"op\":\"remove\",\"field\":\"f\",\"value\":" value "}]"
#define ADD(value) "[{\"op\":\"add\",\"field\":\"f\",\"value\":" value "}]"
#define REFRESH(members) "[{\"op\":\"refresh\"" members "}]"
#define FAN_OUT(ops) "[{\"op\":\"queryOpSet\",\"query\":\"a eq 1\",\"ops\":" ops "}]"

static void
test_accepted_rows_in_canonical_form(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {SET("16"), NULL},
        {SET("null"), NULL},
        {SET("true"), NULL},
        {SET("\"x\""), NULL},
        {SET("\"\""), NULL},
        {SET("2.5"), NULL},
        {SET("[]"), NULL},
        {SET("[1,-2]"), NULL},
        {SET("[\"a\",\"\"]"), NULL},
        {REMOVE("1"), NULL},
        {REMOVE("false"), NULL},
        {REMOVE("[\"a\"]"), NULL},
        {ADD("42"), NULL},
        {ADD("-0.5"), NULL},
        {"[{\"op\":\"alive\"}]", NULL},
        {"[{\"op\":\"delete\"},{\"op\":\"alive\"}]", NULL},
        {FAN_OUT("[{\"op\":\"remove\",\"field\":\"b\",\"value\":\"SD 1.5\"},"
                 "{\"op\":\"set\",\"field\":\"b\",\"value\":null},"
                 "{\"op\":\"add\",\"field\":\"b\",\"value\":[1]},{\"op\":\"delete\"}]"),
         NULL},
        {REFRESH(""), NULL},
        {REFRESH(",\"fields\":[\"a\",\"b\"]"), NULL},
        {REFRESH(",\"entry\":\"Post.title\""), NULL},
        {REFRESH(",\"entry\":\"Post.title\",\"key\":-7"), NULL},
        {REFRESH(",\"entry\":\"Post.title\",\"key\":\"\""), NULL},
        {REFRESH(",\"entry\":\"Post.title\",\"key\":7.0"),
         REFRESH(",\"entry\":\"Post.title\",\"key\":7")},
        {REFRESH(",\"entry\":\"Post.title\",\"all\":true"), NULL},
        {"[{\"op\":\"refresh\",\"entry\":\"e\",\"all\":true},"
         "{\"op\":\"refresh\",\"entry\":\"e\",\"key\":\"2\"}]",
         NULL},
        {"[{\"op\":\"refresh\"},{\"op\":\"alive\"},{\"op\":\"refresh\",\"entry\":\"e\"}]", NULL},
        {"[{\"op\":\"refresh\",\"entry\":\"e\",\"key\":1},"
         "{\"op\":\"refresh\",\"entry\":\"f\",\"key\":\"2\"}]",
         NULL},
        {REFRESH(",\"value\":1,\"field\":{}"), REFRESH("")},
        /* jsonb puts shorter keys first; members that an op does not use are ignored */
        {"[{\"op\": \"set\", \"field\": \"f\", \"value\": 1, \"query\": 5, \"x\": {}}]", SET("1")},
        {"[{\"op\":\"alive\",\"field\":null,\"value\":{}}]", "[{\"op\":\"alive\"}]"},
        /* a number without a fraction is an integer (F90) */
        {SET("3.0"), SET("3")},
        {SET("-0.0"), SET("0")},
        {SET("9007199254740992.0"), SET("9007199254740992")},
        {SET("9007199254740994.0"), SET("9007199254740994")},
        {SET("9007199254740993.0"), SET("9007199254740993")},
        {SET("9223372036854775807"), NULL},
        {SET("9223372036854775808"), SET("9.223372036854776e+18")},
        {SET("[1,3.0,1e2]"), SET("[1,3,100]")},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        enum ops_route route;
        struct ops ops = parse(text_of(cases[i][0]), &route);
        assert_string_equal(written(&ops).data, cases[i][1] != NULL ? cases[i][1] : cases[i][0]);
        assert_int_equal(route == OPS_ROUTE_FAN_OUT, ops.items[0].kind == OP_FAN_OUT);
        assert_int_equal(route == OPS_ROUTE_REQUESTS, op_is_parent_request(&ops.items[0]));
    }
}

static void
test_refusals_name_the_place(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"[]", "ops: is not an array with ops"},
        {"{}", "ops: is not an array with ops"},
        {"{\"op\":\"alive\"}", "ops: is not an array with ops"},
        {"null", "ops: is not an array with ops"},
        {"[1]", "ops[0]: is not an object: integer"},
        {"[{\"op\":\"alive\"},[]]", "ops[1]: is not an object: array"},
        {"[{}]", "ops[0].op: is missing or not a string"},
        {"[{\"op\":1}]", "ops[0].op: is missing or not a string"},
        {"[{\"op\":\"Set\"}]", "ops[0].op: is unknown"},
        {"[{\"op\":\"\"}]", "ops[0].op: is unknown"},
        {"[{\"op\":\"set\",\"value\":1}]", "ops[0].field: is missing"},
        {"[{\"op\":\"set\",\"field\":\"\",\"value\":1}]", "ops[0].field: is empty"},
        {"[{\"op\":\"set\",\"field\":7,\"value\":1}]", "ops[0].field: is not a string: integer"},
        {"[{\"op\":\"set\",\"field\":\"f\"}]", "ops[0].value: is missing"},
        {"[{\"op\":\"alive\"},{\"op\":\"add\",\"field\":\"f\"}]", "ops[1].value: is missing"},
        {SET("{}"), "ops[0].value: is an object"},
        {ADD("null"), "ops[0].value: null can only be set"},
        {REMOVE("null"), "ops[0].value: null can only be set"},
#define BAD_ITEM(i)                                                                             \
    "ops[0].value: item " i " is neither an integer nor a string, or differs in type from the " \
    "items before it"
        {SET("[1,\"a\"]"), BAD_ITEM("1")},
        {SET("[\"a\",1]"), BAD_ITEM("1")},
        {SET("[1,2.5]"), BAD_ITEM("1")},
        {SET("[9223372036854775808]"), BAD_ITEM("0")},
        {SET("[null]"), BAD_ITEM("0")},
        {SET("[true]"), BAD_ITEM("0")},
        {SET("[[1]]"), BAD_ITEM("0")},
        {SET("[1,{}]"), BAD_ITEM("1")},
        {SET("1e999"), "ops[0].value: 1e999 is beyond the range of floats"},
        {ADD("1e-400"), "ops[0].value: 1e-400 is not an integer, and no float is near enough"},
        {SET("{\"invalid\":\"half a surrogate pair\"}"), "ops[0].value: half a surrogate pair"},
        {SET("{\"invalid\":\"\xc3\xa9\"}"), "ops[0].value: is an object"},
        {SET("{\"invalid\":\"a\",\"b\":1}"), "ops[0].value: is an object"},
        {SET("{\"invalid\":1}"), "ops[0].value: is an object"},
        {SET("\"\\u0000\""), "not JSON: byte 34: string with a NUL"},
        {SET("1,\"value\":2"), "not JSON: byte 45: object with a repeated key"},
        {REFRESH(",\"entry\":\"\""), "ops[0].entry: is empty"},
        {REFRESH(",\"entry\":null"), "ops[0].entry: is not a string: null"},
        {REFRESH(",\"entry\":\"e\",\"fields\":[\"a\"]"), "ops[0].fields: is beside an entry"},
        {REFRESH(",\"fields\":[]"), "ops[0].fields: is not an array with names"},
        {REFRESH(",\"fields\":\"a\""), "ops[0].fields: is not an array with names"},
        {REFRESH(",\"fields\":null"), "ops[0].fields: is not an array with names"},
#define BAD_NAME "ops[0].fields: item 1 is not a string of 1 to 256 bytes"
        {REFRESH(",\"fields\":[\"a\",1]"), BAD_NAME},
        {REFRESH(",\"fields\":[\"a\",\"\"]"), BAD_NAME},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        check_refused(text_of(cases[i][0]), &ops_limits_default, cases[i][1], OPS_ROUTE_ENTITY);
}

/* Whatever is wrong with a parent's request, it has to go to every partition. */
static void
test_F79_refused_requests_of_parents_go_to_all_partitions(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {REFRESH(",\"key\":1"), "ops[0].key: is without an entry"},
        {REFRESH(",\"key\":1,\"fields\":[\"a\"]"), "ops[0].key: is without an entry"},
        {REFRESH(",\"key\":1,\"entry\":\"e\",\"fields\":[\"a\"]"),
         "ops[0].fields: is beside an entry"},
        {REFRESH(",\"key\":1,\"entry\":7"), "ops[0].entry: is not a string: integer"},
#define BAD_KEY "ops[0].key: is neither an integer nor a string"
        {REFRESH(",\"key\":null,\"entry\":\"e\""), BAD_KEY},
        {REFRESH(",\"key\":true,\"entry\":\"e\""), BAD_KEY},
        {REFRESH(",\"key\":0.5,\"entry\":\"e\""), BAD_KEY},
        {REFRESH(",\"key\":[1],\"entry\":\"e\""), BAD_KEY},
        {REFRESH(",\"key\":{},\"entry\":\"e\""), BAD_KEY},
        {REFRESH(",\"all\":true"), "ops[0].all: is without an entry"},
        {REFRESH(",\"all\":true,\"key\":1,\"entry\":\"e\""), "ops[0].all: is beside a key"},
        {REFRESH(",\"all\":true,\"entry\":\"e\",\"fields\":[\"a\"]"),
         "ops[0].fields: is beside an entry"},
        {REFRESH(",\"all\":false,\"entry\":\"e\""), "ops[0].all: is not true"},
        {REFRESH(",\"all\":1,\"entry\":\"e\""), "ops[0].all: is not true"},
        {REFRESH(",\"all\":null,\"entry\":\"e\""), "ops[0].all: is not true"},
        {REFRESH(",\"all\":[],\"entry\":\"e\""), "ops[0].all: is not true"},
        {"[{\"op\":\"alive\"},{\"op\":\"refresh\",\"entry\":\"e\",\"all\":true}]",
         "ops[1].op: a parent's request and another op in one row"},
        {"[{\"op\":\"refresh\",\"all\":true},\"\\u0000\"]", "not JSON: byte 30: string with a NUL"},
        {"[{\"op\":\"refresh\"},{\"op\":\"refresh\",\"key\":1}]",
         "ops[1].op: a parent's request and another op in one row"},
        {"[{\"op\":\"refresh\",\"entry\":\"e\",\"key\":1},{\"op\":\"refresh\",\"entry\":\"e\"}]",
         "ops[1].op: a parent's request and another op in one row"},
        {"[{\"op\":\"refresh\",\"entry\":\"e\",\"key\":1},{\"op\":\"alive\"}]",
         "ops[1].op: a parent's request and another op in one row"},
        {"[7,{\"op\":\"refresh\",\"key\":1}]", "ops[0]: is not an object: integer"},
        {"[{\"op\":\"refresh\",\"key\":[]},\"\\u0000\"]", "not JSON: byte 28: string with a NUL"},
        {"[{\"key\":1,\"op\":\"refresh\"},\"\\ud800\"]",
         "not JSON: byte 27: half a surrogate pair"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        check_refused(text_of(cases[i][0]), &ops_limits_default, cases[i][1], OPS_ROUTE_REQUESTS);
}

/* Whatever is wrong with a fan-out, it has to go to every partition. */
static void
test_F79_refused_fan_outs_go_to_all_partitions(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"[{\"op\":\"queryOpSet\"}]", "ops[0].query: is missing"},
        {"[{\"op\":\"queryOpSet\",\"query\":[]}]", "ops[0].query: is not a string: array"},
        {"[{\"op\":\"queryOpSet\",\"query\":\"\"}]", "ops[0].query: is empty"},
        {"[{\"op\":\"queryOpSet\",\"query\":\"a gt 1\"}]",
         "ops[0].query: byte 2: expected eq or in"},
        {"[{\"op\":\"queryOpSet\",\"query\":\"a eq 1\"}]", "ops[0].ops: is not an array with ops"},
        {FAN_OUT("{}"), "ops[0].ops: is not an array with ops"},
        {FAN_OUT("[]"), "ops[0].ops: is not an array with ops"},
        {FAN_OUT("[1]"), "ops[0].ops[0]: is not an object: integer"},
        {FAN_OUT("[{\"op\":\"delete\"},{\"op\":\"alive\"}]"),
         "ops[0].ops[1].op: is not allowed in a fan-out"},
        {FAN_OUT("[{\"op\":\"queryOpSet\",\"query\":\"a eq 1\",\"ops\":[{\"op\":\"delete\"}]}]"),
         "ops[0].ops[0].op: is not allowed in a fan-out"},
        {FAN_OUT("[{\"op\":\"set\",\"field\":\"f\"}]"), "ops[0].ops[0].value: is missing"},
        {FAN_OUT("[{\"op\":\"add\",\"field\":\"f\",\"value\":null}]"),
         "ops[0].ops[0].value: null can only be set"},
        {"[{\"op\":\"alive\"},{\"op\":\"queryOpSet\"}]",
         "ops[1].op: a fan-out and another op in one row"},
        {"[{\"op\":\"queryOpSet\",\"query\":\"a eq 1\",\"ops\":[{\"op\":\"delete\"}]},"
         "{\"op\":\"alive\"}]",
         "ops[1].op: a fan-out and another op in one row"},
        {"[{\"op\":\"queryOpSet\"},{\"op\":\"refresh\",\"entry\":\"e\",\"key\":1}]",
         "ops[0].query: is missing"},
        {"[{\"op\":\"refresh\",\"entry\":\"e\",\"key\":1},{\"op\":\"queryOpSet\"}]",
         "ops[1].op: a fan-out and another op in one row"},
        {"[{\"op\":\"refresh\",\"key\":1},{\"op\":\"queryOpSet\"},\"\\u0000\"]",
         "not JSON: byte 47: string with a NUL"},
        {FAN_OUT("[{\"op\":\"refresh\"}]"), "ops[0].ops[0].op: is not allowed in a fan-out"},
        {"[7,{\"op\":\"queryOpSet\"}]", "ops[0]: is not an object: integer"},
        {"[{\"op\":\"queryOpSet\"},\"\\u0000\"]", "not JSON: byte 22: string with a NUL"},
        {"[{\"op\":\"queryOpSet\",\"op\":\"queryOpSet\"}]",
         "not JSON: byte 38: object with a repeated key"},
        {"[{\"op\":\"queryOpSet\",\"op\":\"set\"}]",
         "not JSON: byte 31: object with a repeated key"},
        {"[{\"op\":\"queryOpSet\"},\"\\ud800\"]", "not JSON: byte 22: half a surrogate pair"},
        {"[{\"op\":\"queryOpSet\"},\"\xff\"]", "not JSON: byte 0: not UTF-8, or has a NUL"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        check_refused(text_of(cases[i][0]), &ops_limits_default, cases[i][1], OPS_ROUTE_FAN_OUT);
}

static void
test_only_an_element_of_the_array_decides_the_route(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"{\"op\":\"queryOpSet\"}", "ops: is not an array with ops"},
        {"[[{\"op\":\"queryOpSet\"}]]", "ops[0]: is not an object: array"},
        {"[{\"op\":{\"op\":\"queryOpSet\"}}]", "ops[0].op: is missing or not a string"},
        {"[{\"op\":\"queryopset\"}]", "ops[0].op: is unknown"},
        {SET("{\"op\":\"queryOpSet\"}"), "ops[0].value: is an object"},
        {SET("{\"op\":\"refresh\",\"key\":1}"), "ops[0].value: is an object"},
        {"[[{\"op\":\"refresh\",\"key\":1}]]", "ops[0]: is not an object: array"},
        {"{\"op\":\"refresh\",\"key\":1}", "ops: is not an array with ops"},
        {"[{\"op\":\"refresh\",\"x\":{\"key\":1}},\"\\u0000\"]",
         "not JSON: byte 33: string with a NUL"},
        {"[{\"op\":\"refresh\"},{\"key\":1},\"\\u0000\"]", "not JSON: byte 29: string with a NUL"},
        {"[{\"op\":\"refresh\"},\"key\",\"\\u0000\"]", "not JSON: byte 25: string with a NUL"},
        {"[{\"op\":\"queryOpSet\"}", "not JSON: byte 20: parse error: premature EOF"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        check_refused(text_of(cases[i][0]), &ops_limits_default, cases[i][1], OPS_ROUTE_ENTITY);
}

static void
test_F79_rows_above_a_limit_are_refused_and_keep_their_route(void **state)
{
    (void)state;
    static const struct ops_limits limits = {
        .row_bytes = 140,
        .row_items = 3,
        .depth = 5,
        .name_bytes = 4,
        .string_bytes = 3,
        .array_items = 2,
        .query_bytes = 8,
    };
    static const struct {
        const char *json;
        const char *refusal;
        enum ops_route route;
    } cases[] = {
        {SET("\"abcd\""), "ops[0].value: string is longer than 3 bytes", OPS_ROUTE_ENTITY},
        {SET("[\"\",\"abcd\"]"), "ops[0].value: string is longer than 3 bytes", OPS_ROUTE_ENTITY},
        {SET("[1,2,3]"), "ops[0].value: array of more than 2 items", OPS_ROUTE_ENTITY},
        {"[{\"op\":\"set\",\"field\":\"abcde\",\"value\":1}]",
         "ops[0].field: is longer than 4 bytes", OPS_ROUTE_ENTITY},
        {"[{\"op\":\"alive\"},{\"op\":\"alive\"},{\"op\":\"alive\"},{\"op\":\"alive\"}]",
         "ops: more than 3", OPS_ROUTE_ENTITY},
        {"[{\"op\":\"alive\"},{\"op\":\"set\",\"field\":\"f\",\"value\":[1,2]}]",
         "ops[1].value: more than 3 ops and array items in the row", OPS_ROUTE_ENTITY},
        {FAN_OUT("[{\"op\":\"delete\"},{\"op\":\"delete\"},{\"op\":\"delete\"}]"),
         "ops[0].ops: more than 3 ops and array items in the row", OPS_ROUTE_FAN_OUT},
        {FAN_OUT("[{\"op\":\"set\",\"field\":\"f\",\"value\":[\"\",\"\"]}]"),
         "ops[0].ops[0].value: more than 3 ops and array items in the row", OPS_ROUTE_FAN_OUT},
        {"[{\"op\":\"queryOpSet\",\"query\":\"a eq 1234\",\"ops\":[{\"op\":\"delete\"}]}]",
         "ops[0].query: is longer than 8 bytes", OPS_ROUTE_FAN_OUT},
        {"[{\"op\":\"queryOpSet\"},[[[[[]]]]]]", "not JSON: byte 26: nests too deep",
         OPS_ROUTE_FAN_OUT},
        {"[{\"op\":\"alive\"},[[[[[]]]]]]", "not JSON: byte 21: nests too deep", OPS_ROUTE_ENTITY},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        check_refused(text_of(cases[i].json), &limits, cases[i].refusal, cases[i].route);
    struct buffer large = {0};
    buffer_append_format(&large, "[{\"op\":\"queryOpSet\",\"x\":\"%0200d\"}]", 0);
    check_refused((struct text){(char *)large.data, large.bytes}, &limits,
                  "ops: longer than 140 bytes", OPS_ROUTE_FAN_OUT);
    buffer_free(&large);
    /* All at their limits. */
    struct ops ops;
    enum ops_route route;
    struct text full = TEXT("[{\"op\":\"set\",\"field\":\"abcd\",\"value\":[\"abc\",\"abc\"]}]");
    assert_int_equal(ops_json_parse(full, &limits, &arena, &ops, &route, NULL), 0);
}

static void
test_F62_very_deep_rows_are_refused_and_routed(void **state)
{
    (void)state;
    static const char *const begins[] = {"[{\"op\":\"queryOpSet\"},", "[{\"op\":\"set\"},"};
    for (size_t i = 0; i < COUNT_OF(begins); i++) {
        struct buffer json = {0};
        char refusal[64];
        buffer_append_text(&json, begins[i]);
        for (int depth = 0; depth < 100000; depth++)
            buffer_append_text(&json, "[");
        for (int depth = 0; depth <= 100000; depth++)
            buffer_append_text(&json, "]");
        snprintf(refusal, sizeof refusal, "not JSON: byte %zu: nests too deep",
                 strlen(begins[i]) + ops_limits_default.depth);
        check_refused((struct text){(char *)json.data, json.bytes}, &ops_limits_default, refusal,
                      i == 0 ? OPS_ROUTE_FAN_OUT : OPS_ROUTE_ENTITY);
        buffer_free(&json);
    }
}

static void
test_ops_do_not_refer_to_the_text(void **state)
{
    (void)state;
    char json[] = FAN_OUT("[{\"op\":\"set\",\"field\":\"name\",\"value\":[\"text\"]}]");
    struct text copy = arena_text(&arena, text_of(json));
    enum ops_route route;
    struct ops ops = parse(text_of(json), &route);
    memset(json, '?', sizeof json - 1);
    assert_string_equal(written(&ops).data, copy.data);
}

static void
test_a_tree_gives_the_same_ops_as_its_text(void **state)
{
    (void)state;
    static const char *const cases[] = {
        SET("[1,2]"), FAN_OUT("[{\"op\":\"delete\"}]"), FAN_OUT("[]"), "[]", "{}", "7"};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct json_value *value;
        struct ops ops[2];
        enum ops_route route[2];
        struct error err[2];
        struct text text = text_of(cases[i]);
        assert_int_equal(json_parse(text, 32, &arena, &value, NULL), 0);
        int rc = ops_json_parse(text, &ops_limits_default, &arena, &ops[0], &route[0], &err[0]);
        assert_int_equal(
            ops_json_from_value(value, &ops_limits_default, &arena, &ops[1], &route[1], &err[1]),
            rc);
        assert_int_equal(route[0], route[1]);
        if (rc == 0)
            assert_string_equal(written(&ops[0]).data, written(&ops[1]).data);
        else
            assert_string_equal(err[0].message, err[1].message);
    }
}

static struct event
event_of(const struct ops *ops, enum ops_route route)
{
    return (struct event){
        .epoch = 1,
        .generation = 1,
        .seq = 1,
        .kind = route == OPS_ROUTE_ENTITY    ? EVENT_ROW
                : route == OPS_ROUTE_FAN_OUT ? EVENT_FAN_OUT
                                             : EVENT_PARENT_REFRESH,
        .ops = *ops,
    };
}

/* Encodes accepted ops as an event, and checks that decoding it gives the same ops. */
static void
check_encodes(const struct ops *ops, enum ops_route route)
{
    struct event event = event_of(ops, route);
    struct event decoded;
    struct buffer bytes = {0};
    struct error err;
    if (event_encode(codec, &event, &bytes, &err) != 0)
        fail_msg("%s: %s", written(ops).data, err.message);
    if (event_decode(codec, bytes.data, bytes.bytes, &arena, &decoded, &err) != 0)
        fail_msg("%s: %s", written(ops).data, err.message);
    assert_string_equal(written(&decoded.ops).data, written(ops).data);
    buffer_free(&bytes);
}

/* Encodes a reason as a rejected event. */
static void
check_reason_encodes(const char *reason)
{
    struct event event = event_of(&(struct ops){0}, OPS_ROUTE_ENTITY);
    struct buffer bytes = {0};
    event.kind = EVENT_REJECTED;
    event.reason = text_of(reason);
    assert_true(text_is_ascii(reason));
    assert_int_equal(event_encode(codec, &event, &bytes, NULL), 0);
    buffer_free(&bytes);
}

static void
test_ops_at_their_limits_fit_into_an_event(void **state)
{
    (void)state;
    assert_in_range(ops_limits_default.row_items, 1, EVENT_ITEMS_MAX);
    struct buffer json = {0};
    buffer_append_text(&json, "[{\"op\":\"set\",\"field\":\"f\",\"value\":[\"\"");
    for (uint32_t i = 1; i < ops_limits_default.array_items; i++)
        buffer_append_text(&json, ",\"\"");
    buffer_append_text(&json, "]},{\"op\":\"set\",\"field\":\"f\",\"value\":[\"\"");
    for (uint32_t i = 1; i < ops_limits_default.row_items - ops_limits_default.array_items - 2; i++)
        buffer_append_text(&json, ",\"\"");
    buffer_append_text(&json, "]}]");
    enum ops_route route;
    struct ops ops = parse((struct text){(char *)json.data, json.bytes}, &route);
    check_encodes(&ops, route);
    json.bytes -= strlen("]}]");
    buffer_append_text(&json, ",\"\"]}]");
    check_refused((struct text){(char *)json.data, json.bytes}, &ops_limits_default,
                  "ops[1].value: more than 131072 ops and array items in the row",
                  OPS_ROUTE_ENTITY);
    buffer_free(&json);
}

static struct text
random_text(void)
{
    static const char *const pieces[] = {
        "a",           " ",    "\"",       "\\",           "\x01",
        "\n",          "\x7f", "\xc3\xa9", "\xe5\x9b\xb3", "\xf0\x9f\x99\x82",
        "\xef\xbf\xbf"};
    struct buffer out = {0};
    for (uint64_t count = random_below(6); count > 0; count--)
        buffer_append_text(&out, pieces[random_below(COUNT_OF(pieces))]);
    struct text text = arena_text(&arena, (struct text){(char *)out.data, out.bytes});
    buffer_free(&out);
    return text;
}

static struct value
random_value(enum op_kind op)
{
    enum value_kind kind = (enum value_kind)(op == OP_SET ? random_below(7) : 1 + random_below(6));
    uint32_t count = (uint32_t)random_below(5);
    int64_t *integers = arena_alloc(&arena, count * sizeof *integers);
    struct text *strings = arena_alloc(&arena, count * sizeof *strings);
    for (uint32_t i = 0; i < count; i++) {
        integers[i] = (int64_t)random_below(UINT64_MAX);
        strings[i] = random_text();
    }
    switch (kind) {
    case VALUE_INTEGER:
        return (struct value){.kind = kind, .integer = (int64_t)random_below(UINT64_MAX)};
    case VALUE_FLOAT: /* with a fraction, because 3.0 is read as an integer */
        return (struct value){.kind = kind, .real = (double)random_below(1 << 30) + 0.375};
    case VALUE_BOOLEAN:
        return (struct value){.kind = kind, .boolean = random_below(2) == 0};
    case VALUE_STRING:
        return (struct value){.kind = kind, .string = random_text()};
    case VALUE_INTEGERS:
        return (struct value){.kind = kind, .integers = {integers, count}};
    case VALUE_STRINGS:
        return (struct value){.kind = count > 0 ? kind : VALUE_INTEGERS,
                              .strings = {strings, count}};
    default:
        return (struct value){.kind = VALUE_NULL};
    }
}

static struct text
random_name(void)
{
    struct text name = random_text();
    return name.bytes > 0 ? name : TEXT("f");
}

/* Of an entity, or of a child. */
static struct op
random_refresh(void)
{
    struct op op = {.kind = OP_REFRESH};
    uint32_t count = 1 + (uint32_t)random_below(3);
    struct text *names = arena_alloc(&arena, count * sizeof *names);
    for (uint32_t i = 0; i < count; i++)
        names[i] = random_name();
    if (random_below(3) == 0)
        op.field = names[0];
    else if (random_below(2) == 0)
        op.value = (struct value){.kind = VALUE_STRINGS, .strings = {names, count}};
    return op;
}

static struct ops
random_requests(void)
{
    uint32_t count = 1 + (uint32_t)random_below(3);
    struct op *ops = arena_alloc(&arena, count * sizeof *ops);
    for (uint32_t i = 0; i < count; i++) {
        ops[i] = (struct op){.kind = OP_REFRESH, .field = random_name()};
        ops[i].value = random_below(2) == 0
                           ? (struct value){.kind = VALUE_STRING, .string = random_text()}
                           : (struct value){.kind = VALUE_INTEGER,
                                            .integer = (int64_t)random_below(UINT64_MAX)};
    }
    return (struct ops){ops, count};
}

static struct ops
random_slot_ops(bool nested)
{
    uint32_t count = 1 + (uint32_t)random_below(5);
    struct op *ops = arena_alloc(&arena, count * sizeof *ops);
    for (uint32_t i = 0; i < count; i++) {
        enum op_kind kind = (enum op_kind)random_below(5);
        ops[i] = (struct op){.kind = nested && kind == OP_ALIVE ? OP_DELETE : kind};
        if (!nested && random_below(6) == 0) {
            ops[i] = random_refresh();
            continue;
        }
        if (kind == OP_ALIVE || kind == OP_DELETE)
            continue;
        ops[i].field = random_name();
        ops[i].value = random_value(kind);
    }
    return (struct ops){ops, count};
}

static struct ops
random_fan_outs(void)
{
    uint32_t count = 1 + (uint32_t)random_below(3);
    struct op *ops = arena_alloc(&arena, count * sizeof *ops);
    for (uint32_t i = 0; i < count; i++) {
        struct ops nested = random_slot_ops(true);
        ops[i] = (struct op){.kind = OP_FAN_OUT,
                             .query = TEXT("a in [1, 'x'] AND b eq \xc3\xa9\x01"),
                             .nested = nested.items,
                             .nested_count = nested.count};
    }
    return (struct ops){ops, count};
}

/* Any ops that are written as JSON are accepted and equal, and fit into an event. */
static void
test_random_ops_survive_a_round_trip_and_fit_into_an_event(void **state)
{
    (void)state;
    random_seed();
    for (int i = 0; i < RANDOM_ROWS; i++) {
        enum ops_route wanted = (enum ops_route)random_below(OPS_ROUTE_REQUESTS + 1);
        struct ops ops = wanted == OPS_ROUTE_ENTITY    ? random_slot_ops(false)
                         : wanted == OPS_ROUTE_FAN_OUT ? random_fan_outs()
                                                       : random_requests();
        enum ops_route route;
        struct text json = written(&ops);
        struct ops again = parse(json, &route);
        assert_int_equal(route, wanted);
        assert_string_equal(written(&again).data, json.data);
        check_encodes(&ops, route);
        check_encodes(&again, route);
        arena_reset(&arena);
    }
}

/* Any bytes become an event, or are refused with a reason that fits into one; the scan determines
 * their route. */
static bool
is_refused_or_encodes(struct text json)
{
    struct ops ops;
    struct error err;
    enum ops_route route;
    bool accepted = ops_json_parse(json, &ops_limits_default, &arena, &ops, &route, &err) == 0;
    bool is_fan_out = json_array_has_object_with(json, "op", "queryOpSet", NULL);
    bool is_request = json_array_has_object_with(json, "op", "refresh", "key");
    assert_int_equal(route, is_fan_out   ? OPS_ROUTE_FAN_OUT
                            : is_request ? OPS_ROUTE_REQUESTS
                                         : OPS_ROUTE_ENTITY);
    if (accepted)
        check_encodes(&ops, route);
    else
        check_reason_encodes(err.message);
    arena_reset(&arena);
    return accepted;
}

static void
test_random_bytes_are_refused_or_fit_into_an_event(void **state)
{
    (void)state;
    static const char *const goods[] = {
        "[{\"op\":\"set\",\"field\":\"f\",\"value\":[1,2.0]},{\"op\":\"alive\"}]",
        "[{\"op\":\"remove\",\"field\":\"f\",\"value\":\"\\ud83d\\ude42\"}]",
        "[{\"op\":\"queryOpSet\",\"query\":\"a eq 'x' AND b in [1,2]\","
        "\"ops\":[{\"op\":\"add\",\"field\":\"f\",\"value\":1.5},{\"op\":\"delete\"}]}]",
        "[{\"op\":\"refresh\",\"fields\":[\"a\",\"b\"]},{\"op\":\"refresh\",\"entry\":\"e\"}]",
        "[{\"op\":\"refresh\",\"entry\":\"e\",\"key\":\"k\"}]",
    };
    static const char *const pieces[] = {
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        "\"",
        "\\",
        "1",
        "2.5",
        "null",
        "true",
        "\"\"",
        "[]",
        "{\"op\":\"delete\"},",
        "{\"op\":\"queryOpSet\"},",
        "{\"op\":\"refresh\"},",
        "\"key\":1,",
        "\"value\":",
        "1e999",
        "\\ud800",
        "\\u0000",
        "\xc3\xa9",
        "\xff",
        "1e400,",
        "\"a\",",
    };
    random_inputs(goods, COUNT_OF(goods), pieces, COUNT_OF(pieces), is_refused_or_encodes);
}

/* F84: what a load reads of a value is what an op carries of it. */
static void
test_F84_a_value_alone_is_that_of_a_set(void **state)
{
    (void)state;
    static const char *const values[] = {
        "null",
        "true",
        "5",
        "3.0",
        "0.5",
        "1e18",
        "1000000000000000000",
        "\"\"",
        "\"\\u00e9\"",
        "[]",
        "[1, 2.0, 3]",
        "[\"a\", \"a\"]",
        "{}",
        "[1.5]",
        "[true]",
        "[1, \"a\"]",
        "[[1]]",
        "[null]",
        "[{}]",
        "1e999",
        "\"\\u0000\"",
        "",
        "tru",
        "1 2",
        "[1",
    };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        struct ops ops;
        struct error err;
        enum ops_route route;
        struct value value = {0};
        char *row = memory_format("[{\"op\":\"set\",\"field\":\"f\",\"value\":%s}]", values[i]);
        int alone =
            ops_json_parse_value(text_of(values[i]), &ops_limits_default, &arena, &value, &err);
        int wanted = ops_json_parse(text_of(row), &ops_limits_default, &arena, &ops, &route, &err);
        assert_int_equal(alone, wanted);
        if (wanted == 0) {
            const struct op op = {.kind = OP_SET, .field = TEXT("f"), .value = value};
            struct text set = written(&(struct ops){&op, 1});
            assert_true(text_equal(set, written(&ops)));
        }
        free(row);
    }
}

static void
test_F84_a_refused_value_has_a_reason(void **state)
{
    (void)state;
    struct error err;
    struct value value;
    struct ops_limits limits = ops_limits_default;
    assert_int_equal(ops_json_parse_value(TEXT("{}"), &limits, &arena, &value, &err), ERR_DATA);
    assert_string_equal(err.message, "is an object");
    limits.string_bytes = 2;
    assert_int_equal(ops_json_parse_value(TEXT("\"abc\""), &limits, &arena, &value, &err),
                     ERR_DATA);
    assert_string_equal(err.message, "string is longer than 2 bytes");
    limits.row_bytes = 2;
    assert_int_equal(ops_json_parse_value(TEXT("123"), &limits, &arena, &value, &err), ERR_DATA);
    assert_string_equal(err.message, "longer than 2 bytes");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted_rows_in_canonical_form),
        cmocka_unit_test(test_refusals_name_the_place),
        cmocka_unit_test(test_F79_refused_requests_of_parents_go_to_all_partitions),
        cmocka_unit_test(test_F79_refused_fan_outs_go_to_all_partitions),
        cmocka_unit_test(test_only_an_element_of_the_array_decides_the_route),
        cmocka_unit_test(test_F79_rows_above_a_limit_are_refused_and_keep_their_route),
        cmocka_unit_test(test_F62_very_deep_rows_are_refused_and_routed),
        cmocka_unit_test(test_ops_do_not_refer_to_the_text),
        cmocka_unit_test(test_a_tree_gives_the_same_ops_as_its_text),
        cmocka_unit_test(test_ops_at_their_limits_fit_into_an_event),
        cmocka_unit_test(test_random_ops_survive_a_round_trip_and_fit_into_an_event),
        cmocka_unit_test(test_random_bytes_are_refused_or_fit_into_an_event),
        cmocka_unit_test(test_F84_a_value_alone_is_that_of_a_set),
        cmocka_unit_test(test_F84_a_refused_value_has_a_reason),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
