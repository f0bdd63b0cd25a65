/* The position of one partition as bytes: what a WAL frame carries beside the events, so that data
 * and position are one write. Pure.
 *
 *     +---------+--------+--------------+----------------+---------------------+--------------+
 *     | version | reason | digest known | numbers        | source              | topic id     |
 *     | 1 byte  | 1 byte | 1 byte       | 15 x 8 bytes   | 1 byte length, text | the same     |
 *     +---------+--------+--------------+----------------+---------------------+--------------+
 *
 * Numbers are little-endian, in the order of position.c; the checksum is the frame's.
 */
#ifndef CONSUMER_INTAKE_POSITION_H
#define CONSUMER_INTAKE_POSITION_H

#include "common/base/error.h"
#include "consumer/intake/sequence.h"

/* Appends. */
void position_encode(const struct sequence *sequence, struct buffer *out);

/* ERR_DATA: not a position, or of a version that this program does not know. */
int position_decode(const void *data, size_t bytes, struct sequence *sequence, struct error *err);

#endif
