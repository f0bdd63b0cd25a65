bitdex_unit_test(test_crc32c ROOMS common_files)
bitdex_unit_test(test_files SOURCES ../support/memory_files.c ROOMS common_files)
