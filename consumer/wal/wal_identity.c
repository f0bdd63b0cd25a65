#include "consumer/wal/wal_identity.h"

#include <inttypes.h>
#include <string.h>

enum { SHOWN_BYTES_MAX = 400, NAME_BYTES_MAX = 120, VALUE_BYTES_MAX = 80 };

struct line {
    struct text name;
    struct text value;
};

struct differences {
    struct buffer shown;
    uint32_t hidden; /* those that found no room */
};

/* Takes the first line off `rest`; false: there is none. */
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
    *rest = (struct text){rest->data + taken, rest->bytes - taken};
    return true;
}

/* False: no line has that name; `*value` says so for people. */
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
add_difference(struct differences *differences, struct text name, struct text there,
               struct text here)
{
    struct buffer *shown = &differences->shown;
    size_t before = shown->bytes;
    buffer_append_format(shown, "%s%.*s: %.*s there, %.*s here", before > 0 ? "; " : "",
                         TEXT_ARGS(cut(name, NAME_BYTES_MAX)),
                         TEXT_ARGS(cut(there, VALUE_BYTES_MAX)),
                         TEXT_ARGS(cut(here, VALUE_BYTES_MAX)));
    if (shown->bytes > SHOWN_BYTES_MAX) {
        shown->bytes = before;
        differences->hidden++;
    }
}

static void
find_differences(struct text ours, struct text theirs, struct differences *differences)
{
    struct line line;
    struct text other;
    for (struct text rest = theirs; take_line(&rest, &line);)
        if (!find_value(ours, line.name, &other) || !text_equal(line.value, other))
            add_difference(differences, line.name, line.value, other);
    for (struct text rest = ours; take_line(&rest, &line);)
        if (!find_value(theirs, line.name, &other))
            add_difference(differences, line.name, other, line.value);
}

int
wal_identity_check(struct text ours, struct text theirs, struct error *err)
{
    if (text_equal(ours, theirs))
        return 0;
    struct differences differences = {0};
    find_differences(ours, theirs, &differences);
    if (differences.shown.bytes == 0)
        buffer_append_text(&differences.shown, "the same lines, written otherwise");
    if (differences.hidden > 0)
        buffer_append_format(&differences.shown, "; and %" PRIu32 " more", differences.hidden);
    error_set(err, ERR_FATAL, "%s", buffer_string(&differences.shown));
    buffer_free(&differences.shown);
    return ERR_FATAL;
}
