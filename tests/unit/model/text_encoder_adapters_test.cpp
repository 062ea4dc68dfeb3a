#include <reasonembed/model/adapter_set.hpp>
#include <reasonembed/model/text_encoder.hpp>

#include <doctest/doctest.h>

#include <support/scratch.hpp>
#include <support/training.hpp>

#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::Matrix;

namespace {

using Qwen3 = test::ByteQwen3<>;

const std::vector<std::string>& texts() {
  static const std::vector<std::string> list = {"salt", "why is it that light bends?", "x", "iron rusts in water"};
  return list;
}

/// An adapter that changes every vector.
void add_changing(Qwen3& model, const std::string& name, std::uint64_t seed) {
  model.add_adapter(name, {.rank = 2, .alpha = 4.0, .target_modules = {"q_proj", "up_proj"}}, seed);
  model.update_adapter(name, [&](auto& adapter) {
    re::RandomStream random(seed);
    adapter.visit([&](const auto& slice) {
      for (re::Index row = 0; row < slice.values.rows(); ++row) {
        for (float& value : slice.values.row(row)) {
          value = static_cast<float>(random.normal());
        }
      }
    });
  });
}
Qwen3 with_two() {
  Qwen3 model = test::byte_qwen3();
  add_changing(model, "first", 1);
  add_changing(model, "second", 2);
  return model;
}
Matrix<float> encode(const Qwen3& model, const std::string& adapter) {
  re::model::Role role = model.query_role();
  role.adapter = adapter;
  Matrix<float> out(static_cast<re::Index>(texts().size()), model.dim());
  model.encode(role, texts(), out.view());
  return out;
}
bool same(const Matrix<float>& a, const Matrix<float>& b) {
  return test::same_bits(std::span<const float>(a.flat()), std::span<const float>(b.flat()));
}

}  // namespace

TEST_SUITE("model/text_encoder_adapters") {
  TEST_CASE("encode: a role chooses the adapter, and calls don't disturb each other") {
    const Qwen3 model = with_two();
    const Matrix<float> without = encode(model, "");
    const Matrix<float> first = encode(model, "first");
    const Matrix<float> second = encode(model, "second");
    CHECK(same(without, encode(test::byte_qwen3(), "")));
    CHECK(!same(first, without));
    CHECK(!same(first, second));
    std::vector<std::thread> threads;
    std::vector<int> wrong(4, 0);
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&, i] {
        for (int repeat = 0; repeat < 5; ++repeat) {
          const Matrix<float>& want = i % 3 == 0 ? without : i % 3 == 1 ? first : second;
          wrong[static_cast<std::size_t>(i)] += !same(encode(model,
                                                             i % 3 == 0   ? ""
                                                             : i % 3 == 1 ? "first"
                                                                          : "second"),
                                                      want);
        }
      });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
    CHECK(wrong == std::vector<int>(4, 0));
  }
  TEST_CASE("use_adapter: both roles encode with it, until none is used") {
    Qwen3 model = with_two();
    const Matrix<float> second = encode(model, "second");
    model.use_adapter("second");
    CHECK(same(model.encode_query(texts()), second));
    CHECK(same(model.encode_document(texts()), second));
    model.use_adapter("");
    CHECK(same(model.encode_document(texts()), encode(model, "")));
    CHECK_THROWS_WITH_AS(model.use_adapter("third"),
                         "model::AdapterSet: adapter is \"third\", expected \"first\", \"second\"",
                         re::ConfigError);
  }
  TEST_CASE("encode: refuses an adapter that is not there, before anything is computed") {
    const Qwen3 model = with_two();
    CHECK_THROWS_AS((void)encode(model, "thrid"), re::ConfigError);
  }
  TEST_CASE("add_adapter: a fresh one changes no vector; a name is taken once") {
    Qwen3 model = with_two();
    model.add_adapter("fresh");
    CHECK(same(encode(model, "fresh"), encode(model, "")));
    CHECK_THROWS_WITH_AS(model.add_adapter("fresh"),
                         "model::AdapterSet::add: name is \"fresh\", which is taken, expected a name of its own",
                         re::ConfigError);
    CHECK_THROWS_AS(model.add_adapter(""), re::ConfigError);
    CHECK(model.adapter_names() == std::vector<std::string>{"first", "second", "fresh"});
  }
  TEST_CASE("save_adapter: what load_adapter reads encodes to the same bits") {
    const test::Scratch scratch;
    const Qwen3 model = with_two();
    model.save_adapter("second", scratch.path() / "second");
    Qwen3 other = test::byte_qwen3();
    other.load_adapter("mine", scratch.path() / "second");
    CHECK(same(encode(other, "mine"), encode(model, "second")));
    CHECK_THROWS_AS(model.save_adapter("third", scratch.path() / "third"), re::ConfigError);
  }
  TEST_CASE("remove_adapter: roles that named it encode without it") {
    Qwen3 model = with_two();
    model.use_adapter("first");
    model.remove_adapter("first");
    CHECK(model.query_role().adapter.empty());
    CHECK(same(model.encode_query(texts()), encode(model, "")));
    CHECK_THROWS_AS(model.remove_adapter("first"), re::ConfigError);
    model.use_adapter("second");
    CHECK(model.adapter_names() == std::vector<std::string>{"second"});
  }
  TEST_CASE("merge_adapter: the weights alone give the adapter's vectors up to rounding, and can be saved") {
    Qwen3 model = with_two();
    const test::Scratch scratch;
    model.use_adapter("first");
    const Matrix<float> unmerged = model.encode_query(texts());
    CHECK_THROWS_WITH_AS(model.save(scratch.path() / "model"),
                         "model::save_encoder: adapter of a role is \"first\", which the weights to be saved lack, "
                         "expected none: merge_adapter, or save_adapter and use_adapter(\"\")",
                         re::ConfigError);
    model.merge_adapter("first");
    const Matrix<float> merged = model.encode_query(texts());
    for (std::size_t i = 0; i < merged.flat().size(); ++i) {
      CHECK(std::abs(merged.flat()[i] - unmerged.flat()[i]) <= 1e-5F);
    }
    model.make_trainable();
    model.save(scratch.path() / "model");
    CHECK(same(Qwen3::load(scratch.path() / "model").encode_query(texts()), merged));
  }
  TEST_CASE("AdapterSet: an adapter stays in its place when others come and the model moves") {
    Qwen3 model = with_two();
    const auto* place = &model.adapter("first");
    for (int i = 0; i < 20; ++i) {
      model.add_adapter("more " + std::to_string(i), {.rank = 1, .target_modules = {"k_proj"}});
    }
    const Qwen3 moved = std::move(model);
    CHECK(&moved.adapter("first") == place);
    CHECK(moved.adapter_names().size() == 22);
  }
}
