// Any bytes as config.json, the files that sentence-transformers lays beside it, and the contract: a description whose
// encoder is possible and that config.json can say again, or an error of this library.
#include <reasonembed/model/contract.hpp>
#include <reasonembed/model/encoder_directory.hpp>
#include <reasonembed/model/static_encoder.hpp>
#include <reasonembed/nn/config.hpp>

#include <unistd.h>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace re = reasonembed;
namespace fs = std::filesystem;

namespace {

void require(bool condition, const char* what) {
  if (!condition) {
    std::fprintf(stderr, "violated: %s\n", what);
    std::abort();
  }
}

/// The files of a directory in the order they stand in an input, a zero byte behind each.
constexpr std::array<const char*, 7> kFiles = {"config.json",
                                               "modules.json",
                                               "1_Pooling/config.json",
                                               "config_sentence_transformers.json",
                                               "sentence_bert_config.json",
                                               "tokenizer_config.json",
                                               "reasonembed_contract.json"};

/// A directory in memory where the system has one, removed at the end.
class Place {
 public:
  Place() {
    const fs::path memory = "/dev/shm";
    std::string name =
        ((::access(memory.c_str(), W_OK) == 0 ? memory : fs::temp_directory_path()) / "fuzz_XXXXXX").string();
    require(::mkdtemp(name.data()) != nullptr, "a directory can be made");
    path_ = name;
    fs::create_directory(path_ / "1_Pooling");
  }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  Place(Place&&) = delete;
  Place& operator=(Place&&) = delete;
  ~Place() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  [[nodiscard]] const fs::path& path() const { return path_; }

  /// Writes a file, or removes it where there are no bytes for it.
  void put(const char* name, std::optional<std::string_view> bytes) const {
    const fs::path file = path_ / name;
    if (!bytes) {
      (void)::unlink(file.c_str());
      return;
    }
    std::FILE* stream = std::fopen(file.c_str(), "wb");
    require(stream != nullptr && std::fwrite(bytes->data(), 1, bytes->size(), stream) == bytes->size() &&
                std::fclose(stream) == 0,
            "a file can be written");
  }

 private:
  fs::path path_;
};

bool possible(const re::nn::EncoderConfig& config, const re::nn::EncoderOptions& options) {
  try {
    re::nn::require_config(config, re::nn::kDynamic);
    re::nn::require_options(options);
    return true;
  } catch (const re::ConfigError&) {
    return false;
  }
}

/// What the family writes is read as the same encoder; but that Hugging Face's BERT always has token types, so one
/// without them is written with one type, whose row is zero.
void check_written(const re::model::EncoderDescription& description) {
  re::io::Json json;
  try {
    json = description.family.write_config(description.config, description.options);
  } catch (const re::ConfigError&) {
    return;  // there is no field for it
  }
  const re::io::Json again = re::io::parse_json(re::io::dump_json(json), "written");
  const re::io::JsonFields fields(again, "written");
  const re::model::Family family = re::model::find_family(fields);
  require(family.architecture == description.family.architecture, "the same family");
  re::nn::EncoderConfig sizes = family.read_config(fields);
  if (description.config.type_vocab == 0 && sizes.type_vocab == 1) {
    sizes.type_vocab = 0;
  }
  require(sizes == description.config, "the same sizes");
  const re::nn::EncoderOptions options = family.read_options(fields);
  require(options.norm_eps == description.options.norm_eps, "the same epsilon");
  const bool rotary = description.family.architecture.find("rope") != std::string::npos;
  require(!rotary || options.rope_theta == description.options.rope_theta, "the same theta");
  require(!rotary || !description.options.rope_scaling.enabled() ||
              options.rope_scaling == description.options.rope_scaling,
          "the same scaling");
}

void check_encoder(const fs::path& directory) {
  try {
    const re::model::EncoderDescription description = re::model::read_encoder_description(directory);
    require(description.query.max_tokens >= 1 && description.query.max_tokens <= description.config.max_length,
            "a query's limit is one the model has");
    require(description.document.max_tokens >= 1 && description.document.max_tokens <= description.config.max_length,
            "a document's limit is one the model has");
    require(description.pooling.empty() || description.pooling == "mean" || description.pooling == "cls" ||
                description.pooling == "lasttoken",
            "the pooling is known");
    if (possible(description.config, description.options)) {
      check_written(description);
    }
  } catch (const re::Error&) {
  }
}

void check_static(const fs::path& directory) {
  try {
    const bool is_static = re::model::is_static_directory(directory);
    const re::model::StaticDescription description = re::model::read_static_description(directory);
    require(!description.model2vec || is_static, "model2vec is recognised");
  } catch (const re::Error&) {
  }
}

void check_contract(const fs::path& directory) {
  try {
    if (const auto contract = re::model::Contract::find(directory, re::model::Verify::kFast)) {
      contract->require_files();
    }
  } catch (const re::Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Place place;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  bool more = true;
  for (const char* name : kFiles) {
    const std::size_t end = rest.find('\0');
    place.put(name, more ? std::optional(rest.substr(0, end)) : std::nullopt);
    more = more && end != std::string_view::npos;
    rest.remove_prefix(more ? end + 1 : rest.size());
  }
  check_encoder(place.path());
  check_static(place.path());
  check_contract(place.path());
  return 0;
}
