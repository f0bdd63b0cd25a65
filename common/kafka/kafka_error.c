#include "common/kafka/kafka_error.h"

#include "common/base/check.h"

/* A missing right or a wrong password is not in the list: an operator can grant it while the
 * program runs. */
int
kafka_error_class(rd_kafka_resp_err_t code)
{
    CHECK(code != RD_KAFKA_RESP_ERR_NO_ERROR);
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
    CHECK(what != NULL);
    return error_set(err, kafka_error_class(code), "kafka: %s: %s", what, rd_kafka_err2str(code));
}

int
kafka_error_take(struct error *err, rd_kafka_error_t *error, const char *what)
{
    CHECK(what != NULL);
    if (error == NULL)
        return 0;
    int rc = error_set(err, kafka_error_class(rd_kafka_error_code(error)), "kafka: %s: %s", what,
                       rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
    return rc;
}
