/* librdkafka writes to the descriptor whenever something comes into an empty queue. Several of
 * these writes add up in the counter of an eventfd, and one read takes all of them.
 */
#include "common/kafka/kafka_wakeup.h"

#include <poll.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/base/check.h"

int
kafka_wakeup_open(struct kafka_wakeup *wakeup, rd_kafka_queue_t *queue, struct error *err)
{
    static const uint64_t one = 1;
    CHECK(queue != NULL && wakeup->queue == NULL);
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (fd < 0) {
        rd_kafka_queue_destroy(queue);
        return error_set_errno(err, ERR_FATAL, "kafka: no descriptor to wait on");
    }
    *wakeup = (struct kafka_wakeup){queue, fd};
    rd_kafka_queue_io_event_enable(queue, fd, &one, sizeof one);
    return 0;
}

void
kafka_wakeup_close(struct kafka_wakeup *wakeup)
{
    if (wakeup->queue == NULL)
        return;
    rd_kafka_queue_io_event_enable(wakeup->queue, -1, NULL, 0);
    rd_kafka_queue_destroy(wakeup->queue);
    CHECK(close(wakeup->fd) == 0);
    *wakeup = (struct kafka_wakeup){0};
}

void
kafka_wakeup_wait(struct kafka_wakeup *wakeup, int wait_ms)
{
    struct pollfd one = {.fd = wakeup->fd, .events = POLLIN};
    uint64_t count;
    CHECK(wakeup->queue != NULL);
    CHECK(wait_ms >= 0);
    if (poll(&one, 1, wait_ms) > 0)
        CHECK(read(wakeup->fd, &count, sizeof count) == (ssize_t)sizeof count);
}
