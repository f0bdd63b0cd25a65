bitdex_unit_test(test_kafka ROOMS common_kafka PkgConfig::rdkafka Threads::Threads)
