/* A readers-writer lock that prefers writers: new readers wait while a writer waits, so that a
 * stream of readers never starves it. A thread must not take the lock twice. */
#ifndef COMMON_BASE_RWLOCK_H
#define COMMON_BASE_RWLOCK_H

#include <pthread.h>

void rwlock_init(pthread_rwlock_t *lock);
/* No thread may hold it. */
void rwlock_destroy(pthread_rwlock_t *lock);

/* Programming errors aside, these cannot fail. */
void rwlock_lock_read(pthread_rwlock_t *lock);
void rwlock_lock_write(pthread_rwlock_t *lock);
void rwlock_unlock(pthread_rwlock_t *lock);

#endif
