/* Which entries of `triggers` answer a request. */
#include "tests/unit/unit_test.h"

#include "producer/refresh/request_sources.h"

enum { IMAGE, IMAGE_MORE, OLD_IMAGE, TAGS, MORE_TAGS, POST, MODEL, ENTRIES };

static const struct config_tracked_field image_fields[] = {{.column = "level", .target = "level"},
                                                           {.column = "url", .target = "url"}};
static const struct config_tracked_field more_fields[] = {{.column = "size", .target = "size"}};
static const struct config_tracked_field old_fields[] = {{.column = "age", .target = "age"}};
static const struct config_tracked_field post_fields[] = {{.column = "at", .target = "postedAt"}};
static const struct config_tracked_field model_fields[] = {{.column = "poi", .target = "poi"}};
static const struct config_trigger triggers[ENTRIES] = {
    [IMAGE] = {.table = "Image",
               .sets_alive = true,
               .track_fields = image_fields,
               .track_field_count = 2},
    [IMAGE_MORE] = {.table = "Image", .track_fields = more_fields, .track_field_count = 1},
    [OLD_IMAGE] = {.table = "Old",
                   .sets_alive = true,
                   .track_fields = old_fields,
                   .track_field_count = 1},
    [TAGS] = {.kind = TRIGGER_JOIN, .table = "Tag", .field = "tags"},
    [MORE_TAGS] = {.kind = TRIGGER_JOIN, .table = "Tag", .field = "tags"},
    [POST] = {.kind = TRIGGER_FAN_OUT_PER_ROW,
              .table = "Post",
              .track_fields = post_fields,
              .track_field_count = 1},
    [MODEL] = {.kind = TRIGGER_FAN_OUT,
               .table = "Model",
               .track_fields = model_fields,
               .track_field_count = 1},
};
static const struct config config = {.triggers = triggers, .trigger_count = ENTRIES};

static bool
find(struct request request, const char *expected)
{
    bool entries[ENTRIES];
    char found[ENTRIES + 1] = {0};
    struct request_sources sources = {.entries = entries};
    request_sources_find(&config, &request, &sources);
    for (int i = 0; i < ENTRIES; i++)
        found[i] = entries[i] ? 'x' : '-';
    assert_string_equal(found, expected);
    return sources.states_alive;
}

static void
test_an_entity_is_read_from_all_sources_but_passes(void **state)
{
    (void)state;
    assert_true(find((struct request){.kind = REQUEST_ENTITY}, "xxxxxx-"));
}

static void
test_fields_restrict_an_entity_to_the_sources_that_own_them(void **state)
{
    (void)state;
    const struct text url[] = {TEXT("url")};
    const struct text two[] = {TEXT("nothing"), TEXT("tags")};
    const struct text poi[] = {TEXT("poi")};
    assert_false(
        find((struct request){.kind = REQUEST_ENTITY, .fields = url, .field_count = 1}, "x------"));
    find((struct request){.kind = REQUEST_ENTITY, .fields = two, .field_count = 2}, "---xx--");
    find((struct request){.kind = REQUEST_ENTITY, .fields = poi, .field_count = 1}, "-------");
}

/* A chunk states all of a field, so the other entry that writes it is read as well. */
static void
test_entries_that_share_a_field_are_read_together(void **state)
{
    (void)state;
    find((struct request){.kind = REQUEST_CHILD, .entry = TAGS}, "---xx--");
    find((struct request){.kind = REQUEST_CHILD, .entry = MORE_TAGS}, "---xx--");
    find((struct request){.kind = REQUEST_CHILD, .entry = IMAGE_MORE}, "-x-----");
}

/* One of them alone would say that an entity of the other is not alive. */
static void
test_entries_that_set_alive_are_read_together(void **state)
{
    (void)state;
    assert_true(find((struct request){.kind = REQUEST_CHILD, .entry = IMAGE}, "x-x----"));
}

static void
test_a_parent_is_read_by_its_entry(void **state)
{
    (void)state;
    find((struct request){.kind = REQUEST_PARENT, .entry = POST}, "-----x-");
    find((struct request){.kind = REQUEST_PARENT, .entry = MODEL}, "------x");
    find((struct request){.kind = REQUEST_CHILD, .entry = MODEL}, "-------");
    assert_true(request_sources_is_pass(&config, MODEL));
    assert_false(request_sources_is_pass(&config, POST));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_entity_is_read_from_all_sources_but_passes),
        cmocka_unit_test(test_fields_restrict_an_entity_to_the_sources_that_own_them),
        cmocka_unit_test(test_entries_that_share_a_field_are_read_together),
        cmocka_unit_test(test_entries_that_set_alive_are_read_together),
        cmocka_unit_test(test_a_parent_is_read_by_its_entry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
