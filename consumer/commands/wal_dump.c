/* `wal dump`: prints the frames of the current log of a partition, with any identity. A frame that
 * cannot be read does not hide the next one: it is reported with its place, and the command fails
 * at the end. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/check.h"
#include "common/cli/cli.h"
#include "common/event/event_codec.h"
#include "common/files/files.h"
#include "common/json/json_write.h"
#include "common/ops/ops_json.h"
#include "consumer/commands/commands.h"
#include "consumer/commands/wal_logs.h"
#include "consumer/dead_letter/chunk_json.h"
#include "consumer/dead_letter/event_json.h"
#include "consumer/partition/batch.h"
#include "consumer/partition/incomplete.h"
#include "consumer/partition/position.h"
#include "consumer/partition/sequence.h"
#include "consumer/wal/wal_scan.h"

enum { FRAME_DEPTH = 2 }; /* of its events in JSON: in an array in an object */

struct wal_dump {
    const struct config *config;
    struct event_codec *codec;
    int32_t partition;
    struct recorded_config *recorded; /* of the current segment */
    bool is_json;
    int64_t from_offset;
    int64_t frames_left;
    uint32_t problems;

    /* The current frame: */
    struct arena arena; /* of its current event */
    struct buffer out;
    struct json_writer json;
    struct buffer ops;
};

static void
wal_dump_write_event(struct wal_dump *dump, const struct event *event)
{
    struct json_writer *json = &dump->json;
    json_object_begin(json);
    json_key(json, "kind");
    json_string(json, event_kind_name(event->kind));
    event_json_write(event, json);
    if (event->kind == EVENT_CHUNK) {
        chunk_json_write(event->chunk, dump->partition, dump->config->topic.partitions, json);
    } else {
        bool is_pass = event->kind == EVENT_PASS;
        if (is_pass)
            chunk_json_write_names(event->pass->fields, event->pass->field_count, json);
        buffer_clear(&dump->ops);
        ops_json_write(is_pass ? &event->pass->fan_outs : &event->ops, &dump->ops);
        json_key(json, "ops");
        json_raw(json, (struct text){(const char *)dump->ops.data, dump->ops.bytes});
    }
    json_object_end(json);
}

static void
wal_dump_event(void *context, const struct event *event)
{
    struct wal_dump *dump = context;
    if (dump->is_json) {
        wal_dump_write_event(dump, event);
        return;
    }
    buffer_append_text(&dump->out, "  ");
    json_writer_init(&dump->json, &dump->out);
    wal_dump_write_event(dump, event);
    buffer_append_text(&dump->out, "\n");
}

static void
wal_dump_write_incomplete(struct wal_dump *dump, const struct sequence *sequence)
{
    const struct config_fields *fields = &dump->recorded->fields;
    const struct field_set complete = incomplete_find_complete(sequence, fields);
    struct json_writer *json = &dump->json;
    char reason[INCOMPLETE_BYTES];
    incomplete_describe(sequence, fields, reason, sizeof reason);
    json_key(json, "complete");
    json_boolean(json, sequence_complete(sequence));
    json_key(json, "reason");
    json_string(json, reason);
    json_key(json, "incomplete_fields");
    json_array_begin(json);
    if (!field_set_has(&complete, FIELD_ALIVE))
        json_string(json, config_fields_name(fields, FIELD_ALIVE));
    for (uint32_t i = 0; i < fields->count; i++)
        if (!field_set_has(&complete, i))
            json_string(json, config_fields_name(fields, i));
    json_array_end(json);
}

static void
wal_dump_write_position(struct wal_dump *dump, const struct position *position)
{
    const struct sequence *sequence = &position->sequence;
    const struct {
        const char *key;
        int64_t value;
    } numbers[] = {
        {"epoch", sequence->epoch},         {"generation", sequence->generation},
        {"tick", sequence->tick},           {"seq", sequence->seq},
        {"replay", position->replay},       {"losses", sequence->losses},
        {"job", sequence->coverage.job},    {"covered_to", sequence->coverage.covered_to},
        {"owed", sequence->watermark.owed}, {"unanswered", sequence->unanswered},
    };
    struct json_writer *json = &dump->json;
    CHECK(sequence_is_consistent(sequence));
    json_object_begin(json);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        json_key(json, numbers[i].key);
        json_integer(json, numbers[i].value);
    }
    wal_dump_write_incomplete(dump, sequence);
    json_object_end(json);
}

/* Writes what comes before the events. */
static void
wal_dump_begin(struct wal_dump *dump, const struct wal_segment *segment,
               const struct wal_frame *frame, const struct position *position)
{
    struct json_writer *json = &dump->json;
    buffer_clear(&dump->out);
    json_writer_init(json, &dump->out);
    if (!dump->is_json) {
        buffer_append_format(&dump->out, "offsets %" PRId64 " to %" PRId64 ": ",
                             frame->first_offset, frame->next_offset - 1);
        wal_dump_write_position(dump, position);
        buffer_append_text(&dump->out, "\n");
        return;
    }
    json_object_begin(json);
    json_key(json, "file");
    json_string(json, segment->path);
    json_key(json, "byte");
    json_integer(json, segment->end_bytes);
    json_key(json, "first_offset");
    json_integer(json, frame->first_offset);
    json_key(json, "next_offset");
    json_integer(json, frame->next_offset);
    json_key(json, "position");
    wal_dump_write_position(dump, position);
    json_key(json, "events");
    json_array_begin(json);
    CHECK(json->depth == FRAME_DEPTH);
}

/* Writes what comes after the events; `problem`: NULL, or why the frame could not be read. */
static void
wal_dump_end(struct wal_dump *dump, const char *problem)
{
    struct json_writer *json = &dump->json;
    if (!dump->is_json) {
        if (problem != NULL)
            buffer_append_format(&dump->out, "  problem: %s\n", problem);
        return;
    }
    CHECK(json->depth == FRAME_DEPTH); /* every event was written to its end */
    json_array_end(json);
    if (problem != NULL) {
        json_key(json, "problem");
        json_string(json, problem);
    }
    json_object_end(json);
    CHECK(json->depth == 0);
    buffer_append_text(&dump->out, "\n");
}

static int
wal_dump_frame(void *context, const struct wal_segment *segment, const struct wal_frame *frame,
               struct error *err)
{
    struct wal_dump *dump = context;
    CHECK(dump->frames_left > 0);
    CHECK(frame->first_offset < frame->next_offset);
    if (frame->next_offset <= dump->from_offset)
        return 0;
    struct position position;
    const struct text encoded = {frame->position, frame->position_bytes};
    const struct text payload = {frame->payload, frame->payload_bytes};
    int rc = wal_logs_configure(dump->config, segment, &dump->recorded, err);
    if (rc != 0)
        return rc;
    rc = position_decode(encoded, &dump->recorded->fields, &position, NULL, err);
    if (rc != 0)
        position_init(&position, &dump->recorded->fields);
    const struct batch_context batch = {
        .config = &dump->recorded->config, .partition = dump->partition, .codec = dump->codec};
    wal_dump_begin(dump, segment, frame, &position);
    if (rc == 0)
        rc = batch_read(&batch, payload, &dump->arena, wal_dump_event, dump, err);
    if (rc != 0) {
        dump->problems++;
        error_wrap(err, rc, "%s: byte %" PRId64, segment->path, segment->end_bytes);
    }
    wal_dump_end(dump, rc != 0 ? err->message : NULL);
    fwrite(dump->out.data, 1, dump->out.bytes, stdout);
    return --dump->frames_left == 0 ? 1 : 0;
}

static int
wal_dump_problem(void *context, const struct wal_segment *segment, const struct error *problem)
{
    struct wal_dump *dump = context;
    (void)segment;
    CHECK(problem->code != 0);
    dump->problems++;
    if (dump->is_json) {
        buffer_clear(&dump->out);
        json_writer_init(&dump->json, &dump->out);
        json_object_begin(&dump->json);
        json_key(&dump->json, "problem");
        json_string(&dump->json, problem->message);
        json_object_end(&dump->json);
        puts(buffer_string(&dump->out));
    } else {
        printf("problem: %s\n", problem->message);
    }
    return 0;
}

static int
wal_dump_log(void *context, const struct wal_log *log, struct error *err)
{
    struct wal_dump *dump = context;
    const struct wal_visitor visitor = {
        .context = dump,
        .frame = wal_dump_frame,
        .problem = wal_dump_problem,
    };
    if (strcmp(log->name, "wal") != 0)
        return 0;
    CHECK(log->partition >= 0);
    CHECK(log->begin_offset >= 0);
    dump->partition = log->partition;
    const struct wal_place place = {
        .files = files_posix(),
        .directory = log->directory,
        .begin_offset = log->begin_offset,
    };
    int rc = wal_scan(&place, &visitor, err);
    return rc < 0 ? rc : 0;
}

static int
wal_dump_run(const struct cli *cli, struct wal_dump *dump, struct error *err)
{
    int rc = 0;
    CHECK(1 <= cli->argument_count && cli->argument_count <= 3);
    if (cli->argument_count > 1)
        rc = cli_read_number(cli->arguments[1], 0, INT64_MAX, &dump->from_offset, err);
    if (rc == 0 && cli->argument_count > 2)
        rc = cli_read_number(cli->arguments[2], 1, INT64_MAX, &dump->frames_left, err);
    CHECK(dump->from_offset >= 0);
    CHECK(dump->frames_left > 0);
    if (rc == 0)
        rc = wal_logs_visit(cli, wal_dump_log, dump, err);
    if (rc == 0 && dump->problems > 0)
        rc = error_set(err, ERR_FATAL, "problems found: %u", dump->problems);
    return rc;
}

int
command_wal_dump(const struct cli *cli, struct error *err)
{
    struct wal_dump dump = {
        .config = cli->config,
        .is_json = cli->json,
        .frames_left = INT64_MAX,
    };
    int rc = event_codec_create(&dump.codec, err);
    if (rc != 0)
        return rc;
    arena_init(&dump.arena);
    rc = wal_dump_run(cli, &dump, err);
    buffer_free(&dump.out);
    buffer_free(&dump.ops);
    arena_free(&dump.arena);
    recorded_config_destroy(dump.recorded);
    event_codec_destroy(dump.codec);
    return rc;
}
