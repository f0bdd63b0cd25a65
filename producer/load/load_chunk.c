#include "producer/load/load_chunk.h"

void
load_chunk_free(struct load_chunk *chunk)
{
    arena_free(&chunk->arena);
    *chunk = (struct load_chunk){0};
}

void
load_pass_part_free(struct load_pass_part *part)
{
    arena_free(&part->arena);
    *part = (struct load_pass_part){0};
}
