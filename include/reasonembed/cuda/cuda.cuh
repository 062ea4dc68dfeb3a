#pragma once
/// @file CUDA entry point. Only nvcc reads it, no other folder includes it, and its target is reasonembed::cuda.
#if !defined(__CUDACC__)
#error "reasonembed/cuda/cuda.cuh must be compiled by nvcc; include <reasonembed/reasonembed.hpp> for the CPU API"
#endif
#include <reasonembed/config.hpp>

#include <cuda_runtime_api.h>

namespace reasonembed::inline REASONEMBED_ABI::backend {

/// Counts the devices that programs can use now: a machine without a GPU, or with a driver older than the toolkit, has
/// none, which is an answer and no error.
///
/// @return  number of CUDA devices, >= 0
/// @note    thread-safe; clears the error that the CUDA runtime keeps for this thread when it finds no device
inline int cuda_device_count() {
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess) {
    (void)cudaGetLastError();
    return 0;
  }
  return count;
}

}  // namespace reasonembed::backend
