// The CUDA entry header compiles under nvcc together with the host headers that device code may use, and a kernel runs
// where there is a device. Exit status 77: there is none.
#include <reasonembed/core/view.hpp>
#include <reasonembed/cuda/cuda.cuh>

#include <cstdio>

namespace re = reasonembed;

namespace {

__global__ void add_one(int* values, int count) {
  const int index = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (index < count) {
    values[index] += 1;
  }
}

bool kernel_runs() {
  constexpr int kCount = 1000;
  int* values = nullptr;
  if (cudaMallocManaged(&values, kCount * sizeof(int)) != cudaSuccess) {
    return false;
  }
  const re::MatrixView<int> matrix(values, 10, 100);
  for (re::Index i = 0; i < matrix.size(); ++i) {
    values[i] = static_cast<int>(i);
  }
  add_one<<<(kCount + 255) / 256, 256>>>(values, kCount);
  bool right = cudaDeviceSynchronize() == cudaSuccess;
  for (re::Index i = 0; i < matrix.size(); ++i) {
    right = right && values[i] == i + 1;
  }
  return cudaFree(values) == cudaSuccess && right;
}

}  // namespace

int main() {
  if (re::backend::cuda_device_count() == 0) {
    std::puts("SKIPPED: no CUDA device");
    return 77;
  }
  return kernel_runs() ? 0 : 1;
}
