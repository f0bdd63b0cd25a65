#include "common/base/rwlock.h"

#include "common/base/check.h"

void
rwlock_init(pthread_rwlock_t *lock)
{
    pthread_rwlockattr_t attributes;
    CHECK(pthread_rwlockattr_init(&attributes) == 0);
    CHECK(pthread_rwlockattr_setkind_np(&attributes,
                                        PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP) == 0);
    CHECK(pthread_rwlock_init(lock, &attributes) == 0);
    CHECK(pthread_rwlockattr_destroy(&attributes) == 0);
}

void
rwlock_destroy(pthread_rwlock_t *lock)
{
    CHECK(pthread_rwlock_destroy(lock) == 0);
}

void
rwlock_lock_read(pthread_rwlock_t *lock)
{
    CHECK(pthread_rwlock_rdlock(lock) == 0);
}

void
rwlock_lock_write(pthread_rwlock_t *lock)
{
    CHECK(pthread_rwlock_wrlock(lock) == 0);
}

void
rwlock_unlock(pthread_rwlock_t *lock)
{
    CHECK(pthread_rwlock_unlock(lock) == 0);
}
