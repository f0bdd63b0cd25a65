/* Mutexes and condition variables whose functions cannot fail, programming errors aside.
 *
 * A mutex is not recursive; locking it twice, or unlocking it from a thread that does not hold it,
 * trips a CHECK.
 */
#ifndef COMMON_BASE_MUTEX_H
#define COMMON_BASE_MUTEX_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

void mutex_init(pthread_mutex_t *mutex);
/* No thread may hold it. */
void mutex_destroy(pthread_mutex_t *mutex);
void mutex_lock(pthread_mutex_t *mutex);
void mutex_unlock(pthread_mutex_t *mutex);

void condition_init(pthread_cond_t *condition);
/* No thread may wait for it. */
void condition_destroy(pthread_cond_t *condition);
void condition_signal(pthread_cond_t *condition);
void condition_broadcast(pthread_cond_t *condition);

/* The caller holds `mutex`, and tests its predicate again after each return. */
void condition_wait(pthread_cond_t *condition, pthread_mutex_t *mutex);
/* False: `deadline_us` of the monotonic clock has passed. */
bool condition_wait_until(pthread_cond_t *condition, pthread_mutex_t *mutex, int64_t deadline_us);

#endif
