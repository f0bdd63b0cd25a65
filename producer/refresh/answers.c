#include "producer/refresh/answers.h"

#include "common/base/check.h"

bool
answers_chunk_is_needed(const struct chunk *chunk)
{
    CHECK(chunk->purpose == CHUNK_REFRESH);
    return !chunk->has_slots || chunk->slot_count > 0 || chunk->answer_count > 0;
}

void
answers_init(struct answers *answers)
{
    *answers = (struct answers){0};
    arena_init(&answers->arena);
}

void
answers_free(struct answers *answers)
{
    for (uint32_t i = 0; i < answers->reading_count; i++)
        load_chunk_free(&answers->readings[i]);
    arena_free(&answers->arena);
    *answers = (struct answers){0};
}
