#pragma once
/// @file What the queries of a task are, and which documents are relevant for them.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/io/closest_names.hpp>
#include <reasonembed/io/utf8.hpp>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// A task to synthesise training rows for.
struct Task {
  std::string name = {};         ///< of the rows' dataset, e.g. "biology"; their `type`
  std::string kind = {};         ///< which prompts serve it: "post", "leetcode", "pony", "math"; empty: those for any
  std::string domain = {};       ///< the field, as prompts name it, e.g. "biology"
  std::string query_form = {};   ///< what a query is, e.g. "a post on a question-and-answer site"
  std::string relevance = {};    ///< when a document is relevant to a query: one sentence
  std::string instruction = {};  ///< what a query asks for: the `prompt` of the rows
  Index group_size = 16;         ///< documents that training takes of a row, its positive included
  Index batch_size = 8;          ///< queries in a training batch, per device

  friend bool operator==(const Task&, const Task&) = default;

  template <class F>
  void visit(F&& f) const {
    f("name", name);
    f("kind", kind);
    f("domain", domain);
    f("query_form", query_form);
    f("relevance", relevance);
    f("instruction", instruction);
    f("group_size", group_size);
    f("batch_size", batch_size);
  }
};

/// @throws  ConfigError naming the first field without which there are no prompts and no rows
inline void require_valid(const Task& task) {
  const std::string where = "remixer::Task " + io::in_quotes(task.name);
  for (const auto& [name, text] : {std::pair<std::string_view, std::string_view>{"name", task.name},
                                   {"domain", task.domain},
                                   {"query_form", task.query_form},
                                   {"relevance", task.relevance}}) {
    if (text.find_first_not_of(" \t\n\v\f\r") == std::string_view::npos) {
      throw ConfigError::invalid(where, name, "blank", "text");
    }
  }
  if (task.name.find_first_of(std::string_view("/\\\0\n", 4)) != std::string::npos || task.name.starts_with('.')) {
    throw ConfigError::invalid(where, "name", io::in_quotes(task.name), "one that a file can have");
  }
  for (const auto& [name, size] :
       {std::pair<std::string_view, Index>{"group_size", task.group_size}, {"batch_size", task.batch_size}}) {
    if (size < 1) {
      throw ConfigError::invalid(where, name, std::to_string(size), "at least 1");
    }
  }
}

namespace detail {

/// "a" or "an", as BRIGHT's instructions have it
inline std::string with_article(std::string_view noun) {
  const bool vowel = std::string_view("AEIOU").find(noun.front()) != std::string_view::npos;
  return (vowel ? "an " : "a ") + std::string(noun);
}

/// @param site  capitalised, e.g. "Earth Science"
inline Task post_task(std::string name, std::string_view site) {
  return {
      .name = std::move(name),
      .kind = "post",
      .domain = std::string(site),
      .query_form = "a post on a question-and-answer site about " + std::string(site),
      .relevance =
          "it explains a fact, a concept, a mechanism or a method that a good answer to the post would rest "
          "on, so that whoever reads it can reason their way to the answer; sharing the subject is not enough",
      .instruction = "Given " + with_article(site) + " post, retrieve relevant passages that help answer the post."};
}

inline Task maths_task(std::string name, bool theorems) {
  return {.name = std::move(name),
          .kind = "math",
          .domain = "Mathematics",
          .query_form = "a mathematical problem",
          .relevance = theorems ? "it states a theorem or definition that a solution of the problem would apply, "
                                  "whatever notation and setting it uses"
                                : "it is solved through the same theorem or the same idea, so that whoever follows its "
                                  "solution could solve the problem; the same topic or story is not enough",
          .instruction = theorems ? "Given a Math problem, retrieve relevant theorems that help answer the problem."
                                  : "Given a Math problem, retrieve relevant examples that help answer the problem."};
}

}  // namespace detail

/// The twelve tasks of BRIGHT [Su et al. 2024] with the instructions, group and batch sizes of ReasonEmbed.
[[nodiscard]] inline std::vector<Task> bright_tasks() {
  std::vector<Task> tasks = {detail::post_task("biology", "Biology"),
                             detail::post_task("earth_science", "Earth Science"),
                             detail::post_task("economics", "Economics"),
                             detail::post_task("psychology", "Psychology"),
                             detail::post_task("robotics", "Robotics"),
                             detail::post_task("stackoverflow", "Stack Overflow"),
                             detail::post_task("sustainable_living", "Sustainable Living")};
  tasks.push_back({.name = "leetcode",
                   .kind = "leetcode",
                   .domain = "Competitive programming",
                   .query_form = "a programming problem with input, output and constraints",
                   .relevance = "its solution rests on the same algorithm, data structure or trick, so that whoever "
                                "understands it could solve the problem; a similar story is not enough",
                   .instruction = "Given a Coding problem, retrieve relevant examples that help answer the problem.",
                   .group_size = 2,
                   .batch_size = 64});
  tasks.push_back({.name = "pony",
                   .kind = "pony",
                   .domain = "The programming language Pony",
                   .query_form = "an instruction to write code in Pony",
                   .relevance =
                       "it explains syntax, a type, a rule or a part of the library that a correct solution in "
                       "Pony has to use",
                   .instruction = "Given a Pony question, retrieve relevant passages that help answer the question.",
                   .group_size = 64,
                   .batch_size = 2});
  tasks.push_back(detail::maths_task("aops", false));
  tasks.push_back(detail::maths_task("theoremqa_questions", false));
  tasks.push_back(detail::maths_task("theoremqa_theorems", true));
  return tasks;
}

/// @return  the task of BRIGHT with this name
/// @throws  ConfigError with the closest names if there is none
[[nodiscard]] inline Task bright_task(std::string_view name) {
  std::vector<std::string> names;
  for (Task& task : bright_tasks()) {
    if (task.name == name) {
      return std::move(task);
    }
    names.push_back(std::move(task.name));
  }
  std::string want = "a task of BRIGHT, such as ";
  for (const std::string& close : io::closest_names(name, names)) {
    want += (want.ends_with(' ') ? "" : ", ") + close;
  }
  throw ConfigError::invalid("remixer::bright_task", "name", io::in_quotes(name), want);
}

}  // namespace reasonembed::remixer
