/* Documents of entities and of the page of a query over several shards; what requests ask for. */
#include "tests/unit/unit_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "consumer/query/query_documents.h"
#include "consumer/query/query_merge.h"
#include "consumer/query/query_reply.h"
#include "consumer/query/query_request.h"
#include "tests/unit/engine_fixture.h"
#include "tests/unit/random_input.h"

enum { SHARDS = 3, ENTITIES = 60, BYTES_MAX = 1 << 20 };

/* The fields of these names, of the fixture's index. */
static struct field_set
fields_of(const char *const *names, uint32_t count)
{
    struct config_fields index;
    struct field_set set = {{0}};
    config_fields_init(&index, &fixture_index);
    for (uint32_t i = 0; i < count; i++)
        config_fields_add(&index, &(struct text){names[i], strlen(names[i])}, 1, &set);
    config_fields_free(&index);
    return set;
}

static void
assert_document(const struct world *world, int64_t slot, const char *const *names, uint32_t count,
                const char *wanted)
{
    struct buffer out;
    const struct field_set set = fields_of(names, count);
    buffer_init(&out);
    engine_document_json(world->engine, fixture_entity(slot), &set, &out);
    assert_string_equal(buffer_string(&out), wanted);
    buffer_free(&out);
}

static void
test_a_document_has_the_chosen_fields_with_and_without_values(void **state)
{
    struct world *world = *state;
    static const char *const names[] = {"sortAt", "type", "tagIds", "hasMeta", "postId", "firstAt"};
    world_apply(world, 0,
                "[{'op':'alive'},{'op':'set','field':'tagIds','value':[7,3]},"
                "{'op':'set','field':'type','value':'a \\u0022b'},"
                "{'op':'set','field':'existedAt','value':5},"
                "{'op':'set','field':'hasMeta','value':false}]");
    assert_document(world, 0, names, 6,
                    "{\"id\":1,\"postId\":null,\"tagIds\":[3,7],\"hasMeta\":false,"
                    "\"type\":\"a \\\"b\",\"sortAt\":5,\"firstAt\":5}");
    assert_document(world, 0, names, 0, "{\"id\":1}");
    world_apply(world, 1, "[{'op':'alive'}]");
    assert_document(world, 1, names, 6,
                    "{\"id\":4,\"postId\":null,\"tagIds\":[],\"hasMeta\":null,\"type\":null,"
                    "\"sortAt\":null,\"firstAt\":null}");
}

static void
test_an_entity_that_is_not_alive_has_no_document(void **state)
{
    struct world *world = *state;
    static const char *const names[] = {"postId"};
    struct buffer out;
    const struct field_set set = fields_of(names, 1);
    world_apply(world, 0, "[{'op':'set','field':'postId','value':7}]");
    assert_document(world, 0, names, 1, "null");
    world_apply(world, 0, "[{'op':'alive'}]");
    assert_document(world, 0, names, 1, "{\"id\":1,\"postId\":7}");
    world_apply(world, 0, "[{'op':'delete'}]");
    assert_document(world, 0, names, 1, "null");
    world_apply(world, 0, "[{'op':'alive'}]");
    assert_document(world, 0, names, 1, "{\"id\":1,\"postId\":null}");
    buffer_init(&out);
    engine_document_json(world->engine, 2, &set, &out); /* of another shard */
    engine_document_json(world->engine, -1, &set, &out);
    engine_document_json(world->engine, INT64_MAX, &set, &out);
    assert_string_equal(buffer_string(&out), "nullnullnull");
    buffer_free(&out);
}

/* --- the page of a query --------------------------------------------------------------------- */

struct shards {
    struct engine *engines[SHARDS];
};

static void
shards_create(struct shards *shards)
{
    for (int32_t i = 0; i < SHARDS; i++) {
        const struct engine_options options = {.index = &fixture_index,
                                               .partition = i,
                                               .partitions = SHARDS,
                                               .max_slots = INT64_C(1) << 32};
        struct error err;
        assert_int_equal(engine_create(&options, &shards->engines[i], &err), 0);
        engine_advance(shards->engines[i], 1000);
    }
}

static void
shards_change(struct shards *shards, int64_t id)
{
    char json[256];
    snprintf(json, sizeof json,
             "[{'op':'%s'},{'op':'set','field':'rank','value':%s},"
             "{'op':'set','field':'tagIds','value':[%d,%d]}]",
             random_below(8) == 0 ? "delete" : "alive",
             random_below(4) == 0 ? "null" : (const char *[]){"1", "2", "3", "4"}[random_below(4)],
             (int)random_below(5), (int)random_below(5));
    fixture_apply(shards->engines[id % SHARDS], id, json);
}

static void
shards_destroy(struct shards *shards)
{
    for (int32_t i = 0; i < SHARDS; i++)
        engine_destroy(shards->engines[i]);
}

/* Takes the answers of all shards. Between two shards, every entity changes. */
static int
shards_answer(struct shards *shards, const struct engine_query *query,
              struct query_documents *documents, struct engine_result *results,
              struct buffer *wanted, struct error *err)
{
    int rc = 0;
    for (int32_t i = 0; rc == 0 && i < SHARDS; i++) {
        assert_int_equal(engine_query(shards->engines[i], query, &results[i], err), 0);
        rc = query_documents_take(documents, shards->engines[i], &results[i], err);
        for (int64_t id = 0; id < ENTITIES; id++) {
            if (id % SHARDS != i)
                continue;
            engine_document_json(shards->engines[i], id, &documents->fields, &wanted[id]);
            shards_change(shards, id);
        }
    }
    return rc;
}

static void
assert_page(const struct engine_query *query, const struct query_documents *documents,
            const struct engine_result *results, struct buffer *wanted)
{
    struct query_page page;
    struct buffer out;
    buffer_init(&out);
    query_merge(query, results, SHARDS, &page);
    for (uint64_t i = 0; i < page.count; i++) {
        int64_t id = page.hits[i].entity_id;
        struct text document = query_documents_at(documents, i, id);
        assert_true(text_is(document, buffer_string(&wanted[id])));
    }
    const struct query_reply reply = {.page = &page, .documents = documents};
    query_reply_write(&reply, &out);
    assert_non_null(strstr(buffer_string(&out), "],\"documents\":["));
    buffer_free(&out);
    query_page_free(&page);
}

static void
check_random_page(struct shards *shards)
{
    static const char *const names[] = {"rank", "tagIds"};
    const struct field_set set = fields_of(names, 2);
    const struct engine_query query = {
        .sort_field = random_below(2) == 0 ? (struct text){0} : TEXT("rank"),
        .direction = random_below(2) == 0 ? ENGINE_ASCENDING : ENGINE_DESCENDING,
        .limit = random_below(20),
        .offset = random_below(3) == 0 ? random_below(20) : 0,
    };
    struct query_documents documents;
    struct engine_result results[SHARDS];
    struct buffer wanted[ENTITIES];
    struct error err;
    for (int i = 0; i < ENTITIES; i++)
        buffer_init(&wanted[i]);
    query_documents_init(&documents, &query, &set, BYTES_MAX);
    assert_int_equal(shards_answer(shards, &query, &documents, results, wanted, &err), 0);
    assert_true(documents.count <= query.limit + query.offset);
    assert_page(&query, &documents, results, wanted);
    query_documents_free(&documents);
    for (int i = 0; i < SHARDS; i++)
        engine_result_free(&results[i]);
    for (int i = 0; i < ENTITIES; i++)
        buffer_free(&wanted[i]);
}

static void
test_a_document_shows_what_its_entity_was_matched_with(void **state)
{
    (void)state;
    while (random_round(20)) {
        struct shards shards;
        shards_create(&shards);
        for (int64_t id = 0; id < ENTITIES; id++)
            shards_change(&shards, id);
        for (int i = 0; i < 20; i++)
            check_random_page(&shards);
        shards_destroy(&shards);
    }
}

static void
test_L10_documents_have_a_limit_of_bytes(void **state)
{
    struct world *world = *state;
    static const char *const names[] = {"tagIds"};
    const struct field_set set = fields_of(names, 1);
    const struct engine_query query = {.limit = 10, .direction = ENGINE_DESCENDING};
    struct engine_result result;
    struct error err;
    world_apply(world, 0, "[{'op':'alive'},{'op':'set','field':'tagIds','value':[1,2]}]");
    world_apply(world, 1, "[{'op':'alive'},{'op':'set','field':'tagIds','value':[1,2]}]");
    assert_int_equal(engine_query(world->engine, &query, &result, &err), 0);
    size_t bytes = 2 * strlen("{\"id\":1,\"tagIds\":[1,2]}");
    for (size_t limit = bytes - 1; limit <= bytes; limit++) {
        struct query_documents documents;
        query_documents_init(&documents, &query, &set, limit);
        int rc = query_documents_take(&documents, world->engine, &result, &err);
        assert_int_equal(rc, limit < bytes ? ERR_DATA : 0);
        query_documents_free(&documents);
    }
    engine_result_free(&result);
}

/* --- requests -------------------------------------------------------------------------------- */

/* In the JSON of these tests, ' stands for ". */
static struct text
body_of(struct arena *arena, const char *json)
{
    char *text = arena_strdup(arena, text_of(json));
    for (char *at = text; *at != '\0'; at++)
        *at = *at == '\'' ? '"' : *at;
    return text_of(text);
}

/* The chosen fields, "none" or the refusal. */
static void
assert_fields(const char *value, const char *wanted)
{
    static const struct query_limits limits = {
        .limit = 100, .page = 100, .depth = 4, .clauses = 10, .values = 10};
    struct query_request request;
    struct config_fields index;
    struct field_set set;
    struct error err = {0};
    struct arena arena;
    char shown[ERROR_MESSAGE_BYTES] = "";
    arena_init(&arena);
    config_fields_init(&index, &fixture_index);
    int rc = query_request_parse(body_of(&arena, value), &limits, &arena, &request, &err);
    if (rc == 0 && request.documents.wanted)
        rc = document_fields_resolve(&request.documents, &index, &set, &err);
    else if (rc == 0)
        snprintf(shown, sizeof shown, "none");
    if (rc != 0)
        snprintf(shown, sizeof shown, "%s", err.message);
    for (uint32_t i = 0; rc == 0 && request.documents.wanted && i < index.count; i++) {
        size_t used = strlen(shown);
        if (field_set_has(&set, i))
            snprintf(shown + used, sizeof shown - used, "%s ", index.names[i]);
    }
    assert_string_equal(shown, wanted);
    config_fields_free(&index);
    arena_free(&arena);
}

static void
test_a_query_chooses_the_fields_of_its_documents(void **state)
{
    (void)state;
    static const char all[] = "nsfwLevel postId tagIds hasMeta type score rank existedAt "
                              "publishedAt sortAt firstAt ";
    static const char *const cases[][2] = {
        {"{}", "none"},
        {"{'include_docs':null,'fields':null}",
         "include_docs and fields mean the same: give one of them"},
        {"{'include_docs':null}", "none"},
        {"{'include_docs':false}", "none"},
        {"{'include_docs':[]}", "none"},
        {"{'include_docs':true}", all},
        {"{'fields':true}", all},
        {"{'include_docs':['*']}", all},
        {"{'include_docs':['type','*']}", all},
        {"{'fields':['type','postId','type']}", "postId type "},
        {"{'include_docs':['id']}", ""},
        {"{'include_docs':['id','sortAt']}", "sortAt "},
        {"{'include_docs':1}",
         "the fields of documents are true, false or a list of names, not integer"},
        {"{'include_docs':[1]}", "the list of fields takes names, not integer"},
        {"{'include_docs':['alive']}",
         "the index has no field \"alive\"; fields: id, nsfwLevel, postId, tagIds, hasMeta, type, "
         "score, rank, existedAt, publishedAt, sortAt, firstAt"},
        {"{'include_docs':['tagId']}",
         "the index has no field \"tagId\"; closest: \"tagIds\"; fields: id, nsfwLevel, postId, "
         "tagIds, hasMeta, type, score, rank, existedAt, publishedAt, sortAt, firstAt"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_fields(cases[i][0], cases[i][1]);
}

/* What a request for documents says: "ids 1 2, all", or its refusal. */
static void
assert_request(const char *json, bool is_one, const char *wanted)
{
    struct document_request request;
    struct error err = {0};
    struct arena arena;
    char shown[ERROR_MESSAGE_BYTES] = "ids";
    arena_init(&arena);
    struct text body = body_of(&arena, json);
    int rc = is_one ? document_request_parse_one(body, &arena, &request, &err)
                    : document_request_parse(body, 3, &arena, &request, &err);
    for (uint32_t i = 0; rc == 0 && i < request.count; i++) {
        size_t used = strlen(shown);
        snprintf(shown + used, sizeof shown - used, " %lld", (long long)request.ids[i]);
    }
    size_t used = strlen(shown);
    if (rc != 0)
        snprintf(shown, sizeof shown, "%s", err.message);
    else if (request.fields.all)
        snprintf(shown + used, sizeof shown - used, ", all");
    else
        snprintf(shown + used, sizeof shown - used, ", %u", request.fields.count);
    if (strstr(shown, wanted) != shown)
        fail_msg("%s: wanted \"%s\", got \"%s\"", json, wanted, shown);
    arena_free(&arena);
}

static void
test_requests_for_documents_have_ids_and_fields(void **state)
{
    (void)state;
    assert_request("{'ids':[3,1,3]}", false, "ids 3 1 3, all");
    assert_request("{'slot_ids':[-1]}", false, "ids -1, all");
    assert_request("{'ids':[],'fields':['a','b']}", false, "ids, 2");
    assert_request("{'ids':[1],'fields':null}", false, "ids 1, all");
    assert_request("{'ids':[1],'fields':false}", false, "ids 1, 0");
    assert_request("{'ids':[1,2,3,4]}", false,
                   "4 ids are more than consumer.documents_limit, 3: ask for them in several");
    assert_request("{'ids':[1],'slot_ids':[2]}", false, "ids and slot_ids mean the same");
    assert_request("{'ids':1}", false, "the body needs ids, a list of integers");
    assert_request("{}", false, "the body needs ids, a list of integers");
    assert_request("[]", false, "the body takes an object, not array");
    assert_request("{'ids':[1,'2']}", false, "ids: [1] must be an integer of 64 bits, not string");
    assert_request("{'ids':[9223372036854775808]}", false, "ids: [0] must be an integer");
    assert_request("{'slotIds':[1]}", false,
                   "the body has no member \"slotIds\"; closest: \"slot_ids\", \"ids\"; members: "
                   "ids, slot_ids, fields");
    assert_request("{'slot_id':7}", true, "ids 7, all");
    assert_request("{'id':7,'fields':['a']}", true, "ids 7, 1");
    assert_request("{'slot_id':7,'fields':true}", true, "ids 7, all");
    assert_request("{'slot_id':null}", true, "the body needs slot_id, an integer of 64 bits");
    assert_request("{'ids':[1]}", true, "the body has no member \"ids\"");
    assert_request("{'slot_id':", true, "not JSON");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_a_document_has_the_chosen_fields_with_and_without_values),
        WORLD_TEST(test_an_entity_that_is_not_alive_has_no_document),
        cmocka_unit_test(test_a_document_shows_what_its_entity_was_matched_with),
        WORLD_TEST(test_L10_documents_have_a_limit_of_bytes),
        cmocka_unit_test(test_a_query_chooses_the_fields_of_its_documents),
        cmocka_unit_test(test_requests_for_documents_have_ids_and_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
