#include "common/base/mutex.h"
#include "common/kafka/kafka_internal.h"

#include <stdio.h>
#include <string.h>

#include "common/base/log.h"

/* Our defaults, which the configuration may change. */
static const struct config_kafka_setting common_defaults[] = {
    {"client.id", "bitdex"},
    {"log.connection.close", "false"}, /* brokers close idle connections: no news */
    {"reconnect.backoff.max.ms", "2000"},
    {"socket.keepalive.enable", "true"},
    {"socket.nagle.disable", "true"},
};
static const struct config_kafka_setting producer_defaults[] = {
    {"linger.ms", "1"},
    {"queue.buffering.max.kbytes", "65536"},
    {"queue.buffering.max.messages", "200000"},
};
static const struct config_kafka_setting consumer_defaults[] = {
    {"queued.max.messages.kbytes", "8192"}, /* of each partition */
};

/* What a law fixes; the configuration refuses these names and their aliases. */
static const struct config_kafka_setting producer_fixed[] = {
    {"acks", "all"},
    {"enable.idempotence", "true"},
    /* Without it, what follows a refused message is appended under a new producer id (F59). */
    {"enable.gapless.guarantee", "true"},
    /* Infinite (L4); so are the retries of an idempotent producer. */
    {"message.timeout.ms", "0"},
    /* The caller knows the topic's limit; a refusal in here would leave a gap in a batch. */
    {"message.max.bytes", "1000000000"},
};
static const struct config_kafka_setting consumer_fixed[] = {
    {"auto.offset.reset", "error"},
    {"enable.auto.commit", "false"},
    {"enable.auto.offset.store", "false"},
    {"partition.assignment.strategy", "cooperative-sticky"},
};

#define ALL(array)                                  \
    {                                               \
        (array), sizeof(array) / sizeof((array)[0]) \
    }

static const struct config_kafka_settings for_all = ALL(common_defaults);
static const struct {
    struct config_kafka_settings defaults;
    struct config_kafka_settings fixed;
} for_side[] = {
    [KAFKA_ADMIN] = {{NULL, 0}, {NULL, 0}},
    [KAFKA_PRODUCER] = {ALL(producer_defaults), ALL(producer_fixed)},
    [KAFKA_CONSUMER] = {ALL(consumer_defaults), ALL(consumer_fixed)},
};

int
kafka_conf_set(rd_kafka_conf_t *conf, const char *name, const char *value, struct error *err)
{
    char reason[512];
    if (rd_kafka_conf_set(conf, name, value, reason, sizeof reason) == RD_KAFKA_CONF_OK)
        return 0;
    return error_set(err, ERR_USAGE, "kafka: setting \"%s\": %s", name, reason);
}

static int
conf_apply(rd_kafka_conf_t *conf, const struct config_kafka_settings *settings, struct error *err)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < settings->count; i++)
        rc = kafka_conf_set(conf, settings->items[i].name, settings->items[i].value, err);
    return rc;
}

static int
conf_require_brokers(const rd_kafka_conf_t *conf, struct error *err)
{
    char brokers[2]; /* whether there are any is all we ask */
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
    int rc = conf_apply(conf, &for_all, err);
    if (rc == 0)
        rc = conf_apply(conf, &for_side[side].defaults, err);
    if (side == KAFKA_CONSUMER) /* not in 2.0, where kafka_consumer.c wakes the fetcher instead */
        rd_kafka_conf_set(conf, "fetch.queue.backoff.ms", "10", NULL, 0);
    if (rc == 0)
        rc = conf_apply(conf, &config->common, err);
    if (rc == 0 && side != KAFKA_ADMIN)
        rc = conf_apply(conf, side == KAFKA_PRODUCER ? &config->producer : &config->consumer, err);
    if (rc == 0)
        rc = conf_apply(conf, &for_side[side].fixed, err);
    return rc == 0 ? conf_require_brokers(conf, err) : rc;
}

/* Levels are syslog's. A broker that is away is no error of ours, whatever the library thinks. */
static void
client_log(const rd_kafka_t *client, int level, const char *facility, const char *message)
{
    enum { CRITICAL = 2, WARNING = 4, INFO = 6 };
    enum log_level ours = level <= CRITICAL  ? LOG_ERROR
                          : level <= WARNING ? LOG_WARN
                          : level <= INFO    ? LOG_INFO
                                             : LOG_DEBUG;
    /* Settings of the other side; what the caller is told by an error; each request that a broken
     * connection took along. */
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
    char reason[512];
    *client = rd_kafka_new(type, conf, reason, sizeof reason);
    if (*client != NULL)
        return 0;
    rd_kafka_conf_destroy(conf);
    return error_set(err, ERR_USAGE, "kafka: %s", reason);
}

/* Rights and passwords that were taken away may be given back. */
int
kafka_error_class(rd_kafka_resp_err_t code)
{
    switch ((int)code) {
    case RD_KAFKA_RESP_ERR_INVALID_CONFIG:
    case RD_KAFKA_RESP_ERR_INVALID_PARTITIONS:
    case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:
    case RD_KAFKA_RESP_ERR_INVALID_REQUEST:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION:
    case RD_KAFKA_RESP_ERR__FATAL:
    case RD_KAFKA_RESP_ERR__INVALID_ARG:
    case RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE:
        return ERR_FATAL;
    default:
        return ERR_RETRY;
    }
}

int
kafka_error_set(struct error *err, rd_kafka_resp_err_t code, const char *what)
{
    return error_set(err, kafka_error_class(code), "kafka: %s: %s", what, rd_kafka_err2str(code));
}

int
kafka_error_take(struct error *err, rd_kafka_error_t *error, const char *what)
{
    if (error == NULL)
        return 0;
    int rc = error_set(err, kafka_error_class(rd_kafka_error_code(error)), "kafka: %s: %s", what,
                       rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
    return rc;
}

void
kafka_trouble_init(struct kafka_trouble *trouble)
{
    mutex_init(&trouble->lock);
    trouble->text[0] = '\0';
}

void
kafka_trouble_free(struct kafka_trouble *trouble)
{
    mutex_destroy(&trouble->lock);
}

/* That all brokers are down says less than what was said before it. */
void
kafka_trouble_note(struct kafka_trouble *trouble, rd_kafka_resp_err_t code, const char *reason)
{
    mutex_lock(&trouble->lock);
    if (code != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || trouble->text[0] == '\0')
        snprintf(trouble->text, sizeof trouble->text, "%s", reason);
    mutex_unlock(&trouble->lock);
}

void
kafka_trouble_clear(struct kafka_trouble *trouble)
{
    mutex_lock(&trouble->lock);
    trouble->text[0] = '\0';
    mutex_unlock(&trouble->lock);
}

void
kafka_trouble_copy(struct kafka_trouble *trouble, char *out, size_t bytes)
{
    mutex_lock(&trouble->lock);
    snprintf(out, bytes, "%s", trouble->text);
    mutex_unlock(&trouble->lock);
}
