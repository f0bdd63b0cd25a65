/* The state comes faster than a disk takes it, and whoever gives it stands still meanwhile: so it
 * is kept in blocks, which a thread writes and frees. */
#include <pthread.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/mutex.h"
#include "common/base/thread.h"
#include "common/files/crc32c.h"
#include "consumer/checkpoint/checkpoint_internal.h"

struct checkpoint_block {
    struct checkpoint_block *next;
    size_t bytes; /* of the state */
    uint8_t data[CHECKPOINT_BLOCK_HEAD_BYTES + CHECKPOINT_BLOCK_BYTES];
};

struct checkpoint_writer {
    const struct checkpoint_place *place;
    struct checkpoint_block *filled; /* the caller's: not handed over yet; NULL: none */
    pthread_t thread;

    pthread_mutex_t lock;
    pthread_cond_t handed_over;
    struct checkpoint_block *first; /* handed over and not written yet */
    struct checkpoint_block **end;
    bool ended; /* no more will come */
    bool done;

    /* The thread's, while it runs: */
    char *path;
    char *temporary;
    int file; /* -1: not open */
    int64_t at;
    uint32_t crc;
    struct error failure;
};

/* Continues the checksum over what is written. */
static void
writer_put(struct checkpoint_writer *writer, const void *data, size_t bytes)
{
    struct files *files = writer->place->files;
    if (writer->failure.code != 0)
        return;
    writer->crc = crc32c(writer->crc, data, bytes);
    if (files->write_at(files, writer->file, data, bytes, writer->at, &writer->failure) == 0)
        writer->at += (int64_t)bytes;
}

static void
writer_put_header(struct checkpoint_writer *writer, int64_t offset, struct text position)
{
    struct text identity = writer->place->identity;
    struct buffer header;
    uint64_t next_offset = htole64((uint64_t)offset);
    uint8_t fixed[CHECKPOINT_HEADER_FIXED_BYTES];
    uint8_t crc[CHECKPOINT_CRC_BYTES];
    CHECK(identity.bytes <= CHECKPOINT_TEXT_BYTES_MAX);
    CHECK(position.bytes <= CHECKPOINT_TEXT_BYTES_MAX);
    memcpy(fixed, checkpoint_magic, sizeof checkpoint_magic);
    checkpoint_put_u32(fixed + 8, CHECKPOINT_VERSION);
    checkpoint_put_u32(fixed + 12, (uint32_t)identity.bytes);
    checkpoint_put_u32(fixed + 16, (uint32_t)position.bytes);
    memcpy(fixed + 20, &next_offset, sizeof next_offset);
    buffer_init(&header);
    buffer_append(&header, fixed, sizeof fixed);
    buffer_append(&header, identity.data, identity.bytes);
    buffer_append(&header, position.data, position.bytes);
    checkpoint_put_u32(crc, crc32c(0, header.data, header.bytes));
    buffer_append(&header, crc, sizeof crc);
    writer_put(writer, header.data, header.bytes);
    buffer_free(&header);
}

static void
writer_put_block(struct checkpoint_writer *writer, struct checkpoint_block *block)
{
    uint8_t *head = block->data;
    checkpoint_put_u32(head, (uint32_t)block->bytes);
    uint32_t crc = crc32c(writer->crc, head, CHECKPOINT_CRC_BYTES);
    crc = crc32c(crc, head + CHECKPOINT_BLOCK_HEAD_BYTES, block->bytes);
    checkpoint_put_u32(head + CHECKPOINT_CRC_BYTES, crc);
    writer_put(writer, head, CHECKPOINT_BLOCK_HEAD_BYTES + block->bytes);
    free(block);
}

static int
writer_create_file(struct checkpoint_writer *writer, struct error *err)
{
    struct files *files = writer->place->files;
    int rc = files->make_directory(files, writer->place->directory, err);
    if (rc == 0)
        rc = files->unlink(files, writer->temporary, err);
    if (rc == 0)
        rc = files->open(files, writer->temporary, FILES_CREATE, err);
    writer->file = rc;
    return rc < 0 ? rc : 0;
}

static void
writer_free(struct checkpoint_writer *writer)
{
    struct files *files = writer->place->files;
    if (writer->file >= 0)
        files->close(files, writer->file);
    mutex_destroy(&writer->lock);
    condition_destroy(&writer->handed_over);
    free(writer->path);
    free(writer->temporary);
    free(writer);
}

/* --- the thread ------------------------------------------------------------------------------ */

/* Waits for a block; NULL: there are no more. */
static struct checkpoint_block *
writer_take(struct checkpoint_writer *writer)
{
    mutex_lock(&writer->lock);
    while (writer->first == NULL && !writer->ended)
        condition_wait(&writer->handed_over, &writer->lock);
    struct checkpoint_block *block = writer->first;
    if (block != NULL)
        writer->first = block->next;
    if (writer->first == NULL)
        writer->end = &writer->first;
    mutex_unlock(&writer->lock);
    return block;
}

static int
remove_older(const struct checkpoint_place *place, struct error *err)
{
    int64_t offsets[CHECKPOINTS_MAX];
    int count = checkpoint_list(place, offsets, err);
    int rc = count < 0 ? count : 0;
    for (int i = CHECKPOINTS_KEPT; rc == 0 && i < count; i++)
        rc = checkpoint_remove(place, offsets[i], err);
    return rc;
}

/* Gives it its name. */
static void
writer_publish(struct checkpoint_writer *writer)
{
    struct files *files = writer->place->files;
    struct error *failure = &writer->failure;
    int rc = failure->code;
    if (rc == 0)
        rc = files->sync(files, writer->file, failure);
    if (rc == 0)
        rc = files->rename(files, writer->temporary, writer->path, failure);
    if (rc == 0)
        rc = files->sync_directory(files, writer->place->directory, failure);
    if (rc == 0)
        remove_older(writer->place, failure);
    else
        files->unlink(files, writer->temporary, NULL); /* out of space, say: do not keep it */
}

static void *
writer_main(void *context)
{
    struct checkpoint_writer *writer = context;
    struct checkpoint_block *block;
    while ((block = writer_take(writer)) != NULL)
        writer_put_block(writer, block);
    writer_put_block(writer, memory_zalloc(sizeof *block)); /* the empty one at the end */
    writer_publish(writer);
    mutex_lock(&writer->lock);
    writer->done = true;
    mutex_unlock(&writer->lock);
    return NULL;
}

/* --- whoever gives the state ----------------------------------------------------------------- */

int
checkpoint_begin(const struct checkpoint_place *place, int64_t next_offset, struct text position,
                 struct checkpoint_writer **writer, struct error *err)
{
    struct checkpoint_writer *made = memory_zalloc(sizeof *made);
    made->place = place;
    made->path = checkpoint_path(place, next_offset);
    made->temporary = memory_format("%s/new", place->directory);
    made->end = &made->first;
    mutex_init(&made->lock);
    condition_init(&made->handed_over);
    int rc = writer_create_file(made, err);
    if (rc != 0)
        goto fail_writer;
    writer_put_header(made, next_offset, position);
    rc = thread_start(&made->thread, "checkpoint", writer_main, made, err);
    if (rc != 0)
        goto fail_file;
    *writer = made;
    return 0;
fail_file:
    place->files->unlink(place->files, made->temporary, NULL);
fail_writer:
    writer_free(made);
    return rc;
}

static void
writer_hand_over(struct checkpoint_writer *writer, bool ended)
{
    mutex_lock(&writer->lock);
    if (writer->filled != NULL) {
        *writer->end = writer->filled;
        writer->end = &writer->filled->next;
    }
    writer->ended = ended;
    condition_signal(&writer->handed_over);
    mutex_unlock(&writer->lock);
    writer->filled = NULL;
}

void
checkpoint_write(struct checkpoint_writer *writer, const void *data, size_t bytes)
{
    const uint8_t *from = data;
    while (bytes > 0) {
        if (writer->filled == NULL) {
            writer->filled = memory_alloc(sizeof *writer->filled);
            writer->filled->next = NULL;
            writer->filled->bytes = 0;
        }
        struct checkpoint_block *block = writer->filled;
        size_t room = CHECKPOINT_BLOCK_BYTES - block->bytes;
        size_t part = bytes < room ? bytes : room;
        memcpy(block->data + CHECKPOINT_BLOCK_HEAD_BYTES + block->bytes, from, part);
        block->bytes += part;
        from += part;
        bytes -= part;
        if (part == room)
            writer_hand_over(writer, false);
    }
}

void
checkpoint_end(struct checkpoint_writer *writer)
{
    writer_hand_over(writer, true);
}

bool
checkpoint_is_done(struct checkpoint_writer *writer)
{
    mutex_lock(&writer->lock);
    bool done = writer->done;
    mutex_unlock(&writer->lock);
    return done;
}

int
checkpoint_finish(struct checkpoint_writer *writer, int64_t *bytes, struct error *err)
{
    thread_join(writer->thread);
    int rc = writer->failure.code;
    if (rc != 0)
        *err = writer->failure;
    *bytes = writer->at;
    writer_free(writer);
    return rc;
}
