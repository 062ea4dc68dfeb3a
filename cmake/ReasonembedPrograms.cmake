# How this project builds its own programs, tests and benchmarks. Nothing here reaches a user's target.

include_guard()

# ccache speeds up every second build; a user who set a launcher keeps it.
if(PROJECT_IS_TOP_LEVEL AND NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
  find_program(REASONEMBED_CCACHE ccache)
  mark_as_advanced(REASONEMBED_CCACHE)
  if(REASONEMBED_CCACHE)
    set(CMAKE_CXX_COMPILER_LAUNCHER ${REASONEMBED_CCACHE})
  endif()
endif()

# How to report that something a test or a benchmark needs is missing.
set(REASONEMBED_MISSING_IS STATUS)
if(REASONEMBED_REQUIRE_ALL)
  set(REASONEMBED_MISSING_IS FATAL_ERROR)
endif()

# Sets `result` to the highest x86-64 level (4, 3, or 0 for the compiler's default) of this machine that the compiler
# knows. A named level, never -march=native: native has another meaning on each machine, so that a shared compiler cache
# hands out programs that stop with SIGILL, and g++ 12 tunes wrongly for processors younger than itself.
function(reasonembed_native_level result)
  set(_flags "")
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64" AND EXISTS /proc/cpuinfo AND NOT CMAKE_CROSSCOMPILING)
    file(STRINGS /proc/cpuinfo _flags LIMIT_COUNT 1 REGEX "^flags")
  endif()
  string(REGEX REPLACE "[ \t:]+" ";" _flags "${_flags}")
  set(_level3 avx avx2 bmi1 bmi2 f16c fma abm movbe xsave)
  set(_level4 ${_level3} avx512f avx512bw avx512cd avx512dq avx512vl)
  include(CheckCXXCompilerFlag)
  foreach(_level 4 3)
    set(_lacking ${_level${_level}})
    if(_flags)
      list(REMOVE_ITEM _lacking ${_flags})
    endif()
    check_cxx_compiler_flag("-march=x86-64-v${_level} -mtune=generic" REASONEMBED_HAS_X86_64_V${_level})
    if(NOT _lacking AND REASONEMBED_HAS_X86_64_V${_level})
      set(${result} ${_level} PARENT_SCOPE)
      return()
    endif()
  endforeach()
  set(${result} 0 PARENT_SCOPE)
endfunction()

add_library(reasonembed_warnings INTERFACE)
target_compile_options(reasonembed_warnings INTERFACE
  $<$<COMPILE_LANG_AND_ID:CXX,GNU,Clang,AppleClang>:-Wall;-Wextra;-Wpedantic;-Wshadow;-Werror>
  # g++ 12 sees overlapping copies in "literal" + std::string (GCC bug 105651).
  $<$<AND:$<COMPILE_LANG_AND_ID:CXX,GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-restrict>)

# Warnings, the instruction-set level, and a check of the processor before main.
add_library(reasonembed_own INTERFACE)
target_link_libraries(reasonembed_own INTERFACE reasonembed_warnings)
target_compile_definitions(reasonembed_own INTERFACE REASONEMBED_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
set(_level 0)
if(REASONEMBED_NATIVE)
  reasonembed_native_level(_level)
endif()
if(_level)
  message(STATUS "reasonembed: own programs are built for x86-64-v${_level}")
  target_compile_options(reasonembed_own INTERFACE
                         $<$<COMPILE_LANGUAGE:CXX>:-march=x86-64-v${_level};-mtune=generic>)
  # Compiled without the level, so that the check itself runs anywhere.
  add_library(reasonembed_check_cpu OBJECT ${PROJECT_SOURCE_DIR}/cmake/check_cpu.cpp)
  target_compile_definitions(reasonembed_check_cpu PRIVATE X86_64_LEVEL=${_level})
  target_link_libraries(reasonembed_check_cpu PRIVATE reasonembed_warnings)
  target_compile_features(reasonembed_check_cpu PRIVATE cxx_std_20)
  target_link_libraries(reasonembed_own INTERFACE $<TARGET_OBJECTS:reasonembed_check_cpu>)
else()
  message(STATUS "reasonembed: own programs are built for the compiler's default instruction set")
endif()

# reasonembed_add_program(name SOURCES file... [LIBRARIES target...]): one of our programs, in <build>/bin.
function(reasonembed_add_program name)
  cmake_parse_arguments(PARSE_ARGV 1 _arg "" "" "SOURCES;LIBRARIES")
  add_executable(${name} ${_arg_SOURCES})
  target_link_libraries(${name} PRIVATE reasonembed::reasonembed reasonembed_own ${_arg_LIBRARIES})
  if(TARGET reasonembed_check_cpu)
    add_dependencies(${name} reasonembed_check_cpu)
  endif()
  set_target_properties(${name} PROPERTIES CXX_EXTENSIONS OFF RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
endfunction()
