#include "consumer/checkpoint/checkpoint_write.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/mutex.h"
#include "common/base/thread.h"
#include "common/files/crc32c.h"
#include "consumer/checkpoint/checkpoint_format.h"

struct checkpoint_block {
    struct checkpoint_block *next;
    size_t bytes; /* of the state */
    uint8_t data[CHECKPOINT_BLOCK_HEAD_BYTES + CHECKPOINT_BLOCK_BYTES];
};

struct checkpoint_writer {
    const struct checkpoint_place *place;
    struct checkpoint_doomed doomed;
    struct checkpoint_block *filled; /* the caller's, not handed over yet; NULL: none */
    bool closed;                     /* the caller's: checkpoint_end() was called */
    pthread_t thread;

    pthread_mutex_t lock;
    pthread_cond_t handed_over;
    struct checkpoint_block *first; /* handed over and not written yet, oldest first */
    struct checkpoint_block **end;  /* of that list */
    bool ended;                     /* there will be no more blocks */
    bool done;                      /* the thread has finished */

    /* The thread's, while it runs: */
    char *path;
    char *temporary;
    int file; /* -1: not open */
    int64_t at;
    uint32_t crc;
    struct error failure;
};

/* Writes the next bytes of the file and continues the checksum. */
static void
writer_put(struct checkpoint_writer *writer, const void *data, size_t bytes)
{
    struct files *files = writer->place->files;
    CHECK(writer->file >= 0);
    CHECK(!writer->done);
    CHECK(bytes > 0);
    if (writer->failure.code != 0)
        return;
    writer->crc = crc32c(writer->crc, data, bytes);
    if (files->write_at(files, writer->file, data, bytes, writer->at, &writer->failure) == 0)
        writer->at += (int64_t)bytes;
}

static void
writer_put_header(struct checkpoint_writer *writer, int64_t next_offset, struct text position)
{
    struct buffer header;
    CHECK(writer->at == 0);
    buffer_init(&header);
    checkpoint_header_encode(writer->place->identity, position, next_offset, &header);
    writer_put(writer, header.data, header.bytes);
    buffer_free(&header);
}

static void
writer_put_block(struct checkpoint_writer *writer, struct checkpoint_block *block)
{
    CHECK(writer->at > 0 || writer->failure.code != 0); /* the header is written */
    checkpoint_block_encode(block->data, block->bytes, writer->crc);
    writer_put(writer, block->data, CHECKPOINT_BLOCK_HEAD_BYTES + block->bytes);
    free(block);
}

static int
writer_create_file(struct checkpoint_writer *writer, struct error *err)
{
    struct files *files = writer->place->files;
    CHECK(writer->file < 0 && writer->at == 0);
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
    CHECK(writer->filled == NULL);
    CHECK(writer->first == NULL);
    if (writer->file >= 0)
        files->close(files, writer->file);
    mutex_destroy(&writer->lock);
    condition_destroy(&writer->handed_over);
    free(writer->path);
    free(writer->temporary);
    free(writer);
}

/* --- the thread ------------------------------------------------------------------------------ */

/* Waits for a block; NULL: there will be no more. */
static struct checkpoint_block *
writer_take(struct checkpoint_writer *writer)
{
    mutex_lock(&writer->lock);
    while (writer->first == NULL && !writer->ended)
        condition_wait(&writer->handed_over, &writer->lock);
    struct checkpoint_block *block = writer->first;
    CHECK(block == NULL || block->bytes > 0);
    if (block != NULL)
        writer->first = block->next;
    if (writer->first == NULL)
        writer->end = &writer->first;
    mutex_unlock(&writer->lock);
    return block;
}

static int
writer_remove_doomed(struct checkpoint_writer *writer, struct error *err)
{
    const struct checkpoint_doomed *doomed = &writer->doomed;
    int rc = 0;
    CHECK(doomed->count <= CHECKPOINTS_MAX);
    for (int i = 0; rc == 0 && i < doomed->count; i++)
        rc = checkpoint_remove(writer->place, doomed->offsets[i], err);
    return rc;
}

/* Renames the file, if it is whole, and makes it durable. */
static void
writer_publish(struct checkpoint_writer *writer)
{
    struct files *files = writer->place->files;
    struct error *failure = &writer->failure;
    CHECK(writer->first == NULL && writer->ended);
    int rc = failure->code;
    if (rc == 0)
        rc = files->sync(files, writer->file, failure);
    if (rc == 0)
        rc = files->rename(files, writer->temporary, writer->path, failure);
    if (rc == 0)
        rc = files->sync_directory(files, writer->place->directory, failure);
    if (rc == 0)
        writer_remove_doomed(writer, failure);
    else
        files->unlink(files, writer->temporary, NULL); /* it takes space, possibly the last */
}

static void *
writer_main(void *context)
{
    struct checkpoint_writer *writer = context;
    struct checkpoint_block *block;
    while ((block = writer_take(writer)) != NULL)
        writer_put_block(writer, block);
    writer_put_block(writer, memory_zalloc(sizeof *block)); /* the last block is empty */
    writer_publish(writer);
    mutex_lock(&writer->lock);
    CHECK(!writer->done);
    writer->done = true;
    mutex_unlock(&writer->lock);
    return NULL;
}

/* --- the caller ------------------------------------------------------------------------------ */

int
checkpoint_begin(const struct checkpoint_place *place, int64_t next_offset, struct text position,
                 const struct checkpoint_doomed *doomed, struct checkpoint_writer **writer,
                 struct error *err)
{
    struct checkpoint_writer *made = memory_zalloc(sizeof *made);
    made->place = place;
    made->doomed = *doomed;
    made->path = checkpoint_path(place, next_offset);
    made->temporary = memory_format("%s/new", place->directory);
    made->end = &made->first;
    made->file = -1;
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
    CHECK(*writer->end == NULL);
    CHECK(!writer->ended);
    if (writer->filled != NULL) {
        *writer->end = writer->filled;
        writer->end = &writer->filled->next;
    }
    writer->ended = ended;
    condition_signal(&writer->handed_over);
    mutex_unlock(&writer->lock);
    writer->filled = NULL;
}

static struct checkpoint_block *
writer_fill_block(struct checkpoint_writer *writer)
{
    if (writer->filled == NULL) {
        writer->filled = memory_alloc(sizeof *writer->filled);
        writer->filled->next = NULL;
        writer->filled->bytes = 0;
    }
    CHECK(writer->filled->bytes < CHECKPOINT_BLOCK_BYTES);
    return writer->filled;
}

void
checkpoint_write(struct checkpoint_writer *writer, const void *data, size_t bytes)
{
    const uint8_t *from = data;
    CHECK(!writer->closed);
    while (bytes > 0) {
        struct checkpoint_block *block = writer_fill_block(writer);
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
    CHECK(!writer->closed);
    writer->closed = true;
    writer_hand_over(writer, true);
}

bool
checkpoint_is_done(struct checkpoint_writer *writer)
{
    mutex_lock(&writer->lock);
    bool done = writer->done;
    CHECK(!done || writer->ended);
    mutex_unlock(&writer->lock);
    return done;
}

int
checkpoint_finish(struct checkpoint_writer *writer, int64_t *bytes, struct error *err)
{
    CHECK(writer->closed);
    thread_join(writer->thread);
    CHECK(writer->done);
    int rc = writer->failure.code;
    if (rc != 0)
        *err = writer->failure;
    CHECK(rc != 0 || writer->at > 0);
    *bytes = writer->at;
    writer_free(writer);
    return rc;
}
