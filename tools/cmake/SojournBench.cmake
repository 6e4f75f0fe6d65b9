# SPDX-License-Identifier: MIT
#
# bench_peers: the side-by-side harness (bench/compare). Each system whose
# client library is there is in it; the named baselines need none.

set(peers ${PROJECT_SOURCE_DIR}/bench/peers)

add_executable(bench_peers
	${peers}/driver.c ${peers}/load.c ${peers}/work.c ${peers}/limit.c
	${peers}/rwlock.c ${peers}/sketch.c ${peers}/sojourn.c)
target_link_libraries(bench_peers PRIVATE
	soj_tool_lib sojourn_static soj_internal m)
target_include_directories(bench_peers PRIVATE ${PROJECT_SOURCE_DIR}/tools)
if(SOJ_JEMALLOC AND SOJ_JEMALLOC_LIBRARY AND NOT SOJ_SANITIZE)
	target_link_libraries(bench_peers PRIVATE ${SOJ_JEMALLOC_LIBRARY})
endif()
if(TARGET sojournd)
	add_dependencies(bench_peers sojournd)
endif()
