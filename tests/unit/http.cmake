bitdex_unit_test(test_http ROOMS common_http Threads::Threads)
