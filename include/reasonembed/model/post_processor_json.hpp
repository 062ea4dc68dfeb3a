#pragma once
/// @file The "post_processor" of a tokenizer.json: what stands around a single text.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/io/utf8.hpp>
#include <reasonembed/model/normalizer_json.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::model {

namespace detail {

/// The ids around a text.
struct TextFrame {
  std::vector<std::int32_t> before;
  std::vector<std::int32_t> behind;
};

/// {"type": "BertProcessing" or "RobertaProcessing", "cls": [token, id], "sep": [token, id]}
inline TextFrame frame_of_pair(const io::JsonFields& part) {
  const auto id = [&](std::string_view name) {
    const io::Json& pair = part.get_array(name);
    const bool fits = pair.size() == 2 && pair[1].is_number_integer() && pair[1].get<std::int64_t>() >= 0 &&
                      pair[1].get<std::int64_t>() <= std::numeric_limits<std::int32_t>::max();
    if (!fits) {
      throw DataError::invalid(part.where(), name, pair.dump(), "[token, id]");
    }
    return pair[1].get<std::int32_t>();
  };
  return {{id("cls")}, {id("sep")}};
}

/// {"type": "TemplateProcessing", "single": [special tokens, {"Sequence": {"id": "A"}}, special tokens], ..}
inline TextFrame frame_of_template(const io::JsonFields& part) {
  TextFrame frame;
  bool seen = false;
  const io::Json& single = part.get_array("single");
  for (const io::Json& element : single) {
    const io::JsonFields piece(element, part.where() + ": single");
    if (piece.has("SpecialToken")) {
      const std::string& name = piece.get_object("SpecialToken").get_string("id");
      const std::vector<std::int64_t> ids = part.get_object("special_tokens")
                                                .get_object(name)
                                                .get_ints("ids", 0, std::numeric_limits<std::int32_t>::max());
      std::vector<std::int32_t>& side = seen ? frame.behind : frame.before;
      for (const std::int64_t id : ids) {
        side.push_back(static_cast<std::int32_t>(id));
      }
      continue;
    }
    if (seen || piece.get_object("Sequence").get_string("id") != "A") {
      throw ConfigError::invalid(part.where(), "single", single.dump(), "the text A once, between special tokens");
    }
    seen = true;
  }
  if (!seen) {
    throw ConfigError::invalid(part.where(), "single", single.dump(), "the text A once, between special tokens");
  }
  return frame;
}

inline TextFrame frame_of_part(const io::JsonFields& part) {
  const std::string& type = part.get_string("type");
  if (type == "TemplateProcessing") {
    return frame_of_template(part);
  }
  if (type == "BertProcessing" || type == "RobertaProcessing") {
    return frame_of_pair(part);
  }
  if (type == "ByteLevel") {
    return {};  // changes offsets, and no id
  }
  throw ConfigError::invalid(part.where(),
                             "type of a post_processor",
                             io::in_quotes(type),
                             "TemplateProcessing, BertProcessing, RobertaProcessing, ByteLevel or Sequence");
}

/// @param file  a whole tokenizer.json
inline TextFrame text_frame_of(const io::JsonFields& file) {
  TextFrame frame;
  if (!file.has("post_processor")) {
    return frame;
  }
  const io::JsonFields part(file.get_object("post_processor").json(), file.where() + ": post_processor");
  bool framed = false;
  for_each_json_part(part, "processors", [&](const io::JsonFields& step) {
    const bool frames = step.get_string("type") != "ByteLevel";
    if (frames && framed) {  // the reference is not defined there
      throw ConfigError::invalid(
          step.where(), "post_processor", "the second that adds tokens", "at most one of a sequence to add tokens");
    }
    framed = framed || frames;
    const TextFrame found = frame_of_part(step);
    frame = frames ? found : frame;
  });
  return frame;
}

}  // namespace detail

}  // namespace reasonembed::model
