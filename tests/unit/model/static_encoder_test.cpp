#include <reasonembed/io/safetensors_writer.hpp>
#include <reasonembed/model/static_encoder.hpp>

#include <doctest/doctest.h>

#include <support/model_directory.hpp>
#include <support/scratch.hpp>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::Matrix;
using re::model::StaticEncoder;
using re::model::StaticEncoderOptions;

namespace {

/// Row i is (i, 1): the mean shows which tokens took part.
void write_table(const test::Scratch& scratch,
                 const std::string& name,
                 int tokens = 12,
                 const std::string& place = "") {
  test::StoredTensor tensor{{tokens, 2}, {}};
  for (int i = 0; i < tokens; ++i) {
    tensor.values.push_back(static_cast<float>(i));
    tensor.values.push_back(1.0F);
  }
  std::filesystem::create_directories(scratch / place);
  test::write_checkpoint(scratch / (place + "model.safetensors"), {{name, tensor}});
  scratch.write(place + "vocab.txt", test::kVocabTxt);
}
/// A directory of model2vec with these words in its config.json.
void write_model2vec(const test::Scratch& scratch, std::string_view more = ", \"normalize\": false") {
  write_table(scratch, "embeddings");
  scratch.write("config.json", "{\"model_type\": \"model2vec\"" + std::string(more) + "}");
}
constexpr std::string_view kModules = R"([
{"idx": 0, "name": "0", "path": "0_StaticEmbedding", "type": "sentence_transformers.models.StaticEmbedding"},
{"idx": 1, "name": "1", "path": "1_Normalize", "type": "sentence_transformers.models.Normalize"}
])";

std::vector<float> row(const Matrix<float>& vectors, Index i) {
  return {vectors.row(i).begin(), vectors.row(i).end()};
}
void check_load_refused(const test::Scratch& scratch, const std::string& message, StaticEncoderOptions options = {}) {
  test::check_refused<re::ConfigError>(scratch, [&] { (void)StaticEncoder::load(scratch.path(), options); }, message);
}

}  // namespace

TEST_SUITE("model/static_encoder") {
  TEST_CASE("encode: a vector of model2vec is the mean of the known tokens, without special ones") {
    const test::Scratch scratch;
    write_model2vec(scratch);
    const StaticEncoder encoder = StaticEncoder::load(scratch.path(), {.threads = 1});
    CHECK(encoder.dim() == 2);
    const Matrix<float> vectors = encoder.encode_document({"salt", "salt water", "salt zzz water", "zzz", ""});
    CHECK(row(vectors, 0) == std::vector<float>{5, 1});
    CHECK(row(vectors, 1) == std::vector<float>{5.5, 1});
    CHECK(row(vectors, 2) == std::vector<float>{5.5, 1});
    CHECK(row(vectors, 3) == std::vector<float>{0, 0});
    CHECK(row(vectors, 4) == std::vector<float>{0, 0});
    CHECK(encoder.tokens("why salts?") == std::vector<std::int32_t>{9, 5, 8});
  }
  TEST_CASE("encode: a vector of sentence-transformers counts unknown tokens") {
    const test::Scratch scratch;
    write_table(scratch, "embedding.weight");
    const StaticEncoder encoder = StaticEncoder::load(scratch.path(), {.threads = 1, .normalize = false});
    CHECK(row(encoder.encode_query({"salt zzz"}), 0) == std::vector<float>{3, 1});  // [UNK] is 1
    std::string long_text;
    for (int i = 0; i < 2000; ++i) {
      long_text += "salt ";
    }
    CHECK(encoder.tokens(long_text).size() == 2000);
  }
  TEST_CASE("encode: queries and documents are the same, in any batch and with any number of threads") {
    const test::Scratch scratch;
    write_model2vec(scratch, ", \"normalize\": true");
    const StaticEncoder one = StaticEncoder::load(scratch.path(), {.threads = 1});
    const StaticEncoder two = StaticEncoder::load(scratch.path(), {.threads = 2});
    std::vector<std::string> texts;
    for (int i = 0; i < 300; ++i) {
      texts.push_back(i % 3 == 0 ? "salt draws water" : i % 3 == 1 ? "why light bends" : "salts");
    }
    const Matrix<float> vectors = one.encode_document(texts);
    const Matrix<float> again = two.encode_query(texts);
    CHECK(std::memcmp(vectors.flat().data(), again.flat().data(), vectors.flat().size_bytes()) == 0);
    CHECK(row(vectors, 299) == row(one.encode_document({texts[299]}), 0));
    for (Index i = 0; i < 3; ++i) {
      CHECK(std::abs(std::hypot(vectors(i, 0), vectors(i, 1)) - 1.0F) < 1e-6F);
    }
    re::Progress progress("encode", 300, {.silent = true});
    (void)one.encode_document(texts, &progress);
    CHECK(progress.done() == 300);
    CHECK(one.encode_document(std::vector<std::string>()).rows() == 0);
  }
  TEST_CASE("encode: model2vec cuts a text by tokens, and before that by characters") {
    const test::Scratch scratch;
    write_model2vec(scratch);
    // The median length of the twelve tokens is 5 characters, so 2 tokens are sought in the first 10.
    const StaticEncoder encoder = StaticEncoder::load(scratch.path(), {.threads = 1, .max_tokens = 2});
    CHECK(encoder.tokens("why why why") == std::vector<std::int32_t>{9, 9});
    CHECK(encoder.tokens("salt      why") == std::vector<std::int32_t>{5});
    CHECK(encoder.tokens("\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4 salt") == std::vector<std::int32_t>{5});  // 9 characters
    CHECK(encoder.tokens("zzz why why") == std::vector<std::int32_t>{9});  // the last is "why" cut to "wh"
    const StaticEncoder usual = StaticEncoder::load(scratch.path(), {.threads = 1});
    std::string text;
    for (int i = 0; i < 600; ++i) {
      text += "why ";
    }
    CHECK(usual.tokens(text).size() == 512);
  }
  TEST_CASE("encode: a text that is not UTF-8 is named") {
    const test::Scratch scratch;
    write_model2vec(scratch);
    const StaticEncoder encoder = StaticEncoder::load(scratch.path(), {.threads = 1});
    const std::vector<std::string> texts = {"fine", "bad \xFF"};
    CHECK_THROWS_WITH_AS((void)encoder.encode_document(texts),
                         "model::StaticEncoder: text 1: model::StaticEncoder::tokens: text is not UTF-8 at byte 4, "
                         "expected UTF-8 text",
                         re::DataError);
  }
  TEST_CASE("load: normalisation is what a directory says, else what the caller says, else refused") {
    const test::Scratch scratch;
    write_table(scratch, "embedding.weight");
    check_load_refused(scratch,
                       ": normalize is missing, expected it in modules.json or config_sentence_transformers.json, or "
                       "StaticEncoderOptions::normalize");
    const auto length = [&](StaticEncoderOptions options) {
      const Matrix<float> v = StaticEncoder::load(scratch.path(), options).encode_query({"salt"});
      return std::hypot(v(0, 0), v(0, 1));
    };
    CHECK(length({.normalize = false}) > 5.0F);
    CHECK(std::abs(length({.normalize = true}) - 1.0F) < 1e-6F);
    scratch.write("config_sentence_transformers.json", R"({"normalize": true})");
    CHECK(std::abs(length({}) - 1.0F) < 1e-6F);
    check_load_refused(scratch, ": the caller: normalize is false, expected true", {.normalize = false});
    scratch.write("config.json", R"({"model_type": "model2vec", "normalize": false})");
    check_load_refused(scratch, "config_sentence_transformers.json: normalize is true, expected false");
  }
  TEST_CASE("load: model2vec without a word on normalisation does not normalise") {
    const test::Scratch scratch;
    write_model2vec(scratch, "");
    CHECK(row(StaticEncoder::load(scratch.path()).encode_query({"salt"}), 0) == std::vector<float>{5, 1});
  }
  TEST_CASE("load: modules of sentence-transformers say where the table lies and whether vectors are normalised") {
    const test::Scratch scratch;
    write_table(scratch, "embedding.weight", 12, "0_StaticEmbedding/");
    scratch.write("modules.json", kModules);
    const Matrix<float> v = StaticEncoder::load(scratch.path()).encode_query({"salt"});
    CHECK(std::abs(v(0, 0) - 5.0F / std::sqrt(26.0F)) < 1e-6F);
    scratch.write("modules.json", R"([{"path": "0_StaticEmbedding", "type": "a.StaticEmbedding"}])");
    CHECK(row(StaticEncoder::load(scratch.path()).encode_query({"salt"}), 0) == std::vector<float>{5, 1});
    check_load_refused(scratch, ": the caller: normalize is true, expected false", {.normalize = true});
  }
  TEST_CASE("load: prompts of a directory and of the caller are put before texts, and must agree") {
    const test::Scratch scratch;
    write_table(scratch, "embedding.weight");
    scratch.write("config_sentence_transformers.json", R"({"normalize": false, "prompts": {"query": "why "}})");
    const StaticEncoder encoder = StaticEncoder::load(scratch.path(), {.document_prompt = "light "});
    CHECK(row(encoder.encode_query({"salt"}), 0) == std::vector<float>{7, 1});
    CHECK(row(encoder.encode_document({"salt"}), 0) == std::vector<float>{7.5, 1});
    CHECK(encoder.tokens("salt") == std::vector<std::int32_t>{5});
    check_load_refused(
        scratch, ": query_prompt is \"salt \", expected \"why \", as the directory says", {.query_prompt = "salt "});
  }
  TEST_CASE("load: what is no static embedding model is refused") {
    const test::Scratch scratch;
    write_table(scratch, "embeddings");
    scratch.write("config.json", R"({"model_type": "bert"})");
    check_load_refused(scratch, "config.json: model_type is bert, expected model2vec");
    scratch.write("config.json", "{}");
    check_load_refused(scratch, "config.json: model_type is missing, expected model2vec");
    scratch.write("config.json", R"({"model_type": "model2vec"})");
    scratch.write("modules.json", test::changed(kModules, "StaticEmbedding\"}", "Transformer\"}"));
    check_load_refused(
        scratch,
        "modules.json: type is sentence_transformers.models.Transformer, expected StaticEmbedding or Normalize");
    for (const char* modules : {"[]", R"([{"type": "a.Normalize"}])"}) {
      scratch.write("modules.json", modules);
      check_load_refused(scratch, "modules.json: modules is no StaticEmbedding, expected one");
    }
    scratch.write("modules.json", "{}");
    test::check_refused<re::DataError>(
        scratch,
        [&] { (void)StaticEncoder::load(scratch.path()); },
        "modules.json: JSON value is object, expected an array of modules");
  }
  TEST_CASE("load: a tokenizer with more tokens than rows, and an impossible limit, are refused") {
    const test::Scratch scratch;
    write_table(scratch, "embeddings", 11);
    scratch.write("config.json", R"({"model_type": "model2vec"})");
    CHECK_THROWS_WITH_AS((void)StaticEncoder::load(scratch.path()),
                         "model::StaticEncoder: size of the tokenizer's vocabulary is 12, expected at most the "
                         "table's 11",
                         re::ConfigError);
    write_model2vec(scratch);
    CHECK_THROWS_WITH_AS((void)StaticEncoder::load(scratch.path(), {.max_tokens = -1}),
                         "model::StaticEncoder: max_tokens is -1, expected at least 0",
                         re::ConfigError);
    const test::Scratch empty;
    CHECK_THROWS_AS((void)StaticEncoder::load(empty.path(), {.normalize = true}), re::IoError);
  }
  TEST_CASE("StaticEncoder: can be moved") {
    const test::Scratch scratch;
    write_model2vec(scratch);
    StaticEncoder first = StaticEncoder::load(scratch.path(), {.threads = 2});
    const StaticEncoder second = std::move(first);
    CHECK(row(second.encode_query({"salt"}), 0) == std::vector<float>{5, 1});
    CHECK(second.table().vocab_size() == second.tokenizer().vocab_size());
  }
  TEST_CASE("encode: into memory of the caller, with a role of its own, counting tokens") {
    const test::Scratch scratch;
    write_model2vec(scratch);
    const StaticEncoder encoder = StaticEncoder::load(scratch.path(), {.threads = 2, .query_prompt = "water "});
    CHECK(encoder.pool().size() == 2);
    CHECK(encoder.query_role().prompt == "water ");
    CHECK(encoder.document_role().prompt.empty());
    CHECK(encoder.document_role().max_tokens == 512);
    const std::vector<std::string> texts = {"salt", "", "salt water salt"};
    Matrix<float> out(3, 2);
    re::Progress progress("encode", 3, {.silent = true});
    CHECK(encoder.encode(encoder.document_role(), texts, out.view(), &progress) == 4);
    CHECK(progress.done() == 3);
    CHECK(row(out, 2) == row(encoder.encode_document(texts), 2));
    CHECK(encoder.encode(encoder.query_role(), texts, out.view()) == 7);
    CHECK(row(out, 0) == row(encoder.encode_query(texts), 0));
    CHECK(encoder.encode({.prompt = "", .max_tokens = 1}, texts, out.view()) == 2);
    CHECK(row(out, 2) == std::vector<float>{5, 1});
    CHECK(encoder.encode({}, texts, out.view()) == 4);  // no limit
    Matrix<float> narrow(3, 1);
    CHECK_THROWS_AS((void)encoder.encode({}, texts, narrow.view()), re::ShapeError);
    Matrix<float> few(2, 2);
    CHECK_THROWS_AS((void)encoder.encode({}, texts, few.view()), re::ShapeError);
    Matrix<float> none(0, 2);
    CHECK(encoder.encode({}, std::vector<std::string>(), none.view()) == 0);
  }
  TEST_CASE("encode: truncated vectors are the first numbers, of unit length again where vectors are") {
    const test::Scratch scratch;
    write_model2vec(scratch);
    const StaticEncoder plain = StaticEncoder::load(scratch.path(), {.threads = 1, .truncate_dim = 1});
    CHECK(plain.dim() == 1);
    CHECK(row(plain.encode_document({"salt water"}), 0) == std::vector<float>{5.5});
    write_model2vec(scratch, ", \"normalize\": true");
    const StaticEncoder unit = StaticEncoder::load(scratch.path(), {.threads = 1, .truncate_dim = 1});
    CHECK(row(unit.encode_document({"salt water"}), 0) == std::vector<float>{1});
    CHECK(row(unit.encode_document({"zzz"}), 0) == std::vector<float>{0});
    for (const Index dim : {-1, 3}) {
      check_load_refused(
          scratch,
          "model::StaticEncoder: truncate_dim is " + std::to_string(dim) + ", expected 1..2, or 0 for all",
          {.threads = 1, .truncate_dim = dim});
    }
  }
  TEST_CASE("is_static_directory: model2vec and StaticEmbedding are, transformers and nothing are not") {
    using re::model::is_static_directory;
    const test::Scratch scratch;
    CHECK_FALSE(is_static_directory(scratch.path()));
    CHECK_FALSE(is_static_directory(scratch / "nowhere"));
    scratch.write("config.json", test::kBertConfigJson);
    CHECK_FALSE(is_static_directory(scratch.path()));
    write_model2vec(scratch);
    CHECK(is_static_directory(scratch.path()));
    scratch.write("modules.json", kModules);
    CHECK(is_static_directory(scratch.path()));
    for (const char* other : {"[]", "{}", "[3]", "[{}]", "[{\"type\": 7}]", "[{\"type\": \"a.StaticEmbeddings\"}]"}) {
      CAPTURE(other);
      scratch.write("modules.json", other);
      CHECK_FALSE(is_static_directory(scratch.path()));
    }
    scratch.write("modules.json", "[");
    CHECK_THROWS_AS((void)is_static_directory(scratch.path()), re::DataError);
    std::filesystem::remove(scratch / "modules.json");
    for (const char* other : {"[]", "{}", "{\"model_type\": 3}"}) {
      CAPTURE(other);
      scratch.write("config.json", other);
      CHECK_FALSE(is_static_directory(scratch.path()));
    }
  }
}
