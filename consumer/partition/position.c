#include "consumer/partition/position.h"

#include <string.h>

#include "common/base/check.h"

enum {
    POSITION_VERSION = 2,
    POSITION_HEAD_BYTES = 3,
    NUMBER_BYTES = 8,
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
};

enum { POSITION_NUMBERS = sizeof position_numbers / sizeof position_numbers[0] };

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

void
position_init(struct position *position)
{
    *position = (struct position){.replay = 0};
    sequence_init(&position->sequence);
}

void
position_encode(const struct position *position, struct buffer *out)
{
    const struct sequence *sequence = &position->sequence;
    CHECK(sequence->reason < SEQUENCE_REASONS && position->replay >= 0);
    CHECK(sequence_is_consistent(sequence));
    const uint8_t head[POSITION_HEAD_BYTES] = {POSITION_VERSION, (uint8_t)sequence->reason,
                                               sequence->digest_known};
    size_t begin = out->bytes;
    buffer_append(out, head, sizeof head);
    for (size_t i = 0; i < POSITION_NUMBERS; i++) {
        uint64_t number;
        memcpy(&number, (const char *)position + position_numbers[i], sizeof number);
        position_put_number(out, number);
    }
    position_put_name(out, sequence->source);
    position_put_name(out, sequence->topic_id);
    CHECK(out->bytes - begin <= POSITION_BYTES_MAX);
}

static uint64_t
position_get_number(const uint8_t *at)
{
    uint64_t number = 0;
    for (int i = 0; i < NUMBER_BYTES; i++)
        number |= (uint64_t)at[i] << 8 * i;
    return number;
}

static bool
position_get_name(struct text *rest, char *name)
{
    if (rest->bytes == 0)
        return false;
    size_t length = (uint8_t)rest->data[0];
    if (length >= SEQUENCE_NAME_BYTES || length + 1 > rest->bytes)
        return false;
    memcpy(name, rest->data + 1, length);
    name[length] = '\0';
    rest->data += length + 1;
    rest->bytes -= length + 1;
    return true;
}

int
position_decode(const void *data, size_t bytes, struct position *position, struct error *err)
{
    struct sequence *sequence = &position->sequence;
    enum { FIXED_BYTES = POSITION_HEAD_BYTES + POSITION_NUMBERS * NUMBER_BYTES };
    const uint8_t *at = data;
    if (bytes < FIXED_BYTES)
        return error_set(err, ERR_DATA, "a position of %zu bytes is cut off", bytes);
    if (at[0] != POSITION_VERSION)
        return error_set(err, ERR_DATA, "a position of the unknown version %d", at[0]);
    if (at[1] >= SEQUENCE_REASONS || at[2] > 1)
        return error_set(err, ERR_DATA, "a position with the invalid reason %d or flag %d", at[1],
                         at[2]);
    position_init(position);
    sequence->reason = (enum sequence_reason)at[1];
    sequence->digest_known = at[2] == 1;
    for (size_t i = 0; i < POSITION_NUMBERS; i++) {
        uint64_t number = position_get_number(at + POSITION_HEAD_BYTES + i * NUMBER_BYTES);
        memcpy((char *)position + position_numbers[i], &number, sizeof number);
    }
    struct text rest = {(const char *)data + FIXED_BYTES, bytes - FIXED_BYTES};
    if (!position_get_name(&rest, sequence->source) ||
        !position_get_name(&rest, sequence->topic_id) || rest.bytes != 0)
        return error_set(err, ERR_DATA, "a position of %zu bytes has the wrong length", bytes);
    if (position->replay < 0 || !sequence_is_consistent(sequence))
        return error_set(err, ERR_DATA, "a position whose numbers contradict each other");
    return 0;
}
