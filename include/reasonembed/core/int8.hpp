#pragma once
#include <reasonembed/config.hpp>

#include <cstdint>

namespace reasonembed::inline REASONEMBED_ABI {

/// What a quantised weight rests in: a multiple of its row's scale.
// NOLINTNEXTLINE(readability-identifier-naming): named like the built-in types it stands beside
using int8 = std::int8_t;

}  // namespace reasonembed
