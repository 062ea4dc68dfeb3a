// expected-error: 'Epilogue<Negate, float>' evaluated to false|satisfaction of .Epilogue<E, T>. .with E = Negate
#include <reasonembed/simd/gemm.hpp>

#include <span>

namespace re = reasonembed;

struct Negate {
#if MUST_FAIL
  void operator()(re::Index /*row*/, std::span<float> piece) const {// forgets the column
#else
  void operator()(re::Index /*row*/, re::Index /*col*/, std::span<float> piece) const {
#endif
                                                                    for (float& x : piece) {
                                                                      x = -x;
}
}
}
;

int main() {
  const re::Matrix<float> x(2, 3);
  const re::simd::PackedMatrix<float> weight(re::Matrix<float>(4, 3).view());
  re::Matrix<float> y(2, 4);
  re::Arena scratch;
  re::simd::gemm(x.view(), weight.view(), y.view(), re::simd::Store::kOverwrite, scratch, Negate{});
  return static_cast<int>(y(1, 3));
}
