#include "consumer/partition/position.h"

#include <string.h>

#include "common/base/check.h"

enum {
    POSITION_VERSION = 6,
    POSITION_HEAD_BYTES = 3,
    PART_HEAD_BYTES = 5,
    NUMBER_BYTES = 8,
    VERSION_5 = 5,
    VERSION_5_NUMBERS = 36,
    VERSION_4 = 4,
    VERSION_4_NUMBERS = 27,
    VERSION_3 = 3,
    VERSION_3_NUMBERS = 23,
    VERSION_2 = 2,
    VERSION_2_NUMBERS = 16,
};

enum {
    FLAG_DIGEST_KNOWN = 1,
    FLAG_SOURCE_KNOWN = 2,
    FLAG_SOURCE_NAMED = 4,
    FLAG_OFFSETS_LOST = 8,
    FLAG_CONTENT_KNOWN = 16,
    FLAG_TOPIC_OLDER = 32,
    FLAGS_OF_VERSION_5 = 31,
    FLAGS_ALL = 63,
};

enum {
    MEMBER_SOURCE = 1,
    MEMBER_LATE = 2,
    MEMBER_JOB = 4,
    MEMBER_CHAIN = 8,
    MEMBER_PASS = 16,
    MEMBER_ASSUMED = 32,
    MEMBERS_ALL = 63,
};

/* The 64-bit members, in the order of the format. */
static const size_t position_numbers[] = {
    offsetof(struct position, sequence.epoch),
    offsetof(struct position, sequence.generation),
    offsetof(struct position, sequence.tick),
    offsetof(struct position, sequence.seq),
    offsetof(struct position, sequence.digest),
    offsetof(struct position, sequence.row_id),
    offsetof(struct position, sequence.losses),
    offsetof(struct position, sequence.missing),
    offsetof(struct position, sequence.gap_first),
    offsetof(struct position, sequence.gap_last),
    offsetof(struct position, sequence.watermark.tick),
    offsetof(struct position, sequence.watermark.clock_us),
    offsetof(struct position, sequence.watermark.last_row_id),
    offsetof(struct position, sequence.watermark.max_row_id),
    offsetof(struct position, sequence.watermark.backlog_rows),
    offsetof(struct position, replay),
    /* Not in version 2: */
    offsetof(struct position, sequence.coverage.next_offset),
    offsetof(struct position, sequence.coverage.voided),
    offsetof(struct position, sequence.coverage.job),
    offsetof(struct position, sequence.coverage.covered_to),
    offsetof(struct position, sequence.coverage.pass_entry),
    offsetof(struct position, sequence.coverage.pass_part),
    offsetof(struct position, sequence.content_digest),
    /* Not in version 3: */
    offsetof(struct position, sequence.watermark.owed),
    offsetof(struct position, sequence.watermark.owed_since_us),
    offsetof(struct position, sequence.watermark.newest_us),
    offsetof(struct position, sequence.unanswered),
    /* Not in version 4: */
    offsetof(struct position, sequence.fences[0].generation),
    offsetof(struct position, sequence.fences[0].tick),
    offsetof(struct position, sequence.fences[1].generation),
    offsetof(struct position, sequence.fences[1].tick),
    offsetof(struct position, sequence.fences[2].generation),
    offsetof(struct position, sequence.fences[2].tick),
    offsetof(struct position, sequence.fences[3].generation),
    offsetof(struct position, sequence.fences[3].tick),
    offsetof(struct position, sequence.start),
    /* Not in version 5: */
    offsetof(struct position, sequence.skip_first),
    offsetof(struct position, sequence.skip_next),
    offsetof(struct position, sequence.last_message),
};

enum { POSITION_NUMBERS = sizeof position_numbers / sizeof position_numbers[0] };

_Static_assert(SEQUENCE_FENCES == 4, "the numbers of the format");
_Static_assert((int)COVERAGE_VOIDED_BYTES == (int)SEQUENCE_NAME_BYTES, "texts of one format");

/* What the format says of one field. */
struct field_state {
    uint8_t reason;
    uint8_t members;
};

void
position_init(struct position *position, const struct config_fields *fields)
{
    *position = (struct position){.replay = 0};
    sequence_init(&position->sequence, fields);
}

/* --- fields ---------------------------------------------------------------------------------- */

static struct field_state
state_of(const struct coverage *coverage, uint32_t field)
{
    int members = (field_set_has(&coverage->source, field) ? MEMBER_SOURCE : 0) |
                  (field_set_has(&coverage->late, field) ? MEMBER_LATE : 0) |
                  (field_set_has(&coverage->job_fields, field) ? MEMBER_JOB : 0) |
                  (field_set_has(&coverage->chain, field) ? MEMBER_CHAIN : 0) |
                  (field_set_has(&coverage->pass_fields, field) ? MEMBER_PASS : 0) |
                  (field_set_has(&coverage->assumed, field) ? MEMBER_ASSUMED : 0);
    return (struct field_state){coverage->reasons[field], (uint8_t)members};
}

static void
state_put_member(struct field_set *set, uint32_t field, bool is_member)
{
    if (is_member)
        field_set_add(set, field);
    else
        field_set_remove(set, field);
}

static void
state_put(struct coverage *coverage, uint32_t field, struct field_state state)
{
    if (!field_set_has(&coverage->written, field))
        return;
    coverage->reasons[field] = state.reason;
    state_put_member(&coverage->source, field, (state.members & MEMBER_SOURCE) != 0);
    state_put_member(&coverage->late, field, (state.members & MEMBER_LATE) != 0);
    state_put_member(&coverage->job_fields, field, (state.members & MEMBER_JOB) != 0);
    state_put_member(&coverage->chain, field, (state.members & MEMBER_CHAIN) != 0);
    state_put_member(&coverage->pass_fields, field, (state.members & MEMBER_PASS) != 0);
    state_put_member(&coverage->assumed, field, (state.members & MEMBER_ASSUMED) != 0);
}

static bool
state_equal(struct field_state a, struct field_state b)
{
    return a.reason == b.reason && a.members == b.members;
}

/* The state that most fields have. */
static struct field_state
state_find_common(const struct coverage *coverage)
{
    uint16_t counts[COVERAGE_REASONS][MEMBERS_ALL + 1] = {{0}};
    struct field_state common = {0, 0};
    const struct field_set *written = &coverage->written;
    for (uint32_t i = field_set_next(written, 0); i < FIELD_NUMBERS;
         i = field_set_next(written, i + 1)) {
        struct field_state state = state_of(coverage, i);
        CHECK(state.reason < COVERAGE_REASONS);
        if (++counts[state.reason][state.members] > counts[common.reason][common.members])
            common = state;
    }
    return common;
}

/* --- bytes ----------------------------------------------------------------------------------- */

static void
position_put_number(struct buffer *out, uint64_t number)
{
    uint8_t bytes[NUMBER_BYTES];
    for (int i = 0; i < NUMBER_BYTES; i++)
        bytes[i] = (uint8_t)(number >> 8 * i);
    buffer_append(out, bytes, sizeof bytes);
}

static void
position_put_name(struct buffer *out, const char *name)
{
    CHECK(strlen(name) < SEQUENCE_NAME_BYTES);
    uint8_t length = (uint8_t)strlen(name);
    buffer_append(out, &length, 1);
    buffer_append(out, name, length);
}

static void
position_put_state(struct buffer *out, struct field_state state)
{
    buffer_append(out, (const uint8_t[]){state.reason, state.members}, 2);
}

static void
position_put_fields(const struct coverage *coverage, const struct config_fields *fields,
                    struct buffer *out)
{
    const struct field_state common = state_find_common(coverage);
    uint16_t count = 0;
    position_put_state(out, common);
    size_t count_at = out->bytes;
    buffer_append(out, (const uint8_t[]){0, 0}, 2);
    const struct field_set *written = &coverage->written;
    for (uint32_t i = field_set_next(written, 0); i < FIELD_NUMBERS;
         i = field_set_next(written, i + 1)) {
        struct field_state state = state_of(coverage, i);
        if (state_equal(state, common))
            continue;
        position_put_name(out, i == FIELD_ALIVE ? "" : config_fields_name(fields, i));
        position_put_state(out, state);
        count++;
    }
    out->data[count_at] = (uint8_t)count;
    out->data[count_at + 1] = (uint8_t)(count >> 8);
}

void
position_encode(const struct position *position, const struct config_fields *fields,
                struct buffer *out)
{
    const struct sequence *sequence = &position->sequence;
    const struct coverage *coverage = &sequence->coverage;
    CHECK(position->replay >= 0);
    CHECK(sequence_is_consistent(sequence));
    int flags = (sequence->digest_known ? FLAG_DIGEST_KNOWN : 0) |
                (coverage->source_known ? FLAG_SOURCE_KNOWN : 0) |
                (coverage->source_named ? FLAG_SOURCE_NAMED : 0) |
                (coverage->offsets_lost ? FLAG_OFFSETS_LOST : 0) |
                (sequence->content_known ? FLAG_CONTENT_KNOWN : 0) |
                (sequence->topic_id_is_older ? FLAG_TOPIC_OLDER : 0);
    const uint8_t head[POSITION_HEAD_BYTES] = {POSITION_VERSION, (uint8_t)sequence->reason,
                                               (uint8_t)flags};
    size_t begin = out->bytes;
    buffer_append(out, head, sizeof head);
    for (size_t i = 0; i < POSITION_NUMBERS; i++) {
        uint64_t number;
        memcpy(&number, (const char *)position + position_numbers[i], sizeof number);
        position_put_number(out, number);
    }
    position_put_name(out, sequence->source);
    position_put_name(out, sequence->topic_id);
    position_put_name(out, coverage->voided_reason);
    position_put_fields(coverage, fields, out);
    CHECK(out->bytes - begin <= POSITION_BYTES_MAX);
}

size_t
position_part_begin(enum position_part part, struct buffer *out)
{
    const uint8_t head[PART_HEAD_BYTES] = {(uint8_t)part};
    CHECK(part > 0 && part < POSITION_PARTS);
    buffer_append(out, head, sizeof head);
    return out->bytes;
}

void
position_part_end(size_t at, struct buffer *out)
{
    CHECK(at >= PART_HEAD_BYTES && at <= out->bytes);
    size_t bytes = out->bytes - at;
    CHECK(bytes <= UINT32_MAX);
    for (int i = 0; i < PART_HEAD_BYTES - 1; i++)
        out->data[at - (PART_HEAD_BYTES - 1) + (size_t)i] = (uint8_t)(bytes >> 8 * i);
}

/* --- back ------------------------------------------------------------------------------------ */

/* What is left to read; `data` is NULL after something was missing or wrong. */
static const uint8_t *
take(struct text *rest, size_t bytes)
{
    if (rest->data == NULL || rest->bytes < bytes) {
        rest->data = NULL;
        return NULL;
    }
    const char *at = rest->data;
    rest->data += bytes;
    rest->bytes -= bytes;
    return (const uint8_t *)at;
}

static void
take_numbers(struct text *rest, size_t count, struct position *position)
{
    CHECK(count <= POSITION_NUMBERS);
    for (size_t i = 0; i < count; i++) {
        const uint8_t *at = take(rest, NUMBER_BYTES);
        uint64_t number = 0;
        for (int j = 0; at != NULL && j < NUMBER_BYTES; j++)
            number |= (uint64_t)at[j] << 8 * j;
        memcpy((char *)position + position_numbers[i], &number, sizeof number);
    }
}

static struct text
take_name(struct text *rest)
{
    const uint8_t *length = take(rest, 1);
    if (length == NULL)
        return (struct text){NULL, 0};
    if (*length >= SEQUENCE_NAME_BYTES)
        rest->data = NULL;
    const uint8_t *name = take(rest, *length);
    return (struct text){(const char *)name, name == NULL ? 0 : *length};
}

static void
take_text(struct text *rest, char *out)
{
    struct text name = take_name(rest);
    memcpy(out, name.bytes > 0 ? name.data : "", name.bytes);
    out[name.bytes] = '\0';
}

static struct field_state
take_state(struct text *rest)
{
    struct field_state state = {0, 0};
    const uint8_t *at = take(rest, 2);
    if (at != NULL && at[0] < COVERAGE_REASONS && at[1] <= MEMBERS_ALL)
        state = (struct field_state){at[0], at[1]};
    else
        rest->data = NULL;
    return state;
}

static void
take_fields(struct text *rest, const struct config_fields *fields, struct coverage *coverage)
{
    struct field_state state = take_state(rest);
    for (uint32_t i = 0; i < FIELD_NUMBERS; i++)
        state_put(coverage, i, state);
    const uint8_t *count = take(rest, 2);
    uint32_t left = count != NULL ? (uint32_t)(count[0] | count[1] << 8) : 0;
    for (; left > 0 && rest->data != NULL; left--) {
        uint32_t number;
        struct text name = take_name(rest);
        state = take_state(rest);
        if (config_fields_find(fields, name, &number))
            state_put(coverage, number, state);
    }
}

/* Version 2 had one reason for all fields. Posted fields were not considered separately. */
static void
position_spread_reason(struct sequence *sequence)
{
    struct coverage *coverage = &sequence->coverage;
    for (uint32_t i = 0; i < FIELD_NUMBERS; i++)
        state_put(coverage, i, (struct field_state){(uint8_t)sequence->reason, 0});
    coverage->next_offset = -1;
    coverage->offsets_lost = sequence->losses > 0 || sequence->reason == COVERAGE_NO_BEGINNING;
}

static void
position_take_flags(struct sequence *sequence, int flags)
{
    sequence->digest_known = (flags & FLAG_DIGEST_KNOWN) != 0;
    sequence->content_known = (flags & FLAG_CONTENT_KNOWN) != 0;
    sequence->topic_id_is_older = (flags & FLAG_TOPIC_OLDER) != 0;
    sequence->coverage.source_known = (flags & FLAG_SOURCE_KNOWN) != 0;
    sequence->coverage.source_named = (flags & FLAG_SOURCE_NAMED) != 0;
    sequence->coverage.offsets_lost = (flags & FLAG_OFFSETS_LOST) != 0;
}

/* The next part; false: there are no more, or `rest->data` is NULL because they are damaged. */
static bool
take_part(struct text *rest, enum position_part *part, struct text *bytes)
{
    if (rest->data == NULL || rest->bytes == 0)
        return false;
    const uint8_t *head = take(rest, PART_HEAD_BYTES);
    size_t length = 0;
    for (int i = 0; head != NULL && i < PART_HEAD_BYTES - 1; i++)
        length |= (size_t)head[1 + i] << 8 * i;
    *part = head != NULL ? (enum position_part)head[0] : POSITION_PARTS;
    const uint8_t *data = take(rest, length);
    *bytes = (struct text){(const char *)data, length};
    if (data != NULL && *part > 0 && *part < POSITION_PARTS)
        return true;
    rest->data = NULL;
    return false;
}

bool
position_find_part(struct text parts, enum position_part part, struct text *bytes)
{
    enum position_part found;
    while (take_part(&parts, &found, bytes))
        if (found == part)
            return true;
    return false;
}

/* Checks the parts, which are all that is left. */
static void
take_parts(struct text *rest, struct text *parts)
{
    enum position_part part;
    struct text bytes;
    if (parts != NULL)
        *parts = *rest;
    while (take_part(rest, &part, &bytes))
        ;
}

/* What version 3 and those before did not have. */
static void
position_take_over(struct sequence *sequence)
{
    sequence->watermark.newest_us = sequence->watermark.clock_us;
    CHECK(sequence->unanswered == 0);
}

static size_t
position_number_count(int version)
{
    static const size_t counts[] = {
        [VERSION_2] = VERSION_2_NUMBERS,       [VERSION_3] = VERSION_3_NUMBERS,
        [VERSION_4] = VERSION_4_NUMBERS,       [VERSION_5] = VERSION_5_NUMBERS,
        [POSITION_VERSION] = POSITION_NUMBERS,
    };
    CHECK(version >= VERSION_2 && version <= POSITION_VERSION);
    return counts[version];
}

/* Those that a version has. */
static int
position_flags(int version)
{
    if (version == VERSION_2)
        return FLAG_DIGEST_KNOWN;
    return version <= VERSION_5 ? FLAGS_OF_VERSION_5 : FLAGS_ALL;
}

/* What comes after the head. */
static void
position_take_rest(struct text *rest, int version, const struct config_fields *fields,
                   struct position *position, struct text *parts)
{
    struct sequence *sequence = &position->sequence;
    take_numbers(rest, position_number_count(version), position);
    take_text(rest, sequence->source);
    take_text(rest, sequence->topic_id);
    if (version == VERSION_2) {
        position_spread_reason(sequence);
    } else {
        take_text(rest, sequence->coverage.voided_reason);
        take_fields(rest, fields, &sequence->coverage);
    }
    if (version >= VERSION_4)
        take_parts(rest, parts);
    else
        position_take_over(sequence);
}

int
position_decode(struct text bytes, const struct config_fields *fields, struct position *position,
                struct text *parts, struct error *err)
{
    struct sequence *sequence = &position->sequence;
    struct text rest = bytes;
    const uint8_t *head = take(&rest, POSITION_HEAD_BYTES);
    if (parts != NULL)
        *parts = (struct text){NULL, 0};
    if (head == NULL)
        return error_set(err, ERR_DATA, "a position of %zu bytes is cut off", bytes.bytes);
    if (head[0] < VERSION_2 || head[0] > POSITION_VERSION)
        return error_set(err, ERR_DATA, "a position of the unknown version %d", head[0]);
    if (!coverage_is_from_rule((enum coverage_reason)head[1]) || head[2] > position_flags(head[0]))
        return error_set(err, ERR_DATA, "a position with the invalid reason %d or flags %d",
                         head[1], head[2]);
    position_init(position, fields);
    sequence->reason = (enum coverage_reason)head[1];
    position_take_flags(sequence, head[2]);
    position_take_rest(&rest, head[0], fields, position, parts);
    if (rest.data == NULL || rest.bytes != 0)
        return error_set(err, ERR_DATA, "a position of %zu bytes has the wrong length or content",
                         bytes.bytes);
    if (position->replay < 0 || !sequence_is_consistent(sequence))
        return error_set(err, ERR_DATA, "a position whose numbers contradict each other");
    return 0;
}
