/* What other threads ask of the replay of a partition, one request at a time: a slot between them
 * and the worker.
 *
 * Any thread, except where the worker is named.
 */
#ifndef CONSUMER_PARTITION_REPLAY_REQUEST_H
#define CONSUMER_PARTITION_REPLAY_REQUEST_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/error.h"

enum replay_action { REPLAY_BEGIN, REPLAY_ACCEPT, REPLAY_ABORT };

/* Where a replay begins. */
enum replay_from {
    REPLAY_FROM_BEGINNING, /* of the topic */
    REPLAY_FROM_OFFSET,
    REPLAY_FROM_LAST, /* so many messages before the serving position */
    REPLAY_FROM_TIME, /* of the brokers, in milliseconds since 1970 */
};

struct replay_request {
    enum replay_action action;
    enum replay_from from; /* of a REPLAY_BEGIN, as are the next two */
    int64_t value;
    bool accepts_loss;
};

struct replay_answer {
    const char *result; /* "begun", "accepted", "taken back", "none" or "refused" */
    int64_t offset; /* where the rebuilt replica reads next; -1: the topic's beginning, or none */
    char error[ERROR_MESSAGE_BYTES]; /* "": none */
};

struct replay_slot {
    pthread_mutex_t lock;
    int64_t number; /* of the last request; 0: none yet */
    int64_t answered;
    struct replay_request request;
    struct replay_answer answer;
};

/* "beginning", "offset:N", "last:N" or "time:RFC3339" into a request to begin. ERR_USAGE. */
int replay_request_parse(const char *from, struct replay_request *request, struct error *err);

void replay_slot_init(struct replay_slot *slot);
void replay_slot_free(struct replay_slot *slot);

/* Returns the number of the request, from 1; 0: another one is not answered yet. */
int64_t replay_slot_put(struct replay_slot *slot, const struct replay_request *request);
/* False: it is not answered yet. A request that is not there any more is answered as refused. */
bool replay_slot_find(struct replay_slot *slot, int64_t number, struct replay_answer *answer);

/* The worker: the open request; false: nothing is asked. */
bool replay_slot_take(struct replay_slot *slot, struct replay_request *request);
/* The worker: answers the open request, if there is one. */
void replay_slot_answer(struct replay_slot *slot, const struct replay_answer *answer);

#endif
