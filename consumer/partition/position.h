/* The partition position and its bytes, which every frame of the log carries beside its events, so
 * that events and position are one write. Pure.
 *
 *     +---------+--------+--------------+----------------+---------------------+--------------+
 *     | version | reason | digest known | numbers        | source              | topic id     |
 *     | 1 byte  | 1 byte | 1 byte       | 16 x 8 bytes   | 1 byte length, text | the same     |
 *     +---------+--------+--------------+----------------+---------------------+--------------+
 *
 * Numbers are little-endian, in the order of position.c; the checksum is the frame's.
 */
#ifndef CONSUMER_PARTITION_POSITION_H
#define CONSUMER_PARTITION_POSITION_H

#include "common/base/error.h"
#include "consumer/partition/sequence.h"

struct position {
    struct sequence sequence;
    int64_t replay; /* names the last reset that was followed (resume.h); 0: none */
};

/* Of the longest position. */
enum { POSITION_BYTES_MAX = 3 + 16 * 8 + 2 * SEQUENCE_NAME_BYTES };

void position_init(struct position *position);

/* Appends. */
void position_encode(const struct position *position, struct buffer *out);

/* ERR_DATA: the bytes are not a position, or of a version that this program does not know. */
int position_decode(const void *data, size_t bytes, struct position *position, struct error *err);

#endif
