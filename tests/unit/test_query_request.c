#include "tests/unit/unit_test.h"

#include <stdio.h>
#include <string.h>

#include "consumer/query/query_fields.h"
#include "consumer/query/query_request.h"

static const struct query_limits limits = {
    .limit = 1000, .page = UINT64_MAX, .depth = 4, .clauses = 10, .values = 9};

/* The arena of one test. */
static int
arena_setup(void **state)
{
    static struct arena arena;
    arena_init(&arena);
    *state = &arena;
    return 0;
}

static int
arena_teardown(void **state)
{
    arena_free(*state);
    return 0;
}

/* In the JSON of these tests, ' stands for ". */
static struct text
body_of(struct arena *arena, const char *json)
{
    char *text = arena_strdup(arena, text_of(json));
    for (char *at = text; *at != '\0'; at++)
        *at = *at == '\'' ? '"' : *at;
    return text_of(text);
}

static void
parse(struct arena *arena, const char *json, struct query_request *request)
{
    struct error err;
    if (query_request_parse(body_of(arena, json), &limits, arena, request, &err) != 0)
        fail_msg("%s: %s", json, err.message);
}

static void
assert_refused(struct arena *arena, const char *json, const char *reason)
{
    struct query_request request;
    struct error err;
    int rc = query_request_parse(body_of(arena, json), &limits, arena, &request, &err);
    if (rc != ERR_DATA || strstr(err.message, reason) == NULL)
        fail_msg("%s: wanted \"%s\", got %d \"%s\"", json, reason, rc, rc != 0 ? err.message : "");
}

static void
test_everything_may_be_absent_or_null(void **state)
{
    static const char *const bodies[] = {
        "{}", "{'filters':null,'sort':null,'limit':null,'offset':null,'cursor':null}"};
    for (size_t i = 0; i < 2; i++) {
        struct query_request request;
        parse(*state, bodies[i], &request);
        assert_null(request.query.filter);
        assert_int_equal(request.query.sort_field.bytes, 0);
        assert_int_equal(request.query.direction, ENGINE_DESCENDING);
        assert_int_equal(request.query.limit, 20);
        assert_int_equal(request.query.offset, 0);
        assert_null(request.query.after);
    }
}

static void
test_the_list_of_filters_is_a_conjunction(void **state)
{
    struct query_request request;
    parse(*state,
          "{'filters':[{'Eq':['nsfwLevel',{'Integer':1}]},{'IsNull':'poi'},"
          "{'Not':{'In':['tagIds',[{'Integer':1},2]]}}]}",
          &request);
    const struct filter *filter = request.query.filter;
    assert_int_equal(filter->kind, FILTER_AND);
    assert_int_equal(filter->count, 3);
    assert_int_equal(filter->children[0].kind, FILTER_EQ);
    assert_true(text_is(filter->children[0].field, "nsfwLevel"));
    assert_int_equal(filter->children[0].count, 1);
    assert_int_equal(filter->children[0].values[0].integer, 1);
    assert_int_equal(filter->children[1].kind, FILTER_IS_NULL);
    assert_true(text_is(filter->children[1].field, "poi"));
    assert_int_equal(filter->children[2].kind, FILTER_NOT);
    const struct filter *in = filter->children[2].children;
    assert_int_equal(in->kind, FILTER_IN);
    assert_int_equal(in->count, 2);
    assert_int_equal(in->values[1].integer, 2);
}

static void
test_every_filter_is_parsed_by_its_name(void **state)
{
    static const struct {
        const char *json;
        enum filter_kind kind;
    } cases[] = {
        {"{'Eq':['f',1]}", FILTER_EQ},
        {"{'NotEq':['f',1]}", FILTER_NOT_EQ},
        {"{'In':['f',[1]]}", FILTER_IN},
        {"{'NotIn':['f',[]]}", FILTER_NOT_IN},
        {"{'Gt':['f',1]}", FILTER_GT},
        {"{'Gte':['f',1]}", FILTER_GTE},
        {"{'Lt':['f',1]}", FILTER_LT},
        {"{'Lte':['f',1]}", FILTER_LTE},
        {"{'IsNull':'f'}", FILTER_IS_NULL},
        {"{'IsNotNull':'f'}", FILTER_IS_NOT_NULL},
        {"{'And':[]}", FILTER_AND},
        {"{'Or':[{'IsNull':'f'}]}", FILTER_OR},
        {"{'Not':{'IsNull':'f'}}", FILTER_NOT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buffer body;
        struct query_request request;
        buffer_init(&body);
        buffer_append_format(&body, "{'filters':[%s]}", cases[i].json);
        parse(*state, buffer_string(&body), &request);
        assert_int_equal(request.query.filter->children[0].kind, cases[i].kind);
        buffer_free(&body);
    }
}

static void
test_values_are_typed_or_plain(void **state)
{
    static const struct {
        const char *json;
        enum value_kind kind;
    } cases[] = {
        {"{'Integer':-7}", VALUE_INTEGER},
        {"-7", VALUE_INTEGER},
        {"{'Float':1.5}", VALUE_FLOAT},
        {"1.5", VALUE_FLOAT},
        {"{'Float':3}", VALUE_INTEGER},
        {"{'Bool':true}", VALUE_BOOLEAN},
        {"false", VALUE_BOOLEAN},
        {"{'String':''}", VALUE_STRING},
        {"'x'", VALUE_STRING},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buffer body;
        struct query_request request;
        buffer_init(&body);
        buffer_append_format(&body, "{'filters':[{'Eq':['f',%s]}]}", cases[i].json);
        parse(*state, buffer_string(&body), &request);
        assert_int_equal(request.query.filter->children[0].values[0].kind, cases[i].kind);
        buffer_free(&body);
    }
}

static void
test_sort_and_page(void **state)
{
    struct query_request request;
    parse(*state, "{'sort':{'field':'sortAt','direction':'Asc'},'limit':5,'offset':995}", &request);
    assert_true(text_is(request.query.sort_field, "sortAt"));
    assert_int_equal(request.query.direction, ENGINE_ASCENDING);
    assert_int_equal(request.query.limit, 5);
    assert_int_equal(request.query.offset, 995);
    parse(*state, "{'sort':{'field':'sortAt','direction':'Desc'},'limit':0}", &request);
    assert_int_equal(request.query.direction, ENGINE_DESCENDING);
    assert_int_equal(request.query.limit, 0);
}

static void
assert_page(struct arena *arena, const struct query_limits *page_limits, const char *json,
            int64_t wanted)
{
    struct query_request request;
    struct error err;
    int rc = query_request_parse(body_of(arena, json), page_limits, arena, &request, &err);
    assert_int_equal(rc, wanted >= 0 ? 0 : ERR_DATA);
    if (rc == 0)
        assert_int_equal(request.query.limit, wanted);
}

static void
test_the_largest_page_reduces_a_limit_and_the_largest_limit_refuses_it(void **state)
{
    static const struct query_limits page_limits = {
        .limit = 100, .page = 30, .depth = 4, .clauses = 10, .values = 9};
    static const struct query_limits small_limits = {
        .limit = 100, .page = 5, .depth = 4, .clauses = 10, .values = 9};
    assert_page(*state, &page_limits, "{'limit':0}", 0);
    assert_page(*state, &page_limits, "{'limit':30}", 30);
    assert_page(*state, &page_limits, "{'limit':31}", 30);
    assert_page(*state, &page_limits, "{'limit':100,'offset':70}", 30);
    assert_page(*state, &page_limits, "{'limit':100,'offset':71}", -1);
    assert_page(*state, &page_limits, "{'limit':101}", -1);
    assert_page(*state, &page_limits, "{}", 20);
    assert_page(*state, &small_limits, "{}", 5);
    assert_page(*state, &limits, "{'limit':1000}", 1000);
}

static void
test_skip_cache_is_ignored(void **state)
{
    struct query_request request;
    parse(*state, "{'skip_cache':true,'limit':7}", &request);
    assert_int_equal(request.query.limit, 7);
    parse(*state, "{'skip_cache':null}", &request);
}

static void
test_what_an_answer_must_hold(void **state)
{
    static const char *const refused[] = {
        "0", "-1", "'0'", "''", "'-1'", "'1 '", "745", "'0x10'", "true", "'18446744073709551616'"};
    struct query_request request;
    parse(*state, "{}", &request);
    assert_true(request.after_xid == 0 && !request.is_consistent);
    parse(*state, "{'after_xid':null,'consistent':null}", &request);
    assert_true(request.after_xid == 0 && !request.is_consistent);
    parse(*state, "{'after_xid':'745','consistent':true}", &request);
    assert_true(request.after_xid == 745 && request.is_consistent);
    parse(*state, "{'after_xid':'18446744073709551615','consistent':false}", &request);
    assert_true(request.after_xid == UINT64_MAX && !request.is_consistent);
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        char body[64];
        snprintf(body, sizeof body, "{'after_xid':%s}", refused[i]);
        assert_refused(*state, body, "after_xid must be a string with the id of a transaction");
    }
    assert_refused(*state, "{'consistent':1}", "consistent takes true or false, not");
}

/* How a number compares with integers, whatever a double makes of it. */
static void
test_F90_numbers_compare_exactly(void **state)
{
    static const struct {
        const char *json;
        enum filter_kind kind;
        bool is_integer; /* else a float */
        int64_t integer;
    } cases[] = {
        {"{'Gt':['f',1.5]}", FILTER_GT, true, 1},
        {"{'Gte':['f',{'Float':1.5}]}", FILTER_GT, true, 1},
        {"{'Lt':['f',1.5]}", FILTER_LTE, true, 1},
        {"{'Lte':['f',-1.5]}", FILTER_LTE, true, -2},
        {"{'Gte':['f',2.9999999999999999999]}", FILTER_GT, true, 2},
        {"{'Gte':['f',9007199254740993.5]}", FILTER_GT, true, 9007199254740993},
        {"{'Gt':['f',9007199254740992.5]}", FILTER_GT, true, 9007199254740992},
        {"{'Lt':['f',{'Float':9007199254740992.5}]}", FILTER_LTE, true, 9007199254740992},
        {"{'Eq':['f',9007199254740992.5]}", FILTER_EQ, false, 0},
        {"{'Lt':['f',1e-400]}", FILTER_LTE, true, 0},
        {"{'Lt':['f',9007199254740993.0]}", FILTER_LT, true, 9007199254740993},
        {"{'Eq':['f',9007199254740993.0]}", FILTER_EQ, true, 9007199254740993},
        {"{'Eq':['f',{'Float':3.0}]}", FILTER_EQ, true, 3},
        {"{'Eq':['f',2.9999999999999999999]}", FILTER_EQ, false, 0},
        {"{'NotEq':['f',9007199254740993.5]}", FILTER_NOT_EQ, false, 0},
        {"{'Gt':['f',9223372036854775808]}", FILTER_GT, false, 1},
        {"{'Lt':['f',1e400]}", FILTER_LT, false, 1},
        {"{'Gt':['f',-9223372036854775809]}", FILTER_GT, false, -1},
        {"{'Gte':['f',-9223372036854775808.5]}", FILTER_GTE, false, -1},
        {"{'Lte':['f',-1e400]}", FILTER_LTE, false, -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buffer body;
        struct query_request request;
        buffer_init(&body);
        buffer_append_format(&body, "{'filters':[%s]}", cases[i].json);
        parse(*state, buffer_string(&body), &request);
        buffer_free(&body);
        const struct filter *filter = request.query.filter->children;
        const struct value *value = filter->values;
        assert_int_equal(filter->kind, cases[i].kind);
        assert_int_equal(value->kind, cases[i].is_integer ? VALUE_INTEGER : VALUE_FLOAT);
        if (cases[i].is_integer)
            assert_int_equal(value->integer, cases[i].integer);
        else if (cases[i].integer == 0)
            assert_true(value->real > 0 && value->real < 1);
        else
            assert_true(cases[i].integer > 0 ? value->real >= 0x1p63 : value->real < -0x1p63);
    }
}

static void
test_a_cursor_overrides_an_offset(void **state)
{
    struct query_request request;
    parse(*state, "{'sort':{'field':'s'},'offset':5000,'cursor':{'sort_value':7,'slot_id':123}}",
          &request);
    assert_int_equal(request.query.offset, 0);
    assert_ptr_equal(request.query.after, &request.page_key);
    assert_true(request.page_key.has_value);
    assert_int_equal(request.page_key.value, 7);
    assert_int_equal(request.page_key.entity_id, 123);
    parse(*state, "{'sort':{'field':'s'},'cursor':{'sort_value':null,'slot_id':123}}", &request);
    assert_false(request.page_key.has_value);
    parse(*state, "{'cursor':{'sort_value':7,'slot_id':123}}", &request);
    assert_false(request.page_key.has_value);
}

static void
test_refusals_name_the_reason_and_the_place(void **state)
{
    static const struct {
        const char *json;
        const char *reason;
    } cases[] = {
        {"", ""},
        {"[]", "a query takes an object, not array"},
        {"{'filter':[]}",
         "a query has no member \"filter\"; closest: \"filters\"; members: filters, "},
        {"{'filters':{}}", "filters: a list of filters takes [filter, ...], not object"},
        {"{'filters':[1]}", "filters: [0]: a filter is an object with one member"},
        {"{'filters':[{}]}", "filters: [0]: a filter is an object with one member"},
        {"{'filters':[{'IsNull':'a'},{'Like':['a','b']}]}",
         "filters: [1]: unknown filter \"Like\"; filters: Eq, NotEq, In, NotIn, Gt, Gte, Lt, Lte, "
         "IsNull, IsNotNull, And, Or, Not"},
        {"{'filters':[{'isnull':'a'}]}",
         "unknown filter \"isnull\"; closest: \"IsNull\", \"IsNotNull\"; filters: Eq, "},
        {"{'filters':[{'Eq':['a']}]}", "filters: [0]: Eq: takes [\"field\", value]"},
        {"{'filters':[{'Eq':[1,2]}]}", "filters: [0]: Eq: takes [\"field\", value]"},
        {"{'filters':[{'Eq':['a',null]}]}", "use IsNull"},
        {"{'filters':[{'Eq':['a',{'Integer':null}]}]}", "use IsNull"},
        {"{'filters':[{'Eq':['a',[1]]}]}", "Eq: a value takes a scalar"},
        {"{'filters':[{'Eq':['a',{'Integer':'1'}]}]}", "Integer takes an integer of 64 bits"},
        {"{'filters':[{'Eq':['a',{'Integer':1.5}]}]}", "Integer takes an integer of 64 bits"},
        {"{'filters':[{'Eq':['a',{'Int':1}]}]}",
         "unknown type of value \"Int\"; closest: \"Integer\"; types: Integer, Float, Bool, "
         "String"},
        {"{'filters':[{'In':['a',1]}]}", "In: a list takes [value, ...], not integer"},
        {"{'filters':[{'IsNull':['a']}]}", "IsNull: takes \"field\""},
        {"{'filters':[{'Or':[{'And':[{'Not':1}]}]}]}", "filters: [0]: Or: [0]: And: [0]: Not:"},
        {"{'sort':'a'}", "sort takes an object, not string"},
        {"{'sort':{'direction':'Asc'}}", "sort needs field, the name of a field"},
        {"{'sort':{'field':'a','direction':'up'}}",
         "the direction of sort must be \"Asc\" or \"Desc\""},
        {"{'sort':{'field':'a','order':'Asc'}}", "sort has no member \"order\""},
        {"{'limit':-1}", "limit must be an integer of at least 0"},
        {"{'limit':1.5}", "limit must be an integer of at least 0"},
        {"{'offset':'1'}", "offset must be an integer of at least 0"},
        {"{'limit':1001}", "limit plus offset is more than 1000"},
        {"{'limit':6,'offset':995}", "limit plus offset is more than 1000"},
        {"{'limit':1,'offset':9223372036854775807}", "limit plus offset is more than 1000"},
        {"{'cursor':{}}", "cursor needs slot_id"},
        {"{'cursor':{'slot_id':1,'sort_value':'x'}}", "sort_value must be an integer or null"},
        {"{'cursor':{'slot_id':1,'id':2}}", "cursor has no member \"id\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_refused(*state, cases[i].json, cases[i].reason);
}

static void
test_depth_and_clauses_are_bounded(void **state)
{
    struct query_request request;
    parse(*state, "{'filters':[{'Not':{'Not':{'Or':[{'In':['f',[{'Integer':1}]]}]}}}]}", &request);
    assert_refused(*state, "{'filters':[{'Not':{'Not':{'Not':{'Not':{'IsNull':'f'}}}}}]}",
                   "nest deeper than 4");
    parse(*state, "{'filters':[{'In':['f',[1,2,3,4,5,6,7,8,9]]}]}", &request);
    assert_refused(*state, "{'filters':[{'In':['f',[1,2,3,4,5,6,7,8,9,10]]}]}",
                   "more than 9 values: consumer.query_values");
    struct buffer body;
    buffer_init(&body);
    buffer_append_text(&body, "{'filters':[");
    for (int i = 0; i < 50000; i++)
        buffer_append_text(&body, "{'Not':");
    assert_refused(*state, buffer_string(&body), "");
    buffer_free(&body);
}

#define ARENA_TEST(test) cmocka_unit_test_setup_teardown(test, arena_setup, arena_teardown)

static void
test_a_query_uses_existence_visible_from_its_filter_and_its_sort(void **state)
{
    static const struct config_filter_field filters[] = {{.name = "a", .type = FIELD_SINGLE_VALUE},
                                                         {.name = "b", .type = FIELD_BOOLEAN},
                                                         {.name = "c", .type = FIELD_STRING},
                                                         {.name = "d", .type = FIELD_STRING}};
    static const struct config_sort_field sorts[] = {{.name = "at", .bits = 32},
                                                     {.name = "shown", .bits = 32}};
    static const struct config_index index = {.filter_fields = filters,
                                              .filter_field_count = 4,
                                              .sort_fields = sorts,
                                              .sort_field_count = 2,
                                              .visible_from = "shown"};
    enum { A = 1, B = 2, C = 4, AT = 16, SHOWN = 32 };
    static const struct {
        const char *body;
        unsigned used;
    } cases[] = {
        {"{}", SHOWN},
        {"{'filters':[{'Eq':['a',1]},{'Not':{'IsNull':'c'}}]}", SHOWN | A | C},
        {"{'filters':[{'Or':[{'And':[{'In':['b',[true]]}]},{'Eq':['other',1]}]}],"
         "'sort':{'field':'at'}}",
         SHOWN | B | AT},
    };
    struct config_fields fields;
    config_fields_init(&fields, &index);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct query_request request;
        struct field_set wanted = {{cases[i].used}};
        parse(*state, cases[i].body, &request);
        field_set_add(&wanted, FIELD_ALIVE);
        struct field_set used = query_fields(&request.query, &fields);
        assert_true(field_set_equal(&used, &wanted));
    }
    config_fields_free(&fields);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        ARENA_TEST(test_everything_may_be_absent_or_null),
        ARENA_TEST(test_the_list_of_filters_is_a_conjunction),
        ARENA_TEST(test_every_filter_is_parsed_by_its_name),
        ARENA_TEST(test_values_are_typed_or_plain),
        ARENA_TEST(test_sort_and_page),
        ARENA_TEST(test_the_largest_page_reduces_a_limit_and_the_largest_limit_refuses_it),
        ARENA_TEST(test_skip_cache_is_ignored),
        ARENA_TEST(test_what_an_answer_must_hold),
        ARENA_TEST(test_F90_numbers_compare_exactly),
        ARENA_TEST(test_a_cursor_overrides_an_offset),
        ARENA_TEST(test_refusals_name_the_reason_and_the_place),
        ARENA_TEST(test_depth_and_clauses_are_bounded),
        ARENA_TEST(test_a_query_uses_existence_visible_from_its_filter_and_its_sort),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
