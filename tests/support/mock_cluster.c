#include "tests/support/mock_cluster.h"

#include "tests/unit/unit_test.h"

rd_kafka_mock_cluster_t *mock_cluster;
static rd_kafka_t *host; /* the client that the cluster runs in */

int
mock_cluster_setup(void **state)
{
    (void)state;
    char reason[256];
    host = rd_kafka_new(RD_KAFKA_PRODUCER, NULL, reason, sizeof reason);
    mock_cluster = host != NULL ? rd_kafka_mock_cluster_new(host, 1) : NULL;
    return mock_cluster != NULL ? 0 : -1;
}

int
mock_cluster_teardown(void **state)
{
    (void)state;
    rd_kafka_mock_cluster_destroy(mock_cluster);
    rd_kafka_destroy(host);
    return 0;
}

const char *
mock_cluster_bootstrap(void)
{
    return rd_kafka_mock_cluster_bootstraps(mock_cluster);
}

void
mock_cluster_create_topic(const char *name, int partitions)
{
    assert_int_equal(rd_kafka_mock_topic_create(mock_cluster, name, partitions, 1), 0);
}
