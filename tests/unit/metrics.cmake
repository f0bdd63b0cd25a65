bitdex_unit_test(test_metrics ROOMS common_metrics Threads::Threads)
