// expected-error: reasonembed::Tape: a backward closure must capture only variables, views and numbers
#include <reasonembed/autograd/tape.hpp>

#include <vector>
namespace re = reasonembed;
#if MUST_FAIL
using Captured = std::vector<double>;  // nothing runs the destructor of what lies in the tape
#else
using Captured = double;
#endif
int main() {
  re::autograd::Tape<double> tape;
  const Captured captured{};
  const auto y = tape.custom(
      1,
      1,
      {},
      [](re::MatrixView<double> value) { value(0, 0) = 0.0; },
      [captured](re::MatrixView<const double>, re::MatrixView<const double>) { (void)captured; });
  return static_cast<int>(y.item());
}
