/* The tables of the programs, in the order in which settings are printed and documented; inner
 * sections come first.
 */
#include "common/config/config_settings.h"

#include <string.h>

#include "common/base/check.h"
#include "common/config/config.h"
#include "common/config/config_items.h"
#include "common/config/config_rules.h"
#include "common/config/config_settings_index.h"

#define KIB(n) (INT64_C(1024) * (n))
#define MIB(n) (INT64_C(1024) * 1024 * (n))

static const struct setting topic_settings[] = {
    {.name = "name",
     .type = SETTING_TEXT,
     AT(config_topic, name),
     .rule = config_rule_topic,
     .kind = "topic",
     .standard = "none: required if there is a `kafka` section",
     .meaning = "The topic. Events that a consumer cannot apply go to the topic with this name and "
                "`.dead` appended."},
    {.name = "partitions",
     .type = SETTING_INTEGER,
     AT(config_topic, partitions),
     .minimum = 1,
     .maximum = CONFIG_PARTITIONS_MAX,
     .fallback = 4,
     .meaning =
         "The number of partitions, fixed for the life of the topic: another number requires "
         "a new topic and a load."},
    {.name = "replication_factor",
     .type = SETTING_INTEGER,
     AT(config_topic, replication_factor),
     .minimum = 1,
     .maximum = 100,
     .fallback = 1,
     .meaning =
         "The number of brokers that hold each partition; 3 is recommended. Used when `init` "
         "creates the topic."},
    {.name = "retention_hours",
     .type = SETTING_INTEGER,
     AT(config_topic, retention_hours),
     .minimum = 1,
     .maximum = 10 * 366 * 24,
     .fallback = 7 * 24,
     .unit = "hours",
     .meaning =
         "How long the topic keeps events, and so how far back a consumer can replay. `init` "
         "sets it, also of a topic that exists."},
    {.name = "max_slots",
     .type = SETTING_INTEGER,
     AT(config_topic, max_slots),
     .minimum = 1,
     .maximum = INT64_C(1) << 32,
     .fallback = INT64_C(1) << 30,
     .unit = "slots",
     .meaning = "The number of entities of one partition. Ids must be less than `max_slots` times "
                "`partitions`; ops of a larger id become dead letters."},
};

static const struct section topic_section = {
    .meaning =
        "The Kafka topic that the producer and its consumers share; the section must be the same "
        "for all of them. A stand-alone index, without a `kafka` section, has partitions too.",
    SETTINGS(topic_settings),
    .bytes = sizeof(struct config_topic),
};

static const struct setting retention_settings[] = {
    {.name = "min_age_s",
     .type = SETTING_INTEGER,
     AT(config_retention, min_age_s),
     .minimum = 0,
     .maximum = INT64_C(10) * 366 * 24 * 3600,
     .fallback = 3600,
     .unit = "seconds",
     .meaning = "The least time for which a row is kept that every producer has sent."},
    {.name = "interval_s",
     .type = SETTING_INTEGER,
     AT(config_retention, interval_s),
     .minimum = 1,
     .maximum = 24 * 3600,
     .fallback = 10,
     .unit = "seconds",
     .meaning = "The time between two passes in which a running producer removes rows."},
    {.name = "batch_rows",
     .type = SETTING_INTEGER,
     AT(config_retention, batch_rows),
     .minimum = 1,
     .maximum = 1000000,
     .fallback = 10000,
     .unit = "rows",
     .meaning = "Rows removed in one transaction."},
    {.name = "dead_letter_days",
     .type = SETTING_INTEGER,
     AT(config_retention, dead_letter_days),
     .minimum = 0,
     .maximum = 10 * 366,
     .fallback = 30,
     .unit = "days",
     .meaning = "A running producer removes its dead letters that are older, open ones too, except "
                "those of a window that may be sent again. With 0 it keeps all."},
};

static const struct section retention_section = {
    .meaning = "The removal of sent rows from the outbox.",
    SETTINGS(retention_settings),
    .bytes = sizeof(struct config_retention),
};

static const struct setting load_settings[] = {
    {.name = "share",
     .type = SETTING_SHARE,
     AT(config_load, share),
     .fallback = 200,
     .meaning = "The share of its time that a running producer spends on jobs. With 0 it "
                "leaves them to the commands `load` and `verify`. A larger share loads sooner; the "
                "freshness of "
                "the stream grows by the reading of one chunk, about 0.3 s, at any share."},
    {.name = "connections",
     .type = SETTING_INTEGER,
     AT(config_load, connections),
     .minimum = 1,
     .maximum = CONFIG_LOAD_CONNECTIONS_MAX,
     .fallback = 2,
     .unit = "connections",
     .meaning = "Database connections that read a chunk at the same time, from one snapshot."},
    {.name = "sort_dir",
     .type = SETTING_TEXT,
     AT(config_load, sort_dir),
     .rule = config_rule_filled,
     .kind = "directory",
     .standard = "`$TMPDIR`, or `/tmp`",
     .meaning = "Where `load --csv` sorts files that are not in the order of their entities."},
    {.name = "sort_bytes",
     .type = SETTING_INTEGER,
     AT(config_load, sort_bytes),
     .minimum = MIB(1),
     .maximum = MIB(1024) * 1024 * 1024,
     .fallback = MIB(64) * 1024,
     .unit = "bytes",
     .meaning = "The most disk that sorting one CSV file may take."},
    {.name = "sort_memory_bytes",
     .type = SETTING_INTEGER,
     AT(config_load, sort_memory_bytes),
     .minimum = MIB(1),
     .maximum = MIB(64) * 1024,
     .fallback = MIB(256),
     .unit = "bytes",
     .meaning = "The memory that sorting one CSV file may take. More memory reads larger runs."},
};

static const struct section load_section = {
    .meaning = "How existing rows are read for loads.",
    SETTINGS(load_settings),
    .bytes = sizeof(struct config_load),
};

static const struct setting patrol_settings[] = {
    {.name = "share",
     .type = SETTING_SHARE,
     AT(config_patrol, share),
     .fallback = 0,
     .meaning =
         "The share of its time that a running producer spends on comparing all entities with "
         "the indexes, one range after another, for ever, while there is no job. 0: none."},
};

static const struct section patrol_section = {
    .meaning = "The verification that never ends.",
    SETTINGS(patrol_settings),
    .bytes = sizeof(struct config_patrol),
};

static const struct setting refresh_settings[] = {
    {.name = "owed_max",
     .type = SETTING_INTEGER,
     AT(config_refresh, owed_max),
     .minimum = 100,
     .maximum = 100000000,
     .fallback = 200000,
     .unit = "requests",
     .meaning = "Requests that are held in memory until they are answered. Further ones are read "
                "again from the outbox when there is room, which takes longer. 200,000 take about "
                "50 MB."},
};

static const struct section refresh_section = {
    .meaning = "How requests for what Postgres has (the op `refresh`) are answered.",
    SETTINGS(refresh_settings),
    .bytes = sizeof(struct config_refresh),
};

static const struct setting producer_settings[] = {
    {.name = "name",
     .type = SETTING_TEXT,
     AT(config_producer, name),
     .rule = config_rule_name,
     .kind = "name",
     .text = "default",
     .meaning = "The name of the producer, and of its cursor in the database. Of several processes "
                "with one name, one sends and the others are standbys."},
    {.name = "listen",
     .type = SETTING_TEXT,
     AT(config_producer, listen),
     .rule = config_rule_address,
     .kind = "host:port",
     .text = "127.0.0.1:8081",
     .meaning = "The address of health, metrics and the status page. Port 0 takes a free port."},
    {.name = "poll_interval_ms",
     .type = SETTING_INTEGER,
     AT(config_producer, poll_interval_ms),
     .minimum = 1,
     .maximum = 60000,
     .fallback = 100,
     .unit = "ms",
     .meaning = "The longest time between two polls of an idle outbox."},
    {.name = "watch_interval_ms",
     .type = SETTING_INTEGER,
     AT(config_producer, watch_interval_ms),
     .minimum = 10,
     .maximum = 3600000,
     .fallback = 5000,
     .unit = "ms",
     .meaning = "The time between two comparisons of the tables under `triggers` with what they "
                "were: changes that no trigger reports are found by it."},
    {.name = "guard_interval_ms",
     .type = SETTING_INTEGER,
     AT(config_producer, guard_interval_ms),
     .minimum = 10,
     .maximum = 60000,
     .fallback = 5000,
     .unit = "ms",
     .meaning = "The time after which the guards of the source are asked again."},
    {.name = "mark_interval_ms",
     .type = SETTING_INTEGER,
     AT(config_producer, mark_interval_ms),
     .minimum = 10,
     .maximum = 1000,
     .fallback = 100,
     .unit = "ms",
     .meaning = "The least time between two watermarks of a partition. Freshness is measured by "
                "watermarks."},
    {.name = "chunk_rows",
     .type = SETTING_INTEGER,
     AT(config_producer, chunk_rows),
     .minimum = 1,
     .maximum = 1000000,
     .fallback = 50000,
     .unit = "rows",
     .meaning = "The rows of a chunk: what one statement reads from the outbox."},
    {.name = "chunk_bytes",
     .type = SETTING_INTEGER,
     AT(config_producer, chunk_bytes),
     .minimum = KIB(64),
     .maximum = MIB(1024),
     .fallback = MIB(8),
     .unit = "bytes",
     .meaning = "The bytes of ops of a chunk; at least `row_bytes`."},
    {.name = "row_bytes",
     .type = SETTING_INTEGER,
     AT(config_producer, row_bytes),
     .minimum = KIB(1),
     .maximum = MIB(64),
     .fallback = MIB(1),
     .unit = "bytes",
     .meaning = "The largest ops row; a larger one becomes a dead letter."},
    {.name = "load", .type = SETTING_SECTION, AT(config_producer, load), .section = &load_section},
    {.name = "patrol",
     .type = SETTING_SECTION,
     AT(config_producer, patrol),
     .section = &patrol_section},
    {.name = "refresh",
     .type = SETTING_SECTION,
     AT(config_producer, refresh),
     .section = &refresh_section},
};

static const struct section producer_section = {
    .meaning = "The producer: from the outbox to the topic.",
    SETTINGS(producer_settings),
    .bytes = sizeof(struct config_producer),
};

static const struct choice on_gap_choices[] = {
    {"continue", ON_GAP_CONTINUE},
    {"stop", ON_GAP_STOP},
    {0},
};

static const struct setting consumer_settings[] = {
    {.name = "group",
     .type = SETTING_TEXT,
     AT(config_consumer, group),
     .rule = config_rule_name,
     .kind = "name",
     .standard = "the value of `index`",
     .meaning =
         "The Kafka consumer group. Consumers of one group share the partitions; another group "
         "holds another copy of the index."},
    {.name = "data_dir",
     .type = SETTING_TEXT,
     AT(config_consumer, data_dir),
     .rule = config_rule_filled,
     .kind = "path",
     .standard = "none: the consumer requires it",
     .meaning =
         "The directory of write-ahead logs and checkpoints. One process may use it at a time."},
    {.name = "listen",
     .type = SETTING_TEXT,
     AT(config_consumer, listen),
     .rule = config_rule_address,
     .kind = "host:port",
     .text = "127.0.0.1:8080",
     .meaning =
         "The address of queries, health, metrics and the status page. Port 0 takes a free port."},
    {.name = "advertise",
     .type = SETTING_TEXT,
     AT(config_consumer, advertise),
     .rule = config_rule_reachable,
     .kind = "host:port",
     .standard = "the value of `listen`",
     .meaning =
         "The address at which others reach `listen`. It is the `client.id` of this member "
         "in the description of its Kafka group, by which `load --changed`, `verify`, the "
         "patrol and `replay` find it. To be set when `listen` is a wildcard or has port 0."},
    {.name = "token_file",
     .type = SETTING_TEXT,
     AT(config_consumer, token_file),
     .is_reloaded = true,
     .rule = config_rule_filled,
     .kind = "path",
     .standard = "none: requests that change state are refused",
     .meaning = "A file with the bearer token. Requests that change state must carry it."},
    {.name = "batch_rows",
     .type = SETTING_INTEGER,
     AT(config_consumer, batch_rows),
     .minimum = 1,
     .maximum = 1000000,
     .fallback = 5000,
     .unit = "events",
     .meaning =
         "The largest number of events of one batch, which are compacted, logged and applied "
         "together."},
    {.name = "batch_bytes",
     .type = SETTING_INTEGER,
     AT(config_consumer, batch_bytes),
     .minimum = KIB(64),
     .maximum = MIB(256),
     .fallback = MIB(8),
     .unit = "bytes",
     .meaning = "The largest number of bytes of messages of one batch."},
    {.name = "prefetch_bytes",
     .type = SETTING_INTEGER,
     AT(config_consumer, prefetch_bytes),
     .minimum = MIB(1),
     .maximum = MIB(16 * 1024),
     .fallback = MIB(64),
     .unit = "bytes",
     .meaning = "Memory for messages that are fetched and not yet read, for all partitions of the "
                "topic together. The last record batch of each partition is not counted. Sets the "
                "`queued.*` and `fetch.*` limits of librdkafka, unless `kafka` sets them."},
    {.name = "commit_interval_ms",
     .type = SETTING_INTEGER,
     AT(config_consumer, commit_interval_ms),
     .minimum = 10,
     .maximum = 60000,
     .fallback = 1000,
     .unit = "ms",
     .meaning =
         "The least time between two commits of the offset of a partition to Kafka. Recovery "
         "uses the position in the write-ahead log; the committed offset is for tools that "
         "show consumer groups, and for resets."},
    {.name = "wal_segment_bytes",
     .type = SETTING_INTEGER,
     AT(config_consumer, wal_segment_bytes),
     .minimum = KIB(64),
     .maximum = MIB(1024),
     .fallback = MIB(128),
     .unit = "bytes",
     .meaning = "The size at which a new segment of the write-ahead log begins."},
    {.name = "wal_limit_bytes",
     .type = SETTING_INTEGER,
     AT(config_consumer, wal_limit_bytes),
     .minimum = KIB(64),
     .maximum = MIB(1024) * 1024 * 1024,
     .fallback = MIB(64) * 1024,
     .unit = "bytes",
     .meaning =
         "The limit of the write-ahead log of one partition. A partition that reaches it stops "
         "reading and has the state `full`. At least `wal_segment_bytes`."},
    {.name = "checkpoint_bytes",
     .type = SETTING_INTEGER,
     AT(config_consumer, checkpoint_bytes),
     .minimum = KIB(64),
     .maximum = MIB(1024) * 1024,
     .fallback = MIB(1024),
     .unit = "bytes",
     .meaning =
         "The growth of the log of a partition after which the next checkpoint is taken. The "
         "log before the oldest kept checkpoint is removed. For a checkpoint the partition pauses "
         "reading until a copy of the process exists. A clean shutdown takes a checkpoint too."},
    {.name = "checkpoint_interval_s",
     .type = SETTING_INTEGER,
     AT(config_consumer, checkpoint_interval_s),
     .minimum = 0,
     .maximum = 24 * 3600,
     .fallback = 10,
     .unit = "s",
     .meaning =
         "The time after which the next checkpoint of a partition is taken, so that a start after "
         "a "
         "crash has little of the log to apply, if the log has grown by an eighth of the last "
         "checkpoint, and by 1 MiB. 0: by `checkpoint_bytes` only."},
    {.name = "checkpoint_keep_hours",
     .type = SETTING_INTEGER,
     AT(config_consumer, checkpoint_keep_hours),
     .minimum = 0,
     .maximum = 24 * 366,
     .fallback = 0,
     .unit = "hours",
     .meaning =
         "How far back checkpoints are kept for `run --as-of`, with the log after the oldest of "
         "them: at most 16 of a partition, dense near now and sparser further back. 0: the newest "
         "two, and what is needed for `checkpoint_bytes` of the log after the oldest one. Older "
         "ones "
         "are given up when the log would take more than half of `wal_limit_bytes`."},
    {.name = "on_gap",
     .type = SETTING_CHOICE,
     AT(config_consumer, on_gap),
     .choices = on_gap_choices,
     .fallback = ON_GAP_CONTINUE,
     .meaning =
         "What a partition does when events are proved missing: `continue` and report that it "
         "is incomplete, or `stop` before the first event after the gap."},
    {.name = "requests_max",
     .type = SETTING_INTEGER,
     AT(config_consumer, requests_max),
     .minimum = 1000,
     .maximum = CONFIG_REQUESTS_MAX,
     .fallback = 1000000,
     .unit = "requests",
     .meaning = "How many refreshes of one partition may wait for their answers. With more of "
                "them the partition is incomplete until a load, because it no longer knows which "
                "answers are missing. One takes about 50 bytes of memory."},
    {.name = "owed_incomplete_s",
     .type = SETTING_INTEGER,
     AT(config_consumer, owed_incomplete_s),
     .minimum = 0,
     .maximum = 86400,
     .fallback = 60,
     .unit = "s",
     .meaning = "A partition is incomplete while its watermarks have owed answers to refreshes for "
                "longer than this. It is complete again as soon as nothing is owed. 0: never."},
    {.name = "ready_requires_verified_s",
     .type = SETTING_INTEGER,
     AT(config_consumer, ready_requires_verified_s),
     .minimum = 0,
     .maximum = 366 * 24 * 3600,
     .fallback = 0,
     .unit = "s",
     .meaning = "`/api/ready` fails while a range of entities differs from the source, or was not "
                "compared with it for longer than this: by `verify`, or by the patrol "
                "(`producer.patrol`). 0: readiness does not depend on it."},
    {.name = "http_threads",
     .type = SETTING_INTEGER,
     AT(config_consumer, http_threads),
     .minimum = 1,
     .maximum = 256,
     .fallback = 4,
     .unit = "threads",
     .meaning = "The number of requests that are answered at the same time."},
    {.name = "query_limit",
     .type = SETTING_INTEGER,
     AT(config_consumer, query_limit),
     .is_reloaded = true,
     .minimum = 1,
     .maximum = 1000000,
     .fallback = 10000,
     .unit = "ids",
     .meaning = "The largest sum of `limit` and `offset` of a query."},
    {.name = "query_values",
     .type = SETTING_INTEGER,
     AT(config_consumer, query_values),
     .is_reloaded = true,
     .minimum = 1,
     .maximum = 1000000,
     .fallback = 100000,
     .unit = "values",
     .meaning = "The largest number of values in all lists of a query together."},
    {.name = "query_timeout_ms",
     .type = SETTING_INTEGER,
     AT(config_consumer, query_timeout_ms),
     .is_reloaded = true,
     .minimum = 1,
     .maximum = 600000,
     .fallback = 5000,
     .unit = "ms",
     .meaning = "The time limit of a query, including the time that it waits for a thread. A query "
                "that reaches it is answered 503."},
    {.name = "waiting_queries",
     .type = SETTING_INTEGER,
     AT(config_consumer, waiting_queries),
     .minimum = 1,
     .maximum = 128,
     .fallback = 64,
     .is_reloaded = true,
     .unit = "queries",
     .meaning = "The number of queries that wait at the same time, with `after_xid` or "
                "`consistent`. A further one is answered 503."},
    {.name = "consistent_hold_ms",
     .type = SETTING_INTEGER,
     AT(config_consumer, consistent_hold_ms),
     .minimum = 10,
     .maximum = 60000,
     .fallback = 500,
     .unit = "ms",
     .meaning = "How long a `consistent` query may keep a partition from applying what follows. "
                "The query must be answered within this time; then the partition works for as long "
                "as it was kept."},
    {.name = "documents_limit",
     .type = SETTING_INTEGER,
     AT(config_consumer, documents_limit),
     .is_reloaded = true,
     .minimum = 1,
     .maximum = 100000,
     .fallback = 1000,
     .unit = "documents",
     .meaning = "The most documents of one answer: the length of `ids`, and the sum of `limit` and "
                "`offset` of a query with `include_docs`. More are refused with 400."},
    {.name = "documents_bytes",
     .type = SETTING_INTEGER,
     AT(config_consumer, documents_bytes),
     .is_reloaded = true,
     .minimum = KIB(64),
     .maximum = MIB(256),
     .fallback = MIB(16),
     .unit = "bytes",
     .meaning = "The largest size of the documents of one answer, as JSON. A request for more is "
                "refused with 400. `http_threads` answers are made at the same time."},
    {.name = "body_bytes",
     .type = SETTING_INTEGER,
     AT(config_consumer, body_bytes),
     .is_reloaded = true,
     .minimum = KIB(64),
     .maximum = MIB(32),
     .fallback = MIB(4),
     .unit = "bytes",
     .meaning = "The largest body of a request. A larger one is answered 413."},
    {.name = "bodies_bytes",
     .type = SETTING_INTEGER,
     AT(config_consumer, bodies_bytes),
     .is_reloaded = true,
     .minimum = KIB(64),
     .maximum = MIB(4096),
     .fallback = MIB(64),
     .unit = "bytes",
     .meaning = "The bodies of all requests that are in memory together; at least `body_bytes`. A "
                "request with a body that does not fit is answered 503."},
    {.name = "posts_max",
     .type = SETTING_INTEGER,
     AT(config_consumer, posts_max),
     .minimum = 1,
     .maximum = 256,
     .fallback = 16,
     .unit = "requests",
     .meaning = "The number of requests with ops at the same time. A further one is answered 503."},
    {.name = "post_timeout_ms",
     .type = SETTING_INTEGER,
     AT(config_consumer, post_timeout_ms),
     .minimum = 100,
     .maximum = 600000,
     .fallback = 10000,
     .unit = "ms",
     .meaning =
         "The time limit for posted ops to become durable, including the time that they wait. "
         "A request that reaches it is answered 503."},
};

static const struct section consumer_section = {
    .meaning = "The consumer: from the topic to the index and its queries.",
    SETTINGS(consumer_settings),
    .bytes = sizeof(struct config_consumer),
};

static const struct choice log_levels[] = {
    {"debug", LOG_DEBUG}, {"info", LOG_INFO}, {"warn", LOG_WARN}, {"error", LOG_ERROR}, {0},
};

static const struct setting log_settings[] = {
    {.name = "level",
     .type = SETTING_CHOICE,
     AT(config_log, level),
     .is_reloaded = true,
     .choices = log_levels,
     .fallback = LOG_INFO,
     .meaning = "The least level of lines that are written."},
};

static const struct section log_section = {
    .meaning = "The log, on standard error, one line for each record.",
    SETTINGS(log_settings),
    .bytes = sizeof(struct config_log),
};

static const struct setting root_settings[] = {
    {.name = "index",
     .type = SETTING_TEXT,
     AT(config, index),
     .is_required = true,
     .rule = config_rule_name,
     .kind = "name",
     .meaning = "The name of the index in URLs."},
    {.name = "postgres",
     .type = SETTING_TEXT,
     AT(config, postgres),
     .is_connection = true,
     .map_key = "connection_string",
     .rule = config_rule_filled,
     .kind = "connection string",
     .standard = "none: the producer requires it",
     .meaning = "A libpq connection string, in keywords or as a URI. `{ connection_string: ... }` "
                "means the same."},
    {.name = "kafka", .type = SETTING_KAFKA, AT(config, kafka)},
    {.name = "topic", .type = SETTING_SECTION, AT(config, topic), .section = &topic_section},
    {.name = "retention",
     .type = SETTING_SECTION,
     AT(config, retention),
     .section = &retention_section},
    {.name = "producer",
     .type = SETTING_SECTION,
     AT(config, producer),
     .section = &producer_section},
    {.name = "consumer",
     .type = SETTING_SECTION,
     AT(config, consumer),
     .section = &consumer_section},
    {.name = "log", .type = SETTING_SECTION, AT(config, log), .section = &log_section},
    {.name = "triggers",
     .alias = "sync_sources",
     .type = SETTING_ITEMS,
     AT(config, triggers),
     COUNT_AT(config, trigger_count),
     .section = &config_trigger_section},
    {.name = "dump_phases",
     .type = SETTING_ITEMS,
     AT(config, dump_phases),
     COUNT_AT(config, dump_phase_count),
     .section = &config_dump_section},
    {.name = "index_config",
     .type = SETTING_SECTION,
     AT(config, index_config),
     .section = &config_index_section},
};

const struct section config_settings = {
    SETTINGS(root_settings),
    .bytes = sizeof(struct config),
};

void
config_settings_check(void)
{
    section_check(&config_settings);
}
