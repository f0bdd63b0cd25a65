/* A log of known frames in an in-memory file system, for the tests of consumer/wal/. Whatever fails
 * here fails the test.
 */
#ifndef TESTS_UNIT_WAL_FIXTURE_H
#define TESTS_UNIT_WAL_FIXTURE_H

#include "consumer/wal/wal.h"
#include "tests/support/memory_files.h"

#define DIRECTORY "data/events-0/wal"
#define IDENTITY "index: shop\ntopic: events\npartition: 0 of 4\nfields: price, tag"

enum {
    ONE_SEGMENT_BYTES = 1 << 20,
    FRAME_BYTES = 1 << 20,
    PAYLOAD_BYTES = 70,
    HEADER_BYTES = 104, /* of IDENTITY */
};

/* Frame k of every test's log: a hole behind every third, payloads of every length. */
struct model_frame {
    struct wal_frame frame;
    char position[32];
    uint8_t payload[PAYLOAD_BYTES];
};

void model_make(size_t k, struct model_frame *model);
/* The size of frame k on disk. */
int64_t model_bytes(size_t k);
/* Of a log of so many frames. */
int64_t model_next_offset(size_t count);
/* Is it frame k? */
void model_check(size_t k, const struct wal_frame *frame);
/* A wal_replay of the model's frames: `context` is a size_t that counts them. */
int replay_model(void *context, const struct wal_frame *frame, struct error *err);

struct wal_options options_of(int64_t segment_bytes);
/* With a state that holds the first `begin` frames; `count` goes on from there. */
int try_open_behind(struct memory_files *memory, int64_t segment_bytes, size_t begin, size_t *count,
                    struct wal **wal, struct error *err);
int try_open(struct memory_files *memory, int64_t segment_bytes, size_t *count, struct wal **wal,
             struct error *err);
/* Replays `count` frames. */
struct wal *must_open(struct memory_files *memory, int64_t segment_bytes, size_t count);
int try_append(struct wal *wal, size_t k, struct error *err);
void must_append(struct wal *wal, size_t begin, size_t end);
void must_sync(struct wal *wal);

/* A closed log of `count` frames, each synced. */
struct memory_files *make_log(size_t count, int64_t segment_bytes);
/* Of the segment that begins with that frame; the caller frees it. */
char *segment_path(size_t first_frame);
/* NULL when there is no such segment. */
struct buffer *segment_content(struct memory_files *memory, size_t first_frame);
void segment_remove(struct memory_files *memory, size_t first_frame);

#endif
