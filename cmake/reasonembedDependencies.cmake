# The third-party targets of the library, found the same way by this project and by its installed package.
#
# Each dependency is looked for through its own CMake package, then by its header, since several distributions and most
# machines with a GPU have the headers but no package files.

include_guard()

# Creates the imported INTERFACE target `target` from the directory that holds `header`.
function(reasonembed_import_headers target variable header)
  find_path(${variable} ${header} PATH_SUFFIXES ${ARGN})
  mark_as_advanced(${variable})
  if(${variable})
    add_library(${target} INTERFACE IMPORTED)
    target_include_directories(${target} SYSTEM INTERFACE ${${variable}})
  endif()
endfunction()

# Creates the imported target `target` from the directory that holds `header` and the library `name`, unless it exists.
function(reasonembed_import_library target variable header name)
  if(NOT TARGET ${target})
    find_path(${variable}_INCLUDE_DIR ${header})
    find_library(${variable}_LIBRARY ${name})
    mark_as_advanced(${variable}_INCLUDE_DIR ${variable}_LIBRARY)
    if(${variable}_INCLUDE_DIR AND ${variable}_LIBRARY)
      add_library(${target} UNKNOWN IMPORTED)
      set_target_properties(${target} PROPERTIES IMPORTED_LOCATION ${${variable}_LIBRARY}
                                                 INTERFACE_INCLUDE_DIRECTORIES ${${variable}_INCLUDE_DIR})
    endif()
  endif()
endfunction()

# Sets `result` to the version that the macros named last spell in `file`, joined by dots; empty without the file.
function(reasonembed_header_version result file)
  set(_parts "")
  if(EXISTS "${file}")
    file(READ "${file}" _text)
    foreach(_macro IN LISTS ARGN)
      if(_text MATCHES "#define ${_macro} +([0-9]+)")
        list(APPEND _parts ${CMAKE_MATCH_1})
      endif()
    endforeach()
  endif()
  list(JOIN _parts "." _version)
  set(${result} "${_version}" PARENT_SCOPE)
endfunction()

# Finds what the components (core, reasonembed, remixer, cuda) need; sets `result` to one line for each that is missing.
# A macro, since find_package sets variables and the imported targets must be those of the caller's directory.
macro(reasonembed_find_dependencies result)
  set(${result} "")

  find_package(Threads QUIET)
  if(NOT TARGET Threads::Threads)
    list(APPEND ${result} "a thread library")
  endif()

  if(NOT TARGET Eigen3::Eigen)  # a project that brings its own answers for its version
    find_package(Eigen3 CONFIG QUIET)
    if(NOT TARGET Eigen3::Eigen)
      reasonembed_import_headers(Eigen3::Eigen REASONEMBED_EIGEN_INCLUDE_DIR Eigen/Core eigen3)
      reasonembed_header_version(Eigen3_VERSION "${REASONEMBED_EIGEN_INCLUDE_DIR}/Eigen/src/Core/util/Macros.h"
                                 EIGEN_WORLD_VERSION EIGEN_MAJOR_VERSION EIGEN_MINOR_VERSION)
    endif()
    if(NOT TARGET Eigen3::Eigen OR "${Eigen3_VERSION}" VERSION_LESS 3.4)
      list(APPEND ${result} "Eigen 3.4 or newer (Debian: libeigen3-dev)")
    endif()
  endif()

  # By header only: the target `xsimd` of Debian's 8.1.0 links -lxtl, which nothing provides.
  if(NOT TARGET reasonembed::xsimd)
    reasonembed_import_headers(reasonembed::xsimd REASONEMBED_XSIMD_INCLUDE_DIR xsimd/xsimd.hpp)
    reasonembed_header_version(_reasonembed_xsimd_version
                               "${REASONEMBED_XSIMD_INCLUDE_DIR}/xsimd/config/xsimd_config.hpp"
                               XSIMD_VERSION_MAJOR XSIMD_VERSION_MINOR XSIMD_VERSION_PATCH)
    if(NOT TARGET reasonembed::xsimd OR "${_reasonembed_xsimd_version}" VERSION_LESS 8.1)
      list(APPEND ${result} "xsimd 8.1 or newer (Debian: libxsimd-dev)")
    endif()
  endif()

  if(";${ARGN};" MATCHES ";reasonembed;")
    if(NOT TARGET nlohmann_json::nlohmann_json)
      find_package(nlohmann_json CONFIG QUIET)
    endif()
    if(NOT TARGET nlohmann_json::nlohmann_json)
      reasonembed_import_headers(nlohmann_json::nlohmann_json REASONEMBED_JSON_INCLUDE_DIR nlohmann/json.hpp)
    endif()
    if(NOT TARGET nlohmann_json::nlohmann_json)
      list(APPEND ${result} "nlohmann-json (Debian: nlohmann-json3-dev)")
    endif()

    # Neither ships a CMake package in Debian 12.
    reasonembed_import_library(utf8proc::utf8proc REASONEMBED_UTF8PROC utf8proc.h utf8proc)
    if(NOT TARGET utf8proc::utf8proc)
      list(APPEND ${result} "utf8proc (Debian: libutf8proc-dev)")
    endif()
    reasonembed_import_library(PCRE2::8BIT REASONEMBED_PCRE2 pcre2.h pcre2-8)
    if(NOT TARGET PCRE2::8BIT)
      list(APPEND ${result} "PCRE2 of 8 bits (Debian: libpcre2-dev)")
    endif()
  endif()

  if(";${ARGN};" MATCHES ";remixer;")
    if(NOT TARGET CURL::libcurl)
      find_package(CURL 7.66 QUIET)
    endif()
    if(NOT TARGET CURL::libcurl)
      list(APPEND ${result} "libcurl 7.66 or newer (Debian: libcurl4-openssl-dev)")
    endif()
    if(NOT TARGET SQLite::SQLite3)
      find_package(SQLite3 3.37 QUIET)
    endif()
    if(NOT TARGET SQLite::SQLite3)
      list(APPEND ${result} "SQLite 3.37 or newer (Debian: libsqlite3-dev)")
    endif()
  endif()
endmacro()
