/* The dump registry: each rule of its states, random histories against what a reader of the whole
 * topic would say, and a file that survives every crash. */
#include "tests/unit/unit_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "consumer/dumps/dump_format.h"
#include "consumer/dumps/dump_registry.h"
#include "tests/support/memory_files.h"
#include "tests/unit/random_input.h"

enum { PARTITIONS = 3 };

static const char *
status_of(const struct dump_list *list, const char *name)
{
    const struct dump *dump = dump_list_find(list, text_of(name));
    return dump == NULL ? "none" : dump_status_name(dump->status);
}

static const struct dump *
dump_of(const struct dump_list *list, const char *name)
{
    const struct dump *dump = dump_list_find(list, text_of(name));
    assert_non_null(dump);
    return dump;
}

/* Owns all partitions, which are empty. */
static struct dump_list
list_of_all(void)
{
    struct dump_list list;
    dump_list_init(&list, PARTITIONS);
    for (int32_t i = 0; i < PARTITIONS; i++) {
        dump_list_own(&list, i, true);
        dump_list_recovered(&list, i, 0, 0);
    }
    dump_list_assigned(&list, true, 0);
    return list;
}

/* A mark of a load of the dump `name` in epoch 1. */
static void
mark(struct dump_list *list, int32_t partition, int64_t offset, enum job_mark_kind kind,
     int64_t job, const char *name, const char *failed)
{
    const struct job_dump dump = {
        .name = text_of(name), .rows = 4, .ops_written = 10 * job, .failed = text_of(failed)};
    const struct job_mark job_mark = {.kind = kind, .job = job, .dumps = &dump, .dump_count = 1};
    const struct dump_mark dump_mark = {
        .epoch = 1, .offset = offset, .job = &job_mark, .incomplete = ""};
    assert_int_equal(dump_list_mark(list, partition, &dump_mark, 100 + offset), 0);
}

static void
test_a_posted_dump_is_complete_when_all_entries_are_applied(void **state)
{
    (void)state;
    struct dump_list list = list_of_all();
    const int64_t first[] = {4, -1, -1}, second[] = {-1, 9, -1};
    assert_false(dump_list_all_complete(&list));
    assert_int_equal(dump_list_put(&list, TEXT("Image-1"), 50), DUMP_DONE);
    assert_true(dump_list_counts(&list, TEXT("Image-1")));
    dump_list_post(&list, TEXT("Image-1"), 2, first, 51);
    dump_list_post(&list, TEXT("other"), 2, second, 51); /* it is not registered */
    assert_string_equal(status_of(&list, "Image-1"), "Writing");
    assert_int_equal(dump_list_loaded(&list, TEXT("Image-1"), 3, 52), DUMP_DONE);
    dump_list_durable(&list, 0, 5, 53);
    assert_string_equal(status_of(&list, "Image-1"), "Loading"); /* 2 of 3 */
    dump_list_post(&list, TEXT("Image-1"), 1, second, 54);
    assert_false(dump_list_durable(&list, 1, 9, 55)); /* the offset is not applied yet */
    assert_string_equal(status_of(&list, "Image-1"), "Loading");
    assert_true(dump_list_durable(&list, 1, 10, 56));
    assert_string_equal(status_of(&list, "Image-1"), "Complete");
    assert_int_equal(dump_of(&list, "Image-1")->ops_processed, 3);
    assert_int_equal(dump_of(&list, "Image-1")->created_at_s, 50);
    assert_int_equal(dump_of(&list, "Image-1")->completed_at_s, 56);
    assert_true(dump_list_all_complete(&list));
    assert_false(dump_list_counts(&list, TEXT("Image-1")));
    dump_list_free(&list);
}

static void
test_F12_a_dump_of_nothing_has_failed(void **state)
{
    (void)state;
    struct dump_list list = list_of_all();
    assert_int_equal(dump_list_put(&list, TEXT("Image-1"), 1), DUMP_DONE);
    assert_int_equal(dump_list_loaded(&list, TEXT("Image-1"), 0, 2), DUMP_DONE);
    assert_string_equal(status_of(&list, "Image-1"), "Failed");
    assert_string_equal(dump_of(&list, "Image-1")->failed,
                        "the source has written nothing (ops_written is 0)");
    assert_int_equal(dump_list_loaded(&list, TEXT("Image-1"), 5, 3), DUMP_ENDED);
    assert_string_equal(status_of(&list, "Image-1"), "Failed");
    assert_int_equal(dump_list_put(&list, TEXT("Image-1"), 4), DUMP_DONE); /* begins again */
    assert_string_equal(status_of(&list, "Image-1"), "Writing");
    dump_list_free(&list);
}

static void
test_requests_for_unknown_dumps_and_for_dumps_of_a_load_are_refused(void **state)
{
    (void)state;
    struct dump_list list = list_of_all();
    assert_int_equal(dump_list_loaded(&list, TEXT("a"), 1, 1), DUMP_UNKNOWN);
    assert_int_equal(dump_list_remove(&list, TEXT("a")), DUMP_UNKNOWN);
    mark(&list, 0, 3, JOB_BEGIN, 1, "a", "");
    assert_int_equal(dump_list_loaded(&list, TEXT("a"), 1, 1), DUMP_OF_A_LOAD);
    assert_int_equal(dump_list_put(&list, TEXT("a"), 1), DUMP_OF_A_LOAD);
    assert_false(dump_list_counts(&list, TEXT("a")));
    assert_int_equal(dump_list_remove(&list, TEXT("a")), DUMP_DONE);
    assert_string_equal(status_of(&list, "a"), "none");
    dump_list_free(&list);
}

static void
test_a_load_is_complete_when_every_owned_partition_has_applied_its_end(void **state)
{
    (void)state;
    struct dump_list list = list_of_all();
    dump_list_own(&list, 2, false);
    mark(&list, 0, 3, JOB_BEGIN, 1, "a", "");
    mark(&list, 0, 8, JOB_END, 1, "a", "");
    assert_string_equal(status_of(&list, "a"), "Loading");
    dump_list_durable(&list, 0, 9, 1);
    mark(&list, 1, 3, JOB_BEGIN, 1, "a", "");
    assert_string_equal(status_of(&list, "a"), "Loading"); /* partition 1 has not read the end */
    mark(&list, 1, 5, JOB_END, 1, "a", "");
    dump_list_durable(&list, 1, 5, 2);
    assert_string_equal(status_of(&list, "a"), "Loading"); /* nor written it to its log */
    dump_list_durable(&list, 1, 6, 3);
    assert_string_equal(status_of(&list, "a"), "Complete");
    assert_int_equal(dump_of(&list, "a")->ops_written, 10);
    assert_int_equal(dump_of(&list, "a")->ops_processed, 10);
    dump_list_free(&list);
}

static void
test_F12_marks_that_are_read_again_change_nothing(void **state)
{
    (void)state;
    struct dump_list list = list_of_all();
    for (int32_t i = 0; i < PARTITIONS; i++) {
        mark(&list, i, 3, JOB_BEGIN, 1, "a", "");
        mark(&list, i, 8, JOB_END, 1, "a", "");
        dump_list_durable(&list, i, 9, 1);
    }
    for (int32_t i = 0; i < PARTITIONS; i++) { /* a rebuild from the topic */
        mark(&list, i, 3, JOB_BEGIN, 1, "a", "");
        mark(&list, i, 8, JOB_END, 1, "a", "late");
    }
    assert_string_equal(status_of(&list, "a"), "Complete");
    dump_list_remove(&list, TEXT("a"));
    mark(&list, 0, 3, JOB_BEGIN, 1, "a", "");
    assert_string_equal(status_of(&list, "a"), "none");
    dump_list_free(&list);
}

/* A crash, and an operator who resets the offset of the group before the mark is read again. */
static void
test_an_end_mark_that_is_skipped_after_a_crash_does_not_count(void **state)
{
    (void)state;
    struct dump_list list = list_of_all();
    for (int32_t i = 0; i < PARTITIONS; i++) {
        mark(&list, i, 3, JOB_BEGIN, 1, "a", "");
        mark(&list, i, 5, JOB_END, 1, "a", "");
    }
    dump_list_recovered(&list, 0, 4, 1);
    for (int32_t i = 0; i < PARTITIONS; i++)
        dump_list_durable(&list, i, 9, 1);
    assert_string_equal(status_of(&list, "a"), "Loading");
    mark(&list, 0, 12, JOB_BEGIN, 2, "b", "");
    assert_string_equal(status_of(&list, "a"), "Failed");
    dump_list_free(&list);
}

static void
test_F12_a_load_fails_for_the_reason_of_its_end_mark(void **state)
{
    (void)state;
    char long_reason[1000];
    memset(long_reason, 'x', sizeof long_reason);
    memcpy(long_reason + DUMP_REASON_BYTES - 2, "\xc3\xa9", 2); /* cut inside of a character */
    long_reason[sizeof long_reason - 1] = '\0';
    struct dump_list list = list_of_all();
    mark(&list, 0, 3, JOB_BEGIN, 1, "a", "");
    mark(&list, 0, 4, JOB_END, 1, "a", "no such table");
    assert_string_equal(dump_of(&list, "a")->failed, "no such table");
    mark(&list, 0, 5, JOB_BEGIN, 2, "a", "");
    assert_string_equal(status_of(&list, "a"), "Writing");
    mark(&list, 0, 6, JOB_END, 2, "a", long_reason);
    assert_int_equal(strlen(dump_of(&list, "a")->failed), DUMP_REASON_BYTES - 2);
    const struct job_dump dump = {.name = TEXT("a"), .ops_written = 1};
    struct job_mark job = {.kind = JOB_BEGIN, .job = 3, .dumps = &dump, .dump_count = 1};
    struct dump_mark one = {.epoch = 1, .offset = 7, .job = &job, .incomplete = ""};
    dump_list_mark(&list, 0, &one, 1);
    job.kind = JOB_END;
    one.offset = 8;
    one.incomplete = "events were lost";
    dump_list_mark(&list, 0, &one, 1);
    assert_string_equal(dump_of(&list, "a")->failed, "partition 0: events were lost");
    dump_list_free(&list);
}

static void
test_F12_a_load_that_a_later_one_overtakes_has_failed(void **state)
{
    (void)state;
    struct dump_list list = list_of_all();
    mark(&list, 0, 3, JOB_BEGIN, 1, "a", "");
    mark(&list, 0, 5, JOB_BEGIN, 2, "b", "");
    assert_string_equal(dump_of(&list, "a")->failed,
                        "job 2 began in partition 0 before this load had ended there");
    mark(&list, 1, 3, JOB_BEGIN, 1, "a", "");
    assert_string_equal(status_of(&list, "a"), "Failed");
    assert_string_equal(status_of(&list, "b"), "Writing");
    dump_list_free(&list);
}

/* Partition 0 has read the end before the dump was removed, and partition 1 registers it again. */
static void
test_F12_a_dump_that_was_removed_during_its_load_is_not_stuck(void **state)
{
    (void)state;
    struct dump_list list = list_of_all();
    mark(&list, 0, 3, JOB_BEGIN, 1, "a", "");
    mark(&list, 0, 5, JOB_END, 1, "a", "");
    dump_list_durable(&list, 0, 6, 1);
    dump_list_remove(&list, TEXT("a"));
    for (int32_t i = 1; i < PARTITIONS; i++) {
        mark(&list, i, 3, JOB_BEGIN, 1, "a", "");
        mark(&list, i, 5, JOB_END, 1, "a", "");
        dump_list_durable(&list, i, 6, 1);
    }
    assert_string_equal(status_of(&list, "a"), "Complete");
    dump_list_free(&list);
}

static void
test_L10_the_first_dump_that_has_ended_makes_room(void **state)
{
    (void)state;
    struct dump_list list = list_of_all();
    char name[16];
    for (int i = 0; i < DUMPS_MAX; i++) {
        snprintf(name, sizeof name, "d%d", i);
        assert_int_equal(dump_list_put(&list, text_of(name), 1), DUMP_DONE);
    }
    assert_int_equal(dump_list_put(&list, TEXT("more"), 1), DUMP_NO_ROOM);
    const struct job_dump dump = {.name = TEXT("more")};
    const struct job_mark job = {.kind = JOB_BEGIN, .job = 1, .dumps = &dump, .dump_count = 1};
    const struct dump_mark one = {.epoch = 1, .offset = 1, .job = &job, .incomplete = ""};
    assert_int_equal(dump_list_mark(&list, 0, &one, 1), 1);
    dump_list_loaded(&list, TEXT("d7"), 0, 1);
    assert_int_equal(dump_list_put(&list, TEXT("more"), 1), DUMP_DONE);
    assert_string_equal(status_of(&list, "d7"), "none");
    assert_string_equal(status_of(&list, "d8"), "Writing");
    assert_int_equal(list.count, DUMPS_MAX);
    dump_list_free(&list);
}

static void
test_names_that_a_path_cannot_carry_are_refused(void **state)
{
    (void)state;
    char name[DUMP_NAME_BYTES_MAX + 2];
    memset(name, 'a', sizeof name);
    assert_true(dump_name_is_valid(TEXT("public.Image-0a1b2c3d")));
    assert_true(dump_name_is_valid((struct text){name, DUMP_NAME_BYTES_MAX}));
    assert_false(dump_name_is_valid((struct text){name, DUMP_NAME_BYTES_MAX + 1}));
    assert_false(dump_name_is_valid(TEXT("")));
    assert_false(dump_name_is_valid(TEXT("a/b")));
    assert_false(dump_name_is_valid(TEXT("a\nb")));
}

static void
test_the_answer_has_the_documented_form(void **state)
{
    (void)state;
    struct dump_list list = list_of_all();
    struct buffer out;
    buffer_init(&out);
    dump_format_answer(&list, &out);
    assert_string_equal(buffer_string(&out), "{\"dumps\":{},\"all_complete\":false}");
    dump_list_put(&list, TEXT("a"), 7);
    dump_list_put(&list, TEXT("b"), 8);
    dump_list_loaded(&list, TEXT("b"), 0, 9);
    buffer_clear(&out);
    dump_format_answer(&list, &out);
    assert_string_equal(
        buffer_string(&out),
        "{\"dumps\":{\"a\":{\"name\":\"a\",\"status\":\"Writing\",\"ops_written\":0,"
        "\"ops_processed\":0,\"created_at\":7,\"completed_at\":null},"
        "\"b\":{\"name\":\"b\",\"status\":{\"Failed\":\"the source has written nothing "
        "(ops_written is 0)\"},\"ops_written\":0,\"ops_processed\":0,\"created_at\":8,"
        "\"completed_at\":null}},\"all_complete\":false}");
    buffer_free(&out);
    dump_list_free(&list);
}

/* --- random histories ------------------------------------------------------------------------ */

enum { NAMES = 4, MESSAGES = 60, JOBS = 8 };

static const char *const names[NAMES] = {"a", "b", "c", "d"};

/* A message of a partition: a mark, or something else. */
struct message {
    bool is_mark;
    enum job_mark_kind kind;
    int job;
    int names;
};

/* What loads wrote to the topic, and how far each partition of a member is. */
struct history {
    struct message topic[PARTITIONS][MESSAGES];
    int count[PARTITIONS];
    bool has_end[JOBS + 1];
    const char *failed[JOBS + 1];
    int names[JOBS + 1];       /* a set of bits */
    int first_names[JOBS + 1]; /* with which it began first; 0: it began once */
    int next[PARTITIONS];
    int durable[PARTITIONS];
    struct dump_list list;
    struct buffer file; /* of the list */
};

static void
history_append(struct history *history, int job, enum job_mark_kind kind, int job_names)
{
    for (int i = 0; i < PARTITIONS; i++) {
        history->count[i] += (int)random_below(2);
        assert_true(history->count[i] < MESSAGES);
        history->topic[i][history->count[i]++] = (struct message){true, kind, job, job_names};
    }
}

static void
history_write_topic(struct history *history)
{
    for (int job = 1; job <= JOBS; job++) {
        history->has_end[job] = random_below(4) > 0;
        history->failed[job] = random_below(4) == 0 ? "it was cancelled" : "";
        history->names[job] = (int)random_below(1 << NAMES);
        history->first_names[job] = random_below(4) == 0 ? (int)random_below(1 << NAMES) : 0;
        if (history->first_names[job] != 0)
            history_append(history, job, JOB_BEGIN, history->first_names[job]);
        history_append(history, job, JOB_BEGIN, history->names[job]);
        if (history->has_end[job])
            history_append(history, job, JOB_END, history->names[job]);
    }
}

static void
history_save(struct history *history)
{
    buffer_clear(&history->file);
    dump_format_encode(&history->list, &history->file);
}

static void
history_begin(struct history *history)
{
    *history = (struct history){0};
    history->list = list_of_all();
    history_write_topic(history);
    history_save(history);
}

static void
history_end(struct history *history)
{
    dump_list_free(&history->list);
    buffer_free(&history->file);
}

/* The partition reads its next message. */
static void
history_read(struct history *history, int partition)
{
    struct job_dump dumps[NAMES];
    if (history->next[partition] == history->count[partition])
        return;
    int offset = history->next[partition]++;
    const struct message *message = &history->topic[partition][offset];
    struct job_mark job = {.kind = message->kind, .job = message->job, .dumps = dumps};
    const struct dump_mark one = {.epoch = 1, .offset = offset, .job = &job, .incomplete = ""};
    for (int i = 0; i < NAMES; i++)
        if ((message->names >> i & 1) != 0)
            dumps[job.dump_count++] = (struct job_dump){
                .name = text_of(names[i]), .failed = text_of(history->failed[message->job])};
    if (message->is_mark)
        assert_int_equal(dump_list_mark(&history->list, partition, &one, 1), 0);
    history_save(history);
}

/* The power fails: what is not durable is read again. */
static void
history_crash(struct history *history)
{
    struct error err = {0};
    const struct text text = {(const char *)history->file.data, history->file.bytes};
    dump_list_free(&history->list);
    dump_list_init(&history->list, PARTITIONS);
    if (dump_format_decode(text, &history->list, &err) != 0)
        fail_msg("%s", err.message);
    for (int i = 0; i < PARTITIONS; i++)
        dump_list_own(&history->list, i, true);
    dump_list_assigned(&history->list, true, 1);
    for (int i = 0; i < PARTITIONS; i++) {
        history->next[i] = history->durable[i];
        dump_list_recovered(&history->list, i, history->durable[i], 1);
    }
    history_save(history);
}

static void
history_step(struct history *history)
{
    int partition = (int)random_below(PARTITIONS);
    switch (random_below(12)) {
    case 0:
        history_crash(history);
        break;
    case 1: /* a rebuild reads from an earlier place */
        history->next[partition] = (int)random_below((uint64_t)history->next[partition] + 1);
        break;
    case 2:
    case 3:
    case 4:
        if (history->next[partition] > history->durable[partition])
            history->durable[partition] = history->next[partition];
        dump_list_durable(&history->list, partition, history->durable[partition], 1);
        history_save(history);
        break;
    default:
        history_read(history, partition);
        break;
    }
}

/* The offset of a mark of the job; -1: the topic has no such mark. */
static int
history_find(const struct history *history, int partition, int job, enum job_mark_kind kind)
{
    for (int i = 0; i < history->count[partition]; i++) {
        const struct message *message = &history->topic[partition][i];
        if (message->is_mark && message->job == job && message->kind == kind)
            return i;
    }
    return -1;
}

/* A dump is complete only if every partition is durable after the end of its load. */
static void
history_check_complete(const struct history *history)
{
    for (uint32_t i = 0; i < history->list.count; i++) {
        const struct dump *dump = &history->list.items[i];
        int job = (int)dump->job;
        for (int p = 0; dump->status == DUMP_COMPLETE && p < PARTITIONS; p++) {
            assert_true(history->has_end[job]);
            assert_string_equal(history->failed[job], "");
            assert_true(history_find(history, p, job, JOB_END) < history->durable[p]);
        }
    }
}

/* What a reader of the whole topic says of the name. */
static const char *
history_expect(const struct history *history, int name)
{
    for (int job = JOBS; job > 0; job--) {
        if ((history->names[job] >> name & 1) != 0) {
            if (!history->has_end[job])
                return job == JOBS ? "Writing" : "Failed";
            return history->failed[job][0] != '\0' ? "Failed" : "Complete";
        }
        if ((history->first_names[job] >> name & 1) != 0)
            return "Failed"; /* it began again without this one */
    }
    return "none";
}

/* Has every registration a status that has not gone back? */
static void
check_forward(const struct dump_list *before, const struct dump_list *after)
{
    for (uint32_t i = 0; i < before->count; i++) {
        const struct dump *old = &before->items[i];
        const struct dump *new = dump_list_find(after, text_of(old->name));
        assert_non_null(new);
        assert_true(new->job >= old->job);
        if (new->job > old->job)
            continue;
        assert_true(new->status >= old->status);
        assert_true(new->status == old->status || old->status < DUMP_COMPLETE);
    }
}

static struct dump_list
list_copy(const struct buffer *file)
{
    struct dump_list list;
    struct error err = {0};
    dump_list_init(&list, PARTITIONS);
    assert_int_equal(
        dump_format_decode((struct text){(const char *)file->data, file->bytes}, &list, &err), 0);
    return list;
}

/* Three partitions read the marks of eight loads, each at its own pace, with crashes and rebuilds.
 */
static void
test_F12_no_status_goes_back_and_none_is_stuck(void **state)
{
    (void)state;
    while (random_round(100)) {
        struct history history;
        history_begin(&history);
        for (int i = 0; i < 300; i++) {
            struct dump_list before = list_copy(&history.file);
            history_step(&history);
            history_check_complete(&history);
            check_forward(&before, &history.list);
            dump_list_free(&before);
        }
        for (int p = 0; p < PARTITIONS; p++) {
            while (history.next[p] < history.count[p])
                history_read(&history, p);
            dump_list_durable(&history.list, p, history.next[p], 1);
        }
        for (int i = 0; i < NAMES; i++)
            assert_string_equal(status_of(&history.list, names[i]), history_expect(&history, i));
        history_end(&history);
    }
}

/* --- the file -------------------------------------------------------------------------------- */

static struct dump_registry *
registry_open(struct memory_files *memory)
{
    struct error err = {0};
    struct dump_registry *registry;
    if (dump_registry_open(memory_files_vtable(memory), "data", "t", PARTITIONS, &registry, &err))
        fail_msg("%s", err.message);
    return registry;
}

static void
check_answer(struct dump_registry *registry, const char *part)
{
    struct buffer out;
    buffer_init(&out);
    dump_registry_answer(registry, &out);
    if (strstr(buffer_string(&out), part) == NULL)
        fail_msg("%s does not contain %s", buffer_string(&out), part);
    buffer_free(&out);
}

static struct memory_files *
memory_with_directory(void)
{
    struct error err = {0};
    struct memory_files *memory = memory_files_create(random_next());
    struct files *files = memory_files_vtable(memory);
    assert_int_equal(files->make_directory(files, "data", &err), 0);
    return memory;
}

/* Registers "a" and says that it is written. Returns how many calls succeeded. */
static int
registry_write(struct dump_registry *registry)
{
    enum dump_outcome outcome;
    struct error err = {0};
    if (dump_registry_put(registry, TEXT("a"), &outcome, &err) != 0)
        return 0;
    assert_int_equal(outcome, DUMP_DONE);
    if (dump_registry_post(registry, TEXT("a"), 3, NULL, &err) != 0)
        return 1;
    return dump_registry_loaded(registry, TEXT("a"), 4, &outcome, &err) != 0 ? 2 : 3;
}

/* What the answer contains after so many of these calls. */
static const char *const written[] = {
    "{\"dumps\":{}",
    "\"status\":\"Writing\",\"ops_written\":0,\"ops_processed\":0",
    "\"status\":\"Writing\",\"ops_written\":0,\"ops_processed\":3",
    "\"status\":\"Loading\",\"ops_written\":4,\"ops_processed\":3",
};

static void
test_F12_a_crash_at_any_call_leaves_the_dumps_before_or_after_the_change(void **state)
{
    (void)state;
    bool failed = true;
    for (int64_t call = 1; failed; call++) {
        struct memory_files *memory = memory_with_directory();
        struct dump_registry *registry = registry_open(memory);
        memory_files_fail(memory, call, MEMORY_DEAD);
        int done = registry_write(registry);
        failed = memory_files_failed(memory);
        check_answer(registry, written[done]); /* as before the call that failed */
        dump_registry_close(registry);
        memory_files_crash(memory);
        registry = registry_open(memory);
        struct buffer out;
        buffer_init(&out);
        dump_registry_answer(registry, &out);
        assert_true(strstr(buffer_string(&out), written[done]) != NULL ||
                    (done < 3 && strstr(buffer_string(&out), written[done + 1]) != NULL));
        buffer_free(&out);
        dump_registry_close(registry);
        memory_files_destroy(memory);
    }
}

static void
test_F41_a_failed_write_is_reported_and_the_next_one_succeeds(void **state)
{
    (void)state;
    struct memory_files *memory = memory_with_directory();
    struct dump_registry *registry = registry_open(memory);
    enum dump_outcome outcome;
    struct error err = {0};
    memory_files_fail(memory, 2, MEMORY_ENOSPC);
    assert_int_equal(dump_registry_put(registry, TEXT("a"), &outcome, &err), ERR_FATAL);
    check_answer(registry, "{\"dumps\":{}");
    assert_int_equal(registry_write(registry), 3);
    assert_int_equal(dump_registry_clear(registry, &err), 0);
    check_answer(registry, "{\"dumps\":{}");
    dump_registry_close(registry);
    memory_files_destroy(memory);
}

static void
test_a_damaged_file_is_refused_with_its_name(void **state)
{
    (void)state;
    struct memory_files *memory = memory_with_directory();
    struct dump_registry *registry = registry_open(memory);
    struct error err = {0};
    registry_write(registry);
    dump_registry_close(registry);
    memory_files_content(memory, "data/t.dumps")->bytes -= 5;
    assert_int_equal(
        dump_registry_open(memory_files_vtable(memory), "data", "t", PARTITIONS, &registry, &err),
        ERR_FATAL);
    assert_non_null(strstr(err.message, "\"data/t.dumps\" is damaged"));
    memory_files_destroy(memory);
}

static bool
is_accepted(struct text input)
{
    struct dump_list list;
    struct error err;
    dump_list_init(&list, 1);
    int rc = dump_format_decode(input, &list, &err);
    if (rc == 0) { /* what was accepted is stored as it is */
        struct buffer out;
        buffer_init(&out);
        dump_format_encode(&list, &out);
        dump_list_clear(&list);
        assert_int_equal(
            dump_format_decode((struct text){(const char *)out.data, out.bytes}, &list, &err), 0);
        buffer_free(&out);
    }
    dump_list_free(&list);
    return rc == 0;
}

static void
test_no_text_crashes_the_reader_of_the_file(void **state)
{
    (void)state;
    static const char *const goods[] = {
        "{\"version\":1,\"partitions\":[{\"seen\":-1,\"ended_epoch\":0,\"ended_job\":0}],"
        "\"dumps\":[]}",
        "{\"version\":1,\"partitions\":[{\"seen\":9,\"ended_epoch\":1,\"ended_job\":2}],\"dumps\":["
        "{\"name\":\"a\",\"status\":\"Loading\",\"failed\":\"\",\"ops_written\":1,"
        "\"ops_processed\":0,\"created_at\":1,\"completed_at\":0,\"epoch\":1,\"job\":2,"
        "\"offsets\":[9]},"
        "{\"name\":\"b\",\"status\":\"Failed\",\"failed\":\"why\",\"ops_written\":1,"
        "\"ops_processed\":0,\"created_at\":1,\"completed_at\":0,\"epoch\":0,\"job\":0,"
        "\"offsets\":[-1]}]}",
    };
    static const char *const pieces[] = {"\"Complete\"", "-1", "0", "1", ",", "{", "}", "[", "]"};
    random_inputs(goods, COUNT_OF(goods), pieces, COUNT_OF(pieces), is_accepted);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_posted_dump_is_complete_when_all_entries_are_applied),
        cmocka_unit_test(test_F12_a_dump_of_nothing_has_failed),
        cmocka_unit_test(test_requests_for_unknown_dumps_and_for_dumps_of_a_load_are_refused),
        cmocka_unit_test(test_a_load_is_complete_when_every_owned_partition_has_applied_its_end),
        cmocka_unit_test(test_F12_marks_that_are_read_again_change_nothing),
        cmocka_unit_test(test_an_end_mark_that_is_skipped_after_a_crash_does_not_count),
        cmocka_unit_test(test_F12_a_load_fails_for_the_reason_of_its_end_mark),
        cmocka_unit_test(test_F12_a_load_that_a_later_one_overtakes_has_failed),
        cmocka_unit_test(test_F12_a_dump_that_was_removed_during_its_load_is_not_stuck),
        cmocka_unit_test(test_L10_the_first_dump_that_has_ended_makes_room),
        cmocka_unit_test(test_names_that_a_path_cannot_carry_are_refused),
        cmocka_unit_test(test_the_answer_has_the_documented_form),
        cmocka_unit_test(test_F12_no_status_goes_back_and_none_is_stuck),
        cmocka_unit_test(test_F12_a_crash_at_any_call_leaves_the_dumps_before_or_after_the_change),
        cmocka_unit_test(test_F41_a_failed_write_is_reported_and_the_next_one_succeeds),
        cmocka_unit_test(test_a_damaged_file_is_refused_with_its_name),
        cmocka_unit_test(test_no_text_crashes_the_reader_of_the_file),
    };
    random_seed();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
