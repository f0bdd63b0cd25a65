#include "consumer/partition/worker_control.h"

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/kafka/kafka_consumer.h"

void
worker_control_init(struct worker_control *control)
{
    atomic_init(&control->stopping, false);
    atomic_init(&control->lost, false);
    atomic_init(&control->ready, 0);
    atomic_init(&control->begun, 0);
    atomic_init(&control->start_offset, KAFKA_OFFSET_BEGINNING);
    atomic_init(&control->heartbeat_us, clock_monotonic_us());
}

void
worker_control_stop(struct worker_control *control)
{
    atomic_store(&control->stopping, true);
}

bool
worker_control_is_stopping(const struct worker_control *control)
{
    return atomic_load(&control->stopping);
}

void
worker_control_lose(struct worker_control *control)
{
    CHECK(!worker_control_is_lost(control)); /* only a new ownership ends a loss */
    atomic_store(&control->lost, true);
}

bool
worker_control_is_lost(const struct worker_control *control)
{
    return atomic_load(&control->lost);
}

void
worker_control_set_ready(struct worker_control *control, int64_t offset)
{
    CHECK(offset >= 0 || offset == KAFKA_OFFSET_BEGINNING);
    CHECK(worker_control_is_reading(control));
    atomic_store(&control->start_offset, offset);
    atomic_fetch_add(&control->ready, 1);
}

int64_t
worker_control_is_ready(const struct worker_control *control, int64_t *offset)
{
    int64_t number = atomic_load(&control->ready);
    if (number == 0)
        return 0;
    *offset = atomic_load(&control->start_offset);
    CHECK(*offset >= 0 || *offset == KAFKA_OFFSET_BEGINNING);
    return number;
}

void
worker_control_begin_reading(struct worker_control *control, int64_t number)
{
    CHECK(number <= atomic_load(&control->ready)); /* the worker may want another one already */
    atomic_store(&control->begun, number);
}

/* Nothing was read before the first time. */
bool
worker_control_is_reading(const struct worker_control *control)
{
    int64_t number = atomic_load(&control->ready);
    return number <= 1 || number == atomic_load(&control->begun);
}

void
worker_control_heartbeat(struct worker_control *control)
{
    int64_t now_us = clock_monotonic_us();
    CHECK(now_us >= atomic_load(&control->heartbeat_us)); /* one thread, a monotonic clock */
    atomic_store(&control->heartbeat_us, now_us);
}

int64_t
worker_control_heartbeat_us(const struct worker_control *control)
{
    return atomic_load(&control->heartbeat_us);
}
