# SPDX-License-Identifier: MIT
#
# Fuzz targets: each tests/fuzz/fuzz_*.c is an executable for libFuzzer, linked
# with the library's sources compiled for it.  What several of them need is in
# tests/fuzz/lib_*.c.  Needs clang; SOJ_SANITIZE stays empty, the sanitizers are
# named here.
#
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
set(fuzz_sanitizers address,undefined)
set(fuzz_options -fno-sanitize-recover=all -fno-omit-frame-pointer)
set(fuzz_env
	SOJOURN_SRC=${PROJECT_SOURCE_DIR}
	SOJOURN_BUILD=${PROJECT_BINARY_DIR}
	SOJOURN_BIN=${PROJECT_BINARY_DIR}/bin)

soj_add_objects(sojourn_fuzz_objects)
target_compile_options(sojourn_fuzz_objects PRIVATE
	-fsanitize=fuzzer-no-link,${fuzz_sanitizers} ${fuzz_options})
add_library(sojourn_fuzz STATIC $<TARGET_OBJECTS:sojourn_fuzz_objects>)
set_target_properties(sojourn_fuzz PROPERTIES LINKER_LANGUAGE C)
target_link_libraries(sojourn_fuzz PUBLIC soj_internal)

file(GLOB fuzz_sources CONFIGURE_DEPENDS ${fuzz}/fuzz_*.c)
file(GLOB fuzz_shared CONFIGURE_DEPENDS ${fuzz}/lib_*.c)
foreach(source ${fuzz_sources})
	get_filename_component(name ${source} NAME_WE)
	add_executable(${name} ${source} ${fuzz_shared})
	target_include_directories(${name} PRIVATE
		${PROJECT_SOURCE_DIR}/tests ${fuzz})
	target_link_libraries(${name} PRIVATE sojourn_fuzz)
	target_compile_options(${name} PRIVATE
		-fsanitize=fuzzer,${fuzz_sanitizers} ${fuzz_options})
	target_link_options(${name} PRIVATE
		-fsanitize=fuzzer,${fuzz_sanitizers})
	add_test(NAME ${name}
		COMMAND bash ${fuzz}/run.sh ${name} ${SOJ_FUZZ_SECONDS})
	set_tests_properties(${name} PROPERTIES
		LABELS fuzz
		TIMEOUT 7200
		ENVIRONMENT "${fuzz_env}")
endforeach()
