#include "common/config/config_kafka.h"

#include <string.h>
#include <strings.h>

#include "common/base/check.h"

/* Why the file must not set a setting. */
static const char idempotence[] = "events must arrive in order and once";
static const char endless[] = "deliveries are retried without a limit";
static const char in_log[] = "positions are committed after they are in the write-ahead log";
static const char spread[] = "the partition of an entity is its id modulo the number of partitions";

/* Sorted by name. */
static const struct {
    const char *name;
    const char *reason;
} fixed_settings[] = {
    {"acks", idempotence},
    {"auto.commit.enable", in_log},
    {"auto.commit.interval.ms", in_log},
    {"auto.offset.reset", "a lost offset is an error and never skipped"},
    {"client.id", "the members of a group publish their address in it"},
    {"delivery.timeout.ms", endless},
    {"enable.auto.commit", in_log},
    {"enable.auto.offset.store", in_log},
    {"enable.gapless.guarantee", endless},
    {"enable.idempotence", idempotence},
    {"group.id", "it is the value of consumer.group"},
    {"isolation.level", "the producer writes no transactions"},
    {"max.in.flight", idempotence},
    {"max.in.flight.requests.per.connection", idempotence},
    {"message.max.bytes", "the limit is max.message.bytes of the topic"},
    {"message.send.max.retries", endless},
    {"message.timeout.ms", endless},
    {"partition.assignment.strategy", "a rebalance must not stop the other partitions"},
    {"partitioner", spread},
    {"queuing.strategy", idempotence},
    {"request.required.acks", idempotence},
    {"retries", endless},
    {"transactional.id", "the producer is fenced by its generation"},
};

enum { FIXED_SETTINGS = sizeof fixed_settings / sizeof fixed_settings[0] };

static int
read_one(const struct config_reader *reader, const struct config_node *node,
         struct config_kafka_setting *setting)
{
    CHECK(node->key != NULL);
    for (int i = 0; i < FIXED_SETTINGS; i++)
        if (strcmp(fixed_settings[i].name, node->key) == 0)
            return config_refuse_key(reader, node, "cannot be set: %s", fixed_settings[i].reason);
    setting->name = node->key;
    return config_node_text(reader, node, &setting->value);
}

/* Reads the settings of a map; of the section itself, without the maps of the two sides. */
static int
read_side(const struct config_reader *reader, const struct config_node *node, bool is_section,
          struct config_kafka_settings *settings)
{
    if (node->kind != NODE_MAP)
        return config_refuse(reader, node, "must be a map of librdkafka settings");
    struct config_kafka_setting *items =
        arena_alloc(reader->arena, (node->count + 1) * sizeof *items);
    int rc = 0;
    settings->items = items;
    for (const struct config_node *child = node->first; child != NULL; child = child->next) {
        if (is_section &&
            (strcmp(child->key, "producer") == 0 || strcmp(child->key, "consumer") == 0))
            continue;
        CHECK(settings->count < node->count);
        if (config_node_is_refused(reader, child) ||
            read_one(reader, child, &items[settings->count++]) != 0)
            rc = ERR_USAGE;
    }
    return rc;
}

int
config_kafka_read(const struct config_reader *reader, const struct config_node *node,
                  struct config_kafka *kafka)
{
    CHECK(!kafka->present);
    kafka->present = true;
    int rc = read_side(reader, node, true, &kafka->common);
    for (const struct config_node *child = node->first; child != NULL; child = child->next) {
        int side = config_node_is_refused(reader, child) ? ERR_USAGE : 0;
        if (side == 0 && strcmp(child->key, "producer") == 0)
            side = read_side(reader, child, false, &kafka->producer);
        else if (side == 0 && strcmp(child->key, "consumer") == 0)
            side = read_side(reader, child, false, &kafka->consumer);
        rc = side != 0 ? side : rc;
    }
    return rc;
}

bool
config_kafka_is_secret(const struct config_kafka_setting *setting)
{
    static const char *const parts[] = {"password",    "secret",         "token",
                                        "ssl.key.pem", "auth.user.info", "oauthbearer.config",
                                        "jaas.config", "credentials"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (strcasestr(setting->name, parts[i]) != NULL)
            return true;
    CHECK(setting->value != NULL);
    const char *scheme = strstr(setting->value, "://");
    return scheme != NULL && strchr(scheme, '@') != NULL;
}

static bool
side_has_brokers(const struct config_kafka_settings *settings)
{
    for (uint32_t i = 0; i < settings->count; i++)
        if (strcmp(settings->items[i].name, "bootstrap.servers") == 0 ||
            strcmp(settings->items[i].name, "metadata.broker.list") == 0)
            return true;
    return false;
}

bool
config_kafka_has_brokers(const struct config_kafka *kafka, enum config_program side)
{
    return side_has_brokers(&kafka->common) ||
           side_has_brokers(side == CONFIG_PRODUCER ? &kafka->producer : &kafka->consumer);
}

void
config_kafka_reference(struct buffer *out)
{
    buffer_append_text(
        out,
        "\n## kafka\n\n"
        "Any librdkafka setting under its own name, for both programs. The maps `producer` and "
        "`consumer` hold\nsettings of one program, which override the common ones. "
        "`bootstrap.servers` is required. librdkafka\nchecks the names and the values. These "
        "settings are fixed and cannot be set:\n\n"
        "| setting | reason |\n|---|---|\n");
    for (int i = 0; i < FIXED_SETTINGS; i++) {
        CHECK(i == 0 || strcmp(fixed_settings[i - 1].name, fixed_settings[i].name) < 0);
        buffer_append_format(out, "| `%s` | %s |\n", fixed_settings[i].name,
                             fixed_settings[i].reason);
    }
}
