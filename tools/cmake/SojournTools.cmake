# SPDX-License-Identifier: MIT
#
# The two executables and the benchmarks. All link the static library with its internals, because
# the inspection commands read the segment's format. The allocator is chosen
# here and only here: a library must not choose its host's.

find_library(SOJ_JEMALLOC_LIBRARY jemalloc)
mark_as_advanced(SOJ_JEMALLOC_LIBRARY)

function(soj_add_tool target output)
	add_executable(${target} ${ARGN})
	set_target_properties(${target} PROPERTIES OUTPUT_NAME ${output})
	# A sanitizer brings its own allocator.
	if(SOJ_JEMALLOC AND SOJ_JEMALLOC_LIBRARY AND NOT SOJ_SANITIZE)
		target_link_libraries(${target} PRIVATE
			${SOJ_JEMALLOC_LIBRARY})
	endif()
	target_link_libraries(${target} PRIVATE
		soj_tool_lib sojourn_helper sojourn_static soj_internal)
endfunction()

set(tools ${PROJECT_SOURCE_DIR}/tools)

file(GLOB sojournd_sources CONFIGURE_DEPENDS
	${tools}/sojournd.c ${tools}/sojournd_*.c)
if(EXISTS ${tools}/sojournd.c)
	soj_add_tool(sojournd sojournd ${sojournd_sources})
	install(TARGETS sojournd)
	if(EXISTS "${CMAKE_SOURCE_DIR}/tools/sojournd@.service")
		install(FILES "${CMAKE_SOURCE_DIR}/tools/sojournd@.service"
			DESTINATION lib/systemd/system)
	endif()
endif()

file(GLOB sojourn_sources CONFIGURE_DEPENDS
	${tools}/sojourn.c ${tools}/cmd_*.c ${tools}/demo_*.c)
if(EXISTS ${tools}/sojourn.c)
	pkg_check_modules(MICROHTTPD REQUIRED IMPORTED_TARGET libmicrohttpd)
	soj_add_tool(sojourn_tool sojourn ${sojourn_sources})
	target_link_libraries(sojourn_tool PRIVATE PkgConfig::MICROHTTPD m)
	install(TARGETS sojourn_tool)
endif()

file(GLOB bench_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/bench/*.c)
foreach(source ${bench_sources})
	get_filename_component(name ${source} NAME_WE)
	soj_add_tool(bench_${name} bench_${name} ${source})
	target_link_libraries(bench_${name} PRIVATE m)
endforeach()
# What tokens are measured against, if it is there.
pkg_check_modules(JWT QUIET IMPORTED_TARGET libjwt)
if(JWT_FOUND)
	target_link_libraries(bench_token PRIVATE PkgConfig::JWT)
	target_compile_definitions(bench_token PRIVATE SOJ_HAVE_LIBJWT=1)
endif()

include(SojournBench)

foreach(section 1 8)
	file(GLOB pages CONFIGURE_DEPENDS ${tools}/*.${section})
	install(FILES ${pages}
		DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
endforeach()
