/* The record of unanswered requests and open dead letters against a naive model: random events go
 * through batches and frames, with checkpoints, crashes and restarts at any point. After every
 * batch and every recovery the record, the held slots and the last watermark are those of the
 * model. The test runs in rounds (random_input.h). */
#include "tests/unit/unit_test.h"

#include <stdlib.h>
#include <string.h>

#include "common/event/event_codec.h"
#include "consumer/partition/replica.h"
#include "tests/support/memory_files.h"
#include "tests/unit/engine_fixture.h"
#include "tests/unit/random_input.h"

enum {
    EVENTS = 150,
    SLOTS = 5,
    REQUESTS_MAX = 9,
    LETTERS_MAX = 64,
    KEYS = 3,
    ROUNDS = 30,
};

/* --- configuration --------------------------------------------------------------------------- */

static const struct config_filter_field filters[] = {{.name = "level", .type = FIELD_SINGLE_VALUE}};
static const struct config_sort_field sorts[] = {{.name = "rank", .bits = 4},
                                                 {.name = "publishedAt", .bits = 32}};
static const struct config_tracked_field image_fields[] = {{.column = "level", .target = "level"}};
static const struct config_tracked_field post_fields[] = {
    {.column = "publishedAt", .target = "publishedAt"}};
static const struct config_tracked_field model_fields[] = {{.column = "rank", .target = "rank"}};
static const struct config_trigger triggers[] = {
    {.table = "Image", .sets_alive = true, .track_fields = image_fields, .track_field_count = 1},
    {.kind = TRIGGER_FAN_OUT_PER_ROW,
     .table = "Post",
     .track_fields = post_fields,
     .track_field_count = 1},
    {.kind = TRIGGER_FAN_OUT,
     .table = "Model",
     .track_fields = model_fields,
     .track_field_count = 1},
};
static const char *const field_names[] = {"level", "rank", "publishedAt"};
/* Does a child's request by this name hide its slot? The last one is not in the configuration. */
static const struct {
    const char *name;
    bool holds;
} entries[] = {{"Image.level", false}, {"Post.publishedAt", true}, {"Gone.field", true}};

/* --- the model ------------------------------------------------------------------------------- */

struct model_request {
    int64_t row_id;
    int slot; /* -1: of a parent, or of an entity without a slot */
    bool holds;
    int64_t key; /* of a single parent; -1 */
    int field;   /* that its entry owns */
};

struct model_letter {
    int64_t id;
    int field;
    bool is_fan_out;
};

/* What a shard knows after some messages. */
struct model {
    int64_t epoch;
    int64_t generation;
    int64_t seq;
    int64_t losses;
    struct model_request requests[REQUESTS_MAX];
    int request_count;
    struct model_letter letters[LETTERS_MAX];
    int letter_count;
    bool alive[SLOTS];
    int64_t watermark_tick;
    int64_t owed;
};

static void
model_lose(struct model *model)
{
    model->losses++;
    model->request_count = 0;
}

static void
model_add(struct model *model, const struct model_request *request)
{
    if (model->request_count == REQUESTS_MAX)
        model_lose(model);
    else
        model->requests[model->request_count++] = *request;
}

static void
model_require_answers(struct model *model)
{
    if (model->request_count > 0)
        model_lose(model);
}

static void
model_close(struct model *model, int64_t id, int field, bool is_fan_out)
{
    for (int i = 0; i < model->letter_count; i++) {
        const struct model_letter *letter = &model->letters[i];
        if (letter->id == id && letter->field == field && letter->is_fan_out == is_fan_out)
            model->letters[i--] = model->letters[--model->letter_count];
    }
}

static void
model_open(struct model *model, int64_t id, int field, bool is_fan_out)
{
    model_close(model, id, field, is_fan_out);
    assert_true(model->letter_count < LETTERS_MAX);
    model->letters[model->letter_count++] = (struct model_letter){id, field, is_fan_out};
}

static void
model_answer(struct model *model, int64_t row_id)
{
    for (int i = 0; i < model->request_count; i++) {
        if (model->requests[i].row_id != row_id)
            continue;
        if (model->requests[i].key >= 0)
            model_close(model, model->requests[i].key, model->requests[i].field, true);
        model->requests[i--] = model->requests[--model->request_count];
    }
}

/* Does an event with this header apply? */
static bool
model_takes(struct model *model, const struct event *event)
{
    if (event->epoch < model->epoch)
        return false;
    if (event->epoch > model->epoch) {
        model->epoch = event->epoch;
        model->generation = event->generation;
        model->seq = 0;
        model->request_count = 0;
    }
    if (event->generation < model->generation)
        return false;
    if (event->generation > model->generation && event->kind != EVENT_MARK)
        model_lose(model);
    model->generation = event->generation;
    int64_t before = event_kind_is_numbered(event->kind) ? event->seq - 1 : event->seq;
    if (before > model->seq) {
        model_lose(model);
        model->seq = before;
    }
    if (before < model->seq)
        return false;
    model->seq = event->seq;
    return true;
}

/* --- the source ------------------------------------------------------------------------------ */

/* The newest state of the source, and everything that was sent. */
struct history {
    struct config config;
    struct memory_files *memory;
    struct worker_control control;
    struct stage_times times;
    struct event_codec *codec;
    struct replica *replica; /* NULL: stopped */
    struct arena arena;
    struct buffer messages[EVENTS];
    struct model models[EVENTS + 1]; /* models[n]: after n messages */
    int64_t count;
    struct model model; /* after all messages */
    int64_t epoch;
    int64_t generation;
    int64_t tick;
    int64_t seq;
    int64_t row_id;
    uint64_t digest;
};

static struct event
history_event(struct history *history, enum event_kind kind)
{
    struct event event = {
        .epoch = history->epoch,
        .generation = history->generation,
        .tick = history->tick,
        .seq = history->seq,
        .source = TEXT("main"),
        .kind = kind,
    };
    if (event_kind_is_numbered(kind)) {
        event.seq = ++history->seq;
        event.row_id = ++history->row_id;
        history->digest = event_digest_next(history->digest, event.row_id);
    }
    return event;
}

static void
history_send(struct history *history, const struct event *event)
{
    struct error err;
    struct buffer *message = &history->messages[history->count++];
    if (event_encode(history->codec, event, message, &err) != 0)
        fail_msg("%s", err.message);
    history->models[history->count] = history->model;
}

/* Some events are lost: the source knows them, and no shard reads them. */
static bool
is_lost(void)
{
    return random_below(40) == 0;
}

static struct op *
history_ops(struct history *history, uint32_t count)
{
    struct op *ops = arena_alloc(&history->arena, count * sizeof *ops);
    memset(ops, 0, count * sizeof *ops);
    return ops;
}

/* A row with up to one op of each kind: alive, a request, a set that may be wrong. */
static void
send_row(struct history *history)
{
    struct event event = history_event(history, EVENT_ROW);
    struct op *ops = history_ops(history, 3);
    uint32_t count = 0;
    int slot = (int)random_below(SLOTS);
    bool has_slot = random_below(10) > 0;
    event.entity_id = has_slot ? fixture_entity(slot) : fixture_entity(5000);
    struct model_request request = {event.row_id, has_slot ? slot : -1, false, -1, -1};
    bool asks = random_below(2) == 0, sets = random_below(3) == 0;
    bool is_lost_row = is_lost(), applies = !is_lost_row && model_takes(&history->model, &event);
    if (random_below(2) == 0) {
        ops[count++] = (struct op){.kind = OP_ALIVE};
        history->model.alive[slot] |= applies && has_slot;
    }
    if (asks) {
        size_t entry = random_below(COUNT_OF(entries) + 1);
        ops[count] = (struct op){.kind = OP_REFRESH};
        if (entry < COUNT_OF(entries))
            ops[count].field = text_of(entries[entry].name);
        request.holds = entry < COUNT_OF(entries) && entries[entry].holds && has_slot;
        count++;
    }
    if (sets || count == 0) {
        bool is_bad = random_below(2) == 0;
        ops[count++] = (struct op){.kind = OP_SET,
                                   .field = TEXT("level"),
                                   .value = {.kind = is_bad ? VALUE_STRING : VALUE_INTEGER}};
        if (is_bad)
            ops[count - 1].value.string = TEXT("high");
        if (applies && has_slot && is_bad)
            model_open(&history->model, slot, 0, false);
        else if (applies && has_slot)
            model_close(&history->model, slot, 0, false);
    }
    if (applies && asks)
        model_add(&history->model, &request);
    event.ops = (struct ops){ops, count};
    if (!is_lost_row)
        history_send(history, &event);
}

/* The requests of one or two parents. */
static void
send_parents(struct history *history)
{
    struct event event = history_event(history, EVENT_PARENT_REFRESH);
    uint32_t count = 1 + (uint32_t)random_below(2);
    struct op *ops = history_ops(history, count);
    struct model_request request = {event.row_id, -1, false, -1, -1};
    event.entity_id = 7;
    for (uint32_t i = 0; i < count; i++) {
        bool is_model = random_below(2) == 0, is_number = random_below(3) > 0;
        int64_t key = (int64_t)random_below(KEYS);
        ops[i] = (struct op){.kind = OP_REFRESH,
                             .field = is_model ? TEXT("Model.rank") : TEXT("Post.publishedAt"),
                             .value = {.kind = VALUE_INTEGER, .integer = key}};
        if (!is_number)
            ops[i].value = (struct value){.kind = VALUE_STRING, .string = TEXT("key")};
        if (count == 1 && is_number) {
            request.key = key;
            request.field = is_model ? 1 : 2;
        }
    }
    event.ops = (struct ops){ops, count};
    if (is_lost())
        return;
    if (model_takes(&history->model, &event))
        model_add(&history->model, &request);
    history_send(history, &event);
}

/* Sets rank in all slots of a level; the value may be beyond its bounds. */
static void
send_fan_out(struct history *history)
{
    struct event event = history_event(history, EVENT_FAN_OUT);
    struct op *ops = history_ops(history, 2);
    bool is_bad = random_below(2) == 0;
    event.entity_id = (int64_t)random_below(KEYS);
    ops[1] = (struct op){.kind = OP_SET,
                         .field = TEXT("rank"),
                         .value = {.kind = VALUE_INTEGER, .integer = is_bad ? 1000 : 3}};
    ops[0] = (struct op){
        .kind = OP_FAN_OUT, .query = TEXT("level eq 0"), .nested = &ops[1], .nested_count = 1};
    event.ops = (struct ops){ops, 1};
    if (is_lost())
        return;
    if (model_takes(&history->model, &event) && is_bad)
        model_open(&history->model, event.entity_id, 1, true);
    history_send(history, &event);
}

/* The rows that a chunk answers: some of those that are asked for, and some others. */
static void
name_rows(struct history *history, struct chunk *chunk, bool applies)
{
    int64_t *rows = arena_alloc(&history->arena, (REQUESTS_MAX + 2) * sizeof *rows);
    const struct model before = history->model;
    uint32_t count = 0;
    bool names_all = random_below(2) == 0;
    for (int i = 0; i < before.request_count; i++)
        if (names_all || random_below(3) == 0)
            rows[count++] = before.requests[i].row_id;
    if (random_below(3) == 0)
        rows[count++] = history->row_id + 100; /* of nobody */
    chunk->answers = rows;
    chunk->answer_count = count;
    for (uint32_t i = 0; i < count && applies; i++)
        model_answer(&history->model, rows[i]);
}

static struct chunk *
random_chunk(struct history *history)
{
    struct chunk *chunk = arena_alloc(&history->arena, sizeof *chunk);
    uint32_t *slots = arena_alloc(&history->arena, SLOTS * sizeof *slots);
    struct text *fields = arena_alloc(&history->arena, COUNT_OF(field_names) * sizeof *fields);
    *chunk = (struct chunk){
        .purpose = random_below(4) == 0 ? CHUNK_LOAD : CHUNK_REFRESH,
        .end = CHUNK_NO_END,
        .has_slots = random_below(3) > 0,
        .slots = slots,
        .fields = fields,
    };
    for (uint32_t slot = 0; slot < SLOTS && chunk->has_slots; slot++)
        if (random_below(2) == 0)
            slots[chunk->slot_count++] = slot;
    for (size_t field = 0; field < COUNT_OF(field_names); field++)
        if (random_below(3) == 0)
            fields[chunk->field_count++] = text_of(field_names[field]);
    if (!chunk->has_slots && random_below(2) == 0) { /* a part of all slots */
        chunk->begin = fixture_entity(1);
        chunk->end = fixture_entity(3);
    }
    if (random_below(6) == 0)
        chunk->rejected = TEXT("cannot be read");
    return chunk;
}

static bool
chunk_is_about(const struct chunk *chunk, int slot)
{
    bool is_listed = !chunk->has_slots;
    for (uint32_t i = 0; i < chunk->slot_count; i++)
        is_listed |= chunk->slots[i] == (uint32_t)slot;
    return is_listed && fixture_entity(slot) >= chunk->begin && fixture_entity(slot) < chunk->end;
}

static void
send_chunk(struct history *history)
{
    struct event event = history_event(history, EVENT_CHUNK);
    struct chunk *chunk = random_chunk(history);
    bool is_lost_chunk = is_lost();
    if (random_below(8) == 0 && event.seq > 0)
        event.seq--; /* read before the last row */
    if (random_below(12) == 0 && event.generation > 1) {
        event.generation--;
        event.tick = 0; /* that generation opens no window after the fence of the next one */
    }
    event.chunk = chunk;
    bool applies = !is_lost_chunk && model_takes(&history->model, &event);
    if (chunk->purpose == CHUNK_REFRESH)
        name_rows(history, chunk, applies);
    for (int slot = 0; slot < SLOTS; slot++)
        for (uint32_t i = 0; i < chunk->field_count; i++)
            for (int field = 0; field < (int)COUNT_OF(field_names); field++)
                if (applies && chunk->rejected.bytes == 0 && chunk_is_about(chunk, slot) &&
                    text_is(chunk->fields[i], field_names[field]))
                    model_close(&history->model, slot, field, false);
    if (!is_lost_chunk)
        history_send(history, &event);
}

/* A sum or a chunk to be compared. */
static void
send_comparison(struct history *history)
{
    bool is_sum = random_below(2) == 0;
    struct event event = history_event(history, is_sum ? EVENT_SUM : EVENT_CHUNK);
    struct sum_field *field = arena_alloc(&history->arena, sizeof *field);
    *field = (struct sum_field){.count = 1};
    event.sum = arena_alloc(&history->arena, sizeof *event.sum);
    *event.sum = (struct sum){.end = CHUNK_NO_END, .fields = field, .field_count = 1};
    if (!is_sum) {
        event.sum = NULL;
        event.chunk = random_chunk(history);
        event.chunk->purpose = CHUNK_CHECK;
        event.chunk->rejected = (struct text){NULL, 0};
    }
    if (random_below(6) == 0 && event.seq > 0)
        event.seq--;
    if (model_takes(&history->model, &event))
        model_require_answers(&history->model);
    history_send(history, &event);
}

static void
send_mark(struct history *history, enum mark_kind kind, int64_t owed)
{
    struct event event = history_event(history, EVENT_MARK);
    event.mark = (struct mark){
        .kind = kind,
        .topic_id = TEXT("6f1c0d54-9c3e-4a55-8f0e-1f4a4dbb7a01"),
        .digest = history->digest,
        .snapshot = TEXT("700:700:"),
        .source_empty = true,
        .partitions = FIXTURE_PARTITIONS,
        .owed = owed,
        .clock_us = history->tick,
    };
    if (is_lost() && kind == MARK_WATERMARK)
        return;
    if (model_takes(&history->model, &event) && kind == MARK_WATERMARK) {
        history->model.owed = owed;
        if (owed == 0) {
            model_require_answers(&history->model);
            history->model.watermark_tick = history->tick;
        }
    }
    history_send(history, &event);
}

static void
send_random(struct history *history)
{
    uint64_t kind = random_below(40);
    if (kind == 0) {
        history->epoch++;
        history->generation++;
        history->seq = 0;
        history->row_id = (int64_t)random_below(3); /* ids may be issued again */
        history->digest = EVENT_DIGEST_START;
        send_mark(history, MARK_FENCE, 0);
    } else if (kind == 1) {
        history->generation++;
        send_mark(history, MARK_FENCE, 0);
    } else if (kind < 8) {
        history->tick++;
        send_mark(history, MARK_WATERMARK, random_below(3) > 0 ? history->model.request_count : 0);
    } else if (kind < 10) {
        send_comparison(history);
    } else if (kind < 20) {
        send_chunk(history);
    } else if (kind < 25) {
        send_parents(history);
    } else if (kind < 28) {
        send_fan_out(history);
    } else {
        send_row(history);
    }
}

static void
history_begin(struct history *history)
{
    struct error err;
    *history = (struct history){
        .config =
            {
                .index = "model",
                .index_config = {filters, COUNT_OF(filters), sorts, COUNT_OF(sorts), "publishedAt"},
                .triggers = triggers,
                .trigger_count = COUNT_OF(triggers),
                .kafka = {.present = true},
                .topic = {.name = "model", .partitions = FIXTURE_PARTITIONS, .max_slots = 1000},
                .consumer = {.group = "model",
                             .batch_rows = 1000,
                             .requests_max = REQUESTS_MAX,
                             .batch_bytes = 1 << 20,
                             .wal_segment_bytes = 1 << 12,
                             .wal_limit_bytes = 1 << 30,
                             .checkpoint_bytes = 1 << 20},
            },
        .memory = memory_files_create(random_next()),
        .epoch = 1,
        .generation = 1,
        .digest = EVENT_DIGEST_START,
    };
    worker_control_init(&history->control);
    arena_init(&history->arena);
    assert_int_equal(event_codec_create(&history->codec, &err), 0);
    send_mark(history, MARK_FENCE, 0);
    while (history->count < EVENTS)
        send_random(history);
}

static void
history_end(struct history *history)
{
    replica_destroy(history->replica);
    for (int64_t i = 0; i < history->count; i++)
        buffer_free(&history->messages[i]);
    event_codec_destroy(history->codec);
    arena_free(&history->arena);
    memory_files_destroy(history->memory);
}

/* --- the shard ------------------------------------------------------------------------------- */

/* The letters that are open, which the visit leaves open. */
struct found_letters {
    const struct model *model;
    int count;
};

static bool
find_letter(void *context, const struct unanswered_letter *letter)
{
    struct found_letters *found = context;
    bool is_known = false;
    for (int i = 0; i < found->model->letter_count; i++) {
        const struct model_letter *known = &found->model->letters[i];
        is_known |= known->id == letter->id && known->is_fan_out == letter->is_fan_out &&
                    unanswered_hash(text_of(field_names[known->field])) == letter->field;
    }
    assert_true(is_known);
    found->count++;
    return false;
}

static void
check_letters(struct unanswered_changes *changes, const struct model *model)
{
    struct found_letters found = {model, 0};
    unanswered_close(changes, find_letter, &found);
    assert_int_equal(found.count, model->letter_count);
}

static void
check_requests(struct unanswered_changes *changes, const struct model *model)
{
    for (int i = 0; i < model->request_count; i++) {
        const struct model_request *wanted = &model->requests[i];
        struct unanswered_request found;
        assert_true(unanswered_remove(changes, wanted->row_id, &found));
        assert_int_equal(found.has_slot, wanted->slot >= 0);
        assert_int_equal(found.holds, wanted->holds);
        if (wanted->slot >= 0)
            assert_int_equal(found.slot, wanted->slot);
        assert_int_equal(found.has_key, wanted->key >= 0);
        if (wanted->key >= 0)
            assert_int_equal(found.key, wanted->key);
    }
}

static void
check_visible(const struct history *history, const struct model *model)
{
    for (int slot = 0; slot < SLOTS; slot++) {
        bool is_held = false;
        for (int i = 0; i < model->request_count; i++)
            is_held |= model->requests[i].holds && model->requests[i].slot == slot;
        assert_int_equal(engine_is_visible(replica_engine(history->replica), fixture_entity(slot)),
                         model->alive[slot] && !is_held);
    }
}

/* The shard is where the model was after as many messages. */
static void
check_shard(const struct history *history)
{
    int64_t next = replica_next_offset(history->replica);
    const struct model *model = &history->models[next < 0 ? 0 : next];
    const struct sequence *sequence = &replica_position(history->replica)->sequence;
    struct unanswered_changes changes;
    unanswered_changes_init(&changes);
    unanswered_changes_begin(&changes, replica_record(history->replica));
    assert_int_equal(sequence->losses, model->losses);
    assert_int_equal(sequence->unanswered, model->request_count);
    assert_int_equal(unanswered_count(replica_record(history->replica)), model->request_count);
    assert_int_equal(unanswered_letter_count(replica_record(history->replica)),
                     model->letter_count);
    check_letters(&changes, model);
    check_requests(&changes, model);
    unanswered_changes_free(&changes);
    assert_int_equal(sequence->watermark.tick, model->watermark_tick);
    assert_int_equal(sequence->watermark.owed, model->owed);
    check_visible(history, model);
}

/* False: a fault of the file system has happened. */
static bool
shard_start(struct history *history)
{
    static const struct replica_seed no_seed;
    struct error err;
    const struct replica_options options = {
        .config = &history->config,
        .files = memory_files_vtable(history->memory),
        .partition = FIXTURE_PARTITION,
        .directory = "wal",
        .control = &history->control,
        .times = &history->times,
    };
    assert_int_equal(replica_create(&options, &history->replica, &err), 0);
    int rc = replica_open(history->replica, &no_seed, &err);
    if (rc != 0 && !memory_files_failed(history->memory))
        fail_msg("%s", err.message);
    if (rc == 0)
        replica_set_time(history->replica, 1);
    return rc == 0;
}

static void
shard_restart(struct history *history)
{
    do {
        replica_destroy(history->replica);
        if (random_below(2) == 0)
            memory_files_kill(history->memory);
        else
            memory_files_crash(history->memory);
        if (random_below(3) == 0)
            memory_files_fail(history->memory, 1 + (int64_t)random_below(30), MEMORY_DEAD);
    } while (!shard_start(history));
    check_shard(history);
}

static int
shard_read_batch(struct history *history, struct batch *batch)
{
    struct error err = {0};
    struct replica *replica = history->replica;
    int64_t next = replica_next_offset(replica) < 0 ? 0 : replica_next_offset(replica);
    int64_t end = next + 1 + (int64_t)random_below(6);
    batch_begin(batch, &replica_position(replica)->sequence, replica_record(replica));
    for (; next < end && next < history->count && !batch_full(batch); next++) {
        const struct buffer *message = &history->messages[next];
        const struct kafka_record record = {
            .offset = next, .value = message->data, .value_bytes = message->bytes};
        assert_int_equal(batch_add(batch, &record, &err), 0);
    }
    batch_close(batch);
    int rc = replica_advance(replica, batch, &err);
    if (rc == 0 && random_below(3) == 0)
        rc = replica_save(replica, &err);
    if (rc == 0 && random_below(8) == 0) {
        rc = replica_save(replica, &err);
        if (rc == 0)
            rc = replica_checkpoint_begin(replica, &err);
        if (rc == 0)
            rc = replica_checkpoint_end(replica, &err);
    }
    return rc;
}

/* Reads the topic to its end. */
static void
shard_run(struct history *history)
{
    assert_true(shard_start(history));
    while (replica_next_offset(history->replica) < history->count) {
        struct batch batch;
        const struct batch_context context = {
            .config = &history->config,
            .partition = FIXTURE_PARTITION,
            .engine = replica_engine(history->replica),
            .codec = history->codec,
        };
        batch_init(&batch, &context);
        if (random_below(6) == 0) { /* a batch that is dropped */
            struct error err;
            int64_t next = replica_next_offset(history->replica);
            next = next < 0 ? 0 : next;
            batch_begin(&batch, &replica_position(history->replica)->sequence,
                        replica_record(history->replica));
            const struct kafka_record record = {.offset = next,
                                                .value = history->messages[next].data,
                                                .value_bytes = history->messages[next].bytes};
            assert_int_equal(batch_add(&batch, &record, &err), 0);
        }
        if (random_below(10) == 0)
            memory_files_fail(history->memory, 1 + (int64_t)random_below(12), MEMORY_DEAD);
        int rc = shard_read_batch(history, &batch);
        batch_free(&batch);
        if (rc == 0)
            check_shard(history);
        else
            assert_true(memory_files_failed(history->memory));
        if (rc != 0 || random_below(12) == 0)
            shard_restart(history);
    }
}

static void
test_the_record_survives_everything_and_equals_the_model(void **state)
{
    (void)state;
    int64_t requests = 0, letters = 0, losses = 0;
    while (random_round(ROUNDS)) {
        struct history *history = memory_alloc(sizeof *history);
        history_begin(history);
        shard_run(history);
        for (int64_t i = 0; i <= history->count; i++) {
            requests += history->models[i].request_count;
            letters += history->models[i].letter_count;
        }
        losses += history->model.losses;
        history_end(history);
        free(history);
    }
    assert_true(requests > 0 && letters > 0 && losses > 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_record_survives_everything_and_equals_the_model),
    };
    random_seed();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
