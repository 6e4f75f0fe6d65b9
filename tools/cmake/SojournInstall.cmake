# SPDX-License-Identifier: MIT
#
# Installs the library with its headers, a pkg-config file and a CMake package.
# The static target is exported apart: only who links it needs the libraries below.

include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/sojourn)

install(DIRECTORY include/sojourn TYPE INCLUDE FILES_MATCHING PATTERN "*.h")
install(FILES ${PROJECT_BINARY_DIR}/include/sojourn/version.h
	DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/sojourn)
install(TARGETS sojourn EXPORT sojourn-shared)
install(TARGETS sojourn_static EXPORT sojourn-static)
foreach(kind shared static)
	install(EXPORT sojourn-${kind} NAMESPACE sojourn::
		FILE sojourn-${kind}-targets.cmake DESTINATION ${package_dir})
endforeach()

configure_package_config_file(
	${PROJECT_SOURCE_DIR}/tools/cmake/sojourn-config.cmake.in
	${PROJECT_BINARY_DIR}/sojourn-config.cmake
	INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(
	${PROJECT_BINARY_DIR}/sojourn-config-version.cmake
	COMPATIBILITY SameMinorVersion)
install(FILES
	${PROJECT_BINARY_DIR}/sojourn-config.cmake
	${PROJECT_BINARY_DIR}/sojourn-config-version.cmake
	DESTINATION ${package_dir})

# Written when it is installed, because `cmake --install --prefix` may name
# another prefix than the one configured. A directory may be given absolute;
# then no prefix precedes it.
set(SOJ_PC_PREFIX "@CMAKE_INSTALL_PREFIX@")
foreach(dir LIBDIR INCLUDEDIR BINDIR)
	cmake_path(APPEND SOJ_PC_${dir} "\${prefix}" "${CMAKE_INSTALL_${dir}}")
endforeach()
configure_file(${PROJECT_SOURCE_DIR}/tools/cmake/sojourn.pc.in
	${PROJECT_BINARY_DIR}/sojourn.pc.in @ONLY)
install(CODE "configure_file(
	\"${PROJECT_BINARY_DIR}/sojourn.pc.in\"
	\"${PROJECT_BINARY_DIR}/sojourn.pc\" @ONLY)")
install(FILES ${PROJECT_BINARY_DIR}/sojourn.pc
	DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
