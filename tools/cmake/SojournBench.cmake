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

# soj_bench_peer(NAME FILE MODULES): one that needs a library.
function(soj_bench_peer name file modules)
	string(TOUPPER ${name} upper)
	pkg_check_modules(BENCH_${upper} QUIET IMPORTED_TARGET ${modules})
	if(BENCH_${upper}_FOUND)
		add_library(bench_${name} OBJECT ${peers}/${file})
		target_include_directories(bench_${name} PRIVATE
			${PROJECT_SOURCE_DIR}/tools)
		target_link_libraries(bench_${name} PRIVATE
			soj_internal PkgConfig::BENCH_${upper})
		target_compile_definitions(bench_${name} PRIVATE ${ARGN})
		target_link_libraries(bench_peers PRIVATE
			bench_${name} PkgConfig::BENCH_${upper})
		target_compile_definitions(bench_peers PRIVATE
			BENCH_${upper}=1)
	endif()
endfunction()

soj_bench_peer(lfht_memb lfht.c "liburcu-memb;liburcu-cds")
soj_bench_peer(lfht_qsbr lfht.c "liburcu-qsbr;liburcu-cds" BENCH_QSBR=1)
soj_bench_peer(lmdb lmdb.c lmdb)
soj_bench_peer(redis redis.c hiredis)
soj_bench_peer(memcached memcached.c libmemcached)
