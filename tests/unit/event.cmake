bitdex_unit_test(test_event_codec ROOMS common_event PkgConfig::avro_c m)
bitdex_unit_test(test_event_walker ROOMS common_event PkgConfig::avro_c)
bitdex_unit_test(test_schema_fingerprint ROOMS common_event)
