/* POSIX threads: a thread that cannot start is an error of the environment, not of the program.
 *
 * Every thread has a name, which `top -H` and debuggers show, and is joined exactly once.
 */
#ifndef COMMON_BASE_THREAD_H
#define COMMON_BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>

#include "common/base/error.h"

enum { THREAD_NAME_BYTES = 16 }; /* with the terminating zero; the kernel's limit */

/* Starts a thread that runs `run(context)`. ERR_FATAL: the limit on threads or on memory is
 * reached; `thread` is then undefined. `context` must live until the thread is joined. */
int thread_start(pthread_t *thread, const char *name, void *run(void *), void *context,
                 struct error *err);

/* Waits until the thread has ended. */
void thread_join(pthread_t thread);

/* As thread_join(), but waits no longer than `timeout_s`. False: the thread still runs, and what
 * it uses must not be freed. */
bool thread_join_within(pthread_t thread, int timeout_s);

#endif
