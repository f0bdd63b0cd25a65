bitdex_unit_test(test_pg ROOMS common_pg Threads::Threads)
