#include <reasonembed/remixer/default_prompts.hpp>
#include <reasonembed/remixer/prompts.hpp>
#include <reasonembed/remixer/task.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace rx = reasonembed::remixer;
using rx::kDefaultPrompts;
using rx::PromptTemplate;
using rx::PromptValue;

namespace {

std::string stage_of(std::string_view name) {
  return std::string(name.substr(0, name.find('.')));
}

std::vector<rx::ChatMessage> render(std::string_view name, std::string_view text, std::string_view value) {
  const rx::PromptFields fields = rx::prompt_fields(stage_of(name));
  std::vector<PromptValue> values;
  for (const std::string& field : fields.known) {
    values.emplace_back(field, value);
  }
  return PromptTemplate(text, std::string(name), fields).render(values);
}

bool ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

}  // namespace

TEST_SUITE("remixer/default_prompts") {
  TEST_CASE("kDefaultPrompts: each stage has a page for any task, each kind one for its queries") {
    std::vector<std::string> names;
    for (const auto& [name, text] : kDefaultPrompts) {
      names.emplace_back(name);
    }
    CHECK(names == std::vector<std::string>{"annotate_relevance",
                                            "filter_domain",
                                            "generate_queries",
                                            "generate_queries.leetcode",
                                            "generate_queries.math",
                                            "generate_queries.pony",
                                            "generate_queries.post",
                                            "write_reasoning_queries"});
  }

  TEST_CASE("kDefaultPrompts: each page is a system turn and a user turn, in plain ASCII") {
    for (const auto& [name, text] : kDefaultPrompts) {
      CAPTURE(name);
      CHECK(ascii(text));
      CHECK(text.starts_with("# "));
      CHECK(text.ends_with("\n"));
      const auto messages = render(name, text, "VALUE");
      REQUIRE(messages.size() == 2);
      CHECK(messages[0].role == "system");
      CHECK(messages[1].role == "user");
      CHECK(messages[0].content.find("VALUE") == std::string::npos);  // so that servers can keep it
      CHECK(messages[1].content.find("VALUE") != std::string::npos);
      CHECK(messages[1].content.find("{{") == std::string::npos);
    }
  }

  TEST_CASE("kDefaultPrompts: texts stand between tags of their own, so that they can't be taken for the question") {
    for (const auto& [name, text] : kDefaultPrompts) {
      CAPTURE(name);
      for (const char* field : {"document", "query"}) {
        const std::string placeholder = "{{" + std::string(field) + "}}";
        const std::string tagged = "<" + std::string(field) + ">\n" + placeholder + "\n</" + std::string(field) + ">\n";
        std::size_t bare = 0;
        for (std::size_t at = text.find(placeholder); at != std::string_view::npos;
             at = text.find(placeholder, at + 1)) {
          ++bare;
        }
        CHECK(bare == (text.find(tagged) == std::string_view::npos ? 0 : 1));
      }
    }
  }

  TEST_CASE("kDefaultPrompts: the annotator is asked for the form that is read") {
    const auto annotate = std::find_if(kDefaultPrompts.begin(), kDefaultPrompts.end(), [](const auto& page) {
      return page.first == "annotate_relevance";
    });
    REQUIRE(annotate != kDefaultPrompts.end());
    CHECK(annotate->second.find("<score>N</score>") != std::string_view::npos);
    for (const char* score : {"\n5 - ", "\n4 - ", "\n3 - ", "\n2 - ", "\n1 - "}) {
      CHECK(annotate->second.find(score) != std::string_view::npos);
    }
  }

  TEST_CASE(
      "kDefaultPrompts: every page that writes queries states length and level and forbids to point at the source") {
    for (const auto& [name, text] : kDefaultPrompts) {
      if (stage_of(name) == "generate_queries") {
        CAPTURE(name);
        CHECK(text.find("Length: {{length}}.") != std::string_view::npos);
        CHECK(text.find("{{level}}.") != std::string_view::npos);
        CHECK(text.find("stands alone") != std::string_view::npos);
      }
    }
  }
}
