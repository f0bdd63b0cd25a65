#include "consumer/partition/replay_request.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/rfc3339.h"

enum { US_IN_MS = 1000 };

/* The text after `prefix`; NULL: `from` begins otherwise. */
static const char *
text_after(const char *from, const char *prefix)
{
    size_t bytes = strlen(prefix);
    return strncmp(from, prefix, bytes) == 0 ? from + bytes : NULL;
}

static bool
number_parse(const char *text, int64_t *number)
{
    char *end;
    errno = 0;
    *number = text[0] >= '0' && text[0] <= '9' ? strtoll(text, &end, 10) : -1;
    return *number >= 0 && errno == 0 && *end == '\0';
}

int
replay_request_parse(const char *from, struct replay_request *request, struct error *err)
{
    const char *offset = text_after(from, "offset:");
    const char *last = text_after(from, "last:");
    const char *time = text_after(from, "time:");
    int64_t *value = &request->value;
    bool is_valid = strcmp(from, "beginning") == 0;
    request->action = REPLAY_BEGIN;
    request->from = REPLAY_FROM_BEGINNING;
    *value = 0;
    if (offset != NULL)
        request->from = REPLAY_FROM_OFFSET;
    else if (last != NULL)
        request->from = REPLAY_FROM_LAST;
    else if (time != NULL)
        request->from = REPLAY_FROM_TIME;
    if (offset != NULL || last != NULL)
        is_valid = number_parse(offset != NULL ? offset : last, value);
    else if (time != NULL)
        is_valid = rfc3339_parse(time, value);
    if (request->from == REPLAY_FROM_TIME)
        *value /= US_IN_MS;
    if (is_valid)
        return 0;
    return error_set(err, ERR_USAGE,
                     "a replay begins from \"beginning\", \"offset:N\", \"last:N\" or "
                     "\"time:2026-11-30T14:00:00Z\"");
}

void
replay_slot_init(struct replay_slot *slot)
{
    *slot = (struct replay_slot){.number = 0};
    CHECK(pthread_mutex_init(&slot->lock, NULL) == 0);
}

void
replay_slot_free(struct replay_slot *slot)
{
    CHECK(pthread_mutex_destroy(&slot->lock) == 0);
}

int64_t
replay_slot_put(struct replay_slot *slot, const struct replay_request *request)
{
    int64_t number = 0;
    pthread_mutex_lock(&slot->lock);
    CHECK(slot->answered <= slot->number);
    if (slot->answered == slot->number) {
        slot->request = *request;
        number = ++slot->number;
    }
    pthread_mutex_unlock(&slot->lock);
    return number;
}

bool
replay_slot_find(struct replay_slot *slot, int64_t number, struct replay_answer *answer)
{
    CHECK(number > 0);
    pthread_mutex_lock(&slot->lock);
    bool is_there = number == slot->number;
    bool is_answered = !is_there || slot->answered == number;
    if (is_there)
        *answer = slot->answer;
    pthread_mutex_unlock(&slot->lock);
    if (!is_there) {
        *answer = (struct replay_answer){.result = "refused", .offset = -1};
        snprintf(answer->error, sizeof answer->error,
                 "the partition was revoked and assigned again");
    }
    return is_answered;
}

bool
replay_slot_take(struct replay_slot *slot, struct replay_request *request)
{
    pthread_mutex_lock(&slot->lock);
    bool is_open = slot->answered < slot->number;
    *request = slot->request;
    pthread_mutex_unlock(&slot->lock);
    return is_open;
}

void
replay_slot_answer(struct replay_slot *slot, const struct replay_answer *answer)
{
    CHECK(answer->result != NULL);
    pthread_mutex_lock(&slot->lock);
    if (slot->answered < slot->number) {
        slot->answer = *answer;
        slot->answered = slot->number;
    }
    pthread_mutex_unlock(&slot->lock);
}
