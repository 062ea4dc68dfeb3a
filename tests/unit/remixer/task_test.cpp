#include <reasonembed/remixer/prompts.hpp>
#include <reasonembed/remixer/task.hpp>

#include <doctest/doctest.h>

#include "support/named_options.hpp"

#include <set>
#include <string>
#include <vector>

namespace re = reasonembed;
using re::remixer::bright_task;
using re::remixer::bright_tasks;
using re::remixer::Task;

namespace {

Task own_task() {
  return {.name = "law", .domain = "Law", .query_form = "a case", .relevance = "it states the rule", .instruction = ""};
}

std::string refused(const Task& task) {
  try {
    require_valid(task);
  } catch (const re::ConfigError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_SUITE("remixer/task") {
  TEST_CASE("bright_tasks: the twelve tasks, each with all it needs") {
    const std::vector<Task> tasks = bright_tasks();
    std::vector<std::string> names;
    std::set<std::string> instructions;
    for (const Task& task : tasks) {
      CAPTURE(task.name);
      names.push_back(task.name);
      instructions.insert(task.instruction);
      CHECK_NOTHROW(require_valid(task));
      CHECK(re::remixer::Prompts().knows_kind(task.kind));
      CHECK(task.instruction.starts_with("Given a"));
      CHECK(task.instruction.ends_with('.'));
    }
    CHECK(names == std::vector<std::string>{"biology",
                                            "earth_science",
                                            "economics",
                                            "psychology",
                                            "robotics",
                                            "stackoverflow",
                                            "sustainable_living",
                                            "leetcode",
                                            "pony",
                                            "aops",
                                            "theoremqa_questions",
                                            "theoremqa_theorems"});
    CHECK(instructions.size() == 11);  // aops and theoremqa_questions share one
  }

  TEST_CASE("bright_tasks: instructions are those of the published models, letter by letter") {
    CHECK(bright_task("biology").instruction ==
          "Given a Biology post, retrieve relevant passages that help answer the post.");
    CHECK(bright_task("earth_science").instruction ==
          "Given an Earth Science post, retrieve relevant passages that help answer the post.");
    CHECK(bright_task("economics").instruction ==
          "Given an Economics post, retrieve relevant passages that help answer the post.");
    CHECK(bright_task("psychology").instruction ==
          "Given a Psychology post, retrieve relevant passages that help answer the post.");
    CHECK(bright_task("robotics").instruction ==
          "Given a Robotics post, retrieve relevant passages that help answer the post.");
    CHECK(bright_task("stackoverflow").instruction ==
          "Given a Stack Overflow post, retrieve relevant passages that help answer the post.");
    CHECK(bright_task("sustainable_living").instruction ==
          "Given a Sustainable Living post, retrieve relevant passages that help answer the post.");
    CHECK(bright_task("leetcode").instruction ==
          "Given a Coding problem, retrieve relevant examples that help answer the problem.");
    CHECK(bright_task("pony").instruction ==
          "Given a Pony question, retrieve relevant passages that help answer the question.");
    CHECK(bright_task("aops").instruction ==
          "Given a Math problem, retrieve relevant examples that help answer the problem.");
    CHECK(bright_task("theoremqa_questions").instruction == bright_task("aops").instruction);
    CHECK(bright_task("theoremqa_theorems").instruction ==
          "Given a Math problem, retrieve relevant theorems that help answer the problem.");
  }

  TEST_CASE("bright_tasks: group and batch sizes are the paper's") {
    for (const Task& task : bright_tasks()) {
      CAPTURE(task.name);
      const bool leetcode = task.name == "leetcode";
      const bool pony = task.name == "pony";
      CHECK(task.group_size == (leetcode ? 2 : pony ? 64 : 16));
      CHECK(task.batch_size == (leetcode ? 64 : pony ? 2 : 8));
    }
  }

  TEST_CASE("bright_task: an unknown name is answered with the closest ones") {
    CHECK_THROWS_WITH_AS((void)bright_task("biolgy"),
                         doctest::Contains("name is \"biolgy\", expected a task of BRIGHT, such as biology, "),
                         re::ConfigError);
    CHECK_THROWS_AS((void)bright_task(""), re::ConfigError);
    CHECK_THROWS_AS((void)bright_task(std::string(100000, 'x')), re::ConfigError);
  }

  TEST_CASE("require_valid: a task of one's own needs its four texts and sizes of at least 1") {
    CHECK(refused(own_task()).empty());
    Task task = own_task();
    task.domain = " \n";
    CHECK(refused(task) == "remixer::Task \"law\": domain is blank, expected text");
    task = own_task();
    task.query_form = "";
    CHECK(refused(task) == "remixer::Task \"law\": query_form is blank, expected text");
    task = own_task();
    task.relevance = "";
    CHECK(refused(task) == "remixer::Task \"law\": relevance is blank, expected text");
    task = own_task();
    task.group_size = 0;
    CHECK(refused(task) == "remixer::Task \"law\": group_size is 0, expected at least 1");
    task = own_task();
    task.batch_size = -3;
    CHECK(refused(task) == "remixer::Task \"law\": batch_size is -3, expected at least 1");
  }

  TEST_CASE("require_valid: the name can be a file's") {
    for (const std::string& name : {std::string(""),
                                    std::string("a/b"),
                                    std::string(".."),
                                    std::string(".hidden"),
                                    std::string("a\nb"),
                                    std::string("a\0b", 3),
                                    std::string("a\\b")}) {
      CAPTURE(name);
      Task task = own_task();
      task.name = name;
      CHECK(!refused(task).empty());
    }
    Task task = own_task();
    task.name = "\xC3\xA4rzte 2";
    CHECK(refused(task).empty());
  }

  TEST_CASE("Task: names its fields") {
    CHECK(test::named_options(own_task()) == std::vector<std::string>{"name law",
                                                                      "kind ",
                                                                      "domain Law",
                                                                      "query_form a case",
                                                                      "relevance it states the rule",
                                                                      "instruction ",
                                                                      "group_size 16",
                                                                      "batch_size 8"});
  }
}
