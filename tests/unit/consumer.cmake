bitdex_unit_test(test_sequence ROOMS consumer_intake)
bitdex_unit_test(test_position ROOMS consumer_intake)
bitdex_unit_test(test_letters ROOMS consumer_intake)
bitdex_unit_test(test_data_dir SOURCES ../support/memory_files.c
  ROOMS consumer_intake)
bitdex_unit_test(test_batch ROOMS consumer_pipeline)
bitdex_unit_test(test_api ROOMS consumer_api)
