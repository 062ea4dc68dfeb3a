#include "replicate/toml_section.hpp"

#include <doctest/doctest.h>

#include "support/scratch.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace re = reasonembed;
using replicate::read_toml;
using replicate::TomlSection;

namespace {

/// What a reader of the file `text` throws, with the path as "FILE".
std::string refused(const std::string& text, const std::function<void(TomlSection&)>& read) {
  const test::Scratch scratch;
  const std::filesystem::path path = scratch.write("c.toml", text);
  try {
    const toml::table table = read_toml(path);
    TomlSection section(table, path.string());
    read(section);
  } catch (const re::Error& error) {
    std::string message = error.what();
    for (std::size_t at = message.find(path.string()); at != std::string::npos; at = message.find(path.string())) {
      message.replace(at, path.string().size(), "FILE");
    }
    return message;
  }
  return "";
}
template <class T>
std::string refused_as(const std::string& text, T value = {}) {
  return refused(text, [&](TomlSection& section) { section.read("key", value); });
}

}  // namespace

TEST_SUITE("replicate/toml_section") {
  TEST_CASE("read: takes what is there, and leaves the default where nothing is") {
    const test::Scratch scratch;
    const toml::table table = read_toml(scratch.write(
        "c.toml",
        "text = \"a\"\nwhole = 5\nhalf = 0.5\nyes = true\nnames = [\"x\", \"y\"]\nfile = \"d/e\"\nnone = []\n"));
    TomlSection section(table, "c.toml");
    std::string text = "default";
    std::string other = "default";
    int whole = 0;
    double number = 0;
    double half = 0;
    bool yes = false;
    std::vector<std::string> names = {"default"};
    std::vector<std::string> none = {"default"};
    std::filesystem::path file;
    section.read("text", text);
    section.read("other", other);
    section.read("whole", whole);
    section.read("whole", number);
    section.read("half", half);
    section.read("yes", yes);
    section.read("names", names);
    section.read("none", none);
    section.read("file", file);
    CHECK(text == "a");
    CHECK(other == "default");
    CHECK(whole == 5);
    CHECK(number == 5.0);
    CHECK(half == 0.5);
    CHECK(yes);
    CHECK(names == std::vector<std::string>{"x", "y"});
    CHECK(none.empty());
    CHECK(file == std::filesystem::path("d/e"));
    CHECK_NOTHROW(section.finish());
    CHECK(section.has("text"));
    CHECK(!section.has("other"));
  }

  TEST_CASE("read: another type is refused with file, line and key") {
    CHECK(refused_as<std::string>("\n\nkey = 5\n") == "FILE:3: key is 5, expected a string");
    CHECK(refused_as<int>("key = \"5\"\n") == "FILE:1: key is \"5\", expected an integer");
    CHECK(refused_as<int>("key = 5.0\n") == "FILE:1: key is a number, expected an integer");
    CHECK(refused_as<double>("key = true\n") == "FILE:1: key is a truth value, expected a number");
    CHECK(refused_as<bool>("key = 1\n") == "FILE:1: key is 1, expected true or false");
    CHECK(refused_as<std::string>("key = [1]\n") == "FILE:1: key is an array, expected a string");
    CHECK(refused_as<std::string>("key = 1979-05-27\n") == "FILE:1: key is a date, expected a string");
    CHECK(refused_as<std::string>("[key]\n") == "FILE:1: key is a table, expected a string");
    CHECK(refused_as<std::vector<std::string>>("key = \"x\"\n") ==
          "FILE:1: key is \"x\", expected an array of strings");
    CHECK(refused_as<std::vector<std::string>>("key = [\"x\",\n 2]\n") ==
          "FILE:2: key is 2, expected an array of strings");
  }

  TEST_CASE("read: an integer that does not fit is refused") {
    CHECK(refused_as<int>("key = 3000000000\n") == "FILE:1: key is 3000000000, expected an integer that fits");
    CHECK(refused_as<std::uint64_t>("key = -1\n") == "FILE:1: key is -1, expected an integer of at least 0");
    CHECK(refused_as<std::int64_t>("key = -1\n").empty());
  }

  TEST_CASE("finish: refuses keys that nobody knows, with the closest known one") {
    CHECK(refused("[model]\nname = \"a\"\ntemprature = 1\n", [](TomlSection& file) {
            TomlSection model = file.section("model");
            std::string name;
            double temperature = 0;
            model.read("name", name);
            model.read("temperature", temperature);
            model.finish();
          }) == "FILE:3: key is \"model.temprature\", expected \"model.temperature\" or another known one");
    CHECK(refused("a = 1\n", [](TomlSection& file) { file.finish(); }) == "FILE:1: key is \"a\", expected no key");
  }

  TEST_CASE("section: a missing table has no keys, something else is refused") {
    CHECK(refused("", [](TomlSection& file) {
            TomlSection model = file.section("model");
            std::string name = "default";
            model.read("name", name);
            CHECK(name == "default");
            model.finish();
            file.finish();
          }).empty());
    CHECK(refused("model = 1\n", [](TomlSection& file) { (void)file.section("model"); }) ==
          "FILE:1: model is 1, expected a table");
  }

  TEST_CASE("sections: the tables of an array, each by its number") {
    CHECK(refused("[[task]]\nname = \"a\"\n[[task]]\nname = 2\n", [](TomlSection& file) {
            std::string name;
            for (TomlSection& task : file.sections("task")) {
              task.read("name", name);
            }
          }) == "FILE:4: task[1].name is 2, expected a string");
    CHECK(refused("[task]\n", [](TomlSection& file) { (void)file.sections("task"); }) ==
          "FILE:1: task is a table, expected an array of tables");
    CHECK(refused("task = [1]\n", [](TomlSection& file) { (void)file.sections("task"); }) ==
          "FILE:1: task is 1, expected an array of tables");
    CHECK(refused("", [](TomlSection& file) { CHECK(file.sections("task").empty()); }).empty());
  }

  TEST_CASE("read_choice, require: name what there is") {
    const std::vector<std::string> names = {"bm25", "dense"};
    const auto read = [&](TomlSection& file) {
      const std::size_t choice = file.read_choice("key", names, 1);
      CHECK(choice == 1);
    };
    CHECK(refused("", read).empty());
    CHECK(refused("key = \"dense\"\n", read).empty());
    CHECK(refused("key = \"bm52\"\n", read) == "FILE:1: key is \"bm52\", expected one of \"bm25\", \"dense\"");
    CHECK(refused("[a]\n[b]\n", [](TomlSection& file) { file.section("b").require("name"); }) ==
          "FILE:2: b.name is missing, expected a value");
  }

  TEST_CASE("read_toml: a file that is none is refused with its line") {
    CHECK(refused("a = 1\nb = = 2\n", [](TomlSection&) {}).starts_with("FILE:2: TOML is malformed ("));
    CHECK(!refused("a = \"\xFF\"\n", [](TomlSection&) {}).empty());
    CHECK(!refused("a = 1\na = 2\n", [](TomlSection&) {}).empty());
    CHECK(refused("", [](TomlSection&) {}).empty());
    CHECK_THROWS_AS((void)read_toml("/no/such/file.toml"), re::IoError);
  }
}
