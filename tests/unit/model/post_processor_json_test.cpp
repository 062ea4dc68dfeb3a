#include <reasonembed/model/post_processor_json.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <vector>

namespace re = reasonembed;
using re::io::Json;
using re::io::JsonFields;
using Ids = std::vector<std::int32_t>;

namespace {

re::model::detail::TextFrame frame(const Json& processor) {
  const Json file = {{"post_processor", processor}};
  return re::model::detail::text_frame_of(JsonFields(file, "file"));
}

void check_frame(const Json& processor, const Ids& before, const Ids& behind) {
  const std::string shown = processor.dump();
  CAPTURE(shown);
  CHECK(frame(processor).before == before);
  CHECK(frame(processor).behind == behind);
}

template <class Expected>
void check_refused(const Json& processor, const std::string& message) {
  const std::string shown = processor.dump();
  CAPTURE(shown);
  CHECK_THROWS_WITH_AS((void)frame(processor), ("file: post_processor" + message).c_str(), Expected);
}

Json special(const char* name) {
  return {{"SpecialToken", {{"id", name}, {"type_id", 0}}}};
}
Json text(const char* name) {
  return {{"Sequence", {{"id", name}, {"type_id", 0}}}};
}

Json processor(const Json& single) {
  return {{"type", "TemplateProcessing"},
          {"single", single},
          {"pair", Json::array()},
          {"special_tokens",
           {{"x", {{"id", "x"}, {"ids", {5}}, {"tokens", {"x"}}}},
            {"y", {{"id", "y"}, {"ids", {6, 7}}, {"tokens", {"y", "z"}}}}}}};
}

const Json kBytes = {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", false}};

}  // namespace

TEST_SUITE("model/post_processor_json") {
  TEST_CASE("text_frame_of: without a post-processor nothing stands around a text") {
    check_frame(nullptr, {}, {});
    const Json file = Json::object();
    CHECK(re::model::detail::text_frame_of(JsonFields(file, "file")).before.empty());
  }

  TEST_CASE("text_frame_of: a template's special tokens, on both sides, by their ids") {
    check_frame(processor(Json::array({text("A")})), {}, {});
    check_frame(processor(Json::array({special("x"), text("A")})), {5}, {});
    check_frame(processor(Json::array({text("A"), special("y")})), {}, {6, 7});
    check_frame(processor(Json::array({special("x"), special("y"), text("A"), special("x")})), {5, 6, 7}, {5});
  }

  TEST_CASE("text_frame_of: BERT's and RoBERTa's pairs") {
    check_frame(
        {{"type", "BertProcessing"}, {"cls", Json::array({"[CLS]", 101})}, {"sep", Json::array({"[SEP]", 102})}},
        {101},
        {102});
    check_frame({{"type", "RobertaProcessing"},
                 {"cls", Json::array({"<s>", 0})},
                 {"sep", Json::array({"</s>", 2})},
                 {"trim_offsets", true},
                 {"add_prefix_space", true}},
                {0},
                {2});
  }

  TEST_CASE("text_frame_of: ByteLevel adds no token, and a sequence holds one that does") {
    check_frame(kBytes, {}, {});
    const auto sequence = [](const Json& list) { return Json{{"type", "Sequence"}, {"processors", list}}; };
    check_frame(sequence(Json::array()), {}, {});
    check_frame(sequence(Json::array({kBytes, processor(Json::array({special("x"), text("A")}))})), {5}, {});
    check_frame(sequence(Json::array({processor(Json::array({text("A"), special("x")})), kBytes})), {}, {5});
    const Json one = processor(Json::array({text("A")}));
    check_refused<re::ConfigError>(sequence(Json::array({one, kBytes, one})),
                                   ": processors[2]: post_processor is the second that adds tokens, expected at most "
                                   "one of a sequence to add tokens");
  }

  TEST_CASE("text_frame_of: names a template that is none of one text") {
    const std::string want = ", expected the text A once, between special tokens";
    const auto refused = [&](const Json& single) {
      check_refused<re::ConfigError>(processor(single), ": single is " + single.dump() + want);
    };
    refused(Json::array());
    refused(Json::array({special("x")}));
    refused(Json::array({text("A"), text("A")}));
    refused(Json::array({text("A"), special("x"), text("B")}));
    refused(Json::array({text("B")}));
  }

  TEST_CASE("text_frame_of: names what it does not know, and what is missing") {
    check_refused<re::ConfigError>(
        {{"type", "Else"}},
        ": type of a post_processor is \"Else\", expected TemplateProcessing, BertProcessing, RobertaProcessing, "
        "ByteLevel or Sequence");
    check_refused<re::DataError>({{"type", "BertProcessing"}, {"cls", Json::array({"a", 1})}},
                                 ": sep is missing, expected an array");
    check_refused<re::DataError>(
        {{"type", "BertProcessing"}, {"cls", Json::array({"a"})}, {"sep", Json::array({"b", 2})}},
        ": cls is [\"a\"], expected [token, id]");
    check_refused<re::DataError>(
        {{"type", "BertProcessing"}, {"cls", Json::array({"a", -1})}, {"sep", Json::array({"b", 2})}},
        ": cls is [\"a\",-1], expected [token, id]");
    check_refused<re::DataError>(processor(Json::array({special("z"), text("A")})),
                                 ": special_tokens.z is missing, expected an object");
    check_refused<re::DataError>({{"type", "TemplateProcessing"}}, ": single is missing, expected an array");
    check_refused<re::DataError>(processor(Json::array({3})), ": single: JSON value is 3, expected an object");
    Json negative = processor(Json::array({special("x"), text("A")}));
    negative["special_tokens"]["x"]["ids"] = {-1};
    check_refused<re::DataError>(negative, ": special_tokens.x.ids[0] is -1, expected an integer in [0, 2147483647]");
  }
}
