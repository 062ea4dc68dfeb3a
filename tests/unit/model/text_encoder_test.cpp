#include <reasonembed/model/minilm.hpp>
#include <reasonembed/model/qwen2.hpp>
#include <reasonembed/model/qwen3.hpp>
#include <reasonembed/model/text_encoder.hpp>

#include <doctest/doctest.h>

#include <support/count_allocations.hpp>
#include <support/layer_run.hpp>
#include <support/long_runs.hpp>
#include <support/model_directory.hpp>
#include <support/scratch.hpp>
#include <support/text_samples.hpp>
#include <support/training.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::Matrix;
using re::MatrixView;
using re::model::MiniLm;

namespace {

MiniLm encoder_with(int threads, Index chunk_tokens = 512) {
  return re::model::random_byte_encoder(7, {.threads = threads, .chunk_tokens = chunk_tokens});
}

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

/// A causal decoder with rotary positions, QK-norm and grouped heads over bytes.
template <class B = re::backend::Cpu<float>>
using Qwen3In = re::model::TextEncoder<re::model::Qwen3Encoder<>, B>;
using Qwen3 = Qwen3In<>;
template <class B = re::backend::Cpu<float>>
Qwen3In<B> causal_encoder(int threads, Index chunk_tokens = 512) {
  re::model::Qwen3Encoder<> encoder({.vocab = 258,
                                     .dim = 48,
                                     .layers = 2,
                                     .heads = 4,
                                     .kv_heads = 2,
                                     .head_dim = 20,
                                     .mlp_dim = 70,
                                     .max_length = 600});
  auto weights = re::model::random_weights<B>(encoder, 3, 0.1, re::model::Residency::kServe);
  return Qwen3In<B>(std::move(encoder),
                    std::move(weights),
                    re::text::ByteTokenizer(),
                    {},
                    {},
                    {.threads = threads, .chunk_tokens = chunk_tokens});
}

template <class Encoder>
void check_independence(const Encoder& one_thread, const Encoder& two_threads) {
  const std::vector<std::string> texts = test::text_samples(test::repetitions(20, 2000), 25);
  const Matrix<float> all = one_thread.encode_document(texts);
  for (Index i = 0; i < all.rows(); ++i) {  // alone
    CAPTURE(i);
    CHECK(same_bits(one_thread.encode_document({texts[static_cast<std::size_t>(i)]}).row(0), all.row(i)));
  }
  CHECK(same_bits(two_threads.encode_document(texts).flat(), all.flat()));
  std::vector<std::string> reversed(texts.rbegin(), texts.rend());
  const Matrix<float> backwards = two_threads.encode_document(reversed);
  for (Index i = 0; i < all.rows(); ++i) {
    CAPTURE(i);
    CHECK(same_bits(backwards.row(all.rows() - 1 - i), all.row(i)));
  }
}

}  // namespace

TEST_SUITE("model/text_encoder") {
  TEST_CASE("encode: a vector's bits don't depend on its batch, order or thread") {
    check_independence(encoder_with(1), encoder_with(2));
    check_independence(encoder_with(1, 100), encoder_with(2, 3000));
  }
  TEST_CASE("encode: a causal decoder keeps the same promise") {
    check_independence(causal_encoder(1), causal_encoder(2));
  }
  TEST_CASE("encode: in bf16 a vector's bits don't depend on its batch, order or thread either") {
    using Cpu16 = re::backend::Cpu<re::bf16>;
    check_independence(causal_encoder<Cpu16>(1), causal_encoder<Cpu16>(2, 100));
    check_independence(re::model::random_byte_encoder<Cpu16>(7, {.threads = 1}),
                       re::model::random_byte_encoder<Cpu16>(7, {.threads = 2, .chunk_tokens = 3000}));
  }
  TEST_CASE("encode: in bf16 a warm encoder allocates nothing, and vectors are near those of float32") {
    const auto narrow = causal_encoder<re::backend::Cpu<re::bf16>>(2);
    const std::vector<std::string> texts = test::text_samples(12, 300, 4);
    Matrix<float> out(12, narrow.dim());
    narrow.encode(narrow.document_role(), texts, out.view());
    narrow.encode(narrow.document_role(), texts, out.view());
    CHECK(test::count_allocations([&] { narrow.encode(narrow.document_role(), texts, out.view()); }) == 0);
    const Matrix<float> wide = causal_encoder(2).encode_document(texts);
    for (Index row = 0; row < out.rows(); ++row) {
      double cosine = 0.0;
      for (Index d = 0; d < out.cols(); ++d) {
        cosine += double(out(row, d)) * double(wide(row, d));
      }
      CHECK(cosine > 0.9999);
      CHECK_FALSE(same_bits(out.row(row), wide.row(row)));
    }
  }
  TEST_CASE("encode: the chunk size never changes a vector") {
    const std::vector<std::string> texts = test::text_samples(12, 20, 2);
    const Matrix<float> want = encoder_with(1).encode_query(texts);
    for (const Index chunk : {1, 64, 100000}) {
      CAPTURE(chunk);
      CHECK(same_bits(encoder_with(2, chunk).encode_query(texts).flat(), want.flat()));
    }
  }
  TEST_CASE("encode: vectors have unit length") {
    const Matrix<float> vectors = encoder_with(1).encode_document(test::text_samples(20, 30, 3));
    for (Index i = 0; i < vectors.rows(); ++i) {
      double norm = 0.0;
      for (const float value : vectors.row(i)) {
        norm += double(value) * double(value);
      }
      CHECK(std::abs(norm - 1.0) < 128 * 1.2e-7);  // 128 products of relative error eps
    }
  }
  TEST_CASE("encode: more texts than one window are all encoded in place") {
    std::vector<std::string> texts(4100, "");
    texts[0] = "first";
    texts[4096] = "second window";
    texts[4099] = "last";
    const auto encoder = encoder_with(2);
    const Matrix<float> vectors = encoder.encode_document(texts);
    for (const std::size_t i : {std::size_t{0}, std::size_t{1}, std::size_t{4096}, std::size_t{4099}}) {
      CHECK(same_bits(vectors.row(static_cast<Index>(i)), encoder.encode_document({texts[i]}).row(0)));
    }
  }
  TEST_CASE("encode: no text gives no vector") {
    const Matrix<float> vectors = encoder_with(2).encode_document(std::vector<std::string>());
    CHECK(vectors.rows() == 0);
    CHECK(vectors.cols() == 128);
  }
  TEST_CASE("encode: an empty text has a vector of its special tokens") {
    const Matrix<float> vectors = encoder_with(1).encode_document({""});
    CHECK(std::any_of(vectors.row(0).begin(), vectors.row(0).end(), [](float v) { return v != 0.0F; }));
  }
  TEST_CASE("encode: a text beyond the limit is the same as its beginning") {
    const auto encoder = encoder_with(1);
    const std::string long_text(3000, 'a');
    const Matrix<float> vectors = encoder.encode_document({long_text, long_text.substr(0, 511)});
    CHECK(same_bits(vectors.row(0), vectors.row(1)));  // 512 tokens with the end token
  }
  TEST_CASE("encode: a role's prompt is part of the text") {
    const re::model::Role role{.prompt = "query: ", .max_tokens = 100};
    const auto encoder = encoder_with(1);
    Matrix<float> vector(1, encoder.dim());
    const std::vector<std::string> text = {"why"};
    encoder.encode(role, text, vector.view());
    CHECK(same_bits(vector.row(0), encoder.encode_document({"query: why"}).row(0)));
  }
  TEST_CASE("encode: is safe from many threads, which all get the same bits") {
    const auto encoder = encoder_with(2);
    const std::vector<std::string> texts = test::text_samples(8, 15, 5);
    const Matrix<float> want = encoder.encode_document(texts);
    std::vector<int> equal(4, 0);
    {
      std::vector<std::jthread> callers;
      for (std::size_t caller = 0; caller < equal.size(); ++caller) {
        callers.emplace_back([&, caller] {
          for (int repeat = 0; repeat < 3; ++repeat) {
            equal[caller] += same_bits(encoder.encode_document(texts).flat(), want.flat()) ? 1 : 0;
          }
        });
      }
    }
    CHECK(equal == std::vector<int>(4, 3));
  }
  TEST_CASE("encode: allocates nothing once it is warm") {
    for (const int threads : {1, 2}) {
      CAPTURE(threads);
      const auto encoder = encoder_with(threads);
      const std::vector<std::string> texts = test::text_samples(20, 20, 6);
      Matrix<float> out(20, encoder.dim());
      for (int warm_up = 0; warm_up < 3; ++warm_up) {
        encoder.encode(encoder.document_role(), texts, out.view());
      }
      CHECK(test::count_allocations([&] {
              for (int repeat = 0; repeat < 5; ++repeat) {
                encoder.encode(encoder.document_role(), texts, out.view());
              }
            }) == 0);
    }
  }
  TEST_CASE("encode: the allocation counter counts") {
    CHECK(test::count_allocations([] { const std::vector<int> something(1000); }) == 1);
    CHECK(test::count_allocations([] { const re::AlignedBuffer<float> buffer(1000); }) == 1);
  }
  TEST_CASE("encode: a text that is not UTF-8 is named") {
    const std::vector<std::string> texts = {"fine", "bad \xFF byte"};
    CHECK_THROWS_WITH_AS(
        (void)encoder_with(2).encode_document(texts),
        "model::TextEncoder::encode: text 1: text::ByteTokenizer::encode: text is not UTF-8 at byte 4, expected "
        "UTF-8 text",
        re::DataError);
  }
  TEST_CASE("encode: rejects an output of another shape") {
    const auto encoder = encoder_with(1);
    const std::vector<std::string> texts = {"a", "b"};
    Matrix<float> narrow(2, 5);
    CHECK_THROWS_WITH_AS(encoder.encode(encoder.query_role(), texts, narrow.view()),
                         "model::TextEncoder::encode: out.cols() is 5, expected 128",
                         re::ShapeError);
    Matrix<float> shallow(1, 128);
    CHECK_THROWS_WITH_AS(encoder.encode(encoder.query_role(), texts, shallow.view()),
                         "model::TextEncoder::encode: out.rows() is 1, expected 2",
                         re::ShapeError);
  }
  TEST_CASE("encode: a vector that is no number is refused by name") {
    const re::model::BertEncoder<> description({.vocab = 258,
                                                .dim = 8,
                                                .layers = 1,
                                                .heads = 1,
                                                .kv_heads = 1,
                                                .head_dim = 8,
                                                .mlp_dim = 8,
                                                .max_length = 16});
    auto weights = re::model::random_weights<re::backend::Cpu<float>>(description, 1);
    weights.embedding.token.view()('z', 3) = std::numeric_limits<float>::infinity();
    const MiniLm encoder(description, std::move(weights), re::text::ByteTokenizer(), {}, {}, {.threads = 1});
    CHECK_NOTHROW((void)encoder.encode_document({"ok"}));
    CHECK_THROWS_AS((void)encoder.encode_document({"ok", "z"}), re::NonFiniteError);
  }
  TEST_CASE("constructor: a tokenizer with more ids than rows is refused") {
    const re::model::BertEncoder<> description({.vocab = 100,
                                                .dim = 8,
                                                .layers = 1,
                                                .heads = 1,
                                                .kv_heads = 1,
                                                .head_dim = 8,
                                                .mlp_dim = 8,
                                                .max_length = 16});
    auto weights = re::model::random_weights<re::backend::Cpu<float>>(description, 1);
    CHECK_THROWS_WITH_AS(MiniLm(description, std::move(weights), re::text::ByteTokenizer(), {}, {}),
                         "model::TextEncoder: size of the tokenizer's vocabulary is 258, expected at most vocab 100",
                         re::ConfigError);
  }
  TEST_CASE("constructor: impossible options are refused") {
    CHECK_THROWS_WITH_AS(
        (void)encoder_with(1, 0), "model::TextEncoder: chunk_tokens is 0, expected at least 1", re::ConfigError);
    CHECK_THROWS_AS((void)encoder_with(-1), re::ConfigError);
  }
  TEST_CASE("make_trainable: an encoder that serves gives back the bits of one that was loaded to train") {
    auto served = re::model::random_byte_encoder(7, {.threads = 1});
    const auto trained = re::model::random_byte_encoder(7, {.threads = 1, .residency = re::model::Residency::kTrain});
    CHECK(test::weights_of(served).size() < test::weights_of(trained).size());
    for (int times = 0; times < 2; ++times) {
      served.make_trainable();
      CHECK(test::same_bits(test::weights_of(served), test::weights_of(trained)));
    }
    CHECK(same_bits(served.encode_query({"a"}).flat(), trained.encode_query({"a"}).flat()));
  }
  TEST_CASE("update_weights: encoding uses the new weights, and the old ones again once they are back") {
    auto encoder = causal_encoder(2);
    const Matrix<float> before = encoder.encode_query({"why salt?"});
    const auto scale = [&](float factor) {
      encoder.update_weights([&](Qwen3::Weights& weights) {
        encoder.encoder().visit_weights(weights, [&](auto& weight) {
          for (float& value : weight.view().flat()) {
            value *= factor;
          }
        });
      });
    };
    scale(2.0F);
    CHECK_FALSE(same_bits(encoder.encode_query({"why salt?"}).flat(), before.flat()));
    scale(0.5F);  // exact
    CHECK(same_bits(encoder.encode_query({"why salt?"}).flat(), before.flat()));
  }
  TEST_CASE("encode: truncate_dim gives the first numbers, unit rows again") {
    const std::vector<std::string> texts = test::text_samples(30, 20);
    const MiniLm whole = encoder_with(1);
    const Matrix<float> vectors = whole.encode_document(texts);
    for (const Index k : {1, 2, 7, 8, 9, 15, 16, 17, 64, 127, 128}) {
      CAPTURE(k);
      const MiniLm cut = re::model::random_byte_encoder(7, {.threads = 2, .truncate_dim = k});
      CHECK(cut.dim() == k);
      const Matrix<float> short_vectors = cut.encode_document(texts);
      REQUIRE(short_vectors.cols() == k);
      Matrix<float> want(vectors.rows(), k);
      for (Index n = 0; n < want.rows(); ++n) {
        std::copy_n(vectors.row(n).begin(), k, want.row(n).begin());
      }
      if (k < 128) {
        re::simd::l2_normalize<float>(want.view(), want.view());
      }
      CHECK(same_bits(short_vectors.flat(), want.flat()));
      CHECK(same_bits(cut.encode_query({texts[5]}).row(0), short_vectors.row(5)));  // alone, too
    }
  }
  TEST_CASE("encode: truncate_dim leaves vectors as they are where the model does not normalise") {
    const re::nn::EncoderOptions options{.normalize = false};
    const auto whole = test::random_model<test::ByteQwen3<>>(test::kByteQwen3, options);
    const auto cut =
        test::random_model<test::ByteQwen3<>>(test::kByteQwen3, options, {.threads = 1, .truncate_dim = 5});
    const Matrix<float> vectors = whole.encode_query({"salt", "water"});
    const Matrix<float> short_vectors = cut.encode_query({"salt", "water"});
    CHECK(same_bits(short_vectors.row(0), vectors.row(0).first(5)));
    CHECK(same_bits(short_vectors.row(1), vectors.row(1).first(5)));
  }
  TEST_CASE("encode: takes whole vectors from an encoder that cuts them, and refuses a third width") {
    const MiniLm cut = re::model::random_byte_encoder(7, {.threads = 1, .truncate_dim = 16});
    const std::vector<std::string> texts = {"salt"};
    Matrix<float> whole(1, 128);
    cut.encode(cut.query_role(), texts, whole.view());
    CHECK(same_bits(whole.flat(), encoder_with(1).encode_query(texts).flat()));
    Matrix<float> other(1, 17);
    CHECK_THROWS_WITH_AS(cut.encode(cut.query_role(), texts, other.view()),
                         "model::TextEncoder::encode: out.cols() is 17, expected 16",
                         re::ShapeError);
  }
  TEST_CASE("TextEncoder: a truncate_dim that no vector has is refused") {
    for (const Index k : {Index{-1}, Index{129}}) {
      CHECK_THROWS_WITH_AS(
          (void)re::model::random_byte_encoder(7, {.threads = 1, .truncate_dim = k}),
          ("model::TextEncoder: truncate_dim is " + std::to_string(k) + ", expected 1..128, or 0 for all").c_str(),
          re::ConfigError);
    }
  }
  TEST_CASE("encode: cutting vectors allocates nothing once warm") {
    const MiniLm cut = re::model::random_byte_encoder(7, {.threads = 2, .truncate_dim = 16});
    const std::vector<std::string> texts = test::text_samples(20, 10);
    Matrix<float> out(20, 16);
    const auto encode = [&] { cut.encode(cut.query_role(), texts, out.view()); };
    encode();
    encode();
    CHECK(test::count_allocations(encode) == 0);
  }
  TEST_CASE("update_weights: makes an encoder that serves trainable first") {
    auto encoder = encoder_with(1);
    Index values = 0;
    encoder.update_weights([&](MiniLm::Weights& weights) {
      encoder.encoder().visit(weights, [&](const auto& slice) { values += slice.values.size(); });
    });
    const auto trained = re::model::random_byte_encoder(7, {.threads = 1, .residency = re::model::Residency::kTrain});
    CHECK(values == static_cast<Index>(test::weights_of(trained).size()));
  }
  TEST_CASE("update_weights: what the change throws comes through") {
    auto encoder = encoder_with(1);
    CHECK_THROWS_AS(encoder.update_weights([](MiniLm::Weights&) { throw std::runtime_error("no"); }),
                    std::runtime_error);
  }
  TEST_CASE("save: what is loaded again encodes to the same bits, once the weights have changed, too") {
    const test::Scratch scratch;
    auto encoder = causal_encoder(1);
    for (int times = 0; times < 2; ++times) {
      encoder.save(scratch / "model");
      const Qwen3 loaded = Qwen3::load(scratch / "model", {.threads = 1});
      CHECK(same_bits(loaded.encode_document({"salt"}).flat(), encoder.encode_document({"salt"}).flat()));
      encoder.update_weights([](Qwen3::Weights& weights) { weights.embedding.token.view()('s', 0) += 1.0F; });
    }
    auto served = encoder_with(1);
    served.save(scratch / "served");  // though its values are packed only
    const MiniLm loaded = MiniLm::load(scratch / "served", {.threads = 1});
    CHECK(same_bits(loaded.encode_query({"a"}).flat(), served.encode_query({"a"}).flat()));
  }
  TEST_CASE("tokenize: appends the ids that encode makes the vector of, with the prompt and cut at the limit") {
    const auto encoder = encoder_with(1);
    re::model::TokenBlock block;
    block.ids = {-7};
    const re::model::Role role{.prompt = "q: ", .max_tokens = 6};
    const re::text::Encoding whole = encoder.tokenize(role, "ab", block);
    CHECK(whole == re::text::Encoding{6, 0});
    CHECK(block.ids == std::vector<std::int32_t>{-7, 'q', ':', ' ', 'a', 'b', 257});
    const re::text::Encoding cut = encoder.tokenize(role, "abcd", block);
    CHECK(cut == re::text::Encoding{6, 2});
    CHECK(std::vector<std::int32_t>(block.ids.begin() + 7, block.ids.end()) ==
          std::vector<std::int32_t>{'q', ':', ' ', 'a', 'b', 257});
    Matrix<float> vectors(2, encoder.dim());
    encoder.encode(role, std::vector<std::string>{"ab", "abcd"}, vectors.view());
    CHECK(same_bits(vectors.row(0), vectors.row(1)));
    CHECK(same_bits(vectors.row(0), encoder.encode_query({"q: ab"}).row(0)));
    CHECK(encoder.tokenize(encoder.query_role(), "", block) == re::text::Encoding{1, 0});
  }
  TEST_CASE("tokenize: a text that is not UTF-8 is refused, and leaves the ids as they were") {
    const auto encoder = encoder_with(1);
    re::model::TokenBlock block;
    block.ids = {5};
    CHECK_THROWS_WITH_AS((void)encoder.tokenize(encoder.query_role(), "a\xFF", block),
                         "text::ByteTokenizer::encode: text is not UTF-8 at byte 1, expected UTF-8 text",
                         re::DataError);
    CHECK(block.ids == std::vector<std::int32_t>{5});
  }
  TEST_CASE("tokenize: a text without a token is refused, for it would have no vector") {
    const re::model::BertEncoder<> description(test::kByteBert);
    auto weights = re::model::random_weights<re::backend::Cpu<float>>(description, 1);
    const MiniLm encoder(
        description, std::move(weights), re::text::ByteTokenizer({.add_end = false}), {}, {}, {.threads = 1});
    re::model::TokenBlock block;
    CHECK_THROWS_WITH_AS((void)encoder.tokenize(encoder.query_role(), "", block),
                         "model::TextEncoder::tokenize: text is empty, expected a token",
                         re::DataError);
    CHECK_THROWS_WITH_AS((void)encoder.encode_query({"a", ""}),
                         "model::TextEncoder::encode: text 1: model::TextEncoder::tokenize: text is empty, expected a "
                         "token",
                         re::DataError);
  }
  TEST_CASE("load: the caller says what a bare directory does not, and its pooling is the encoder's") {
    const test::Scratch scratch;
    scratch.write("config.json", test::kBertConfigJson);
    scratch.write("vocab.txt", test::kVocabTxt);
    const auto description = re::model::read_encoder_description(scratch.path());
    const re::model::BertEncoder<> bert(description.config, description.options);
    test::write_checkpoint(scratch / "model.safetensors", test::random_checkpoint(bert, description.family));
    using Cls = re::model::TextEncoder<re::model::BertEncoder<re::nn::kDynamic, re::nn::Cls>, re::backend::Cpu<float>>;
    const re::model::DirectoryOptions said{
        .normalize = false, .query_prompt = "why ", .document_prompt = "", .query_max_tokens = 4};
    const Cls cls = Cls::load(scratch.path(), {.threads = 1}, said);
    CHECK(cls.query_role().prompt == "why ");
    CHECK(cls.query_role().max_tokens == 4);
    CHECK(cls.document_role().max_tokens == 16);
    const Matrix<float> query = cls.encode_query({"salt"});
    CHECK(same_bits(query.flat(), cls.encode_document({"why salt"}).flat()));
    const Matrix<float> unit = Cls::load(scratch.path(), {.threads = 1}).encode_document({"why salt"});
    double square = 0.0;
    for (const float value : query.flat()) {
      square += double(value) * double(value);
    }
    CHECK(std::abs(std::sqrt(square) - 1.0) > 1e-2);
    CHECK(std::abs(double(query(0, 0)) / std::sqrt(square) - double(unit(0, 0))) < 1e-6);
    const MiniLm mean = MiniLm::load(scratch.path(), {.threads = 1}, said);
    CHECK_FALSE(same_bits(query.flat(), mean.encode_query({"salt"}).flat()));
  }
  TEST_CASE("load: an encoder of another make than the directory's is refused by name") {
    const test::Scratch scratch;
    scratch.write("config.json",
                  test::changed(test::kQwen2ConfigJson, "\"hidden_act\"", "\"is_causal\": false, \"hidden_act\""));
    using Causal = re::model::TextEncoder<re::model::Qwen2Encoder<>, re::backend::Cpu<float>>;
    test::check_refused<re::ConfigError>(
        scratch,
        [&] { (void)Causal::load(scratch.path()); },
        "config.json: architecture of model_type qwen2 is "
        "token>pre_norm(rms_norm,bidirectional_attention(rope),swiglu), expected "
        "token>pre_norm(rms_norm,causal_attention(rope),swiglu)");
  }
  TEST_CASE("random_byte_encoder: the weights are a function of the seed") {
    const std::vector<std::string> texts = {"seeded"};
    const Matrix<float> a = re::model::random_byte_encoder(1, {.threads = 1}).encode_query(texts);
    CHECK(same_bits(a.flat(), re::model::random_byte_encoder(1, {.threads = 2}).encode_query(texts).flat()));
    CHECK_FALSE(same_bits(a.flat(), re::model::random_byte_encoder(2, {.threads = 1}).encode_query(texts).flat()));
  }
}
