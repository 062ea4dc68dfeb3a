// What PyTorch computes for tiny random encoders, made by tiny_models.py. Pinned, because an equation that is wrong in
// forward and vjp alike passes every gradient check. May change only with the generator.
#include <reasonembed/model/bert.hpp>
#include <reasonembed/model/qwen3.hpp>

#include <doctest/doctest.h>

#include <support/golden_model.hpp>

namespace re = reasonembed;
using Cpu32 = re::backend::Cpu<float>;
using Cpu64 = re::backend::Cpu<double>;
using test::check_forward;
using test::check_gradients;

TEST_SUITE("golden/tiny_models") {
  // f32: a few hundred roundings of 6e-8 on unit vectors.
  TEST_CASE("forward: a tiny BERT equals PyTorch") {
    check_forward<re::model::BertEncoder<>, Cpu32>("tiny_bert", 1e-6);
    check_forward<re::model::BertEncoder<>, Cpu64>("tiny_bert", 1e-13);
  }
  TEST_CASE("forward: a tiny Qwen3 equals PyTorch") {
    check_forward<re::model::Qwen3Encoder<>, Cpu32>("tiny_qwen3", 1e-6);
    check_forward<re::model::Qwen3Encoder<>, Cpu64>("tiny_qwen3", 1e-6);  // the reference ran in f32
  }
  TEST_CASE("vjp: every gradient of a tiny BERT equals PyTorch's") {
    check_gradients<re::model::BertEncoder<>, Cpu32>("tiny_bert", 1e-4);
    check_gradients<re::model::BertEncoder<>, Cpu64>("tiny_bert", 1e-11);
  }
  TEST_CASE("vjp: every gradient of a tiny Qwen3 equals PyTorch's") {
    check_gradients<re::model::Qwen3Encoder<>, Cpu32>("tiny_qwen3", 1e-4);
    check_gradients<re::model::Qwen3Encoder<>, Cpu64>("tiny_qwen3", 1e-4);  // the reference ran in f32
  }
}
