# SPDX-License-Identifier: MIT
#
# The two executables. Both link the static library with its internals, because
# the inspection commands read the segment's format. The allocator is chosen
# here and only here: a library must not choose its host's.

find_library(SOJ_JEMALLOC_LIBRARY jemalloc)
mark_as_advanced(SOJ_JEMALLOC_LIBRARY)

function(soj_add_tool target output)
	add_executable(${target} ${ARGN})
	set_target_properties(${target} PROPERTIES OUTPUT_NAME ${output})
	target_link_libraries(${target} PRIVATE soj_internal)
	# A sanitizer brings its own allocator.
	if(SOJ_JEMALLOC AND SOJ_JEMALLOC_LIBRARY AND NOT SOJ_SANITIZE)
		target_link_libraries(${target} PRIVATE
			${SOJ_JEMALLOC_LIBRARY})
	endif()
	install(TARGETS ${target} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endfunction()

set(tools ${PROJECT_SOURCE_DIR}/tools)

file(GLOB sojournd_sources CONFIGURE_DEPENDS
	${tools}/sojournd.c ${tools}/sojournd_*.c)
if(sojournd_sources)
	soj_add_tool(sojournd sojournd ${sojournd_sources})
	target_link_libraries(sojournd PRIVATE sojourn_helper)
endif()

file(GLOB sojourn_sources CONFIGURE_DEPENDS
	${tools}/sojourn.c ${tools}/cmd_*.c ${tools}/lib_*.c
	${tools}/demo_*.c)
if(EXISTS ${tools}/sojourn.c)
	pkg_check_modules(MICROHTTPD REQUIRED IMPORTED_TARGET libmicrohttpd)
	soj_add_tool(sojourn_tool sojourn ${sojourn_sources})
	target_include_directories(sojourn_tool PRIVATE ${tools})
	target_link_libraries(sojourn_tool PRIVATE
		sojourn_static PkgConfig::MICROHTTPD m)
endif()
