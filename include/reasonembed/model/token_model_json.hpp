#pragma once
/// @file The "model" of a tokenizer.json.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/io/utf8.hpp>
#include <reasonembed/text/bpe_merges.hpp>
#include <reasonembed/text/byte_pair_encoding.hpp>
#include <reasonembed/text/unigram.hpp>
#include <reasonembed/text/vocabulary.hpp>
#include <reasonembed/text/word_piece_model.hpp>

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::model {

namespace detail {

/// The tokens of "model.vocab" by id.
inline text::Vocabulary vocabulary_of(const io::JsonFields& model) {
  const io::Json& entries = model.get_object("vocab").json();
  const auto size = static_cast<std::int64_t>(entries.size());
  std::vector<std::string> tokens(entries.size());
  for (const auto& [token, value] : entries.items()) {
    const bool fits = value.is_number_integer() && value.get<std::int64_t>() >= 0 && value.get<std::int64_t>() < size;
    if (!fits || token.empty()) {
      throw DataError::invalid(model.where(),
                               "model.vocab[" + io::in_quotes(token) + "]",
                               value.dump(),
                               "the id of a token, 0 to " + std::to_string(size - 1) + " without holes");
    }
    std::string& place = tokens[value.get<std::size_t>()];
    if (!place.empty()) {
      throw DataError::invalid(model.where(),
                               "model.vocab[" + io::in_quotes(token) + "]",
                               value.dump() + ", which is also the id of " + io::in_quotes(place),
                               "different ids");
    }
    place = token;
  }
  return text::Vocabulary(tokens, model.where());
}

/// The two tokens of a merge: ["a", "b"] or "a b".
inline std::pair<std::string, std::string> merge_pair_of(const io::Json& merge,
                                                         const io::JsonFields& model,
                                                         const std::string& name) {
  if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
    return {merge[0].get<std::string>(), merge[1].get<std::string>()};
  }
  const std::string text = merge.is_string() ? merge.get<std::string>() : "";
  const std::size_t blank = text.find(' ');
  if (blank == std::string::npos || text.find(' ', blank + 1) != std::string::npos) {
    throw DataError::invalid(model.where(), name, io::in_quotes(merge.dump()), "two tokens");
  }
  return {text.substr(0, blank), text.substr(blank + 1)};
}

/// "model.merges" by the ids of their tokens.
///
/// @throws DataError naming a merge of, or to, a token that the vocabulary lacks
inline std::vector<text::BpeMerge> merges_of(const io::JsonFields& model,
                                             const text::Vocabulary& vocabulary,
                                             const std::string& continuing_prefix) {
  const io::Json& entries = model.get_array("merges");
  std::vector<text::BpeMerge> merges;
  merges.reserve(entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const std::string name = "model.merges[" + std::to_string(i) + "]";
    if (entries[i].is_string() && entries[i].get_ref<const std::string&>().starts_with("#version")) {
      continue;
    }
    const auto [left, right] = merge_pair_of(entries[i], model, name);
    const auto id = [&](const std::string& token) {
      const std::int32_t found = vocabulary.find(token);
      if (found == text::Vocabulary::kMissing) {
        throw DataError::invalid(model.where(),
                                 name,
                                 io::in_quotes(left + " " + right),
                                 "tokens of model.vocab, not " + io::in_quotes(token));
      }
      return found;
    };
    const std::size_t prefix = right.size() < continuing_prefix.size() ? right.size() : continuing_prefix.size();
    merges.push_back({id(left), id(right), id(left + right.substr(prefix))});
  }
  return merges;
}

inline text::BytePairEncoding byte_pair_encoding_of(const io::JsonFields& model) {
  if (const double dropout = model.find_double("dropout").value_or(0.0); dropout != 0.0) {
    throw ConfigError::invalid(
        model.where(), "model.dropout", std::to_string(dropout), "none, for ids that do not depend on chance");
  }
  text::BytePairEncodingOptions options{
      .unknown = model.find_string("unk_token"),
      .fuse_unknown = model.find_bool("fuse_unk").value_or(false),
      .byte_fallback = model.find_bool("byte_fallback").value_or(false),
      .ignore_merges = model.find_bool("ignore_merges").value_or(false),
      .continuing_prefix = model.find_string("continuing_subword_prefix").value_or(""),
      .end_suffix = model.find_string("end_of_word_suffix").value_or("")};
  text::Vocabulary vocabulary = vocabulary_of(model);
  text::BpeMerges merges(merges_of(model, vocabulary, options.continuing_prefix), model.where());
  return text::BytePairEncoding(std::move(vocabulary), std::move(merges), std::move(options), model.where());
}

/// 10^n, correctly rounded. @pre  0 <= n <= 308
inline double power_of_ten(int n) {
  const std::string text = "1e" + std::to_string(n);
  double power = 1.0;
  std::from_chars(text.data(), text.data() + text.size(), power);
  return power;
}

/// The number that the reference reads where `exact` is written: it divides the digits by a power of ten, which may be
/// off by one rounding, and scores that are equal but for their last bit decide between two ways to cut a text.
///
/// @param exact  finite; its shortest digits are those of the file
inline double score_as_read(double exact) {
  std::array<char, 32> buffer{};
  const auto end =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), exact, std::chars_format::scientific).ptr;
  const std::string_view number(buffer.data(), static_cast<std::size_t>(end - buffer.data()));
  const std::size_t mark = number.find('e');
  std::uint64_t digits = 0;
  int exponent = 0;
  for (const char c : number.substr(0, mark)) {
    digits = c >= '0' && c <= '9' ? 10 * digits + static_cast<std::uint64_t>(c - '0') : digits;
  }
  for (const char c : number.substr(mark + 2)) {
    exponent = 10 * exponent + (c - '0');
  }
  const std::size_t point = number.find('.');
  exponent = number[mark + 1] == '-' ? -exponent : exponent;
  exponent -= point == std::string_view::npos ? 0 : static_cast<int>(mark - point - 1);
  double value = static_cast<double>(digits);
  if (exponent < -308) {
    value /= 1e308;
    exponent += 308;
  }
  const double power = power_of_ten(exponent < 0 ? -exponent : exponent);
  value = exponent < 0 ? value / power : value * power;
  return exact < 0 ? -value : value;
}

inline text::Unigram unigram_of(const io::JsonFields& model) {
  std::vector<std::string> tokens;
  std::vector<double> scores;
  for (const io::Json& entry : model.get_array("vocab")) {
    if (!entry.is_array() || entry.size() != 2 || !entry[0].is_string() || !entry[1].is_number()) {
      throw DataError::invalid(model.where(),
                               "model.vocab[" + std::to_string(tokens.size()) + "]",
                               io::in_quotes(entry.dump()),
                               "[token, score]");
    }
    tokens.push_back(entry[0].get<std::string>());
    scores.push_back(score_as_read(entry[1].get<double>()));
  }
  const text::UnigramOptions options{
      .unknown = static_cast<std::int32_t>(model.get_int("unk_id", 0, std::numeric_limits<std::int32_t>::max())),
      .byte_fallback = model.find_bool("byte_fallback").value_or(false)};
  return text::Unigram(text::Vocabulary(tokens, model.where()), std::move(scores), options, model.where());
}

inline text::WordPieceModel word_piece_model_of(const io::JsonFields& model) {
  return text::WordPieceModel(vocabulary_of(model),
                              {.unknown = model.get_string("unk_token"),
                               .continuing_prefix = model.get_string("continuing_subword_prefix"),
                               .max_chars_per_word = static_cast<Index>(model.get_int("max_input_chars_per_word", 1))},
                              model.where());
}

/// "model.type", which early files leave out for the reader to guess.
inline std::string model_type_of(const io::JsonFields& model) {
  if (model.has("type")) {
    return model.get_string("type");
  }
  return model.has("merges")                     ? "BPE"
         : model.has("max_input_chars_per_word") ? "WordPiece"
         : model.has("unk_id")                   ? "Unigram"
                                                 : "";
}

/// @param file  a whole tokenizer.json
inline std::variant<text::BytePairEncoding, text::Unigram, text::WordPieceModel> token_model_of(
    const io::JsonFields& file) {
  const io::JsonFields model = file.get_object("model");
  const std::string type = model_type_of(model);
  if (type == "BPE") {
    return byte_pair_encoding_of(model);
  }
  if (type == "Unigram") {
    return unigram_of(model);
  }
  if (type == "WordPiece") {
    return word_piece_model_of(model);
  }
  throw ConfigError::invalid(
      file.where(), "model.type", type.empty() ? "missing" : io::in_quotes(type), "BPE, Unigram or WordPiece");
}

}  // namespace detail

}  // namespace reasonembed::model
