#include "common/kafka/kafka_conf.h"

#include <stdio.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/log.h"

/* Our defaults, which the configuration may change. */
static const struct config_kafka_setting common_defaults[] = {
    {"client.id", "bitdex"},
    {"log.connection.close", "false"}, /* brokers close idle connections regularly */
    {"reconnect.backoff.max.ms", "2000"},
    {"socket.keepalive.enable", "true"},
    {"socket.nagle.disable", "true"},
};
static const struct config_kafka_setting producer_defaults[] = {
    /* A quarter of the bytes, half of the broker's processor time, and nothing to pay for it. */
    {"compression.type", "lz4"},
    {"linger.ms", "1"},
    {"queue.buffering.max.kbytes", "65536"},
    {"queue.buffering.max.messages", "200000"},
};
static const struct config_kafka_setting consumer_defaults[] = {
    {"queued.max.messages.kbytes", "8192"}, /* of each partition */
};

/* What a law fixes. The configuration refuses these names and their aliases. */
static const struct config_kafka_setting producer_fixed[] = {
    {"acks", "all"},
    {"enable.idempotence", "true"},
    /* Otherwise the messages after a refused one are appended with a new producer id (F59). */
    {"enable.gapless.guarantee", "true"},
    /* Infinite (L4), like the retries of an idempotent producer. */
    {"message.timeout.ms", "0"},
    /* The caller enforces the limit of the topic; librdkafka would leave a gap in a batch. */
    {"message.max.bytes", "1000000000"},
};
static const struct config_kafka_setting consumer_fixed[] = {
    {"auto.offset.reset", "error"},
    {"enable.auto.commit", "false"},
    {"enable.auto.offset.store", "false"},
    {"partition.assignment.strategy", "cooperative-sticky"},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct config_kafka_settings all_defaults = {common_defaults, COUNT(common_defaults)};
static const struct {
    struct config_kafka_settings defaults;
    struct config_kafka_settings fixed;
} side_settings[] = {
    [KAFKA_ADMIN] = {{NULL, 0}, {NULL, 0}},
    [KAFKA_PRODUCER] = {{producer_defaults, COUNT(producer_defaults)},
                        {producer_fixed, COUNT(producer_fixed)}},
    [KAFKA_CONSUMER] = {{consumer_defaults, COUNT(consumer_defaults)},
                        {consumer_fixed, COUNT(consumer_fixed)}},
};

int
kafka_conf_set(rd_kafka_conf_t *conf, const char *name, const char *value, struct error *err)
{
    CHECK(name != NULL);
    CHECK(value != NULL);
    char reason[512];
    if (rd_kafka_conf_set(conf, name, value, reason, sizeof reason) == RD_KAFKA_CONF_OK)
        return 0;
    return error_set(err, ERR_USAGE, "kafka: setting \"%s\": %s", name, reason);
}

static int
conf_apply(rd_kafka_conf_t *conf, const struct config_kafka_settings *settings, struct error *err)
{
    CHECK(settings->items != NULL || settings->count == 0);
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < settings->count; i++)
        rc = kafka_conf_set(conf, settings->items[i].name, settings->items[i].value, err);
    return rc;
}

static int
conf_require_brokers(const rd_kafka_conf_t *conf, struct error *err)
{
    char brokers[2]; /* enough to see whether the value is empty */
    size_t bytes = sizeof brokers;
    if (rd_kafka_conf_get(conf, "bootstrap.servers", brokers, &bytes) == RD_KAFKA_CONF_OK &&
        brokers[0] != '\0')
        return 0;
    return error_set(err, ERR_USAGE, "kafka: setting \"bootstrap.servers\" is missing");
}

static int
conf_fill(rd_kafka_conf_t *conf, const struct config_kafka *config, enum kafka_side side,
          struct error *err)
{
    CHECK(side >= KAFKA_ADMIN && side <= KAFKA_CONSUMER);
    int rc = conf_apply(conf, &all_defaults, err);
    if (rc == 0)
        rc = conf_apply(conf, &side_settings[side].defaults, err);
    if (side == KAFKA_CONSUMER) /* 2.0 does not have it; there kafka_consumer.c wakes the fetcher */
        rd_kafka_conf_set(conf, "fetch.queue.backoff.ms", "10", NULL, 0);
    if (rc == 0)
        rc = conf_apply(conf, &config->common, err);
    if (rc == 0 && side != KAFKA_ADMIN)
        rc = conf_apply(conf, side == KAFKA_PRODUCER ? &config->producer : &config->consumer, err);
    if (rc == 0)
        rc = conf_apply(conf, &side_settings[side].fixed, err);
    return rc == 0 ? conf_require_brokers(conf, err) : rc;
}

/* `level` is one of syslog. A broker that is away is only a warning. */
static void
client_log(const rd_kafka_t *client, int level, const char *facility, const char *message)
{
    enum { CRITICAL = 2, WARNING = 4, INFO = 6 };
    enum log_level ours = level <= CRITICAL  ? LOG_ERROR
                          : level <= WARNING ? LOG_WARN
                          : level <= INFO    ? LOG_INFO
                                             : LOG_DEBUG;
    /* A setting of the other side; an error that the caller gets anyway; each request that failed
     * with its connection. */
    static const char *const details[] = {"CONFWARN", "FATAL", "REQTMOUT"};
    for (size_t i = 0; i < sizeof details / sizeof details[0]; i++)
        if (strcmp(facility, details[i]) == 0)
            ours = LOG_DEBUG;
    log_write(ours, "kafka", "%s: %s: %s", rd_kafka_name(client), facility, message);
}

int
kafka_conf_create(const struct config_kafka *config, enum kafka_side side, rd_kafka_conf_t **conf,
                  struct error *err)
{
    rd_kafka_conf_t *new_conf = rd_kafka_conf_new();
    CHECK(new_conf != NULL);
    rd_kafka_conf_set_log_cb(new_conf, client_log);
    int rc = conf_fill(new_conf, config, side, err);
    if (rc != 0)
        rd_kafka_conf_destroy(new_conf);
    else
        *conf = new_conf;
    return rc;
}

int
kafka_client_create(rd_kafka_type_t type, rd_kafka_conf_t *conf, rd_kafka_t **client,
                    struct error *err)
{
    CHECK(conf != NULL);
    char reason[512];
    *client = rd_kafka_new(type, conf, reason, sizeof reason);
    if (*client != NULL)
        return 0;
    rd_kafka_conf_destroy(conf);
    return error_set(err, ERR_USAGE, "kafka: %s", reason);
}
