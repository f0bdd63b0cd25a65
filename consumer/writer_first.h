/* A readers-writer lock on which a waiting writer goes before new readers, so that a stream of
 * readers never starves it. A reader must not take it twice. */
#ifndef CONSUMER_WRITER_FIRST_H
#define CONSUMER_WRITER_FIRST_H

#include <pthread.h>

/* Released with pthread_rwlock_destroy(). */
void writer_first_init(pthread_rwlock_t *lock);

/* Programming errors aside, these cannot fail. */
void writer_first_read(pthread_rwlock_t *lock);
void writer_first_write(pthread_rwlock_t *lock);
void writer_first_release(pthread_rwlock_t *lock);

#endif
