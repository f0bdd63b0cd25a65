/* The requests of a row, from the JSON of its ops. */
#include "tests/unit/unit_test.h"

#include "common/ops/ops_json.h"
#include "producer/refresh/row_requests.h"

static const struct config_tracked_field image_fields[] = {{.column = "level", .target = "level"}};
static const struct config_tracked_field post_fields[] = {{.column = "at", .target = "postedAt"}};
static const struct config_tracked_field album_fields[] = {{.column = "at", .target = "openedAt"}};
static const struct config_trigger triggers[] = {
    {.table = "Image", .track_fields = image_fields, .track_field_count = 1},
    {.kind = TRIGGER_FAN_OUT_PER_ROW,
     .table = "Post",
     .track_fields = post_fields,
     .track_field_count = 1},
    {.table = "Album", .sets_alive = true, .track_fields = album_fields, .track_field_count = 1},
};
static const struct config config = {.triggers = triggers, .trigger_count = 3};

static struct arena arena;

static struct row_requests
read_row(const char *json)
{
    struct ops ops;
    struct error err;
    enum ops_route route;
    struct row_requests requests;
    if (ops_json_parse(text_of(json), &ops_limits_default, &arena, &ops, &route, &err) != 0)
        fail_msg("%s: %s", json, err.message);
    row_requests_read(&config, 7, &ops, &arena, &requests);
    assert_true(requests.count == 0 || row_requests_are_possible(text_of(json)));
    return requests;
}

static struct request
read_one(const char *json)
{
    struct row_requests requests = read_row(json);
    assert_int_equal(requests.count, 1);
    return requests.items[0];
}

static void
test_rows_without_requests_are_not_parsed(void **state)
{
    (void)state;
    assert_false(row_requests_are_possible(TEXT("[{\"op\": \"alive\"}]")));
    assert_false(row_requests_are_possible((struct text){0}));
    assert_int_equal(
        read_row("[{\"op\": \"set\", \"field\": \"refresh\", \"value\": \"refresh\"}]").count, 0);
}

static void
test_a_request_is_for_an_entity_a_child_or_a_parent(void **state)
{
    (void)state;
    struct request request = read_one("[{\"op\":\"alive\"},{\"op\":\"refresh\"}]");
    assert_int_equal(request.kind, REQUEST_ENTITY);
    assert_int_equal(request.entity_id, 7);
    assert_int_equal(request.field_count, 0);
    request = read_one("[{\"op\":\"refresh\",\"entry\":\"Post.postedAt\"}]");
    assert_int_equal(request.kind, REQUEST_CHILD);
    assert_int_equal(request.entity_id, 7);
    assert_int_equal(request.entry, 1);
    request = read_one("[{\"op\":\"refresh\",\"entry\":\"Post.postedAt\",\"key\":-12}]");
    assert_int_equal(request.kind, REQUEST_PARENT);
    assert_int_equal(request.entry, 1);
    assert_true(text_is(request.key, "-12"));
    struct request same = read_one("[{\"op\":\"refresh\",\"entry\":\"Post.postedAt\","
                                   "\"key\":\"-12\"}]");
    assert_true(request_equal(&request, &same));
    assert_int_equal(request_hash(&request), request_hash(&same));
}

static void
test_fields_in_another_order_are_the_same_request(void **state)
{
    (void)state;
    struct request one = read_one("[{\"op\":\"refresh\",\"fields\":[\"b\",\"a\",\"b\"]}]");
    struct request two = read_one("[{\"op\":\"refresh\",\"fields\":[\"a\",\"b\"]}]");
    struct request other = read_one("[{\"op\":\"refresh\",\"fields\":[\"a\"]}]");
    assert_int_equal(one.field_count, 2);
    assert_true(text_is(one.fields[0], "a"));
    assert_true(request_equal(&one, &two));
    assert_int_equal(request_hash(&one), request_hash(&two));
    assert_false(request_equal(&one, &other));
}

/* Different requests for one entity are one that answers all of them, and reads no other source: a
 * row that is the child of several entries asks for each of them. */
static void
test_an_entity_is_read_once_for_a_row(void **state)
{
    (void)state;
    struct request request = read_one("[{\"op\":\"refresh\",\"entry\":\"Post.postedAt\"},"
                                      "{\"op\":\"refresh\",\"entry\":\"Image.level\"},"
                                      "{\"op\":\"refresh\",\"fields\":[\"a\",\"level\"]}]");
    assert_int_equal(request.kind, REQUEST_ENTITY);
    assert_int_equal(request.field_count, 3);
    assert_true(text_is(request.fields[0], "a"));
    assert_true(text_is(request.fields[1], "level"));
    assert_true(text_is(request.fields[2], "postedAt"));
    request = read_one("[{\"op\":\"refresh\",\"entry\":\"Post.postedAt\"},{\"op\":\"refresh\"}]");
    assert_int_equal(request.kind, REQUEST_ENTITY);
    assert_int_equal(request.field_count, 0);
    request = read_one("[{\"op\":\"refresh\",\"fields\":[\"a\"]},"
                       "{\"op\":\"refresh\",\"fields\":[\"a\"]}]");
    assert_int_equal(request.field_count, 1);
}

/* No list of fields asks whether an entity exists: a row that was changed again by the application,
 * and shows columns of a parent, asks for both. */
static void
test_F85_the_existence_of_an_entity_is_asked_for_beside_other_sources(void **state)
{
    (void)state;
    struct request request = read_one("[{\"op\":\"refresh\",\"entry\":\"Album.openedAt\"}]");
    assert_int_equal(request.kind, REQUEST_CHILD);
    assert_int_equal(request.entry, 2);
    request = read_one("[{\"op\":\"refresh\",\"entry\":\"Album.openedAt\"},"
                       "{\"op\":\"refresh\",\"entry\":\"Post.postedAt\"}]");
    assert_int_equal(request.kind, REQUEST_ENTITY);
    assert_int_equal(request.field_count, 0);
}

/* An entry that this configuration does not have: its child is read as a whole, and its parent
 * waits for a load. So does the parent of an entry that has none. */
static void
test_unknown_entries_are_answered_by_more(void **state)
{
    (void)state;
    struct request request = read_one("[{\"op\":\"refresh\",\"entry\":\"User.name\"}]");
    assert_int_equal(request.kind, REQUEST_ENTITY);
    assert_int_equal(request.entity_id, 7);
    struct row_requests requests =
        read_row("[{\"op\":\"refresh\",\"entry\":\"User.name\",\"key\":1},"
                 "{\"op\":\"refresh\",\"entry\":\"Image.level\",\"key\":2},"
                 "{\"op\":\"refresh\",\"entry\":\"Post.postedAt\",\"key\":2}]");
    assert_int_equal(requests.count, 3);
    assert_int_equal(requests.items[0].kind, REQUEST_SOURCE);
    assert_int_equal(requests.items[0].entry, REQUEST_UNKNOWN_ENTRY);
    assert_true(request_equal(&requests.items[0], &requests.items[1]));
    assert_int_equal(requests.items[2].entry, 1);
}

/* All rows of a source, however many are named in one row of the outbox. */
static void
test_a_request_may_be_for_a_whole_source(void **state)
{
    (void)state;
    struct row_requests requests =
        read_row("[{\"op\":\"refresh\",\"entry\":\"Image.level\",\"all\":true},"
                 "{\"op\":\"refresh\",\"entry\":\"Post.postedAt\",\"all\":true},"
                 "{\"op\":\"refresh\",\"entry\":\"User.name\",\"all\":true},"
                 "{\"op\":\"refresh\",\"entry\":\"Post.postedAt\",\"key\":2}]");
    assert_int_equal(requests.count, 4);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(requests.items[i].kind, REQUEST_SOURCE);
    assert_int_equal(requests.items[0].entry, 0);
    assert_int_equal(requests.items[1].entry, 1);
    assert_int_equal(requests.items[2].entry, REQUEST_UNKNOWN_ENTRY);
    assert_int_equal(requests.items[3].kind, REQUEST_PARENT);
    requests = read_row("[{\"op\":\"refresh\",\"entry\":\"Post.postedAt\",\"all\":true}]");
    assert_int_equal(requests.count, 1);
    assert_int_equal(requests.items[0].kind, REQUEST_SOURCE);
    assert_int_equal(requests.items[0].entity_id, 0);
}

static int
teardown(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_without_requests_are_not_parsed),
        cmocka_unit_test(test_a_request_is_for_an_entity_a_child_or_a_parent),
        cmocka_unit_test(test_fields_in_another_order_are_the_same_request),
        cmocka_unit_test(test_an_entity_is_read_once_for_a_row),
        cmocka_unit_test(test_F85_the_existence_of_an_entity_is_asked_for_beside_other_sources),
        cmocka_unit_test(test_unknown_entries_are_answered_by_more),
        cmocka_unit_test(test_a_request_may_be_for_a_whole_source),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
