// expected-error: could not convert|no viable conversion|conversion from .* to non-scalar type
#include <reasonembed/core/view.hpp>

#if MUST_FAIL
using Element = float;  // would drop the const of the data
#else
using Element = const float;
#endif

int main() {
  const reasonembed::MatrixView<const float> read_only;
  const reasonembed::MatrixView<Element> copy = read_only;
  return static_cast<int>(copy.rows());
}
