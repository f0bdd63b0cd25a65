#include "tests/unit/wal_fixture.h"

#include "tests/unit/unit_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
model_make(size_t k, struct model_frame *model)
{
    int64_t first = 1000 + 10 * (int64_t)k;
    memset(model->payload, (int)k + 1, sizeof model->payload);
    snprintf(model->position, sizeof model->position, "position %zu", k);
    model->frame = (struct wal_frame){
        .first_offset = first,
        .next_offset = first + (k % 3 == 0 ? 7 : 10),
        .position = model->position,
        .position_bytes = strlen(model->position),
        .payload = model->payload,
        .payload_bytes = k * 13 % PAYLOAD_BYTES,
    };
}

int64_t
model_bytes(size_t k)
{
    struct model_frame model;
    model_make(k, &model);
    size_t bytes = 32 + model.frame.position_bytes + model.frame.payload_bytes;
    return (int64_t)(bytes + 7) / 8 * 8;
}

int64_t
model_next_offset(size_t count)
{
    struct model_frame model;
    if (count == 0)
        return -1;
    model_make(count - 1, &model);
    return model.frame.next_offset;
}

void
model_check(size_t k, const struct wal_frame *frame)
{
    struct model_frame model;
    model_make(k, &model);
    assert_int_equal(frame->first_offset, model.frame.first_offset);
    assert_int_equal(frame->next_offset, model.frame.next_offset);
    assert_int_equal(frame->position_bytes, model.frame.position_bytes);
    assert_memory_equal(frame->position, model.position, model.frame.position_bytes);
    assert_int_equal(frame->payload_bytes, model.frame.payload_bytes);
    assert_memory_equal(frame->payload, model.payload, model.frame.payload_bytes);
}

int
replay_model(void *context, const struct wal_frame *frame, struct error *err)
{
    (void)err;
    size_t *count = context;
    model_check((*count)++, frame);
    return 0;
}

struct wal_options
options_of(int64_t segment_bytes)
{
    return (struct wal_options){DIRECTORY, IDENTITY, segment_bytes, FRAME_BYTES, 0, NULL};
}

int
try_open_after(struct memory_files *memory, int64_t segment_bytes, size_t begin, size_t *count,
               struct wal **wal, struct error *err)
{
    struct wal_options options = options_of(segment_bytes);
    options.begin_offset = begin > 0 ? model_next_offset(begin) : 0;
    *count = begin;
    *wal = NULL;
    return wal_open(memory_files_vtable(memory), &options, replay_model, count, wal, err);
}

int
try_open(struct memory_files *memory, int64_t segment_bytes, size_t *count, struct wal **wal,
         struct error *err)
{
    return try_open_after(memory, segment_bytes, 0, count, wal, err);
}

struct wal *
must_open(struct memory_files *memory, int64_t segment_bytes, size_t count)
{
    struct error err = {0};
    struct wal *wal;
    size_t replayed;
    if (try_open(memory, segment_bytes, &replayed, &wal, &err) != 0)
        fail_msg("%s", err.message);
    assert_int_equal(replayed, count);
    assert_int_equal(wal_durable_offset(wal), model_next_offset(count));
    return wal;
}

int
try_append(struct wal *wal, size_t k, struct error *err)
{
    struct model_frame model;
    model_make(k, &model);
    return wal_append(wal, &model.frame, err);
}

void
must_append(struct wal *wal, size_t begin, size_t end)
{
    struct error err = {0};
    for (size_t k = begin; k < end; k++)
        if (try_append(wal, k, &err) != 0)
            fail_msg("%s", err.message);
}

void
must_sync(struct wal *wal)
{
    struct error err = {0};
    if (wal_sync(wal, &err) != 0)
        fail_msg("%s", err.message);
}

struct memory_files *
make_log(size_t count, int64_t segment_bytes)
{
    struct memory_files *memory = memory_files_create(0);
    struct wal *wal = must_open(memory, segment_bytes, 0);
    for (size_t k = 0; k < count; k++) {
        must_append(wal, k, k + 1);
        must_sync(wal);
    }
    wal_close(wal);
    return memory;
}

char *
segment_path(size_t first_frame)
{
    return memory_format(DIRECTORY "/%020zu.wal", 1000 + 10 * first_frame);
}

struct buffer *
segment_content(struct memory_files *memory, size_t first_frame)
{
    char *path = segment_path(first_frame);
    struct buffer *content = memory_files_content(memory, path);
    free(path);
    return content;
}

void
segment_remove(struct memory_files *memory, size_t first_frame)
{
    char *path = segment_path(first_frame);
    struct files *files = memory_files_vtable(memory);
    assert_int_equal(files->unlink(files, path, NULL), 0);
    free(path);
}
