/* A log of known frames in an in-memory file system, for the tests of consumer/wal/. An error in
 * one of these functions fails the test.
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

/* Frame k of the log in all tests: after every third frame offsets are missing, and payloads have
 * many lengths. */
struct model_frame {
    struct wal_frame frame;
    char position[32];
    uint8_t payload[PAYLOAD_BYTES];
};

void model_make(size_t k, struct model_frame *model);
/* The size of frame k on disk. */
int64_t model_bytes(size_t k);
/* The next offset of a log of `count` frames. */
int64_t model_next_offset(size_t count);
/* Fails unless `frame` is frame k. */
void model_check(size_t k, const struct wal_frame *frame);
/* A wal_replay of the model's frames: `context` is a size_t that counts them. */
int replay_model(void *context, const struct wal_frame *frame, struct error *err);

struct wal_options options_of(int64_t segment_bytes);
/* Opens the log for a state that holds the first `begin` frames; `*count` counts the later ones. */
int try_open_after(struct memory_files *memory, int64_t segment_bytes, size_t begin, size_t *count,
                   struct wal **wal, struct error *err);
int try_open(struct memory_files *memory, int64_t segment_bytes, size_t *count, struct wal **wal,
             struct error *err);
/* Fails unless `count` frames are replayed. */
struct wal *must_open(struct memory_files *memory, int64_t segment_bytes, size_t count);
int try_append(struct wal *wal, size_t k, struct error *err);
void must_append(struct wal *wal, size_t begin, size_t end);
void must_sync(struct wal *wal);

/* A closed log of `count` frames, each synced. */
struct memory_files *make_log(size_t count, int64_t segment_bytes);
/* The path of the segment that begins with that frame; the caller frees it. */
char *segment_path(size_t first_frame);
/* NULL: there is no such segment. */
struct buffer *segment_content(struct memory_files *memory, size_t first_frame);
void segment_remove(struct memory_files *memory, size_t first_frame);

#endif
