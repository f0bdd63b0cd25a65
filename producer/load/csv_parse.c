/* One pass over the bytes of a line. Quoted values are searched for their end with memchr(), and
 * are changed only when the whole line is there.
 *
 * `at` never passes `end`. A line ends at a line break outside of quotes, or at the end of a file.
 */
#include "producer/load/csv_parse.h"

#include <string.h>

#include "common/base/check.h"

struct scanner {
    char *at;
    char *end;
    bool is_end; /* of the file */
    const char *reason;
    uint32_t breaks;  /* in quoted values */
    bool has_doubled; /* a quoted value has doubled quotes */
};

enum value_end { VALUE_ENDS, LINE_ENDS, VALUE_IS_INCOMPLETE, VALUE_IS_INVALID };

/* At the byte after a value. */
static enum value_end
scan_separator(struct scanner *scanner)
{
    CHECK(scanner->at <= scanner->end);
    size_t left = (size_t)(scanner->end - scanner->at);
    if (left == 0)
        return scanner->is_end ? LINE_ENDS : VALUE_IS_INCOMPLETE;
    if (*scanner->at == ',') {
        scanner->at++;
        return VALUE_ENDS;
    }
    if (*scanner->at == '\r' && left == 1 && !scanner->is_end)
        return VALUE_IS_INCOMPLETE;
    if (*scanner->at == '\r' && (left == 1 || scanner->at[1] == '\n'))
        scanner->at++;
    if (scanner->at < scanner->end && *scanner->at == '\n')
        scanner->at++;
    else if (scanner->at < scanner->end) {
        scanner->reason = "text after a closing quote";
        return VALUE_IS_INVALID;
    }
    scanner->breaks++;
    return LINE_ENDS;
}

static uint32_t
count_breaks(const char *at, const char *end)
{
    uint32_t count = 0;
    while (at < end && (at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        count++;
        at++;
    }
    return count;
}

/* At the opening quote. */
static enum value_end
scan_quoted(struct scanner *scanner, struct csv_value *value)
{
    char *begin = scanner->at + 1;
    char *at = begin;
    CHECK(*scanner->at == '"');
    for (;;) {
        at = memchr(at, '"', (size_t)(scanner->end - at));
        if (at == NULL && scanner->is_end) {
            scanner->reason = "a quote that is not closed";
            return VALUE_IS_INVALID;
        }
        if (at == NULL || (at + 1 == scanner->end && !scanner->is_end))
            return VALUE_IS_INCOMPLETE;
        if (at + 1 == scanner->end || at[1] != '"')
            break;
        scanner->has_doubled = true;
        at += 2;
    }
    value->text = (struct text){begin, (size_t)(at - begin)};
    value->is_null = false;
    scanner->breaks += count_breaks(begin, at);
    scanner->at = at + 1;
    return scan_separator(scanner);
}

static enum value_end
scan_plain(struct scanner *scanner, struct csv_value *value)
{
    char *begin = scanner->at;
    char *at = begin;
    while (at < scanner->end && *at != ',' && *at != '\n' && *at != '"')
        at++;
    CHECK(at <= scanner->end);
    if (at < scanner->end && *at == '"') {
        scanner->reason = "a quote inside of a value without quotes";
        return VALUE_IS_INVALID;
    }
    scanner->at = at;
    bool ends_line = at == scanner->end || *at == '\n';
    size_t bytes = (size_t)(at - begin);
    if (ends_line && bytes > 0 && at[-1] == '\r')
        bytes--;
    value->text = (struct text){begin, bytes};
    value->is_null = bytes == 0;
    return scan_separator(scanner);
}

/* Replaces doubled quotes by one, in place. */
static void
undouble(struct csv_value *values, uint32_t count, char *input)
{
    for (uint32_t i = 0; i < count; i++) {
        struct text *text = &values[i].text;
        char *begin = input + (text->data - input);
        const char *quote = text->bytes > 0 ? memchr(begin, '"', text->bytes) : NULL;
        if (quote == NULL)
            continue;
        size_t to = (size_t)(quote - begin);
        for (size_t from = to; from < text->bytes; from++) {
            begin[to++] = begin[from];
            from += begin[from] == '"' ? 1 : 0; /* the second one */
        }
        text->bytes = to;
    }
}

void
csv_skip_line(const char *input, size_t bytes, const char *reason, struct csv_line *line)
{
    CHECK(bytes > 0);
    CHECK(reason != NULL);
    const char *end = memchr(input, '\n', bytes);
    *line = (struct csv_line){
        .bytes = end != NULL ? (size_t)(end - input) + 1 : bytes,
        .breaks = end != NULL ? 1 : 0,
        .reason = reason,
    };
}

static enum csv_result
line_end(char *input, const struct scanner *scanner, struct csv_value *values, uint32_t capacity,
         struct csv_line *line)
{
    line->bytes = (size_t)(scanner->at - input);
    line->breaks = scanner->breaks;
    bool is_empty = line->count == 1 && values[0].is_null;
    if (is_empty)
        line->count = 0;
    if (scanner->has_doubled)
        undouble(values, line->count < capacity ? line->count : capacity, input);
    return CSV_LINE;
}

enum csv_result
csv_parse_line(char *input, size_t bytes, bool is_end, struct csv_value *values, uint32_t capacity,
               struct csv_line *line)
{
    struct scanner scanner = {.at = input, .end = input + bytes, .is_end = is_end};
    CHECK(bytes > 0);
    CHECK(capacity > 0);
    *line = (struct csv_line){0};
    for (;;) {
        struct csv_value spare;
        struct csv_value *value = line->count < capacity ? &values[line->count] : &spare;
        bool is_quoted = scanner.at < scanner.end && *scanner.at == '"';
        enum value_end end = is_quoted ? scan_quoted(&scanner, value) : scan_plain(&scanner, value);
        line->count++;
        if (end == VALUE_IS_INCOMPLETE)
            return CSV_INCOMPLETE;
        if (end == LINE_ENDS)
            return line_end(input, &scanner, values, capacity, line);
        if (end == VALUE_ENDS)
            continue;
        if (!is_end && memchr(input, '\n', bytes) == NULL)
            return CSV_INCOMPLETE;
        csv_skip_line(input, bytes, scanner.reason, line);
        return CSV_LINE;
    }
}

static bool
is_zero_fraction(struct text text)
{
    if (text.bytes < 2 || text.data[0] != '.')
        return false;
    for (size_t i = 1; i < text.bytes; i++)
        if (text.data[i] != '0')
            return false;
    return true;
}

bool
csv_parse_integer(struct text text, int64_t *value)
{
    bool is_negative = text.bytes > 0 && text.data[0] == '-';
    size_t at = is_negative || (text.bytes > 0 && text.data[0] == '+') ? 1 : 0;
    size_t first = at;
    uint64_t limit = (uint64_t)INT64_MAX + (is_negative ? 1 : 0);
    uint64_t magnitude = 0;
    for (; at < text.bytes && text.data[at] >= '0' && text.data[at] <= '9'; at++) {
        uint64_t digit = (uint64_t)(text.data[at] - '0');
        if (magnitude > (limit - digit) / 10)
            return false;
        magnitude = magnitude * 10 + digit;
    }
    struct text rest = {text.data + at, text.bytes - at};
    if (at == first || (rest.bytes > 0 && !is_zero_fraction(rest)))
        return false;
    *value = is_negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return true;
}
