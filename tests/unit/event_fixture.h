/* What the tests of the codec share: events as literals, a comparison, random events, and damage.
 */
#ifndef TESTS_UNIT_EVENT_FIXTURE_H
#define TESTS_UNIT_EVENT_FIXTURE_H

#include "common/event/event_codec.h"
#include "tests/unit/golden_events.h"

/* clang-format off */
#define LIST(type, ...) \
    (const type[]){__VA_ARGS__}, sizeof((const type[]){__VA_ARGS__}) / sizeof(type)
#define OPS(...) {LIST(struct op, __VA_ARGS__)}
#define INTEGER(n) {.kind = VALUE_INTEGER, .integer = (n)}
#define FLOAT(n) {.kind = VALUE_FLOAT, .real = (n)}
#define BOOLEAN(b) {.kind = VALUE_BOOLEAN, .boolean = (b)}
#define STRING(s) {.kind = VALUE_STRING, .string = {(s), sizeof(s) - 1}}
#define INTEGERS(...) {.kind = VALUE_INTEGERS, .integers = {LIST(int64_t, __VA_ARGS__)}}
#define STRINGS(...) {.kind = VALUE_STRINGS, .strings = {LIST(struct text, __VA_ARGS__)}}
#define OP(op, name, ...) \
    {.kind = (op), .field = {(name), sizeof(name) - 1}, .value = __VA_ARGS__}
/* clang-format on */

struct event_fixture {
    struct event_codec *codec;
    struct arena arena;
    struct buffer bytes;
    struct error err;
};

/* For cmocka_unit_test_setup_teardown(). */
int event_fixture_setup(void **state);
int event_fixture_teardown(void **state);

/* Events are equal when they say the same; the CRC of a body is not compared. */
bool events_equal(const struct event *a, const struct event *b);

void golden_bytes(const struct golden_event *golden, struct buffer *out);

/* Any kind of event; a kind. */
struct event random_event(struct arena *arena);
struct event random_event_of(enum event_kind kind, struct arena *arena);

/* Decodes a copy that ends where its allocation ends, so that a sanitizer finds a read after it. */
int decode_exactly(struct event_fixture *fixture, const uint8_t *bytes, size_t size,
                   struct event *event);
/* Damaged bytes are refused, or they are another event that survives a round trip. */
void check_damaged(struct event_fixture *fixture, const struct buffer *damaged);

/* For every golden event: it is refused when it is cut anywhere, or followed by a byte. */
void check_golden_cut(struct event_fixture *fixture, const struct golden_event *golden,
                      size_t count);
/* Every flipped bit, and 20000 random changes. */
void check_golden_damage(struct event_fixture *fixture, const struct golden_event *golden,
                         size_t count);

#endif
