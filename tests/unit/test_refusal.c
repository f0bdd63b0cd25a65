/* What `triggers apply` refuses of entries that Postgres accepts. */
#include "tests/unit/unit_test.h"

#include <string.h>

#include "common/config/config.h"
#include "producer/triggers/refusal.h"
#include "tests/unit/random_input.h"

enum { ENTRIES = 2 };

static const struct config_link image = {.table = "Image", .foreign_key = "postId", .slot = "id"};
static const struct config_link path[] = {
    {.table = "Album", .foreign_key = "postId", .key = "id"},
    {.table = "Image", .foreign_key = "albumId", .slot = "id"},
};
static const struct config_tracked_field at = {.column = "at", .target = "at"};
static const struct config_tracked_field poi = {.column = "poi", .target = "poi"};

static struct arena arena;
static struct config_trigger triggers[ENTRIES];
static struct entry entries[ENTRIES];
static const struct config config = {
    .path = "a.yaml", .triggers = triggers, .trigger_count = ENTRIES};
static const char *const keys[] = {"id"};

static int
setup(void **state)
{
    (void)state;
    arena_init(&arena);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

/* An entry as the catalogue would complete it. */
static void
make_entry(uint32_t number, struct config_trigger made, const struct config_tracked_field *field)
{
    struct entry *entry = &entries[number];
    const struct entry_table table = {
        .schema = "public", .name = "T", .quoted = "\"public\".\"T\""};
    triggers[number] = made;
    triggers[number].table = "Post";
    triggers[number].place = (struct config_place){number + 7, 5};
    triggers[number].track_fields = field;
    triggers[number].track_field_count = 1;
    entry_create(&config, number, &arena, entry);
    entry->outbox_schema = "public";
    entry->table = table;
    entry->slot_is_unique = true;
    for (uint32_t i = 0; i < entry->link_count; i++) {
        entry->links[i].table = table;
        entry->links[i].parent_key = i == 0 ? "id" : "albumKey";
    }
    if (entry->link_count == 0 && made.kind == TRIGGER_FAN_OUT) {
        entry->key_columns = keys;
        entry->key_column_count = 1;
    }
}

static void
make_direct(uint32_t number)
{
    make_entry(number, (struct config_trigger){.slot_field = "id"}, &poi);
}

static void
make_fan_out(uint32_t number, const char *query, const struct config_link *links, uint32_t count,
             const struct config_tracked_field *field)
{
    make_entry(number,
               (struct config_trigger){
                   .kind = TRIGGER_FAN_OUT, .query = query, .links = links, .link_count = count},
               field);
}

static void
expect(const char *setting, const char *reason)
{
    const struct refusal *refusal = refusal_find(entries, ENTRIES, &arena);
    if (setting == NULL) {
        assert_null(refusal);
        return;
    }
    assert_non_null(refusal);
    assert_string_equal(refusal->setting, setting);
    if (strstr(refusal->reason, reason) == NULL)
        fail_msg("%s", refusal->reason);
    assert_null(refusal->next);
}

static void
test_children_go_with_a_query_for_the_key_only(void **state)
{
    (void)state;
    static const struct {
        const char *query;
        bool is_accepted;
    } cases[] = {
        {"postId eq {id}", true},
        {"  postId  EQ '{id}' ", true},
        {"postId in [ {id} ]", true},
        {"postId eq {other}", false},
        {"postId eq {id} AND level eq 1", false},
        {"level eq 1 AND postId eq {id}", false},
        {"postId in {id}", false},
        {"postId in [{id}, 7]", false},
        {"postId in [7, {id}]", false},
        {"postId eq 1{id}", false},
        {"postId eq 1", false},
        {"{id} eq 1", false},
    };
    make_direct(0);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        make_fan_out(1, cases[i].query, &image, 1, &at);
        bool is_accepted = refusal_find(entries, ENTRIES, &arena) == NULL;
        if (is_accepted != cases[i].is_accepted)
            fail_msg("%s", cases[i].query);
    }
    make_fan_out(1, "postId eq {id}", path, COUNT_OF(path), &at);
    expect(NULL, NULL);
    make_fan_out(1, "postId eq {albumKey}", path, COUNT_OF(path), &at);
    expect("query", "must be \"field eq {id}\"");
    make_fan_out(1, "postId eq {id}", &image, 1, &at);
    triggers[1].query_source = "SELECT {id} AS id";
    expect("query", "write `rows_from`");
}

static void
test_several_parents_of_an_entity_need_rows_from(void **state)
{
    (void)state;
    make_direct(0);
    make_fan_out(1, "postId eq {id}", &image, 1, &at);
    entries[1].slot_is_unique = false;
    expect("children", "Image.id is not unique");
    make_entry(
        1,
        (struct config_trigger){.kind = TRIGGER_FAN_OUT_PER_ROW, .links = &image, .link_count = 1},
        &at);
    entries[1].slot_is_unique = false;
    expect(NULL, NULL);
}

static void
test_a_query_does_not_depend_on_a_fan_out(void **state)
{
    (void)state;
    make_fan_out(0, "postId eq {id}", &image, 1, &poi);
    make_fan_out(1, "level eq 1 AND poi in {ids}", NULL, 0, &at);
    expect("query", "field poi is set by a fan-out (triggers[0], line 7)");
    make_entry(
        0,
        (struct config_trigger){.kind = TRIGGER_FAN_OUT_PER_ROW, .links = &image, .link_count = 1},
        &poi);
    expect("query", "field poi is set by a fan-out (triggers[0], line 7)");
    make_direct(0);
    expect(NULL, NULL);
}

static void
test_a_parent_without_a_key_is_always_refused(void **state)
{
    (void)state;
    make_direct(0);
    make_fan_out(1, "level eq {id}", NULL, 0, &at);
    expect(NULL, NULL);
    entries[1].key_column_count = 0;
    expect("table", "table Post has no primary key");
    assert_true(refusal_find(entries, ENTRIES, &arena)->is_final);
    make_fan_out(1, "level eq {id}", &image, 1, &at);
    expect(NULL, NULL);
}

/* Time passes while a row stays as it is. */
static void
test_L11_a_new_value_that_changes_without_its_row_is_refused(void **state)
{
    (void)state;
    make_entry(0, (struct config_trigger){.slot_field = "id"}, &at);
    assert_null(refusal_find(entries, 1, &arena));
    entries[0].values[0].dependence.unstable = "now";
    const struct refusal *refusal = refusal_find(entries, 1, &arena);
    assert_non_null(refusal);
    assert_ptr_equal(refusal->value, &entries[0].values[0]);
    assert_non_null(strstr(refusal->reason, "now can change while the row does not"));
    assert_null(refusal->next);
    const struct text names[] = {TEXT("at")};
    const struct covered_fields nothing = {0};
    const struct covered_fields covered = {names, 1};
    assert_true(refusal_holds(refusal, &nothing));
    assert_false(refusal_holds(refusal, &covered)); /* what works today continues */
    entries[0].values[0].dependence.unstable = NULL;
    entries[0].filter_dependence.unstable = "random";
    refusal = refusal_find(entries, 1, &arena);
    assert_string_equal(refusal->setting, "filter");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_L11_a_new_value_that_changes_without_its_row_is_refused, setup, teardown),
        cmocka_unit_test(test_children_go_with_a_query_for_the_key_only),
        cmocka_unit_test(test_several_parents_of_an_entity_need_rows_from),
        cmocka_unit_test(test_a_query_does_not_depend_on_a_fan_out),
        cmocka_unit_test(test_a_parent_without_a_key_is_always_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
