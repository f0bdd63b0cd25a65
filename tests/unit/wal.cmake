bitdex_unit_test(test_wal SOURCES ../support/memory_files.c ROOMS consumer_wal)
