# SPDX-License-Identifier: MIT
#
# Fuzz targets: each tests/fuzz/fuzz_*.c is an executable for libFuzzer, and
# what several of them need is in tests/fuzz/lib_*.c.  Everything they link is
# compiled for it, under AddressSanitizer and UndefinedBehaviorSanitizer, and
# with the library's switch points, so that a target can count accesses to a
# segment, and change what is in it before any of them (lib_fuzz.c).  Needs
# clang; SOJ_SANITIZE stays empty, the sanitizers are named here.
#
#	tests/fuzz/run --seconds 60 fuzz_x
# or
#	cmake --preset fuzz && cmake --build --preset fuzz
#	build/fuzz/bin/fuzz_x -max_total_time=60 tests/fuzz/corpus/fuzz_x
#
# ctest --preset fuzz runs each for SOJ_FUZZ_SECONDS from its seed corpus, which
# stays as it is.

if(NOT CMAKE_C_COMPILER_ID STREQUAL "Clang")
	message(FATAL_ERROR "SOJ_FUZZ needs clang: use the preset fuzz")
endif()
if(SOJ_SANITIZE OR SOJ_HARDEN)
	message(FATAL_ERROR
		"SOJ_FUZZ brings its own sanitizers and wants SOJ_HARDEN off")
endif()

set(SOJ_FUZZ_SECONDS 20 CACHE STRING "How long ctest runs a fuzz target")

set(fuzz ${PROJECT_SOURCE_DIR}/tests/fuzz)
set(fuzz_env
	SOJOURN_SRC=${PROJECT_SOURCE_DIR}
	SOJOURN_BUILD=${PROJECT_BINARY_DIR}
	SOJOURN_FUZZ_BIN=${PROJECT_BINARY_DIR}/bin)

target_compile_definitions(soj_internal INTERFACE SOJ_EXPLORE=1)
target_compile_options(soj_flags INTERFACE
	-fsanitize=fuzzer-no-link,address,undefined
	-fno-sanitize-recover=all -fno-omit-frame-pointer)

file(GLOB fuzz_sources CONFIGURE_DEPENDS ${fuzz}/fuzz_*.c)
file(GLOB fuzz_shared CONFIGURE_DEPENDS ${fuzz}/lib_*.c)
add_library(soj_fuzz_shared STATIC ${fuzz_shared})
target_include_directories(soj_fuzz_shared PUBLIC
	${PROJECT_SOURCE_DIR}/tests ${fuzz} ${PROJECT_SOURCE_DIR}/tools)
target_link_libraries(soj_fuzz_shared PUBLIC
	soj_tool_lib sojourn_helper sojourn_static soj_internal m)
add_custom_target(fuzzers)
foreach(source ${fuzz_sources})
	get_filename_component(name ${source} NAME_WE)
	add_executable(${name} ${source})
	# What the library calls back is among what is shared.
	target_link_libraries(${name} PRIVATE
		-Wl,--whole-archive soj_fuzz_shared -Wl,--no-whole-archive)
	target_link_options(${name} PRIVATE
		-fsanitize=fuzzer,address,undefined)
	add_dependencies(fuzzers ${name})
	add_test(NAME ${name}
		COMMAND bash ${fuzz}/run --seconds ${SOJ_FUZZ_SECONDS} ${name})
	set_tests_properties(${name} PROPERTIES
		LABELS fuzz
		TIMEOUT 7200
		ENVIRONMENT "${fuzz_env}")
endforeach()
