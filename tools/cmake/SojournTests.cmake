# SPDX-License-Identifier: MIT
#
# Registers every test with ctest. A C file is one executable and one test; a
# script is one test. All of them find the tree by environment:
#   SOJOURN_SRC    the source tree
#   SOJOURN_BUILD  the build tree
#   SOJOURN_BIN    its executables
# Exit code 77 means skipped. Labels are the folders' names.

pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)

set(tests ${PROJECT_SOURCE_DIR}/tests)
set(soj_test_env
	SOJOURN_SRC=${PROJECT_SOURCE_DIR}
	SOJOURN_BUILD=${PROJECT_BINARY_DIR}
	SOJOURN_BIN=${PROJECT_BINARY_DIR}/bin
	UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
	TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1)

function(soj_register name label timeout)
	# A sanitizer takes two to ten times the time, most of it to fork.
	if(SOJ_SANITIZE)
		math(EXPR timeout "${timeout} * 4")
	endif()
	add_test(NAME ${name} COMMAND ${ARGN})
	set_tests_properties(${name} PROPERTIES
		LABELS ${label}
		TIMEOUT ${timeout}
		SKIP_RETURN_CODE 77
		ENVIRONMENT "${soj_test_env}")
	# These fork many processes: beside another one they only prove that
	# two cores are few. Tests of features wait for events, and models are
	# one process: they may have company.
	if(label MATCHES "^(stress|crash|explore|images|e2e|inject|proof|bench)$")
		set_tests_properties(${name} PROPERTIES RUN_SERIAL ON)
	endif()
endfunction()

function(soj_test_uses target label)
	target_include_directories(${target} PRIVATE
		${tests} ${tests}/${label} ${PROJECT_SOURCE_DIR}/tools)
	target_link_libraries(${target} PRIVATE
		${ARGN} soj_internal PkgConfig::CMOCKA m)
endfunction()

# soj_add_tests(LABEL PREFIX TIMEOUT LIBRARY...)
# tests/LABEL/lib_*.c is shared by the tests of that folder, and compiled once
# for all; what crash tests share serves tests/explore, too, on another variant
# of the library. The target tests_LABEL builds them all.
function(soj_add_tests label prefix timeout)
	file(GLOB sources CONFIGURE_DEPENDS ${tests}/${label}/${prefix}_*.c)
	file(GLOB shared CONFIGURE_DEPENDS ${tests}/${label}/lib_*.c)
	if(label STREQUAL "explore")
		file(GLOB more CONFIGURE_DEPENDS ${tests}/crash/lib_*.c)
		list(APPEND shared ${more})
	elseif(label STREQUAL "histories")
		list(APPEND shared ${tests}/stress/lib_stress.c)
	endif()
	set(objects)
	if(shared)
		add_library(soj_tests_${label} OBJECT ${shared})
		soj_test_uses(soj_tests_${label} ${label} ${ARGN})
		set(objects $<TARGET_OBJECTS:soj_tests_${label}>)
	endif()
	add_custom_target(tests_${label})
	foreach(source ${sources})
		get_filename_component(name ${source} NAME_WE)
		set(libraries ${ARGN})
		if(name STREQUAL "test_helper")
			# It waits for the labels that helpers pass.
			if(NOT SOJ_FAULTS)
				continue()
			endif()
			set(libraries
				sojourn_helper_faults sojourn_faults soj_tool_lib)
		endif()
		add_executable(${name} ${source} ${objects})
		soj_test_uses(${name} ${label} ${libraries})
		add_dependencies(tests_${label} ${name})
		soj_register(${name} ${label} ${timeout} ${name})
	endforeach()
endfunction()

soj_add_tests(unit test 120 soj_tool_lib sojourn_helper sojourn_static)
soj_add_tests(format test 120 soj_tool_lib sojourn_helper sojourn_static)
# Traced, so not under a sanitizer, which traces at its end; and a short slice
# of fuzzing, which has a build of its own.
if(NOT SOJ_SANITIZE)
	soj_add_tests(inject inject 600 sojourn_helper sojourn_static)
	file(GLOB injected CONFIGURE_DEPENDS ${tests}/inject/inject_*.c)
	foreach(source ${injected})
		get_filename_component(name ${source} NAME_WE)
		set_tests_properties(${name} PROPERTIES LABELS "inject;proof")
		if(TARGET sojournd)
			add_dependencies(${name} sojournd)
		endif()
	endforeach()
	soj_register(proof_fuzz proof 1200 bash ${tests}/fuzz/run
		--seconds 30 --build ${PROJECT_BINARY_DIR}/fuzz)
	# What comes from outside first of all, and is cheap to try.
	soj_register(proof_fuzz_tokens proof 1200 bash ${tests}/fuzz/run
		--seconds 30 --build ${PROJECT_BINARY_DIR}/fuzz
		fuzz_jose_token fuzz_jose_claims)
	set_tests_properties(proof_fuzz_tokens PROPERTIES DEPENDS proof_fuzz)
endif()
# Crash images are of the objects that are shipped, not of a variant: of the
# crash tests' world they use what needs no kill points.  images_planted is the
# same with bugs that base/fault.h plants, for the self-check.
function(soj_add_images name)
	file(GLOB sources CONFIGURE_DEPENDS
		${tests}/images/*.c ${tests}/crash/lib_*.c)
	list(FILTER sources EXCLUDE REGEX
		"crash/lib_(failures|found|leavings|life|locks|ops|shards|victim)")
	add_executable(${name} ${sources})
	target_include_directories(${name} PRIVATE
		${tests} ${tests}/images ${PROJECT_SOURCE_DIR}/tools)
	target_link_libraries(${name} PRIVATE
		${ARGN} soj_internal ${CMAKE_DL_LIBS})
endfunction()
if(NOT SOJ_SANITIZE AND CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
	soj_add_images(images_run soj_tool_lib sojourn_helper sojourn_static)
	soj_register(images_quick images 1800 images_run --quick)
	if(SOJ_FAULTS)
		soj_add_images(images_planted
			sojourn_helper_faults sojourn_faults soj_tool_lib)
	endif()
endif()

if(SOJ_FAULTS)
	soj_add_tests(stress stress 300
		sojourn_helper_faults sojourn_faults soj_tool_lib)
	# ThreadSanitizer sees one process only.
	if(SOJ_SANITIZE STREQUAL "thread")
		soj_register(stress_threads stress 300 stress_kill
			--in-process --kills 60 --workers 2 --accounts 32)
	endif()
	soj_add_tests(crash crash 900
		sojourn_helper_faults sojourn_faults soj_tool_lib)
	soj_add_tests(histories run 600 sojourn_helper_faults sojourn_faults)
	set_tests_properties(run_histories PROPERTIES LABELS proof)
	soj_add_tests(explore explore 1500
		sojourn_helper_explore sojourn_explore soj_tool_lib)

	# Fuzz targets' seeds, for who has no clang: see tests/fuzz/replay.c.
	file(GLOB shared CONFIGURE_DEPENDS ${tests}/fuzz/lib_*.c)
	add_library(soj_fuzz_parts OBJECT ${shared})
	soj_test_uses(soj_fuzz_parts fuzz soj_tool_lib
		sojourn_helper_explore sojourn_explore)
	add_custom_target(tests_fuzz)
	foreach(name text ops image sealed flip)
		add_executable(replay_${name} ${tests}/fuzz/replay.c
			${tests}/fuzz/fuzz_${name}.c
			$<TARGET_OBJECTS:soj_fuzz_parts>)
		soj_test_uses(replay_${name} fuzz soj_tool_lib
			sojourn_helper_explore sojourn_explore)
		add_dependencies(tests_fuzz replay_${name})
		soj_register(replay_${name} fuzz 600 replay_${name} 1000)
	endforeach()

	# One test for each row of features: they live in the crash tests'
	# world.
	add_library(soj_world STATIC $<TARGET_OBJECTS:soj_tests_crash>)
	set_target_properties(soj_world PROPERTIES LINKER_LANGUAGE C)
	target_include_directories(soj_world PUBLIC
		${tests} ${tests}/crash ${PROJECT_SOURCE_DIR}/tools)
	target_link_libraries(soj_world PUBLIC
		sojourn_helper_faults sojourn_faults soj_tool_lib soj_internal
		PkgConfig::CMOCKA)
	soj_add_tests(semantics sem 900 soj_world)
endif()

# A sample of planted bugs, other ones with each commit; it compiles and links
# with the commands of this build.
if(SOJ_FAULTS AND TARGET images_run AND CMAKE_GENERATOR STREQUAL "Ninja")
	soj_register(mutants_quick proof 900 bash ${tests}/mutants/run --quick)
endif()

# Programs that the scripts of tests/e2e drive.
file(GLOB sources CONFIGURE_DEPENDS ${tests}/e2e/*.c)
foreach(source ${sources})
	get_filename_component(name ${source} NAME_WE)
	add_executable(${name} ${source})
	target_link_libraries(${name} PRIVATE sojourn_static soj_internal m)
endforeach()
# The same with bugs that base/fault.h plants, for the self-check.
if(SOJ_FAULTS)
	add_executable(secrets_planted ${tests}/e2e/secrets_victim.c)
	target_link_libraries(secrets_planted PRIVATE
		sojourn_faults soj_internal)
endif()

file(GLOB scripts CONFIGURE_DEPENDS
	${tests}/bench/*.sh
	${tests}/e2e/*.sh
	${tests}/lint/*.sh
	${tests}/model/run.sh ${tests}/semantics/*.sh
	${tests}/install/run.sh)
foreach(script ${scripts})
	cmake_path(RELATIVE_PATH script BASE_DIRECTORY ${tests}
		OUTPUT_VARIABLE relative)
	cmake_path(GET relative PARENT_PATH label)
	cmake_path(GET relative STEM stem)
	if(stem MATCHES "^lib")
		continue() # sourced by the others
	endif()
	soj_register(${label}_${stem} ${label} 2400 bash ${script})
endforeach()
# The longest that may have company begins first.
set_tests_properties(model_run PROPERTIES COST 1000)
