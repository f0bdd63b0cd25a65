/* Loading the entities by chunks, against loading them row by row; and comparing them, by sums and
 * by check chunks. Prints a table. */
#ifndef BENCH_ENGINE_CHUNK_H
#define BENCH_ENGINE_CHUNK_H

void bench_chunks(void);

#endif
