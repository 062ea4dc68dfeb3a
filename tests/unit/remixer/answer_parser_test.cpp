#include <reasonembed/core/random.hpp>
#include <reasonembed/remixer/answer_parser.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace re = reasonembed;
using re::remixer::AnswerFault;
using re::remixer::ChatAnswer;
using re::remixer::describe;
using re::remixer::Finish;
using re::remixer::parse_query;
using re::remixer::parse_score;
using re::remixer::parse_text;
using re::remixer::parse_yes_no;

namespace {

ChatAnswer answer(std::string text, Finish finish = Finish::kStop) {
  return {.text = std::move(text), .finish = finish};
}

/// The parsed text, or the fault in angle brackets.
std::string text_of(const re::remixer::Parsed<std::string>& parsed) {
  return parsed ? *parsed : "<" + std::string(describe(parsed.error())) + ">";
}
std::string text(const std::string& raw) {
  return text_of(parse_text(answer(raw)));
}
std::string query(const std::string& raw) {
  return text_of(parse_query(answer(raw)));
}
/// The score, or minus the number of the fault, less one.
int score(const std::string& raw) {
  const auto parsed = parse_score(answer(raw));
  return parsed ? *parsed : -1 - static_cast<int>(parsed.error());
}
constexpr int fault(AnswerFault kind) {
  return -1 - static_cast<int>(kind);
}

}  // namespace

TEST_SUITE("remixer/answer_parser") {
  TEST_CASE("parse_text: takes white space off both ends") {
    CHECK(text("  a b \n c\n\n") == "a b \n c");
    CHECK(text("x") == "x");
    CHECK(text("") == "<empty>");
    CHECK(text(" \n\t\r\v\f ") == "<empty>");
  }

  TEST_CASE("parse_text: takes quotes off that enclose all, and leaves others") {
    CHECK(text("\"a b\"") == "a b");
    CHECK(text("'a b'") == "a b");
    CHECK(text("`a b`") == "a b");
    CHECK(text("\xE2\x80\x9C"
               "a b"
               "\xE2\x80\x9D") == "a b");
    CHECK(text("\xE2\x80\x98"
               "a b"
               "\xE2\x80\x99") == "a b");
    CHECK(text("\xE2\x80\x9E"
               "a b"
               "\xE2\x80\x9C") == "a b");
    CHECK(text("\xC2\xAB a b \xC2\xBB") == "a b");
    CHECK(text("\"a\" and \"b\"") == "\"a\" and \"b\"");
    CHECK(text("\"a\" b") == "\"a\" b");
    CHECK(text("a \"b\"") == "a \"b\"");
    CHECK(text("\"a") == "\"a");
    CHECK(text("\"") == "\"");
    CHECK(text("\"\"") == "<empty>");
    CHECK(text("'I can't see it'") == "I can't see it");
    CHECK(text("''") == "<empty>");
  }

  TEST_CASE("parse_text: takes a code fence off that encloses all, and leaves others") {
    CHECK(text("```\na b\n```") == "a b");
    CHECK(text("```text\na b\n\n```") == "a b");
    CHECK(text("~~~\na\n~~~\n") == "a");
    CHECK(text("```\n\"a b\"\n```") == "a b");  // quotes within
    CHECK(text("```\na\n```\nand\n```\nb\n```") == "```\na\n```\nand\n```\nb\n```");
    CHECK(text("see\n```\na\n```") == "see\n```\na\n```");
    CHECK(text("```\na\n```\nsee") == "```\na\n```\nsee");
    CHECK(text("```\n```") == "```\n```");  // no line between
    CHECK(text("```") == "```");
    CHECK(text("``````") == "``````");
    CHECK(text("```a b```") == "```a b```");  // no line of its own
  }

  TEST_CASE("parse_text: takes thoughts off, and knows an answer that never leaves them") {
    CHECK(text("<think>\nhm\n</think>\n\nanswer") == "answer");
    CHECK(text("<think></think>answer") == "answer");
    CHECK(text("hm</think> answer") == "answer");  // the opening tag was in the prompt
    CHECK(text("<think>a</think>b</think>c") == "c");
    CHECK(text("<think>hm") == "<cut off>");
    CHECK(text("<think>hm</think> ") == "<empty>");
    CHECK(text("speaks of <think> alone") == "speaks of <think> alone");
  }

  TEST_CASE("parse_text: an answer that was cut off or filtered is none") {
    CHECK(text_of(parse_text(answer("almost do", Finish::kLength))) == "<cut off>");
    CHECK(text_of(parse_text(answer("", Finish::kLength))) == "<cut off>");
    CHECK(text_of(parse_text(answer("whole", Finish::kFiltered))) == "<filtered>");
    CHECK(text_of(parse_score(answer("<score>4</score>", Finish::kLength)).map([](int n) {
            return std::to_string(n);
          })) == "<cut off>");
  }

  TEST_CASE("parse_text: any bytes are read, and those that are not UTF-8 refused") {
    CHECK(text("a\xFF") == "<not UTF-8>");
    CHECK(text("\xC3") == "<not UTF-8>");
    CHECK(text("\xED\xA0\x80") == "<not UTF-8>");
    CHECK(text(std::string("a\0b", 3)) == std::string("a\0b", 3));
    CHECK(text("\xF0\x9F\x8C\x8A wave") == "\xF0\x9F\x8C\x8A wave");
    const std::string huge(10 << 20, 'x');
    CHECK(text(huge).size() == huge.size());
    CHECK(text("\"" + huge + "\"").size() == huge.size());
  }

  TEST_CASE("parse_query: is a text of at least three words") {
    CHECK(query("Why is the sky blue?") == "Why is the sky blue?");
    CHECK(query("one two three") == "one two three");
    CHECK(query("\"one\n two\tthree\"") == "one\n two\tthree");
    CHECK(query("one two") == "<not what was asked for>");
    CHECK(query("Yes.") == "<not what was asked for>");
    CHECK(text_of(parse_query(answer("one two"), 2)) == "one two");
    CHECK(text_of(parse_query(answer("x"), 0)) == "x");
  }

  TEST_CASE("parse_query: refusals and parrots are told from queries") {
    CHECK(query("I'm sorry, but I can't help with that.") == "<refused>");
    CHECK(query("\"I'm sorry, but I can't help with that.\"") == "<refused>");
    CHECK(query("Here you are: {{document}}") == "<not what was asked for>");
    CHECK(query("a template {{ user.name }} in Django") == "a template {{ user.name }} in Django");
    CHECK(query(std::string("one two three\0", 14)) == "<not what was asked for>");
    CHECK(query("") == "<empty>");
  }

  TEST_CASE("parse_score: reads the number between the tags") {
    for (int n = 1; n <= 5; ++n) {
      CHECK(score("Because.\n<score>" + std::to_string(n) + "</score>") == n);
    }
    CHECK(score("<score> 4\n</score>") == 4);
    CHECK(score("<score>**4**</score> done") == 4);
    CHECK(score("<score>* 3 *</score>") == 3);
    CHECK(score("\"<score>2</score>\"") == 2);
    CHECK(score("<think>maybe <score>1</score></think>So <score>5</score>") == 5);
  }

  TEST_CASE("parse_score: the last pair of tags counts") {
    CHECK(score("In the form <score>1</score>, I say <score>5</score>") == 5);
    CHECK(score("<score>2</score> or <score>") == 2);
    CHECK(score("<score><score>2</score>") == 2);
    CHECK(score("<score>2</score></score>") == fault(AnswerFault::kBadScore));
  }

  TEST_CASE("parse_score: whatever else stands there is a fault") {
    for (const char* raw : {"0",
                            "6",
                            "-1",
                            "10",
                            "4.5",
                            "4/5",
                            "four",
                            "",
                            " ",
                            "NaN",
                            "\xE2\x85\xA3",
                            "4 5",
                            "**",
                            "+4",
                            "04",
                            "1e0",
                            "5\xEF\xBC\x95"}) {
      CAPTURE(raw);
      CHECK(score("<score>" + std::string(raw) + "</score>") == fault(AnswerFault::kBadScore));
    }
    CHECK(score("The score is 4.") == fault(AnswerFault::kNoScore));
    CHECK(score("<Score>4</Score>") == fault(AnswerFault::kNoScore));
    CHECK(score("<score>4") == fault(AnswerFault::kNoScore));
    CHECK(score("4</score>") == fault(AnswerFault::kNoScore));
    CHECK(score("</score>4<score>") == fault(AnswerFault::kNoScore));
    CHECK(score("I cannot assist with that.") == fault(AnswerFault::kRefusal));
    CHECK(score("") == fault(AnswerFault::kEmpty));
  }

  TEST_CASE("parse_yes_no: exactly that, within quotes or fences") {
    const auto yes_no = [](const std::string& raw) {
      const auto parsed = parse_yes_no(answer(raw));
      return parsed ? (*parsed ? "yes" : "no") : std::string(describe(parsed.error()));
    };
    CHECK(yes_no("Yes") == "yes");
    CHECK(yes_no("\"Yes\"\n") == "yes");
    CHECK(yes_no("```\nNo\n```") == "no");
    CHECK(yes_no("<think>Menus are none.</think>\nNo") == "no");
    for (const char* raw : {"yes", "YES", "Yes.", "Yes, because it is", "No way", "Maybe", "Y"}) {
      CAPTURE(raw);
      CHECK(yes_no(raw) == "not what was asked for");
    }
    CHECK(yes_no("I can't help with this.") == "refused");
    CHECK(yes_no("") == "empty");
  }

  TEST_CASE("describe: every kind has words of its own") {
    std::set<std::string> words;
    for (std::size_t i = 0; i < re::remixer::kAnswerFaults; ++i) {
      words.emplace(describe(static_cast<AnswerFault>(i)));
    }
    CHECK(words.size() == re::remixer::kAnswerFaults);
    CHECK(describe(AnswerFault::kBadScore) == "with a score that is none of 1 to 5");
  }

  TEST_CASE("parse_query: whatever a text is wrapped in, it comes out as it was") {
    re::RandomStream random(3);
    const std::vector<std::string> words = {
        "why", "\"quoted\"", "it's", "a\nb", "```", "<b>", "\xC3\xA4", "5", "(x)", "{{y}}"};
    for (int round = 0; round < 2000; ++round) {
      std::string text = "Well";
      for (std::uint64_t i = 2 + random.below(8); i > 0; --i) {
        text += " " + words[random.below(words.size())];
      }
      text += " end";
      std::string wrapped = text;
      if (random.below(2) == 0 && wrapped.find('"') == std::string::npos) {
        wrapped = "\"" + wrapped + "\"";
      }
      if (random.below(2) == 0 && wrapped.find("```") == std::string::npos) {
        wrapped = "```\n" + wrapped + "\n```";
      }
      if (random.below(2) == 0) {
        wrapped = "<think>\nit was " + wrapped + "\n</think>\n" + wrapped;
      }
      wrapped = std::string(random.below(3), '\n') + wrapped + std::string(random.below(3), ' ');
      CAPTURE(wrapped);
      CHECK(query(wrapped) == text);
    }
  }

  TEST_CASE("without_quotes: takes off one pair and no more") {
    CHECK(re::remixer::detail::without_quotes("''a''") == "'a'");
    CHECK(re::remixer::detail::without_quotes("") == "");
    CHECK(re::remixer::detail::without_fence("") == "");
    CHECK(re::remixer::detail::count_words(" a  b\tc\n", 10) == 3);
    CHECK(re::remixer::detail::count_words("a b c", 2) == 2);
    CHECK(re::remixer::detail::count_words("", 2) == 0);
  }
}
