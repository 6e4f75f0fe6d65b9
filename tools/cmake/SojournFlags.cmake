# SPDX-License-Identifier: MIT
#
# soj_flags: the language, warnings, hardening and sanitizers of everything that
# is built here. It is an interface library so that none of it reaches a
# consumer of the installed package.

# Assertions stay in: they stand for our own bugs, cost little, and a process
# that has found one must not go on writing to memory that others map. So
# Release does not define NDEBUG.
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
	set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
set(CMAKE_C_FLAGS_RELEASE "-O2 -g")
set(CMAKE_C_FLAGS_DEBUG "-Og -g3")

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)

# Everything is position independent, and executables are linked as PIE.
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
include(CheckPIESupported)
check_pie_supported(LANGUAGES C)

# No -Wcast-align: a segment is bytes with words at computed places, and format.h
# asserts that those are aligned.
add_library(soj_flags INTERFACE)
target_compile_options(soj_flags INTERFACE
	-Wall -Wextra -Wno-missing-field-initializers
	-Wshadow -Wundef -Wvla -Walloca
	-Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition
	-Wredundant-decls -Wpointer-arith -Wcast-qual
	-Wwrite-strings -Wformat=2 -Wimplicit-fallthrough -Wdate-time
	-fno-common
	$<$<BOOL:${SOJ_WERROR}>:-Werror>)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
	target_compile_options(soj_flags INTERFACE
		-Wlogical-op -Wduplicated-cond -Wduplicated-branches)
endif()

if(SOJ_SANITIZE)
	target_compile_options(soj_flags INTERFACE
		-fsanitize=${SOJ_SANITIZE} -fno-sanitize-recover=all
		-fno-omit-frame-pointer -fno-optimize-sibling-calls)
	target_link_options(soj_flags INTERFACE -fsanitize=${SOJ_SANITIZE})
elseif(SOJ_HARDEN)
	# Fortified string functions need an optimizing build.
	target_compile_options(soj_flags INTERFACE
		$<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE>
		$<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=3>
		-fstack-protector-strong -fstack-clash-protection)
	if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|i[3-6]86|AMD64)$")
		target_compile_options(soj_flags INTERFACE -fcf-protection=full)
	endif()
	target_link_options(soj_flags INTERFACE
		LINKER:-z,relro LINKER:-z,now LINKER:-z,noexecstack
		LINKER:-z,defs LINKER:--as-needed)
endif()
