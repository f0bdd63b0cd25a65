bitdex_unit_test(test_json ROOMS common_json)
