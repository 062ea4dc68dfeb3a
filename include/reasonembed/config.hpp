#pragma once
/// @file The check level, the ABI namespace and the few macros the library needs. Everything else is a type or a value.
#include <reasonembed/version.hpp>

#include <cstdio>
#include <cstdlib>

// The one macro a user may set: 1 keeps internal assertions, 0 drops them. Two translation units built with different
// levels must not share symbols, so the level is part of the inline namespace: mixing them is a link error.
#ifndef REASONEMBED_CHECKS
#ifdef NDEBUG
#define REASONEMBED_CHECKS 0
#else
#define REASONEMBED_CHECKS 1
#endif
#endif

#define REASONEMBED_CAT_(a, b, c) v##a##_##b##_c##c
#define REASONEMBED_CAT(a, b, c) REASONEMBED_CAT_(a, b, c)
#define REASONEMBED_ABI REASONEMBED_CAT(REASONEMBED_VERSION_MAJOR, REASONEMBED_VERSION_MINOR, REASONEMBED_CHECKS)

namespace reasonembed {
inline namespace REASONEMBED_ABI {}
}  // namespace reasonembed

/// Internal invariant: a failure is a bug of the library, never of its input, so it aborts with file and line.
#if REASONEMBED_CHECKS
#define REASONEMBED_ASSERT(condition) \
  ((condition) ? void(0)              \
               : (std::fprintf(stderr, "%s:%d: internal error: %s\n", __FILE__, __LINE__, #condition), std::abort()))
#else
#define REASONEMBED_ASSERT(condition) void(sizeof(!(condition)))
#endif

// pcre2.h wants to be told whose names come without a suffix; the library uses the suffixed ones.
#ifndef PCRE2_CODE_UNIT_WIDTH
#define PCRE2_CODE_UNIT_WIDTH 8
#endif

#if defined(__CUDACC__)
#define REASONEMBED_HD __host__ __device__
#else
#define REASONEMBED_HD
#endif
