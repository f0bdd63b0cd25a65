/* A mock cluster of librdkafka with one broker: setup and teardown of a group of tests. */
#ifndef TESTS_SUPPORT_MOCK_CLUSTER_H
#define TESTS_SUPPORT_MOCK_CLUSTER_H

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

/* Exists between setup and teardown. */
extern rd_kafka_mock_cluster_t *mock_cluster;

int mock_cluster_setup(void **state);
int mock_cluster_teardown(void **state);

/* The cluster's bootstrap.servers, owned by the cluster. */
const char *mock_cluster_bootstrap(void);
/* Creates a topic; an error fails the test. */
void mock_cluster_create_topic(const char *name, int partitions);

#endif
