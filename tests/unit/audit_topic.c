#include "tests/unit/audit_topic.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "tests/unit/random_input.h"

enum { P = AUDIT_TOPIC_PARTITIONS };

/* --- a producer ------------------------------------------------------------------------------- */

static const struct op refresh_op = {.kind = OP_REFRESH};
static const char *const starts[] = {"start-0", "start-1", "start-2", "start-3", "start-4"};
static const char *const snapshots[] = {"7:9:8", "10:12:", "20:20:", "21:25:23,24"};

/* A saved position: everything before it is acknowledged. */
struct saved {
    int64_t tick;
    int64_t last_row_id;
    int64_t seq[P];
    uint64_t digest[P];
    uint64_t content[P];
    int place[P]; /* in the topic */
};

/* A row of the outbox that was sent since the saved position, for each of its partitions. */
struct sent {
    int partition;
    bool asks;
    struct event event;
};

/* Requests that are not answered. */
struct owed {
    int64_t rows[64];
    int partitions[64];
    int count;
};

struct maker {
    struct audit_topic *topic;
    int64_t epoch;
    int64_t generation;
    int64_t clock_us;
    bool mixed;
    bool has_content; /* false: a producer of schema version 1 */
    struct saved at;
    struct saved saved;
    struct sent sent[256];
    int sent_count;
    struct owed owed;
    struct owed saved_owed; /* without those that were sent since */
};

static struct audit_message *
topic_insert(struct audit_topic *topic, int partition, int at)
{
    struct audit_message *messages = topic->messages[partition];
    CHECK(topic->count[partition] < AUDIT_TOPIC_EVENTS);
    CHECK(at >= 0 && at <= topic->count[partition]);
    memmove(&messages[at + 1], &messages[at],
            (size_t)(topic->count[partition]++ - at) * sizeof *messages);
    memset(&messages[at], 0, sizeof messages[at]);
    return &messages[at];
}

static void
topic_remove(struct audit_topic *topic, int partition, int at)
{
    struct audit_message *messages = topic->messages[partition];
    memmove(&messages[at], &messages[at + 1],
            (size_t)(--topic->count[partition] - at) * sizeof *messages);
}

static struct audit_message *
topic_add(struct audit_topic *topic, int partition, const struct event *event)
{
    struct audit_message *message = topic_insert(topic, partition, topic->count[partition]);
    message->event = *event;
    message->has_key = event_kind_is_numbered(event->kind);
    message->key = htobe64((uint64_t)event->entity_id);
    return message;
}

static struct event
maker_event(const struct maker *maker, enum event_kind kind, int partition)
{
    return (struct event){
        .epoch = maker->epoch,
        .generation = maker->generation,
        .tick = maker->at.tick,
        .seq = maker->at.seq[partition],
        .source = TEXT("main"),
        .kind = kind,
    };
}

static void
maker_marks(struct maker *maker, enum mark_kind kind)
{
    maker->clock_us += (int64_t)random_below(1000);
    const char *snapshot = snapshots[random_below(COUNT_OF(snapshots))];
    for (int p = 0; p < P; p++) {
        struct event event = maker_event(maker, EVENT_MARK, p);
        int64_t owed = 0;
        for (int i = 0; i < maker->owed.count; i++)
            owed += maker->owed.partitions[i] == p;
        event.mark = (struct mark){
            .kind = kind,
            .topic_id = maker->epoch % 2 == 0 ? TEXT("topic-0") : TEXT("topic-1"),
            .digest = maker->at.digest[p],
            .last_row_id = maker->at.last_row_id,
            .max_row_id = maker->at.last_row_id + 3,
            .clock_us = maker->clock_us,
            .snapshot = text_of(snapshot),
            .source_empty = kind == MARK_FENCE && maker->generation == 1,
            .partitions = P,
            .has_content = maker->has_content,
            .content_digest = maker->has_content ? maker->at.content[p] : 0,
            .start_name = maker->has_content
                              ? text_of(starts[maker->generation % (int64_t)COUNT_OF(starts)])
                              : (struct text){0},
            .owed = owed,
        };
        topic_add(maker->topic, p, &event);
    }
}

static void
maker_save(struct maker *maker)
{
    maker->saved = maker->at;
    maker->saved_owed = maker->owed;
    maker->sent_count = 0;
    for (int p = 0; p < P; p++)
        maker->saved.place[p] = maker->topic->count[p];
}

/* Sends an event under the next seq of the partition. */
static void
maker_number(struct maker *maker, int partition, struct event *event)
{
    struct saved *at = &maker->at;
    event->epoch = maker->epoch;
    event->generation = maker->generation;
    event->seq = ++at->seq[partition];
    at->digest[partition] = event_digest_next(at->digest[partition], event->row_id);
    event->txid = maker->has_content ? (uint64_t)event->row_id + 7 : 0;
    if (maker->has_content)
        at->content[partition] =
            event_content_next(at->content[partition], event->row_id, event->txid, event->body_crc);
    topic_add(maker->topic, partition, event);
}

static void
owed_add(struct owed *owed, int partition, int64_t row_id)
{
    CHECK(owed->count < (int)COUNT_OF(owed->rows));
    owed->rows[owed->count] = row_id;
    owed->partitions[owed->count++] = partition;
}

static void
maker_send_row(struct maker *maker)
{
    static const enum event_kind kinds[] = {EVENT_ROW,      EVENT_ROW,     EVENT_ROW,
                                            EVENT_REJECTED, EVENT_FAN_OUT, EVENT_PARENT_REFRESH};
    struct event event = maker_event(maker, kinds[random_below(COUNT_OF(kinds))], 0);
    event.entity_id = (int64_t)random_below(100) - (event.kind == EVENT_ROW ? 0 : 3);
    event.row_id = maker->at.last_row_id += 1 + (int64_t)random_below(3);
    event.body_crc = (uint32_t)random_next();
    bool asks =
        event.kind == EVENT_PARENT_REFRESH || (event.kind == EVENT_ROW && random_below(4) == 0);
    if (maker->owed.count > 40 && event.kind == EVENT_PARENT_REFRESH)
        event.kind = EVENT_FAN_OUT;
    asks = asks && maker->owed.count <= 40;
    if (asks && event.kind == EVENT_ROW)
        event.ops = (struct ops){&refresh_op, 1};
    for (int p = 0; p < P; p++) {
        if (event.kind == EVENT_ROW && event.entity_id % P != p)
            continue;
        maker_number(maker, p, &event);
        maker->sent[maker->sent_count++] = (struct sent){p, asks, event};
        if (asks)
            owed_add(&maker->owed, p, event.row_id);
    }
}

/* A window, or nothing between two ticks. */
static void
maker_send_window(struct maker *maker)
{
    int rows = (int)random_below(6);
    maker_save(maker);
    maker->at.tick++;
    maker->saved.tick = maker->at.tick;
    for (int i = 0; i < rows; i++)
        maker_send_row(maker);
}

/* Answers of some requests, or of all. */
static void
maker_answer(struct maker *maker)
{
    struct owed *owed = &maker->owed;
    int count = random_below(3) == 0 ? owed->count : owed->count / 2;
    for (int i = 0; i < count; i++) {
        int p = owed->partitions[i];
        const struct event event = maker_event(maker, EVENT_CHUNK, p);
        struct audit_message *message = topic_add(maker->topic, p, &event);
        message->chunk = (struct chunk){.purpose = CHUNK_REFRESH, .answer_count = 1};
        message->answer = owed->rows[i];
    }
    const struct owed rest = *owed;
    owed->count = 0;
    for (int i = count; i < rest.count; i++)
        owed_add(owed, rest.partitions[i], rest.rows[i]);
}

static void
maker_post(struct maker *maker)
{
    const struct event event = {
        .source = TEXT("http"), .kind = EVENT_ROW, .entity_id = (int64_t)random_below(50)};
    topic_add(maker->topic, (int)(event.entity_id % P), &event);
}

/* The producer dies: in each partition only the first of its messages since the saved position
 * arrive, others after the fence of the next one, which sends all of them again. */
static void
maker_take_over(struct maker *maker)
{
    struct audit_topic *topic = maker->topic;
    struct audit_message *zombies = calloc(P * 64, sizeof *zombies);
    int zombie_count[P] = {0};
    for (int p = 0; p < P; p++) {
        int whole = topic->count[p] - maker->saved.place[p];
        int lost = whole > 0 ? (int)random_below((uint64_t)whole + 1) : 0;
        int first = topic->count[p] - lost;
        for (int i = first; i < topic->count[p] && zombie_count[p] < 64; i++)
            if (topic->messages[p][i].event.epoch == 0)
                continue;
            else if (random_below(4) == 0)
                break;
            else
                zombies[p * 64 + zombie_count[p]++] = topic->messages[p][i];
        topic->count[p] = first;
    }
    /* The windows of messages that are gone were not acknowledged. */
    maker->generation++;
    maker->has_content = !maker->mixed || random_below(3) > 0;
    maker->at = maker->saved;
    maker->owed = maker->saved_owed;
    maker_marks(maker, MARK_FENCE);
    for (int p = 0; p < P; p++) /* fences are acknowledged */
        maker->saved.place[p] = topic->count[p];
    for (int p = 0; p < P; p++)
        for (int i = 0; i < zombie_count[p]; i++) {
            struct audit_message *again = topic_insert(topic, p, topic->count[p]);
            *again = zombies[p * 64 + i];
        }
    free(zombies);
    for (int i = 0; i < maker->sent_count; i++) {
        struct sent again = maker->sent[i];
        maker_number(maker, again.partition, &again.event);
        maker->at.last_row_id = again.event.row_id;
        if (again.asks)
            owed_add(&maker->owed, again.partition, again.event.row_id);
    }
}

static void
maker_begin_epoch(struct maker *maker)
{
    maker->epoch++;
    maker->generation++;
    maker->at = (struct saved){.tick = random_below(3) == 0 ? 0 : maker->at.tick};
    for (int p = 0; p < P; p++)
        maker->at.digest[p] = maker->at.content[p] = EVENT_DIGEST_START;
    maker->owed.count = 0;
    maker_marks(maker, MARK_FENCE);
    maker_save(maker);
}

static void
maker_step(struct maker *maker)
{
    switch (random_below(16)) {
    case 0:
        maker_take_over(maker);
        break;
    case 1:
        maker_post(maker);
        break;
    case 2:
        if (random_below(8) == 0)
            maker_begin_epoch(maker);
        break;
    default:
        maker_send_window(maker);
        if (random_below(2) == 0)
            maker_answer(maker);
        if (random_below(3) > 0)
            maker_marks(maker, MARK_WATERMARK);
        if (random_below(5) == 0)
            maker_marks(maker, MARK_WATERMARK);
    }
}

void
audit_topic_make(struct audit_topic *topic, int steps, bool mixed)
{
    struct maker maker = {.topic = topic, .mixed = mixed, .clock_us = 1000};
    *topic = (struct audit_topic){0};
    for (int p = 0; p < P; p++)
        topic->messages[p] = calloc(AUDIT_TOPIC_EVENTS, sizeof **topic->messages);
    maker.has_content = true;
    if (random_below(2) == 0)
        maker_post(&maker);
    maker_begin_epoch(&maker);
    for (int i = 0; i < steps; i++)
        maker_step(&maker);
    maker_send_window(&maker);
    for (int i = 0; i < 3; i++) {
        maker.at.tick++;
        maker_marks(&maker, MARK_WATERMARK);
    }
}

void
audit_topic_free(struct audit_topic *topic)
{
    for (int p = 0; p < P; p++)
        free(topic->messages[p]);
}

void
audit_topic_cut(struct audit_topic *topic)
{
    int64_t cut = 1 + (int64_t)random_below(40);
    for (int p = 0; p < P; p++)
        for (int64_t i = 0; i < cut && topic->count[p] > 20; i++)
            topic_remove(topic, p, 0);
    topic->begin = 1000;
}

struct auditor *
audit_topic_audit(const struct audit_topic *topic)
{
    struct auditor *auditor = auditor_create(P, &audit_limits_default);
    for (int p = 0; p < P; p++) {
        auditor_begin(auditor, p, topic->begin, topic->begin + topic->count[p]);
        for (int i = 0; i < topic->count[p]; i++) {
            struct audit_message *message = &topic->messages[p][i];
            message->event.chunk = &message->chunk;
            message->chunk.answers = &message->answer;
            const struct audit_record record = {
                .offset = topic->begin + i,
                .key = {(const char *)&message->key, message->has_key ? sizeof message->key : 0},
                .event = message->is_broken ? NULL : &message->event,
                .problem = message->is_broken ? "rubbish" : NULL,
            };
            auditor_take(auditor, &record);
        }
    }
    auditor_finish(auditor);
    return auditor;
}

/* --- damage ----------------------------------------------------------------------------------- */

static bool
is_numbered(const struct audit_message *message)
{
    return event_kind_is_numbered(message->event.kind) && message->event.seq > 0;
}

static bool
is_mark(const struct audit_message *message)
{
    return message->event.kind == EVENT_MARK;
}

static bool
is_fence(const struct audit_message *message)
{
    return is_mark(message) && message->event.mark.kind == MARK_FENCE;
}

/* Of an older generation than a message before it. */
static bool
is_fenced(const struct audit_topic *topic, int partition, int at)
{
    const struct event *event = &topic->messages[partition][at].event;
    for (int i = 0; i < at; i++) {
        const struct event *before = &topic->messages[partition][i].event;
        if (before->epoch > event->epoch ||
            (before->epoch == event->epoch && before->generation > event->generation))
            return true;
    }
    return false;
}

/* Does a mark follow in its generation? Without one, what a generation sent is sent again by the
 * next, or belongs to an epoch that is over. */
static bool
is_confirmed(const struct audit_topic *topic, int partition, int at)
{
    const struct audit_message *messages = topic->messages[partition];
    for (int i = at + 1; i < topic->count[partition]; i++)
        if (is_mark(&messages[i]) && messages[i].event.epoch == messages[at].event.epoch &&
            messages[i].event.generation == messages[at].event.generation &&
            !is_fenced(topic, partition, i))
            return true;
    return false;
}

/* Was its seq sent before, in this epoch? */
static bool
is_again(const struct audit_topic *topic, int partition, int at)
{
    const struct event *event = &topic->messages[partition][at].event;
    for (int i = 0; i < at; i++) {
        const struct event *before = &topic->messages[partition][i].event;
        if (is_numbered(&topic->messages[partition][i]) && before->epoch == event->epoch &&
            before->seq == event->seq && !is_fenced(topic, partition, i))
            return true;
    }
    return false;
}

static struct event *
find_numbered(struct audit_topic *topic, int partition, int at, bool again)
{
    struct audit_message *message = &topic->messages[partition][at];
    if (!is_numbered(message) || is_fenced(topic, partition, at) ||
        is_again(topic, partition, at) != again || !is_confirmed(topic, partition, at))
        return NULL;
    return &message->event;
}

static struct mark *
find_mark(struct audit_topic *topic, int partition, int at)
{
    struct audit_message *message = &topic->messages[partition][at];
    return is_mark(message) && !is_fenced(topic, partition, at) ? &message->event.mark : NULL;
}

static bool
damage_body(struct audit_topic *topic, int partition, int at)
{
    struct event *event = find_numbered(topic, partition, at, false);
    if (event != NULL)
        event->body_crc ^= UINT32_C(1) << random_below(32);
    return event != NULL;
}

static bool
damage_body_again(struct audit_topic *topic, int partition, int at)
{
    struct event *event = find_numbered(topic, partition, at, true);
    if (event != NULL)
        event->body_crc++;
    return event != NULL;
}

static bool
damage_txid(struct audit_topic *topic, int partition, int at)
{
    struct event *event = find_numbered(topic, partition, at, false);
    if (event != NULL)
        event->txid++;
    return event != NULL;
}

static bool
damage_txid_again(struct audit_topic *topic, int partition, int at)
{
    struct event *event = find_numbered(topic, partition, at, true);
    if (event != NULL)
        event->txid++;
    return event != NULL;
}

static bool
damage_txid_away(struct audit_topic *topic, int partition, int at)
{
    struct event *event = find_numbered(topic, partition, at, false);
    if (event != NULL)
        event->txid = 0;
    return event != NULL;
}

static bool
damage_row_id(struct audit_topic *topic, int partition, int at)
{
    struct event *event = find_numbered(topic, partition, at, false);
    if (event != NULL)
        event->row_id += 1000;
    return event != NULL;
}

static bool
damage_row_id_again(struct audit_topic *topic, int partition, int at)
{
    struct event *event = find_numbered(topic, partition, at, true);
    if (event != NULL)
        event->row_id += 1000;
    return event != NULL;
}

static bool
damage_drop(struct audit_topic *topic, int partition, int at)
{
    bool does = find_numbered(topic, partition, at, false) != NULL;
    if (does)
        topic_remove(topic, partition, at);
    return does;
}

static bool
damage_twice(struct audit_topic *topic, int partition, int at)
{
    bool does = find_numbered(topic, partition, at, false) != NULL;
    if (does) {
        struct audit_message copy = topic->messages[partition][at];
        *topic_insert(topic, partition, at + 1) = copy;
    }
    return does;
}

static bool
damage_order(struct audit_topic *topic, int partition, int at)
{
    if (at + 1 == topic->count[partition] || find_numbered(topic, partition, at, false) == NULL ||
        find_numbered(topic, partition, at + 1, false) == NULL)
        return false;
    struct audit_message *messages = topic->messages[partition];
    struct audit_message moved = messages[at];
    messages[at] = messages[at + 1];
    messages[at + 1] = moved;
    return true;
}

static bool
damage_place(struct audit_topic *topic, int partition, int at)
{
    struct event *event = find_numbered(topic, partition, at, false);
    if (event == NULL || event->kind != EVENT_ROW)
        return false;
    event->entity_id++;
    topic->messages[partition][at].key = htobe64((uint64_t)event->entity_id);
    return true;
}

static bool
damage_key(struct audit_topic *topic, int partition, int at)
{
    topic->messages[partition][at].key ^= 1;
    return topic->messages[partition][at].has_key;
}

static bool
damage_number_away(struct audit_topic *topic, int partition, int at)
{
    struct event *event = find_numbered(topic, partition, at, false);
    if (event != NULL)
        event->seq = 0;
    return event != NULL;
}

static bool
damage_to_rubbish(struct audit_topic *topic, int partition, int at)
{
    topic->messages[partition][at].is_broken = true;
    return true;
}

static bool
damage_source(struct audit_topic *topic, int partition, int at)
{
    struct event *event = &topic->messages[partition][at].event;
    bool opens = is_fence(&topic->messages[partition][at]) && event->seq == 0;
    if (event->epoch == 0 || event->kind == EVENT_CHUNK || opens || is_fenced(topic, partition, at))
        return false;
    event->source = TEXT("other");
    return true;
}

static bool
damage_digest(struct audit_topic *topic, int partition, int at)
{
    struct mark *mark = find_mark(topic, partition, at);
    if (mark != NULL)
        mark->digest ^= UINT64_C(1) << random_below(64);
    return mark != NULL;
}

static bool
damage_content(struct audit_topic *topic, int partition, int at)
{
    struct mark *mark = find_mark(topic, partition, at);
    if (mark != NULL)
        mark->content_digest++;
    return mark != NULL;
}

static bool
damage_content_away(struct audit_topic *topic, int partition, int at)
{
    struct mark *mark = find_mark(topic, partition, at);
    if (mark == NULL || mark->kind == MARK_FENCE)
        return false;
    mark->has_content = false;
    mark->content_digest = 0;
    return true;
}

static bool
damage_topic_id(struct audit_topic *topic, int partition, int at)
{
    struct mark *mark = find_mark(topic, partition, at);
    if (mark == NULL || topic->messages[partition][at].event.seq == 0)
        return false;
    mark->topic_id = TEXT("topic-9");
    return true;
}

static bool
damage_partitions(struct audit_topic *topic, int partition, int at)
{
    struct mark *mark = find_mark(topic, partition, at);
    if (mark != NULL)
        mark->partitions++;
    return mark != NULL;
}

static bool
damage_start(struct audit_topic *topic, int partition, int at)
{
    struct mark *mark = find_mark(topic, partition, at);
    if (mark == NULL || mark->kind == MARK_FENCE)
        return false;
    mark->start_name = TEXT("start-9");
    return true;
}

/* A mark whose tick is whole in this partition and in another one. */
static bool
is_inside(const struct audit_topic *topic, int partition, int at)
{
    const struct event *event = &topic->messages[partition][at].event;
    int with_later = 0;
    for (int p = 0; p < P; p++) {
        bool has_later = false;
        for (int i = 0; i < topic->count[p]; i++) {
            const struct event *other = &topic->messages[p][i].event;
            has_later = has_later || (other->kind == EVENT_MARK && other->epoch == event->epoch &&
                                      other->generation == event->generation &&
                                      other->tick > event->tick && !is_fenced(topic, p, i));
        }
        if (p == partition && !has_later)
            return false;
        with_later += has_later;
    }
    return with_later > 1;
}

static bool
damage_mark_away(struct audit_topic *topic, int partition, int at)
{
    struct mark *mark = find_mark(topic, partition, at);
    if (mark == NULL || mark->kind == MARK_FENCE || !is_inside(topic, partition, at))
        return false;
    topic_remove(topic, partition, at);
    return true;
}

static bool
damage_snapshot(struct audit_topic *topic, int partition, int at)
{
    struct mark *mark = find_mark(topic, partition, at);
    if (mark == NULL || !is_inside(topic, partition, at))
        return false;
    mark->snapshot = TEXT("1:1:");
    return true;
}

static bool
damage_fence_away(struct audit_topic *topic, int partition, int at)
{
    const struct audit_message *messages = topic->messages[partition];
    if (find_mark(topic, partition, at) == NULL || !is_fence(&messages[at]) ||
        messages[at].event.seq == 0)
        return false;
    for (int i = at + 1; i < topic->count[partition]; i++) {
        if (messages[i].event.epoch == 0 ||
            messages[i].event.generation < messages[at].event.generation)
            continue;
        if (messages[i].event.generation > messages[at].event.generation)
            return false;
        topic_remove(topic, partition, at);
        return true;
    }
    return false;
}

static bool
damage_fence_twice(struct audit_topic *topic, int partition, int at)
{
    const struct audit_message fence = topic->messages[partition][at];
    if (find_mark(topic, partition, at) == NULL || !is_fence(&fence))
        return false;
    *topic_insert(topic, partition, at + 1) = fence;
    return true;
}

/* An event of the generation before, in a window after the fence. */
static bool
damage_rival(struct audit_topic *topic, int partition, int at)
{
    struct audit_message fence = topic->messages[partition][at];
    if (find_mark(topic, partition, at) == NULL || !is_fence(&fence) || fence.event.seq == 0)
        return false;
    fence.event.generation--;
    fence.event.tick++;
    fence.event.mark.kind = MARK_WATERMARK;
    *topic_insert(topic, partition, at + 1) = fence;
    return true;
}

static bool
damage_tick(struct audit_topic *topic, int partition, int at)
{
    struct audit_message *messages = topic->messages[partition];
    if (find_numbered(topic, partition, at, false) == NULL || at == 0 ||
        messages[at - 1].event.generation != messages[at].event.generation ||
        messages[at].event.tick < 1)
        return false;
    messages[at].event.tick = messages[at - 1].event.tick - 1;
    return messages[at].event.tick >= 0;
}

/* An answer without which a later watermark owes nothing. */
static bool
damage_answer_away(struct audit_topic *topic, int partition, int at)
{
    const struct audit_message *messages = topic->messages[partition];
    if (messages[at].event.kind != EVENT_CHUNK || is_fenced(topic, partition, at))
        return false;
    for (int i = 0; i < topic->count[partition]; i++) { /* nobody answers it again */
        if (i != at && messages[i].event.kind == EVENT_CHUNK &&
            messages[i].answer == messages[at].answer)
            return false;
    }
    for (int i = at + 1; i < topic->count[partition]; i++) {
        if (messages[i].event.epoch > messages[at].event.epoch)
            return false;
        if (!is_mark(&messages[i]) || is_fence(&messages[i]) || is_fenced(topic, partition, i) ||
            messages[i].event.mark.owed > 0)
            continue;
        topic_remove(topic, partition, at);
        return true;
    }
    return false;
}

static bool
damage_beginning(struct audit_topic *topic, int partition, int at)
{
    const struct audit_message *message = &topic->messages[partition][at];
    bool is_opening = is_fence(message) && message->event.generation == 1;
    if (!is_opening || at + 1 == topic->count[partition] || message[1].event.generation != 1)
        return false;
    topic_remove(topic, partition, at);
    return true;
}

const struct audit_damage audit_damages[] = {
    {"a changed body", damage_body, true},
    {"a changed body of what is sent again", damage_body_again, false},
    {"another transaction", damage_txid, true},
    {"an id that is issued again", damage_txid_again, false},
    {"no transaction", damage_txid_away, true},
    {"another row id", damage_row_id, true},
    {"another row id of what is sent again", damage_row_id_again, false},
    {"an event that is missing", damage_drop, true},
    {"an event twice", damage_twice, false},
    {"two events in the wrong order", damage_order, true},
    {"a row in the wrong partition", damage_place, false},
    {"another key", damage_key, false},
    {"an event without its number", damage_number_away, true},
    {"rubbish", damage_to_rubbish, false},
    {"a second source", damage_source, true},
    {"another digest", damage_digest, false},
    {"another content digest", damage_content, false},
    {"no content digest", damage_content_away, false},
    {"another topic id", damage_topic_id, true},
    {"another number of partitions", damage_partitions, false},
    {"another start", damage_start, true},
    {"a mark that is missing", damage_mark_away, false},
    {"another snapshot", damage_snapshot, false},
    {"a fence that is missing", damage_fence_away, true},
    {"a second fence", damage_fence_twice, false},
    {"a rival after its fence", damage_rival, true},
    {"a tick that goes back", damage_tick, false},
    {"an answer that is missing", damage_answer_away, false},
    {"no beginning", damage_beginning, true},
};
const int audit_damage_count = COUNT_OF(audit_damages);
