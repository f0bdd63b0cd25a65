/* What retries a dead letter. */
#include "tests/unit/unit_test.h"

#include <string.h>

#include "common/json/json_parse.h"
#include "common/retry/retry.h"
#include "tests/unit/random_input.h"

static const struct config_tracked_field image_fields[] = {{.target = "level"}};
static const struct config_tracked_field post_fields[] = {{.target = "at"}, {.target = "note"}};
static const struct config_tracked_field seen_fields[] = {{.target = "seen"}};
static const struct config_link children = {.table = "Image"};
static const struct config_trigger triggers[] = {
    {.table = "Image",
     .sets_alive = true,
     .track_fields = image_fields,
     .track_field_count = COUNT_OF(image_fields)},
    {.kind = TRIGGER_FAN_OUT,
     .table = "Post",
     .track_fields = post_fields,
     .track_field_count = COUNT_OF(post_fields)},
    {.kind = TRIGGER_FAN_OUT_PER_ROW,
     .table = "Post",
     .track_fields = post_fields,
     .track_field_count = 1},
    {.kind = TRIGGER_FAN_OUT,
     .table = "shop.Post",
     .links = &children,
     .link_count = 1,
     .track_fields = seen_fields,
     .track_field_count = 1},
};
static const struct config config = {.triggers = triggers, .trigger_count = COUNT_OF(triggers)};

/* Single quotes in place of double ones. */
static const char *
quoted(const char *text, char *out, size_t bytes)
{
    assert_true(strlen(text) < bytes);
    for (size_t i = 0; i <= strlen(text); i++)
        out[i] = text[i];
    for (char *at = strchr(out, '\''); at != NULL; at = strchr(at, '\''))
        *at = '"';
    return out;
}

struct wanted {
    const char *rows[RETRY_ROWS]; /* NULL: no such row */
    const char *reason;           /* NULL: nothing has to be written by hand */
};

static void
check_retry(struct retry *retry, const struct wanted *wanted)
{
    char row[512];
    for (int i = 0; i < RETRY_ROWS; i++)
        assert_string_equal(buffer_string(&retry->rows[i]),
                            wanted->rows[i] != NULL ? quoted(wanted->rows[i], row, sizeof row)
                                                    : "");
    assert_int_equal(retry->by_hand, wanted->reason != NULL);
    assert_string_equal(buffer_string(&retry->reason),
                        wanted->reason != NULL ? wanted->reason : "");
    retry_free(retry);
}

#define REFRESH "{'op':'refresh'}"
#define PARENT "{'op':'refresh','entry':'Post.at','key':7}"
#define PARENT_2 "{'op':'refresh','entry':'Post.at#2','key':7}"
#define NOTHING_OWNS "no trigger owns field other"
#define OTHER "{'op':'set','field':'other','value':[1,'a']}"
#define FAN_OUT(ops) "{'op':'queryOpSet','query':'postId eq 7','ops':" ops "}"
#define AT "{'op':'set','field':'at','value':{}}"

static void
test_F71_a_letter_becomes_a_request_and_never_its_own_ops(void **state)
{
    (void)state;
    static const struct {
        const char *ops;
        struct wanted wanted;
    } cases[] = {
        {"[{'op':'set','field':'level','value':{}}]", {{"[" REFRESH "]"}, NULL}},
        {"[{'op':'explode'},{'op':'delete'},7]", {{"[" REFRESH "]"}, NULL}},
        {"{'op':'alive'}", {{"[" REFRESH "]"}, NULL}},
        {"[]", {{"[" REFRESH "]"}, NULL}},
        {"null", {{"[" REFRESH "]"}, NULL}},
        {"[{'op':'refresh','entry':'Image.level'}]", {{"[" REFRESH "]"}, NULL}},
        /* the op of a field that the source does not have is written by hand */
        {"[" OTHER "]", {{"[" OTHER "]"}, NOTHING_OWNS}},
        {"[" OTHER ",{'op':'set','field':'level','value':{}}]",
         {{"[" OTHER "," REFRESH "]"}, NOTHING_OWNS}},
        /* a fan-out's entity_id is the key of a parent */
        {"[" FAN_OUT("[{'op':'set','field':'note','value':{}}]") "]",
         {{NULL, "[" PARENT "]"}, NULL}},
        {"[" FAN_OUT("[" AT "]") "," FAN_OUT("[" AT "]") "]",
         {{NULL, "[" PARENT "," PARENT_2 "]"}, NULL}},
        {"[{'op':'alive'}," FAN_OUT("[" AT "]") "]",
         {{"[" REFRESH "]", "[" PARENT "," PARENT_2 "]"}, NULL}},
        {"[" FAN_OUT("[{'op':'set','field':'level','value':1}]") "]",
         {{NULL, NULL, "[" FAN_OUT("[{'op':'set','field':'level','value':1}]") "]"},
          "no trigger writes field level by fan-outs"}},
        {"[" FAN_OUT("[{'op':'delete'}]") "]",
         {{NULL, NULL, "[" FAN_OUT("[{'op':'delete'}]") "]"}, "no trigger writes such a fan-out"}},
        {"[{'op':'queryOpSet'}]",
         {{NULL, NULL, "[{'op':'queryOpSet'}]"}, "no trigger writes such a fan-out"}},
        /* requests of parents */
        {"[{'op':'refresh','entry':'Post.note','key':'k'},{'op':'alive'}]",
         {{"[" REFRESH "]", "[{'op':'refresh','entry':'Post.note','key':'k'}]"}, NULL}},
        {"[{'op':'refresh','entry':'Post.none','key':1}]",
         {{NULL, "[{'op':'refresh','entry':'Post.none','key':1}]"},
          "triggers have no entry \"Post.none\" with such a key"}},
        {"[{'op':'refresh','entry':'Post.at','key':null}]",
         {{NULL, "[{'op':'refresh','entry':'Post.at','key':null}]"},
          "triggers have no entry \"Post.at\" with such a key"}},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char json[512];
        struct arena arena = {0};
        const struct json_value *ops;
        struct retry retry;
        assert_int_equal(
            json_parse(text_of(quoted(cases[i].ops, json, sizeof json)), 32, &arena, &ops, NULL),
            0);
        retry_from_ops(&config, 7, ops, &retry);
        check_retry(&retry, &cases[i].wanted);
        arena_free(&arena);
    }
}

#define FIELD(name) "[{'op':'refresh','fields':['" name "']}]"
#define SET_BY_HAND(name) "[{'op':'set','field':'" name "','value':null}]"

static void
test_F71_a_value_of_a_load_becomes_a_request_for_its_field(void **state)
{
    (void)state;
    static const struct {
        const char *place;
        struct wanted wanted;
    } cases[] = {
        {"", {{"[" REFRESH "]"}, NULL}},
        {"Image", {{"[" REFRESH "]"}, NULL}},
        {"Image.level", {{FIELD("level")}, NULL}},
        {"other.level", {{FIELD("level")}, NULL}}, /* of a dump phase */
        {"Image.other", {{SET_BY_HAND("other")}, NOTHING_OWNS}},
        {"Images.level", {{FIELD("level")}, NULL}},
        /* a pass over parents, and in "shop.Post" children */
        {"Post.note", {{NULL, "[" PARENT "]"}, NULL}},
        {"Post.at", {{NULL, "[" PARENT "]"}, NULL}},
        {"Post", {{NULL, "[" PARENT "]"}, NULL}},
        {"shop.Post.seen", {{FIELD("seen")}, NULL}},
        {"shop.Post", {{"[" REFRESH "]"}, NULL}},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct retry retry;
        retry_from_place(&config, 7, text_of(cases[i].place), &retry);
        check_retry(&retry, &cases[i].wanted);
    }
    struct retry retry;
    retry_from_field(&config, TEXT("level"), &retry);
    check_retry(&retry, &(struct wanted){{FIELD("level")}, NULL});
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_F71_a_letter_becomes_a_request_and_never_its_own_ops),
        cmocka_unit_test(test_F71_a_value_of_a_load_becomes_a_request_for_its_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
