// What PyTorch computes when it trains a tiny Qwen3, made by training.py. Pinned, because a run joins definitions
// (loss, gradient, clipping, decay, warm-ups) that checks of the parts don't see together. May change only with the
// generator.
#include <reasonembed/model/qwen3.hpp>

#include <doctest/doctest.h>

#include <support/training_reference.hpp>

namespace {
template <class T>
using Reference = test::TrainingReference<reasonembed::model::Qwen3Encoder<>, T>;
}  // namespace

TEST_SUITE("golden/training_qwen3") {
  TEST_CASE("ContrastiveGradient: loss, weights and every gradient equal PyTorch's in single precision") {
    Reference<float>("qwen3").check_gradients();
  }
  TEST_CASE("ContrastiveGradient: loss, weights and every gradient equal PyTorch's in double precision") {
    Reference<double>("qwen3").check_gradients();
  }
  TEST_CASE("Trainer: ten steps and the weights after them equal PyTorch's in single precision") {
    Reference<float>("qwen3").check_curves();
  }
  TEST_CASE("Trainer: ten steps and the weights after them equal PyTorch's in double precision") {
    Reference<double>("qwen3").check_curves();
  }
}
