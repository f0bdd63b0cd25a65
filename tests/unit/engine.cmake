bitdex_unit_test(test_engine SOURCES engine_fixture.c ROOMS consumer_query)
bitdex_unit_test(test_engine_model SOURCES engine_fixture.c ROOMS consumer_query)
