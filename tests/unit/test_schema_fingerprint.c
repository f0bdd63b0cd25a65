#include "tests/unit/unit_test.h"

#include <string.h>

#include "common/event/event_codec.h"
#include "common/event/event_schema.h"
#include "common/event/schema_fingerprint.h"

/* The Avro project's own vectors (share/test/data/schema-tests.txt), as unsigned numbers. */
static void
test_the_fingerprint_equals_the_vectors_of_avro(void **state)
{
    (void)state;
    assert_true(schema_fingerprint_bytes("", 0) == UINT64_C(0xc15d213aa4d7a795));
    assert_true(schema_fingerprint_bytes("\"null\"", 6) == UINT64_C(0x63dd24e7cc258f8a));
    assert_true(schema_fingerprint_bytes("\"int\"", 5) == UINT64_C(0x7275d51a3f395c8f));
}

static void
test_the_canonical_form_keeps_what_determines_the_bytes(void **state)
{
    (void)state;
    const char *json =
        "{ \"namespace\": \"n.s\", \"doc\": \"d\", \"name\": \"R\", \"fields\": ["
        "{\"default\": null, \"name\": \"t\", \"type\": [\"null\", {\"logicalType\":"
        " \"timestamp-micros\", \"type\": \"long\"}]},"
        "{\"name\": \"e\", \"type\": {\"symbols\": [\"X\", \"Y\"], \"type\": \"enum\", \"name\": "
        "\"E\"}},"
        "{\"name\": \"a\", \"type\": {\"items\": \"E\", \"type\": \"array\"}, \"doc\": \"d\"}"
        "], \"type\": \"record\" }";
    const char *canonical = "{\"name\":\"n.s.R\",\"type\":\"record\",\"fields\":["
                            "{\"name\":\"t\",\"type\":[\"null\",\"long\"]},"
                            "{\"name\":\"e\",\"type\":{\"name\":\"n.s.E\",\"type\":\"enum\","
                            "\"symbols\":[\"X\",\"Y\"]}},"
                            "{\"name\":\"a\",\"type\":{\"type\":\"array\",\"items\":\"n.s.E\"}}]}";
    struct error err = {0};
    struct buffer out;
    buffer_init(&out);
    assert_int_equal(schema_canonical_form(text_of(json), &out, &err), 0);
    assert_string_equal(buffer_string(&out), canonical);
    buffer_free(&out);
}

static void
test_unsupported_schemas_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", "{", "\"nonsense\"", "\"float\"",
                                        "{\"type\":\"map\",\"values\":\"int\"}"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct error err = {0};
        uint64_t fingerprint;
        assert_int_equal(schema_fingerprint(text_of(wrong[i]), &fingerprint, &err), ERR_DATA);
        assert_true(err.message[0] != '\0');
    }
}

static void
test_every_released_schema_has_its_recorded_fingerprint(void **state)
{
    (void)state;
    for (int i = 0; i < EVENT_SCHEMAS; i++) {
        struct error err = {0};
        uint64_t fingerprint = 0;
        assert_int_equal(schema_fingerprint(text_of(event_schemas[i].json), &fingerprint, &err), 0);
        assert_true(fingerprint == event_schemas[i].fingerprint);
        assert_int_equal(event_schemas[i].version, i + 1);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_fingerprint_equals_the_vectors_of_avro),
        cmocka_unit_test(test_the_canonical_form_keeps_what_determines_the_bytes),
        cmocka_unit_test(test_unsupported_schemas_are_refused),
        cmocka_unit_test(test_every_released_schema_has_its_recorded_fingerprint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
