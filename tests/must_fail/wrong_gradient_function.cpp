// expected-error: reasonembed::check_gradient: function must be callable as double
#include <reasonembed/autograd/check_gradient.hpp>

#include <span>
#include <vector>
namespace re = reasonembed;
#if MUST_FAIL
double square(std::span<const double> x) {
  return x[0] * x[0];
}  // gives no gradient
#else
double square(std::span<const double> x, std::span<double> gradient) {
  if (!gradient.empty()) {
    gradient[0] = 2.0 * x[0];
  }
  return x[0] * x[0];
}
#endif
int main() {
  return re::autograd::check_gradient(square, std::vector<double>{1.0}).passed ? 0 : 1;
}
