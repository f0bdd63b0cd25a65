/* What a shard says of its completeness, beside what it has lost. Random topics have everything
 * that makes a shard differ from the source: messages that are skipped or removed, a producer on a
 * copy of the database, a second source, a topic that was made again. A shard that says that a
 * field is complete has what the source has, at each watermark, also after restarts; and one whose
 * topic only has takeovers, zombies and repeated events never loses anything.
 *
 * One partition, a field that the source fills (level) and one that is posted (post). */
#include "tests/unit/unit_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/event/chunk.h"
#include "consumer/partition/incomplete.h"
#include "consumer/partition/position.h"
#include "tests/unit/random_input.h"

enum { ENTITIES = 3, ITEMS_MAX = 1500, ROWS_MAX = 1500, QUEUE_MAX = 8, STEPS = 150, RUNS = 400 };

static const struct config_filter_field filters[] = {{.name = "level", .type = FIELD_SINGLE_VALUE},
                                                     {.name = "post", .type = FIELD_SINGLE_VALUE}};
static const struct config_index index_config = {.filter_fields = filters, .filter_field_count = 2};
static struct config_fields fields; /* of it */
static uint32_t level_number, post_number;

enum fault {
    FAULT_ADOPTED = 1, /* a new epoch on the same topic: not a fault, but not complete either */
    FAULT_SKIP = 2,
    FAULT_HOLE = 4,
    FAULT_RIVAL = 8,
    FAULT_SOURCE = 16,
    FAULT_TOPIC = 32,
    FAULT_BEGINNING = 64,
};

/* --- sources --------------------------------------------------------------------------------- */

struct row {
    int entity, level;
};

struct database {
    const char *source;
    char topic_id[24];
    struct row rows[ROWS_MAX];
    int count;
    int base;     /* rows before the epoch */
    int from, to; /* the saved window */
    int64_t epoch, generation, tick;
    int64_t job;
    bool is_empty; /* the source was, when the first epoch began */
    bool wants_load;
};

struct item {
    struct event event;
    struct chunk chunk;
    struct job_mark job;
    int entity, value;
    int levels[ENTITIES]; /* of a chunk */
    uint64_t hash;
    char topic_id[24], start[24]; /* of a mark */
    const struct database *of;
    int rows;     /* a watermark: the rows that it proves */
    bool is_live; /* it comes from the session that its database knows */
    bool is_hole;
};

struct producer {
    struct database *database; /* NULL: down */
    int64_t epoch, generation, tick;
    int next, to;
    char start[24];
    struct item queue[QUEUE_MAX]; /* handed to the client */
    int queued;
};

/* --- the world ------------------------------------------------------------------------------- */

struct shard {
    struct sequence sequence;
    int levels[ENTITIES], posts[ENTITIES]; /* -1: null */
    int64_t offset;
};

struct world {
    struct database ours, copy, others;
    struct producer producer, zombie, second;
    struct item *topic;
    int64_t end, low;
    uint64_t messages, starts; /* so far */
    int topics;
    int64_t rival_tick; /* of the fence of a rival; -1: none */
    struct database *truth;
    struct shard shard, saved;
    bool is_stalled;
    int faults;
    int checked; /* watermarks that were compared with the source */
    char acts[STEPS * 8 + 1];
};

static void
note(struct world *world, const char *act)
{
    size_t at = strlen(world->acts);
    snprintf(world->acts + at, sizeof world->acts - at, "%s ", act);
}

static void
database_begin(struct world *world, struct database *database, const char *source, bool is_empty)
{
    *database = (struct database){.source = source, .epoch = 1, .is_empty = is_empty};
    snprintf(database->topic_id, sizeof database->topic_id, "topic-%d", ++world->topics);
}

static void
database_write(struct database *database)
{
    if (database->count == ROWS_MAX)
        return;
    database->rows[database->count++] =
        (struct row){(int)random_below(ENTITIES), (int)random_below(50)};
}

static void
database_read(const struct database *database, int rows, int *levels)
{
    for (int i = 0; i < ENTITIES; i++)
        levels[i] = -1;
    for (int i = 0; i < rows; i++)
        levels[database->rows[i].entity] = database->rows[i].level;
}

/* `cursor adopt`: the epoch begins now, and a load is queued. */
static void
database_adopt(struct world *world, struct database *database, bool is_other_topic)
{
    database->epoch++;
    database->generation++;
    database->tick++;
    database->base = database->from = database->to = database->count;
    database->is_empty = false;
    database->wants_load = true;
    if (is_other_topic)
        snprintf(database->topic_id, sizeof database->topic_id, "topic-%d", ++world->topics);
}

/* --- the topic ------------------------------------------------------------------------------- */

static void
topic_append(struct world *world, const struct item *item)
{
    assert_true(world->end < ITEMS_MAX);
    struct item *kept = &world->topic[world->end++];
    *kept = *item;
    kept->hash = ++world->messages;
}

static void
topic_post(struct world *world)
{
    struct item item = {.event = {.kind = EVENT_ROW, .source = TEXT("http")},
                        .entity = (int)random_below(ENTITIES),
                        .value = (int)random_below(50)};
    topic_append(world, &item);
}

/* --- producers ------------------------------------------------------------------------------- */

static const struct text mark_fields[] = {TEXT(""), TEXT("level")};

static void
producer_queue(struct producer *producer, struct item item)
{
    struct database *database = producer->database;
    struct event *event = &item.event;
    assert_true(producer->queued < QUEUE_MAX);
    event->epoch = producer->epoch;
    event->generation = producer->generation;
    event->tick = producer->tick;
    event->source = text_of(database->source);
    item.of = database;
    producer->queue[producer->queued++] = item;
}

static uint32_t
content_of(const struct row *row)
{
    return (uint32_t)(100 * row->entity + row->level);
}

static struct item
mark_at(const struct producer *producer, enum mark_kind kind, int rows)
{
    const struct database *database = producer->database;
    struct item item = {.rows = rows};
    struct mark *mark = &item.event.mark;
    item.event.kind = EVENT_MARK;
    item.event.seq = rows - database->base;
    *mark = (struct mark){.kind = kind,
                          .digest = EVENT_DIGEST_START,
                          .content_digest = EVENT_DIGEST_START,
                          .source_empty = database->is_empty,
                          .partitions = 1,
                          .has_content = true,
                          .fields = mark_fields,
                          .field_count = 2};
    memcpy(item.topic_id, database->topic_id, sizeof item.topic_id);
    memcpy(item.start, producer->start, sizeof item.start);
    for (int i = database->base; i < rows; i++) {
        mark->digest = event_digest_next(mark->digest, i + 1);
        mark->content_digest = event_content_next(mark->content_digest, i + 1, (uint64_t)i + 10,
                                                  content_of(&database->rows[i]));
    }
    return item;
}

static void
producer_start(struct world *world, struct producer *producer, struct database *database)
{
    *producer = (struct producer){.database = database,
                                  .epoch = database->epoch,
                                  .generation = ++database->generation,
                                  .tick = database->tick,
                                  .next = database->from,
                                  .to = database->to};
    snprintf(producer->start, sizeof producer->start, "start-%d", (int)++world->starts);
    producer_queue(producer, mark_at(producer, MARK_FENCE, producer->next));
}

static void
producer_queue_row(struct producer *producer)
{
    struct database *database = producer->database;
    const struct row *row = &database->rows[producer->next++];
    producer_queue(producer, (struct item){.event = {.kind = EVENT_ROW,
                                                     .seq = producer->next - database->base,
                                                     .row_id = producer->next,
                                                     .txid = (uint64_t)producer->next + 9,
                                                     .body_crc = content_of(row)},
                                           .entity = row->entity,
                                           .value = row->level});
}

/* A load in one chunk. */
static void
producer_queue_load(struct producer *producer)
{
    struct database *database = producer->database;
    struct item item = {.event.seq = producer->next - database->base};
    item.job = (struct job_mark){.kind = JOB_BEGIN,
                                 .job = ++database->job,
                                 .end = CHUNK_NO_END,
                                 .states_alive = true,
                                 .fields = &mark_fields[1],
                                 .field_count = 1};
    item.chunk = (struct chunk){.purpose = CHUNK_LOAD,
                                .job = database->job,
                                .end = CHUNK_NO_END,
                                .fields = &mark_fields[1],
                                .field_count = 1,
                                .states_alive = true};
    database_read(database, producer->next, item.levels);
    item.event.kind = EVENT_JOB;
    producer_queue(producer, item);
    item.event.kind = EVENT_CHUNK;
    producer_queue(producer, item);
    item.event.kind = EVENT_JOB;
    item.job.kind = JOB_END;
    producer_queue(producer, item);
    database->wants_load = false;
}

/* Saves the position and opens the next window, unless another session has the cursor. */
static void
producer_save(struct producer *producer)
{
    struct database *database = producer->database;
    if (database->epoch != producer->epoch || database->generation != producer->generation) {
        producer->database = NULL;
        return;
    }
    database->from = producer->next;
    database->to += (int)random_below((uint64_t)(database->count - database->to) + 1);
    database->tick = ++producer->tick;
    producer->to = database->to;
}

static bool
producer_is_live(const struct producer *producer)
{
    const struct database *database = producer->database;
    return database != NULL && database->epoch == producer->epoch &&
           database->generation == producer->generation;
}

/* The broker takes the next message, or the producer continues. */
static void
producer_step(struct world *world, struct producer *producer)
{
    if (producer->queued > 0) {
        producer->queue[0].is_live = producer_is_live(producer);
        topic_append(world, &producer->queue[0]);
        memmove(&producer->queue[0], &producer->queue[1],
                (size_t)--producer->queued * sizeof producer->queue[0]);
    } else if (producer->database == NULL) {
        return;
    } else if (producer->next < producer->to) {
        producer_queue_row(producer);
    } else if (producer->database->wants_load) {
        producer_save(producer);
        if (producer->database != NULL && producer->next == producer->to)
            producer_queue_load(producer);
    } else if (random_below(2) == 0) {
        producer_save(producer);
    } else {
        producer_queue(producer, mark_at(producer, MARK_WATERMARK, producer->next));
    }
}

/* --- the shard ------------------------------------------------------------------------------- */

static void
shard_begin(struct world *world, struct shard *shard)
{
    *shard = (struct shard){.offset = world->low};
    sequence_init(&shard->sequence, &fields);
    for (int i = 0; i < ENTITIES; i++)
        shard->levels[i] = shard->posts[i] = -1;
}

/* The position goes through its bytes. */
static void
shard_save(struct world *world)
{
    struct position position = {.sequence = world->shard.sequence}, read;
    struct error err;
    struct buffer bytes, again;
    buffer_init(&bytes);
    buffer_init(&again);
    position_encode(&position, &fields, &bytes);
    const struct text text = {(const char *)bytes.data, bytes.bytes};
    assert_int_equal(position_decode(text, &fields, &read, NULL, &err), 0);
    position_encode(&read, &fields, &again);
    assert_int_equal(again.bytes, bytes.bytes);
    assert_memory_equal(again.data, bytes.data, bytes.bytes);
    buffer_free(&bytes);
    buffer_free(&again);
    world->saved = world->shard;
    world->saved.sequence = read.sequence;
}

/* Another start, from the saved position: the message before it is read again. What that shows is
 * saved with the next frame; until then each start finds it again. */
static void
shard_restart(struct world *world)
{
    struct shard *shard = &world->shard;
    *shard = world->saved;
    world->is_stalled = false;
    int64_t last = shard->offset - 1;
    if (last >= world->low && last < world->end && !world->topic[last].is_hole &&
        !sequence_is_message(&shard->sequence, last, world->topic[last].hash)) {
        sequence_change_topic(&shard->sequence);
        shard_save(world);
    }
}

static void
shard_apply(struct shard *shard, const struct item *item)
{
    if (item->event.kind == EVENT_CHUNK)
        memcpy(shard->levels, item->levels, sizeof shard->levels);
    else if (item->event.kind == EVENT_ROW && item->event.seq == 0)
        shard->posts[item->entity] = item->value;
    else if (item->event.kind == EVENT_ROW)
        shard->levels[item->entity] = item->value;
}

/* What the posts of this topic say, those that are gone included. */
static void
read_posts(const struct world *world, int *posts)
{
    for (int i = 0; i < ENTITIES; i++)
        posts[i] = -1;
    for (int64_t i = 0; i < world->shard.offset && i < world->end; i++)
        if (world->topic[i].event.kind == EVENT_ROW && world->topic[i].event.seq == 0)
            posts[world->topic[i].entity] = world->topic[i].value;
}

static int
reasons_of(int faults)
{
    int allowed = 1 << COVERAGE_NOTHING_READ;
    if (faults & (FAULT_ADOPTED | FAULT_TOPIC | FAULT_SOURCE))
        allowed |= 1 << COVERAGE_NEW_EPOCH;
    if (faults & (FAULT_SKIP | FAULT_HOLE | FAULT_BEGINNING | FAULT_RIVAL | FAULT_TOPIC))
        allowed |= 1 << COVERAGE_GAP | 1 << COVERAGE_FENCE_MISSING | 1 << COVERAGE_NO_BEGINNING;
    if (faults & FAULT_SKIP)
        allowed |= 1 << COVERAGE_SKIPPED;
    if (faults & (FAULT_BEGINNING | FAULT_SOURCE | FAULT_TOPIC | FAULT_ADOPTED))
        allowed |= 1 << COVERAGE_SOURCE_NOT_EMPTY;
    if (faults & FAULT_RIVAL)
        allowed |= 1 << COVERAGE_RIVAL | 1 << COVERAGE_NUMBERS_REUSED;
    if (faults & FAULT_SOURCE)
        allowed |= 1 << COVERAGE_SECOND_SOURCE | 1 << COVERAGE_NO_BEGINNING;
    if (faults & FAULT_TOPIC)
        allowed |= 1 << COVERAGE_OTHER_TOPIC | 1 << COVERAGE_SECOND_SOURCE |
                   1 << COVERAGE_NUMBERS_REUSED | 1 << COVERAGE_RIVAL;
    return allowed;
}

static void
fail_at(const struct world *world, const char *what)
{
    char reason[INCOMPLETE_BYTES];
    incomplete_describe(&world->shard.sequence, &fields, reason, sizeof reason);
    fail_msg("%s at offset %d; faults %d, losses %d, reason %d (%s); acts: %s", what,
             (int)world->shard.offset, world->faults, (int)world->shard.sequence.losses,
             (int)world->shard.sequence.reason, reason, world->acts);
}

static void
check_reasons(const struct world *world)
{
    const struct sequence *sequence = &world->shard.sequence;
    char reason[INCOMPLETE_BYTES];
    if (((1 << sequence->coverage.reasons[level_number]) & (reasons_of(world->faults) | 1)) == 0)
        fail_at(world, "a reason that nothing has given");
    incomplete_describe(sequence, &fields, reason, sizeof reason);
    if ((reason[0] == '\0') != sequence_complete(sequence))
        fail_at(world, "no reason");
    if (sequence->losses > 0 && (world->faults & ~FAULT_ADOPTED) == 0)
        fail_at(world, "a loss without a fault");
}

/* At a watermark of the source. */
static void
check_watermark(struct world *world, const struct item *item)
{
    const struct shard *shard = &world->shard;
    const struct field_set complete = coverage_complete(&shard->sequence.coverage);
    int levels[ENTITIES], posts[ENTITIES];
    database_read(item->of, item->rows, levels);
    read_posts(world, posts);
    world->checked++;
    if (field_set_has(&complete, level_number) && memcmp(levels, shard->levels, sizeof levels) != 0)
        fail_at(world, "level differs and is called complete");
    if (field_set_has(&complete, post_number) && memcmp(posts, shard->posts, sizeof posts) != 0)
        fail_at(world, "post differs and is called complete");
    if (world->faults == 0 && !sequence_complete(&shard->sequence))
        fail_at(world, "incomplete without a fault");
}

static void
item_point(struct item *item)
{
    struct event *event = &item->event;
    event->chunk = event->kind == EVENT_CHUNK ? &item->chunk : NULL;
    event->job = event->kind == EVENT_JOB ? &item->job : NULL;
    event->mark.topic_id = text_of(item->topic_id);
    event->mark.start_name = text_of(item->start);
}

static void
shard_read(struct world *world)
{
    struct shard *shard = &world->shard;
    while (shard->offset < world->end && world->topic[shard->offset].is_hole)
        shard->offset++;
    if (shard->offset < world->low || shard->offset > world->end)
        world->is_stalled = true;
    if (world->is_stalled || shard->offset == world->end)
        return;
    struct item *item = &world->topic[shard->offset];
    const struct sequence before = shard->sequence;
    item_point(item);
    if (sequence_take(&shard->sequence, &fields, &item->event) == SEQUENCE_APPLY)
        shard_apply(shard, item);
    sequence_take_offset(&shard->sequence, shard->offset++);
    sequence_keep_message(&shard->sequence, item->hash);
    sequence_check_growth(&before, &shard->sequence);
    check_reasons(world);
    if (item->event.kind == EVENT_MARK && item->event.mark.kind == MARK_WATERMARK &&
        item->is_live && item->of == world->truth && item->event.tick > world->rival_tick)
        check_watermark(world, item);
}

static void
shard_skip(struct world *world, int64_t offset)
{
    struct shard *shard = &world->shard;
    assert_true(offset > shard->offset);
    sequence_skip(&shard->sequence, shard->offset, offset);
    shard->offset = offset;
    world->is_stalled = false;
    world->faults |= FAULT_SKIP;
    check_reasons(world);
    assert_false(sequence_complete(&shard->sequence));
    shard_save(world);
}

/* --- what happens ---------------------------------------------------------------------------- */

static void
act_take_over(struct world *world)
{
    struct database *database = world->producer.database;
    if (world->faults & (FAULT_RIVAL | FAULT_SOURCE))
        return; /* the topic check refuses */
    note(world, "over");
    if (database == NULL)
        database = world->truth;
    world->zombie = world->producer;
    if (random_below(4) == 0)
        world->zombie.queued = 0;
    producer_start(world, &world->producer, database);
}

static void
act_adopt(struct world *world)
{
    struct database *database = world->truth;
    if (world->faults & (FAULT_RIVAL | FAULT_SOURCE))
        return;
    note(world, "adopt");
    world->faults |= FAULT_ADOPTED;
    world->zombie = world->producer;
    database_adopt(world, database, false);
    producer_start(world, &world->producer, database);
}

static void
act_reset(struct world *world)
{
    shard_restart(world);
    if (world->shard.offset >= world->end)
        return;
    note(world, "skip");
    int64_t ahead = world->end - world->shard.offset;
    shard_skip(world, world->shard.offset + 1 + (int64_t)random_below((uint64_t)ahead));
}

/* Retention; a shard that is too late is reset to what is left. */
static void
act_retain(struct world *world)
{
    note(world, "retain");
    world->low += (int64_t)random_below((uint64_t)(world->end - world->low) + 1);
    shard_restart(world);
    if (world->shard.offset < world->low)
        shard_skip(world, world->low);
}

static void
act_make_hole(struct world *world)
{
    if (world->end == world->low)
        return;
    note(world, "hole");
    int64_t at = world->low + (int64_t)random_below((uint64_t)(world->end - world->low));
    world->topic[at].is_hole = true;
    world->faults |= FAULT_HOLE;
}

/* A new member begins where the topic does. */
static void
act_begin(struct world *world)
{
    note(world, "begin");
    if (world->low > 0)
        world->faults |= FAULT_BEGINNING;
    shard_begin(world, &world->shard);
    world->is_stalled = false;
    shard_save(world);
}

/* The original is idle: nothing of it is on its way, and its rows are sent. */
static void
act_copy(struct world *world)
{
    const struct producer *producer = &world->producer;
    const struct database *database = producer->database;
    if (!producer_is_live(producer) || producer->queued > 0 || database != &world->ours ||
        producer->next < database->count || database->from != producer->next ||
        world->faults & (FAULT_RIVAL | FAULT_SOURCE | FAULT_TOPIC))
        return;
    note(world, "copy");
    world->faults |= FAULT_RIVAL;
    world->copy = *database;
    world->rival_tick = database->tick;
    world->zombie.queued = 0;
    producer_start(world, &world->second, &world->copy);
    for (uint64_t rows = random_below(3); rows > 0; rows--)
        database_write(&world->copy);
    database_write(&world->ours);
}

/* Another producer's history, of any epoch and generation. */
static void
begin_others(struct world *world, const char *source, struct producer *producer)
{
    database_begin(world, &world->others, source, random_below(2) == 0);
    world->others.epoch += (int64_t)random_below(3);
    world->others.generation += (int64_t)random_below(4);
    for (uint64_t rows = random_below(4); rows > 0; rows--)
        database_write(&world->others);
    world->others.wants_load = random_below(3) == 0;
    producer_start(world, producer, &world->others);
}

static void
act_second_source(struct world *world)
{
    if (world->faults & (FAULT_RIVAL | FAULT_SOURCE | FAULT_TOPIC))
        return;
    note(world, "second");
    world->faults |= FAULT_SOURCE;
    begin_others(world, "second", &world->second);
}

static void
grow_past(struct world *world, int64_t offset, bool with_producer)
{
    while (world->end <= offset) {
        if (random_below(3) == 0)
            database_write(world->truth);
        if (with_producer && random_below(3) > 0)
            producer_step(world, &world->producer);
        else
            topic_post(world);
    }
}

/* The topic is made again and grows past the offset of the shard, which is frozen or stopped: by
 * the same database, which has adopted it; by one that does not notice, because only posts came;
 * or it is the topic of another cluster. What no mark shows, only another start can meet. */
static void
act_recreate(struct world *world)
{
    uint64_t kind = random_below(3);
    int64_t offset = world->shard.offset;
    if (world->faults & (FAULT_RIVAL | FAULT_SOURCE | FAULT_TOPIC) || world->end > ITEMS_MAX / 3)
        return;
    note(world, kind == 0 ? "remade" : kind == 1 ? "remade-same" : "cluster");
    world->faults |= FAULT_TOPIC;
    world->end = world->low = 0;
    world->zombie.queued = world->second.queued = 0;
    if (kind == 0) {
        database_adopt(world, &world->ours, true);
        producer_start(world, &world->producer, &world->ours);
    } else if (kind == 1) {
        grow_past(world, offset, false);
        producer_start(world, &world->producer, &world->ours);
    } else {
        begin_others(world, random_below(2) == 0 ? "main" : "other", &world->producer);
        world->truth = &world->others;
    }
    grow_past(world, offset, true);
    bool is_known = world->shard.sequence.topic_id[0] != '\0';
    bool is_named = text_equal(text_of(world->truth->source), TEXT("main"));
    if (kind == 1 || !is_known || !is_named || random_below(2) == 0)
        shard_restart(world);
    else
        shard_save(world);
}

/* --- runs ------------------------------------------------------------------------------------ */

static void
act_of_every_day(struct world *world)
{
    struct database *database = world->truth;
    uint64_t choice = random_below(40);
    if (choice < 5)
        database_write(database);
    else if (choice < 20)
        producer_step(world, &world->producer);
    else if (choice < 22)
        topic_post(world);
    else if (choice < 25 && (world->zombie.queued > 0 || world->second.database != NULL))
        producer_step(world, world->zombie.queued > 0 ? &world->zombie : &world->second);
    else if (choice < 35)
        shard_read(world);
    else if (choice < 36)
        shard_save(world);
    else if (choice < 37)
        shard_restart(world);
    else if (choice < 38)
        act_take_over(world);
    else if (choice < 39)
        database->wants_load = true;
    else if (world->second.database != NULL && random_below(2) == 0)
        database_write(world->second.database);
}

static void
act_of_a_fault(struct world *world)
{
    static void (*const acts[])(struct world *) = {
        act_reset, act_retain,        act_make_hole, act_begin,
        act_copy,  act_second_source, act_recreate,  act_adopt,
    };
    acts[random_below(COUNT_OF(acts))](world);
}

/* Everything is sent and read. */
static void
settle(struct world *world)
{
    struct producer *producer = &world->producer;
    for (int i = 0; i < 60; i++) {
        producer_step(world, producer);
        producer_step(world, &world->second);
    }
    while (!world->is_stalled && world->shard.offset < world->end)
        shard_read(world);
}

static void
run_begin(struct world *world)
{
    struct item *topic = world->topic;
    bool is_empty = random_below(8) > 0;
    *world = (struct world){.topic = topic, .rival_tick = -1};
    if (!is_empty)
        world->faults |= FAULT_BEGINNING;
    database_begin(world, &world->ours, "main", is_empty);
    world->truth = &world->ours;
    producer_start(world, &world->producer, &world->ours);
    shard_begin(world, &world->shard);
    shard_save(world);
}

/* `most`: so many faults. Returns how many watermarks were compared. */
static int
run(struct world *world, int most)
{
    run_begin(world);
    for (int i = 0; i < STEPS; i++) {
        if (most > 0 && random_below(STEPS / 4) == 0) {
            act_of_a_fault(world);
            most--;
        }
        act_of_every_day(world);
    }
    settle(world);
    return world->checked;
}

/* After a load the source's fields are complete and right again, unless another producer is still
 * above the one that has loaded. */
static void
heal(struct world *world)
{
    struct database *database = world->truth;
    const struct shard *shard = &world->shard;
    if (world->faults & (FAULT_RIVAL | FAULT_SOURCE | FAULT_TOPIC) || world->is_stalled)
        return;
    settle(world);
    database->wants_load = true;
    settle(world);
    const struct field_set complete = coverage_complete(&shard->sequence.coverage);
    if (!field_set_has(&complete, level_number))
        fail_at(world, "a load does not complete level");
}

static void
run_all(int most)
{
    struct world *world = memory_zalloc(sizeof *world);
    int checked = 0;
    world->topic = memory_zalloc(ITEMS_MAX * sizeof *world->topic);
    while (random_round(2))
        for (int i = 0; i < RUNS; i++) {
            checked += run(world, most);
            heal(world);
        }
    assert_true(checked > RUNS);
    free(world->topic);
    free(world);
}

static void
test_F101_F102_F105_F106_a_complete_field_is_what_the_source_has(void **state)
{
    (void)state;
    run_all(3);
}

static void
test_a_topic_without_faults_never_loses_anything(void **state)
{
    (void)state;
    run_all(0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_F101_F102_F105_F106_a_complete_field_is_what_the_source_has),
        cmocka_unit_test(test_a_topic_without_faults_never_loses_anything),
    };
    random_seed();
    config_fields_init(&fields, &index_config);
    assert_true(config_fields_find(&fields, TEXT("level"), &level_number));
    assert_true(config_fields_find(&fields, TEXT("post"), &post_number));
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    config_fields_free(&fields);
    return failed;
}
