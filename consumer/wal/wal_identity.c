#include "consumer/wal/wal_identity.h"

#include <inttypes.h>
#include <string.h>

#include "common/base/check.h"
#include "common/config/config_identity.h"

enum { SHOWN_BYTES_MAX = 400, NAME_BYTES_MAX = 120, VALUE_BYTES_MAX = 80 };

struct line {
    struct text name;
    struct text value;
};

struct differences {
    struct buffer shown;
    uint32_t hidden; /* how many did not fit into `shown` */
    uint32_t fields; /* lines of fields that differ */
};

/* Removes the first line from `rest`; false: `rest` is empty. */
static bool
take_line(struct text *rest, struct line *line)
{
    if (rest->bytes == 0)
        return false;
    const char *end = memchr(rest->data, '\n', rest->bytes);
    size_t bytes = end != NULL ? (size_t)(end - rest->data) : rest->bytes;
    const char *colon = memmem(rest->data, bytes, ": ", 2);
    size_t name_bytes = colon != NULL ? (size_t)(colon - rest->data) : bytes;
    size_t value_begin = colon != NULL ? name_bytes + 2 : bytes;
    line->name = (struct text){rest->data, name_bytes};
    line->value = (struct text){rest->data + value_begin, bytes - value_begin};
    size_t taken = bytes + (end != NULL ? 1 : 0);
    CHECK(0 < taken && taken <= rest->bytes);
    *rest = (struct text){rest->data + taken, rest->bytes - taken};
    return true;
}

/* False: no line has that name; `*value` is then "absent". */
static bool
find_value(struct text identity, struct text name, struct text *value)
{
    struct line line;
    while (take_line(&identity, &line)) {
        if (text_equal(line.name, name)) {
            *value = line.value;
            return true;
        }
    }
    *value = TEXT("absent");
    return false;
}

static struct text
cut(struct text text, size_t bytes_max)
{
    return (struct text){text.data, text.bytes < bytes_max ? text.bytes : bytes_max};
}

static void
add_difference(struct differences *differences, struct text name, struct text found,
               struct text expected)
{
    struct buffer *shown = &differences->shown;
    size_t before = shown->bytes;
    if (config_identity_is_field(name)) {
        differences->fields++;
        return;
    }
    buffer_append_format(shown, "%s%.*s: %.*s in the log, %.*s expected", before > 0 ? "; " : "",
                         TEXT_ARGS(cut(name, NAME_BYTES_MAX)),
                         TEXT_ARGS(cut(found, VALUE_BYTES_MAX)),
                         TEXT_ARGS(cut(expected, VALUE_BYTES_MAX)));
    if (shown->bytes > SHOWN_BYTES_MAX) {
        shown->bytes = before;
        differences->hidden++;
    }
    CHECK(shown->bytes > 0 && shown->bytes <= SHOWN_BYTES_MAX);
}

static void
find_differences(struct text expected, struct text found, struct differences *differences)
{
    struct line line;
    struct text other;
    for (struct text rest = found; take_line(&rest, &line);)
        if (!find_value(expected, line.name, &other) || !text_equal(line.value, other))
            add_difference(differences, line.name, line.value, other);
    for (struct text rest = expected; take_line(&rest, &line);)
        if (!find_value(found, line.name, &other))
            add_difference(differences, line.name, other, line.value);
}

int
wal_identity_check(struct text expected, struct text found, struct error *err)
{
    if (text_equal(expected, found))
        return 0;
    struct differences differences = {0};
    find_differences(expected, found, &differences);
    if (differences.fields > 0 && config_identity_same_log(expected, found)) {
        buffer_free(&differences.shown);
        return 0;
    }
    if (differences.shown.bytes == 0)
        buffer_append_text(&differences.shown, "the same lines in another order or layout");
    if (differences.hidden > 0)
        buffer_append_format(&differences.shown, "; and %" PRIu32 " more", differences.hidden);
    error_set(err, ERR_FATAL, "%s", buffer_string(&differences.shown));
    buffer_free(&differences.shown);
    return ERR_FATAL;
}
