/* The partition position and its bytes, which every frame of the log carries beside its events, so
 * that events and position are one write. Pure.
 *
 *     version               1 byte, 6
 *     reason                1 byte: enum coverage_reason, of the seq rule
 *     flags                 1 byte: 1 digest known, 2 source known, 4 source named, 8 offsets lost,
 *                           16 content digest known, 32 topic id of an earlier epoch
 *     numbers               8 bytes each, in the order of position.c
 *     source, topic id, reason of the last voided event
 *                           1 byte length, text
 *     state of most fields  2 bytes: reason, memberships
 *     other fields          2 bytes count; for each: 1 byte length, name ("": existence), 2 bytes
 *                           as above
 *     parts                 for each: 1 byte enum position_part, 4 bytes length, bytes
 *
 * A field's memberships: 1 source, 2 late, 4 job, 8 chain, 16 pass, 32 assumed (struct coverage).
 * Numbers are little-endian; the checksum is the frame's. Version 5 had 3 numbers less,
 * version 4 had 9 less than that, and version 3 had 4 less again, and no parts. Version 2 had only
 * the first flag and 16 numbers, and ended after the topic id: its one reason was that of all
 * fields.
 */
#ifndef CONSUMER_PARTITION_POSITION_H
#define CONSUMER_PARTITION_POSITION_H

#include "common/base/error.h"
#include "consumer/partition/sequence.h"

struct position {
    struct sequence sequence;
    int64_t replay; /* names the last reset that was followed (resume.h); 0: none */
};

/* Of the longest position without parts, with fields of the longest names. */
enum { POSITION_BYTES_MAX = 128 * 1024 };

/* What is of any size. In a frame: what has changed since the frame before; in a checkpoint: all
 * of it. Each part may be missing. */
enum position_part {
    POSITION_UNANSWERED = 1, /* unanswered.h */
    POSITION_VERDICTS = 2,   /* verdicts.h; only in checkpoints, because a replay compares again */
    POSITION_PROOF = 3,      /* proof.h */
    POSITION_PARTS,
};

/* `fields`: of the index, as in all functions below. */
void position_init(struct position *position, const struct config_fields *fields);

/* Appends the position without parts. */
void position_encode(const struct position *position, const struct config_fields *fields,
                     struct buffer *out);
/* What is appended between these two calls is a part. `at`: as returned by the first. */
size_t position_part_begin(enum position_part part, struct buffer *out);
void position_part_end(size_t at, struct buffer *out);

/* Fields that the index does not have are skipped. `parts`: NULL, or becomes the bytes of all
 * parts, for position_find_part(). ERR_DATA: the bytes are not a position, or of a version that
 * this program does not know. */
int position_decode(struct text bytes, const struct config_fields *fields,
                    struct position *position, struct text *parts, struct error *err);
/* The bytes of a part; false: it is missing. */
bool position_find_part(struct text parts, enum position_part part, struct text *bytes);

#endif
