/* The names by which requests refer to entries of `triggers`. */
#include "tests/unit/unit_test.h"

#include "common/config/config_entry.h"
#include "tests/unit/random_input.h"

static const struct config_tracked_field image_fields[] = {{.column = "level", .target = "level"},
                                                           {.column = "a#2", .target = "a#2"}};
static const struct config_computed_field image_computed[] = {
    {.target = "isGood", .expression = "{level} = 1"}};
static const struct config_tracked_field post_fields[] = {{.column = "at", .target = "postedAt"}};
static const struct config_link path[] = {{.table = "Version", .foreign_key = "modelId"},
                                          {.table = "Resource", .foreign_key = "versionId"},
                                          {.table = "Image", .foreign_key = "id", .slot = "id"}};
static const struct config_trigger triggers[] = {
    {.table = "Image", .sets_alive = true},
    {.table = "Image",
     .track_fields = image_fields,
     .track_field_count = 2,
     .computed_fields = image_computed,
     .computed_field_count = 1},
    /* The track_fields of a join have no effect. */
    {.kind = TRIGGER_JOIN,
     .table = "public.Tag",
     .field = "tags",
     .track_fields = post_fields,
     .track_field_count = 1},
    {.kind = TRIGGER_FAN_OUT,
     .table = "blog.Post",
     .track_fields = post_fields,
     .track_field_count = 1},
    /* The same fields in another way, and a second entry without fields. */
    {.kind = TRIGGER_FAN_OUT_PER_ROW,
     .table = "blog.Post",
     .links = path,
     .link_count = COUNT_OF(path),
     .track_fields = post_fields,
     .track_field_count = 1},
    {.table = "Image", .sets_alive = true},
};
static const struct config config = {.triggers = triggers,
                                     .trigger_count = sizeof triggers / sizeof triggers[0]};

static void
test_an_entry_owns_the_fields_that_it_writes(void **state)
{
    (void)state;
    assert_null(config_entry_field(&config, 0, 0));
    assert_string_equal(config_entry_field(&config, 1, 0), "level");
    assert_string_equal(config_entry_field(&config, 1, 2), "isGood");
    assert_null(config_entry_field(&config, 1, 3));
    assert_string_equal(config_entry_field(&config, 2, 0), "tags");
    assert_null(config_entry_field(&config, 2, 1));
    assert_true(config_entry_owns(&config, 1, TEXT("isGood")));
    assert_false(config_entry_owns(&config, 1, TEXT("tags")));
    assert_false(config_entry_owns(&config, 1, TEXT("")));
    assert_int_equal(config_entry_owner(&config, TEXT("tags")), 2);
    assert_int_equal(config_entry_owner(&config, TEXT("postedAt")), 3);
    assert_int_equal(config_entry_owner(&config, TEXT("nothing")), -1);
}

static void
test_every_entry_is_found_by_its_name(void **state)
{
    (void)state;
    static const char *const names[] = {
        "Image",  "Image.level", "Tag.tags", "blog.Post.postedAt", "blog.Post.postedAt#2",
        "Image#2"};
    for (uint32_t i = 0; i < COUNT_OF(triggers); i++) {
        struct buffer name = {0};
        config_entry_append_name(&config, i, &name);
        assert_string_equal(buffer_string(&name), names[i]);
        assert_int_equal(config_entry_find(&config, text_of(buffer_string(&name))), i);
        buffer_free(&name);
    }
}

static void
test_any_field_of_an_entry_names_it(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int32_t index;
    } cases[] = {
        {"Image.isGood", 1},
        {"Image.a#2", 1}, /* the name of a field, not a number */
        {"public.Image.level", 1},
        {"public.Image", 0},
        {"public.Image#2", 5},
        {"public.Tag.tags", 2},
        {"", -1},
        {"#2", -1},
        {"Imag", -1},
        {"Images", -1},
        {"Image.", -1},
        {"Image.tags", -1},
        {"Image#1", -1},
        {"Image#02", -1},
        {"Image#3", -1},
        {"Image#", -1},
        {"Image2", -1},
        {"Image#1000002", -1},
        {"Image.level#2", -1},
        {"Post.postedAt", -1}, /* of another schema */
        {"public.blog.Post.postedAt#2", 4},
        {"blog.Post.postedAt#3", -1},
        {"level", -1},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (config_entry_find(&config, text_of(cases[i].name)) != cases[i].index)
            fail_msg("%s", cases[i].name);
}

static void
test_a_level_is_a_table_of_the_path(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int32_t index;
        uint32_t level;
    } cases[] = {
        {"blog.Post.postedAt#2", 4, 0},
        {"blog.Post.postedAt#2/1", 4, 1},
        {"blog.Post.postedAt#2/2", 4, 2},
        {"blog.Post.postedAt#2/3", -1, 3}, /* the last link asks by slot */
        {"blog.Post.postedAt#2/0", -1, 0},
        {"blog.Post.postedAt#2/12", -1, 0},
        {"blog.Post.postedAt/1", -1, 1}, /* has no path */
        {"/1", -1, 1},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint32_t level;
        int32_t found = config_entry_find_level(&config, text_of(cases[i].name), &level);
        if (found != cases[i].index || level != cases[i].level)
            fail_msg("%s: %d, %u", cases[i].name, found, level);
    }
    struct buffer name = {0};
    config_entry_append_name(&config, 4, &name);
    config_entry_append_level(2, &name);
    assert_string_equal(buffer_string(&name), "blog.Post.postedAt#2/2");
    buffer_free(&name);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_entry_owns_the_fields_that_it_writes),
        cmocka_unit_test(test_every_entry_is_found_by_its_name),
        cmocka_unit_test(test_any_field_of_an_entry_names_it),
        cmocka_unit_test(test_a_level_is_a_table_of_the_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
