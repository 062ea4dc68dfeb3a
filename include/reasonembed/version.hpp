#pragma once
/// @file Version macros. The single source of truth: CMakeLists.txt parses this file.
#define REASONEMBED_VERSION_MAJOR 0
#define REASONEMBED_VERSION_MINOR 1
#define REASONEMBED_VERSION_PATCH 0
