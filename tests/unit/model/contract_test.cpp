#include <reasonembed/model/contract.hpp>
#include <reasonembed/model/minilm.hpp>
#include <reasonembed/model/qwen3.hpp>

#include <doctest/doctest.h>

#include <support/model_directory.hpp>
#include <support/scratch.hpp>
#include <support/training.hpp>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace re = reasonembed;
namespace fs = std::filesystem;
using re::Index;
using re::Matrix;
using re::io::Json;
using re::model::ContractError;
using re::model::MiniLm;
using re::model::Role;
using re::model::Verify;

namespace {

constexpr re::nn::EncoderConfig kBert{.vocab = 258,
                                      .dim = 8,
                                      .layers = 2,
                                      .heads = 2,
                                      .kv_heads = 2,
                                      .head_dim = 4,
                                      .mlp_dim = 10,
                                      .max_length = 32,
                                      .type_vocab = 2,
                                      .qkv_bias = true,
                                      .linear_bias = true};

template <class Model = MiniLm>
Model bert(std::uint64_t seed = 1,
           Role query = {"why ", 20},
           Role document = {},
           re::model::TextEncoderOptions run = {.threads = 1, .residency = re::model::Residency::kTrain},
           bool normalize = true) {
  const typename Model::Description encoder(kBert, {.norm_eps = 1e-12, .normalize = normalize});
  auto weights = re::model::random_weights<typename Model::Backend>(encoder, seed, 0.3);
  return {encoder, std::move(weights), re::text::ByteTokenizer(), std::move(query), std::move(document), run};
}

template <class Model = MiniLm>
Model load(const fs::path& directory, Verify verify) {
  return Model::load(directory, {.threads = 1, .verify = verify});
}

fs::path manifest_path(const fs::path& directory) {
  return directory / "reasonembed_contract.json";
}
Json manifest_of(const fs::path& directory) {
  return re::io::read_json(manifest_path(directory));
}
void put(const fs::path& directory, const Json& manifest) {
  re::io::write_json(manifest_path(directory), manifest);
}
Json rehashed(Json manifest) {
  manifest["sha256"] = re::model::contract_sha256(manifest);
  return manifest;
}

/// What loading says, without the place it names; "loads" if nothing.
template <class Model = MiniLm>
std::string refusal(const fs::path& directory, Verify verify) {
  std::string text = "loads";
  try {
    (void)load<Model>(directory, verify);
  } catch (const ContractError& error) {
    text = error.what();
  } catch (const re::DataError& error) {
    text = error.what();
  }
  for (const std::string& place : {manifest_path(directory).string() + ": ", directory.string() + ": "}) {
    if (text.starts_with(place)) {
      text.erase(0, place.size());
    }
  }
  return text;
}

/// Another value of the same type.
Json tampered(const Json& value) {
  if (value.is_string()) {
    return value.get<std::string>() + "x";
  }
  if (value.is_boolean()) {
    return !value.get<bool>();
  }
  return value.is_number_integer() ? Json(value.get<std::int64_t>() + 1) : Json(value.get<double>() * 1.5 + 0.5);
}

/// Calls `f(name, place)` for every value below `value` that is no object or array.
template <class F>
void for_each_leaf(const Json& value, const std::string& name, const Json::json_pointer& place, const F& f) {
  if (value.is_object()) {
    for (const auto& [key, child] : value.items()) {
      for_each_leaf(child, name.empty() ? key : name + "." + key, place / key, f);
    }
  } else if (value.is_array()) {
    for (std::size_t i = 0; i < value.size(); ++i) {
      for_each_leaf(value[i], name + "[" + std::to_string(i) + "]", place / i, f);
    }
  } else {
    f(name, place);
  }
}

/// A loaded model in double, to measure rounding by.
using Narrow = re::model::TextEncoder<re::model::BertEncoder<>, re::backend::Cpu<re::bf16>>;
using Exact = re::model::TextEncoder<re::model::BertEncoder<>, re::backend::Cpu<double>>;

template <class Exactly, class Single>
double relative_error(const Exactly& exact, const Single& single) {
  const std::vector<std::string> texts = {"salt and water", "Z\xC3\xBCrich, 3.14?", "x", "why", "12345"};
  const Matrix<double> want = exact.encode_document(texts);
  const Matrix<float> got = single.encode_document(texts);
  double worst = 0.0;
  for (Index n = 0; n < want.rows(); ++n) {
    double largest = 0.0;
    double error = 0.0;
    for (Index d = 0; d < want.cols(); ++d) {
      largest = std::max(largest, std::abs(want(n, d)));
      error = std::max(error, std::abs(static_cast<double>(got(n, d)) - want(n, d)));
    }
    worst = std::max(worst, error / largest);
  }
  return worst;
}

}  // namespace

TEST_SUITE("model/contract") {
  TEST_CASE("save: writes a contract with everything that changes a vector") {
    const test::Scratch scratch;
    const MiniLm model = bert();
    model.save(scratch / "m");
    const Json manifest = manifest_of(scratch / "m");
    CHECK(manifest["format"] == 1);
    CHECK(manifest["architecture"] == MiniLm::Description::architecture());
    CHECK(manifest["pooling"] == "mean");
    CHECK(manifest["normalize"] == true);
    CHECK(manifest["dtype"] == "float32");
    CHECK(manifest["sizes"]["dim"] == 8);
    CHECK(manifest["sizes"].size() == 12);
    CHECK(manifest["numbers"] == Json{{"norm_eps", 1e-12},
                                      {"rope_theta", 10000.0},
                                      {"rope_factor", 1.0},
                                      {"rope_low_freq_factor", 1.0},
                                      {"rope_high_freq_factor", 4.0},
                                      {"rope_original_max_length", 0}});
    CHECK(manifest["roles"]["query"] == Json{{"prompt", "why "}, {"max_tokens", 20}});
    CHECK(manifest["roles"]["document"] == Json{{"prompt", ""}, {"max_tokens", 32}});
    CHECK(manifest["files"].size() == 8);
    CHECK(manifest["files"]["config.json"] == re::sha256(test::content_of(scratch / "m/config.json")));
    const std::string weights = test::content_of(scratch / "m/model.safetensors");
    CHECK(manifest["weights"]["model.safetensors"]["bytes"] == weights.size());
    CHECK(manifest["weights"]["model.safetensors"]["sha256"] == re::sha256(weights));
    CHECK(manifest["config_sha256"] ==
          re::sha256(R"({"numbers":)" + manifest["numbers"].dump() + R"(,"sizes":)" + manifest["sizes"].dump() + "}"));
    const Matrix<float> vectors = model.encode_query({"salt and water"});
    REQUIRE(manifest["golden"].size() == 3);
    CHECK(manifest["golden"][0]["text"] == "salt and water");
    REQUIRE(manifest["golden"][0]["query"].size() == 8);
    for (std::size_t d = 0; d < 8; ++d) {
      CHECK(static_cast<float>(manifest["golden"][0]["query"][d].get<double>()) == vectors.flat()[d]);
    }
  }
  TEST_CASE("contract_sha256: is that of the manifest on one line, sorted, without the hash itself") {
    CHECK(re::model::contract_sha256(Json{{"b", 0.1}, {"a", 1}, {"sha256", "?"}}) == re::sha256(R"({"a":1,"b":0.1})"));
    CHECK(re::model::contract_sha256(Json{{"a", 1}}) == re::sha256(R"({"a":1})"));
    const test::Scratch scratch;
    bert().save(scratch / "m");
    const Json manifest = manifest_of(scratch / "m");
    CHECK(manifest["sha256"] == re::model::contract_sha256(manifest));
  }
  TEST_CASE("kGoldenTexts: are at most 16 tokens, even as bytes between two special tokens") {
    for (const std::string_view text : re::model::kGoldenTexts) {
      CHECK(text.size() + 2 <= 16);
    }
  }
  TEST_CASE("load: a saved model passes every check, in each architecture, pooling and precision") {
    const auto check = [](const auto& model) {
      using Model = std::remove_cvref_t<decltype(model)>;
      const test::Scratch scratch;
      model.save(scratch / "m");
      for (const Verify verify : {Verify::kOff, Verify::kFast, Verify::kFull}) {
        CHECK(refusal<Model>(scratch / "m", verify) == "loads");
      }
    };
    check(bert());
    check(bert(2, {}, {"passage: ", 7}, {.threads = 1, .residency = re::model::Residency::kTrain}, false));
    check(bert<Exact>());
    check(bert<Narrow>());
    const re::model::TextEncoderOptions run{.threads = 1, .residency = re::model::Residency::kTrain};
    check(test::byte_bert(0.1, run));  // has no token types; config.json says one
    check(test::byte_qwen3(run));
    check(test::random_model<test::ByteQwen3<re::backend::Cpu<double>>>(
        test::kByteQwen3, {.rope_theta = 12345.678}, run));
    using Pooled =
        re::model::TextEncoder<re::model::BertEncoder<re::nn::kDynamic, re::nn::Cls>, re::backend::Cpu<float>>;
    check(bert<Pooled>());
  }
  TEST_CASE("load: whichever field of the manifest is changed, it is refused, and named wherever it can be") {
    const test::Scratch scratch;
    const fs::path place = scratch / "m";
    bert().save(place);
    const Json manifest = manifest_of(place);
    int fields = 0;
    for_each_leaf(manifest, "", Json::json_pointer(), [&](const std::string& name, const Json::json_pointer& pointer) {
      CAPTURE(name);
      Json changed = manifest;
      changed[pointer] = tampered(manifest[pointer]);
      const bool only_full = name.starts_with("golden[") || name == "weights.model.safetensors.sha256";
      const auto names = [&](const std::string& message) {
        CAPTURE(message);
        CHECK((message.starts_with(name + " is ") || message.starts_with(name + " for ")));
        CHECK(message.find(", expected ") != std::string::npos);
      };
      put(place, changed);
      names(refusal(place, Verify::kFull));
      const std::string quick = refusal(place, Verify::kFast);
      names(only_full ? name + quick.substr(std::min(quick.size(), std::string("sha256").size())) : quick);
      CHECK(refusal(place, Verify::kOff) == "loads");
      if (name != "sha256") {  // whoever changes a field may compute the hash anew
        put(place, rehashed(changed));
        names(refusal(place, Verify::kFull));
        if (!only_full) {
          names(refusal(place, Verify::kFast));
        }
      }
      ++fields;
    });
    CHECK(fields == 5 + 12 + 6 + 1 + 4 + 8 + 3 + 3 * (1 + 2 * 8) + 1);
    put(place, manifest);
    CHECK(refusal(place, Verify::kFull) == "loads");
  }
  TEST_CASE("load: whichever field is removed or has another type, it is refused and named") {
    const test::Scratch scratch;
    const fs::path place = scratch / "m";
    bert().save(place);
    const Json manifest = manifest_of(place);
    for (const std::string path : {"/sha256",
                                   "/format",
                                   "/architecture",
                                   "/golden",
                                   "/golden/1/text",
                                   "/golden/1/query",
                                   "/weights",
                                   "/weights/model.safetensors",
                                   "/weights/model.safetensors/sha256",
                                   "/files/tokenizer.json",
                                   "/sizes",
                                   "/sizes/dim",
                                   "/roles/query/prompt",
                                   "/numbers/norm_eps"}) {
      const Json::json_pointer pointer(path);
      CAPTURE(path);
      for (const bool remove : {true, false}) {
        Json changed = manifest;
        if (remove) {
          changed[pointer.parent_pointer()].erase(pointer.back());
        } else {
          changed[pointer] = nullptr;
        }
        put(place, path == "/sha256" ? changed : rehashed(changed));
        const std::string message = refusal(place, Verify::kFull);
        CAPTURE(message);
        CHECK(message != "loads");
        CHECK(message.find(pointer.back()) != std::string::npos);
      }
    }
  }
  TEST_CASE("load: a field that no contract has is refused, wherever it is put") {
    const test::Scratch scratch;
    const fs::path place = scratch / "m";
    bert().save(place);
    const Json manifest = manifest_of(place);
    const auto with_extra = [&](const std::string& path) {
      Json changed = manifest;
      changed[Json::json_pointer(path)] = 1;
      put(place, rehashed(changed));
      return refusal(place, Verify::kFull);
    };
    CHECK(with_extra("/extra") == "extra is present, expected no field of this name in a contract");
    CHECK(with_extra("/sizes/extra") == "sizes.extra is missing, expected 1");
    CHECK(with_extra("/roles/other") == "roles.other is missing, expected 1");
    CHECK(with_extra("/golden/0/extra") == "golden[0].extra is missing, expected 1");
    CHECK(with_extra("/files/extra.json") == "files.extra.json is missing, expected 1");
  }
  TEST_CASE("load: the messages say what was found and what the contract expects") {
    const test::Scratch scratch;
    const fs::path place = scratch / "m";
    bert().save(place);
    const Json manifest = manifest_of(place);
    const auto with = [&](const std::string& path, const Json& value, Verify verify = Verify::kFast) {
      Json changed = manifest;
      changed[Json::json_pointer(path)] = value;
      put(place, rehashed(changed));
      return refusal(place, verify);
    };
    CHECK(with("/format", 2) == "format is 1, expected 2");
    CHECK(with("/roles/query/prompt", "query: ") == "roles.query.prompt is \"why \", expected \"query: \"");
    CHECK(with("/roles/document/max_tokens", 31) == "roles.document.max_tokens is 32, expected 31");
    CHECK(with("/normalize", false) == "normalize is true, expected false");
    CHECK(with("/dtype", "float64") == "dtype is \"float32\", expected \"float64\"");
    CHECK(with("/pooling", "cls") == "pooling is \"mean\", expected \"cls\"");
    CHECK(with("/golden", Json::array(), Verify::kFull) == "golden is 0 texts, expected 3");
    CHECK(with("/golden/0/query", Json::array(), Verify::kFull) == "golden[0].query is 8 numbers, expected 0");
    CHECK(with("/golden/2/document", 5, Verify::kFull) == "golden[2]: document is 5, expected an array");
    CHECK(with("/golden/2", 5, Verify::kFull) == "golden[2]: JSON value is 5, expected an object");
    const std::string number = with("/golden/1/document/4", 7.5, Verify::kFull);
    CHECK(number.starts_with("golden[1].document[4] for \"Z\xC3\xBCrich, 3.14?\" is "));
    CHECK(number.find(", expected 7.5 within ") != std::string::npos);
    put(place, Json::array());
    CHECK(refusal(place, Verify::kFast) == "JSON value is an array, expected an object");
    scratch.write("m/reasonembed_contract.json", "{");
    CHECK_THROWS_AS((void)load(place, Verify::kFast), re::DataError);
  }
  TEST_CASE("load: a file of configuration or tokenizer that was changed, removed or added is named") {
    const test::Scratch scratch;
    const fs::path place = scratch / "m";
    bert().save(place);
    const Json manifest = manifest_of(place);
    for (const auto& [name, hash] : manifest["files"].items()) {
      CAPTURE(name);
      const std::string content = test::content_of(place / name);
      scratch.write("m/" + name, content + " ");  // still the same JSON
      CHECK(refusal(place, Verify::kFast) ==
            "files." + name + " is \"" + re::sha256(content + " ") + "\", expected \"" + re::sha256(content) + "\"");
      fs::remove(place / name);
      CHECK(refusal(place, Verify::kFast) == "files." + name + " is missing, expected \"" + re::sha256(content) + "\"");
      scratch.write("m/" + name, content);
      CHECK(refusal(place, Verify::kFast) == "loads");
    }
    scratch.write("m/vocab.txt", "");
    CHECK(refusal(place, Verify::kFast) ==
          "files.vocab.txt is \"" + re::sha256("") + "\", expected none, for the contract has none");
    fs::remove(place / "vocab.txt");
    scratch.write("m/README.md", "a model card changes no vector");
    CHECK(refusal(place, Verify::kFull) == "loads");
  }
  TEST_CASE("load: weights of which one bit was changed anywhere, or the end lost, are named") {
    const test::Scratch scratch;
    const fs::path place = scratch / "m";
    bert().save(place);
    const std::string content = test::content_of(place / "model.safetensors");
    for (const std::size_t at : {std::size_t{20}, content.size() / 2, content.size() - 1}) {
      std::string changed = content;
      changed[at] = static_cast<char>(changed[at] ^ 1);
      scratch.write("m/model.safetensors", changed);
      for (const Verify verify : {Verify::kFast, Verify::kFull}) {
        CHECK(refusal(place, verify).starts_with("weights.model.safetensors.checksum is \""));
      }
    }
    scratch.write("m/model.safetensors", content.substr(0, content.size() - 4));
    CHECK(refusal(place, Verify::kFast) == "weights.model.safetensors.bytes is " + std::to_string(content.size() - 4) +
                                               ", expected " + std::to_string(content.size()));
    scratch.write("m/model.safetensors", content);
    CHECK(refusal(place, Verify::kFull) == "loads");
  }
  TEST_CASE("load: other weights under right hashes are found by their vectors, in the full check alone") {
    const test::Scratch scratch;
    bert(1).save(scratch / "a");
    bert(2).save(scratch / "b");
    Json mixed = manifest_of(scratch / "b");
    mixed["golden"] = manifest_of(scratch / "a")["golden"];
    put(scratch / "b", rehashed(mixed));
    CHECK(refusal(scratch / "b", Verify::kFast) == "loads");
    CHECK(refusal(scratch / "b", Verify::kFull).starts_with("golden[0].query[0] for \"salt and water\" is "));
    fs::copy_file(manifest_path(scratch / "a"), manifest_path(scratch / "b"), fs::copy_options::overwrite_existing);
    CHECK(refusal(scratch / "b", Verify::kFast).starts_with("weights.model.safetensors.checksum is \""));
  }
  TEST_CASE("load: another precision is refused by name") {
    const test::Scratch scratch;
    bert().save(scratch / "m");
    CHECK(refusal<Exact>(scratch / "m", Verify::kFast) == "dtype is \"float64\", expected \"float32\"");
    CHECK(refusal<Exact>(scratch / "m", Verify::kOff) == "loads");
    CHECK(refusal<Narrow>(scratch / "m", Verify::kFast) == "dtype is \"bfloat16\", expected \"float32\"");
    bert<Narrow>().save(scratch / "narrow");
    CHECK(manifest_of(scratch / "narrow")["dtype"] == "bfloat16");
    CHECK(refusal(scratch / "narrow", Verify::kFull) == "dtype is \"float32\", expected \"bfloat16\"");
    CHECK(refusal(scratch / "narrow", Verify::kOff) == "loads");
  }
  TEST_CASE("load: weights of float32 that were rounded behind a contract's back are found by their vectors") {
    const test::Scratch scratch;
    const MiniLm model = bert();
    model.save(scratch / "m");
    bert<Narrow>().save(scratch / "narrow");
    const MiniLm rounded = MiniLm::load(scratch / "narrow", {.threads = 1, .verify = Verify::kOff});
    rounded.save(scratch / "rounded");
    Json manifest = manifest_of(scratch / "rounded");
    manifest["golden"] = manifest_of(scratch / "m")["golden"];
    put(scratch / "rounded", rehashed(manifest));
    CHECK(refusal(scratch / "rounded", Verify::kFast) == "loads");
    CHECK(refusal(scratch / "rounded", Verify::kFull).starts_with("golden[0].query["));
  }
  TEST_CASE("write_contract: a foreign directory loads without a contract, and can be given one") {
    const test::Scratch scratch;
    const fs::path place = scratch / "m";
    bert().save(place);
    fs::remove(manifest_path(place));
    CHECK(refusal(place, Verify::kOff) == "loads");
    CHECK(refusal(place, Verify::kFast) == "loads");
    CHECK(refusal(place, Verify::kFull) ==
          "reasonembed_contract.json is missing, expected a contract, which Verify::kFull checks");
    re::model::write_contract(place, load(place, Verify::kFast));
    CHECK(refusal(place, Verify::kFull) == "loads");
    const Json first = manifest_of(place);
    re::model::write_contract(place, load(place, Verify::kFull));
    CHECK(manifest_of(place) == first);
  }
  TEST_CASE("write_contract: what a model was given beside its directory is demanded from then on") {
    const test::Scratch scratch;
    bert(1, {"why ", 20}).save(scratch / "m");
    re::model::write_contract(scratch / "m", bert(1, {"query: ", 20}));
    CHECK(refusal(scratch / "m", Verify::kFast) == "roles.query.prompt is \"why \", expected \"query: \"");
  }
  TEST_CASE("write_contract: a directory without weights is refused, and gets no manifest") {
    const test::Scratch scratch;
    CHECK_THROWS_AS(re::model::write_contract(scratch.path(), bert()), re::IoError);
    CHECK(scratch.count() == 0);
  }
  TEST_CASE("save: a model whose vectors are cut is saved whole, with whole vectors in its contract") {
    const test::Scratch scratch;
    const MiniLm model = bert(1, {}, {}, {.threads = 1, .residency = re::model::Residency::kTrain, .truncate_dim = 4});
    model.save(scratch / "m");
    CHECK(manifest_of(scratch / "m")["golden"][0]["query"].size() == 8);
    CHECK(re::io::read_json(scratch / "m/1_Pooling/config.json")["word_embedding_dimension"] == 8);
    CHECK(load(scratch / "m", Verify::kFull).dim() == 8);
    const MiniLm loaded = MiniLm::load(scratch / "m", {.threads = 1, .verify = Verify::kFull, .truncate_dim = 3});
    CHECK(loaded.dim() == 3);
    CHECK(loaded.encode_query({"x"}).cols() == 3);
  }
  TEST_CASE("golden_tolerance: two right computations stay within it, by twice the error of one against double") {
    const auto check = [](const auto& exact, const auto& single) {
      const double error = relative_error(exact, single);
      const double tolerance = re::model::golden_tolerance<float>(single.encoder().config());
      CAPTURE(error);
      CAPTURE(tolerance);
      CHECK(error > 0.0);
      CHECK(2.0 * error <= tolerance);
    };
    for (const std::uint64_t seed : {1U, 2U, 3U}) {
      check(bert<Exact>(seed), bert(seed));
    }
    const re::nn::EncoderOptions numbers{.norm_eps = 1e-12};
    check(test::random_model<test::ByteBert<re::backend::Cpu<double>>>(test::kByteBert, numbers),
          test::random_model<test::ByteBert<>>(test::kByteBert, numbers));
    check(test::random_model<test::ByteQwen3<re::backend::Cpu<double>>>(test::kByteQwen3), test::byte_qwen3());
    re::nn::EncoderConfig wide = test::kByteQwen3;
    wide.dim = 128;
    wide.layers = 8;
    wide.mlp_dim = 384;
    check(test::random_model<test::ByteQwen3<re::backend::Cpu<double>>>(wide),
          test::random_model<test::ByteQwen3<>>(wide));
  }
  TEST_CASE("golden_tolerance: of float holds for bf16, whose weights are exact in double") {
    for (const std::uint64_t seed : {1U, 2U, 3U}) {
      const test::Scratch scratch;
      const Narrow narrow = bert<Narrow>(seed);
      narrow.save(scratch / "m");
      const double error = relative_error(load<Exact>(scratch / "m", Verify::kOff), narrow);
      CAPTURE(error);
      CHECK(error > 0.0);
      CHECK(2.0 * error <= re::model::golden_tolerance<float>(kBert));
    }
  }
  TEST_CASE("dtype_word: is what config.json and contracts call a store") {
    CHECK(std::string(re::model::dtype_word<float>()) == "float32");
    CHECK(std::string(re::model::dtype_word<re::bf16>()) == "bfloat16");
    CHECK(std::string(re::model::dtype_word<double>()) == "float64");
  }
  TEST_CASE("golden_tolerance: is a bound of the dtype and the sizes, as documented") {
    CHECK(re::model::golden_tolerance<float>(kBert) == doctest::Approx(8 * 3 * std::sqrt(10.0) * 0x1p-23));
    CHECK(re::model::golden_tolerance<double>(kBert) == doctest::Approx(8 * 3 * std::sqrt(10.0) * 0x1p-52));
    const re::nn::EncoderConfig minilm{.vocab = 30522, .dim = 384, .layers = 6, .mlp_dim = 1536};
    CHECK(re::model::golden_tolerance<float>(minilm) == doctest::Approx(2.6e-4).epsilon(0.01));
  }
  TEST_CASE("load: a golden number within the tolerance passes, one beyond it does not") {
    const test::Scratch scratch;
    const fs::path place = scratch / "m";
    bert().save(place);
    const Json manifest = manifest_of(place);
    const Json& vector = manifest["golden"][0]["query"];
    double largest = 0.0;
    for (const Json& number : vector) {
      largest = std::max(largest, std::abs(number.get<double>()));
    }
    const double tolerance = re::model::golden_tolerance<float>(kBert) * largest;
    for (const double factor : {0.5, 2.0}) {
      Json changed = manifest;
      changed["golden"][0]["query"][3] = vector[3].get<double>() + factor * tolerance;
      put(place, rehashed(changed));
      const std::string message = refusal(place, Verify::kFull);
      CHECK((factor < 1.0 ? message == "loads" : message.starts_with("golden[0].query[3] for ")));
    }
  }
  TEST_CASE("ContractError: is an error of the library with the form of the others") {
    const ContractError error = ContractError::mismatch("file", "field", "1", "2");
    CHECK(std::string(error.what()) == "file: field is 1, expected 2");
    const re::Error& root = error;
    CHECK(std::string(root.what()) == "file: field is 1, expected 2");
  }
}
