#include <reasonembed/io/jsonl.hpp>

#include <doctest/doctest.h>

#include <support/scratch.hpp>
#include <sys/resource.h>

#include <cmath>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace re = reasonembed;
using re::io::Json;
using re::io::JsonFields;

namespace {

/// Each row's where() without the directory, and its JSON.
std::vector<std::string> rows_of(const std::filesystem::path& path) {
  std::vector<std::string> rows;
  re::io::for_each_json_line(path, [&](const JsonFields& row) {
    rows.push_back(row.where().substr(row.where().rfind('/') + 1) + " " + row.json().dump());
  });
  return rows;
}

}  // namespace

TEST_SUITE("io/jsonl") {
  TEST_CASE("for_each_json_line: gives every object with its file and line") {
    const test::Scratch scratch;
    CHECK(rows_of(scratch.write("a.jsonl", "{\"a\":1}\n {\"b\": [2]} \r\n{}")) ==
          std::vector<std::string>{"a.jsonl:1 {\"a\":1}", "a.jsonl:2 {\"b\":[2]}", "a.jsonl:3 {}"});
    CHECK(rows_of(scratch.write("a.jsonl", "\xEF\xBB\xBF{}\n\n\n")) == std::vector<std::string>{"a.jsonl:1 {}"});
    CHECK(rows_of(scratch.write("a.jsonl", "")).empty());
  }
  TEST_CASE("for_each_json_line: the documented example") {
    const test::Scratch scratch;
    const auto path = scratch.write("rows.jsonl", "{\"id\":\"a\",\"score\":1}\n{\"id\":\"b\",\"score\":-1}\n");
    std::vector<std::string> ids;
    std::string message;
    // example-begin jsonl
    const auto keep = [&](const re::io::JsonFields& row) {
      ids.push_back(row.get_string("id"));
      const double weight = row.find_double("weight").value_or(1.0);  // absent or null: 1
      const std::int64_t score = row.get_int("score", 0, 4);
      message += std::to_string(weight * static_cast<double>(score));
    };
    try {
      re::io::for_each_json_line(path, keep);
    } catch (const re::DataError& error) {
      message = error.what();  // rows.jsonl:2: score is -1, expected an integer in [0, 4]
    }
    // example-end jsonl
    CHECK(ids == std::vector<std::string>{"a", "b"});
    CHECK(message == path.string() + ":2: score is -1, expected an integer in [0, 4]");
  }
  TEST_CASE("for_each_json_line: a broken line is an error with file and line") {
    const test::Scratch scratch;
    const auto at = [&](std::string_view third) {
      return scratch.write("a.jsonl",
                           "{\"_id\":\"1\"}\n{\"_id\":\"2\"}\n" + std::string(third) + "\n{\"_id\":\"4\"}\n");
    };
    const std::string where = (scratch / "a.jsonl").string() + ":3: ";
    CHECK_THROWS_WITH_AS((void)rows_of(at("{\"_id\":")),
                         (where + "JSON is malformed at byte 8 (syntax error while parsing value - unexpected end of "
                                  "input; expected '[', '{', or a literal), expected valid JSON")
                             .c_str(),
                         re::DataError);
    CHECK_THROWS_WITH_AS(
        (void)rows_of(at("[1]")), (where + "JSON value is an array, expected an object").c_str(), re::DataError);
    CHECK_THROWS_WITH_AS(
        (void)rows_of(at("\"text\"")), (where + "JSON value is \"text\", expected an object").c_str(), re::DataError);
    CHECK_THROWS_WITH_AS(
        (void)rows_of(at("")), (where + "line is blank, expected a JSON object").c_str(), re::DataError);
    CHECK_THROWS_WITH_AS(
        (void)rows_of(at("{\"a\":\"\xE9\"}")), (where + "byte 7 is 0xE9, expected UTF-8 text").c_str(), re::DataError);
    CHECK_THROWS_WITH_AS((void)rows_of(at("{\"a\":1,\"a\":2}")),
                         (where + "JSON key \"a\" is given twice in one object, expected one value").c_str(),
                         re::DataError);
    CHECK_THROWS_AS((void)rows_of(at("{\"a\":1} {\"b\":2}")), re::DataError);
    CHECK_THROWS_AS((void)rows_of(at("{\"a\":NaN}")), re::DataError);
    CHECK_THROWS_AS((void)rows_of(at("null")), re::DataError);
  }
  TEST_CASE("for_each_json_line: the getters of a row name file and line") {
    const test::Scratch scratch;
    const std::string path = scratch.write("a.jsonl", "{\"text\":\"x\"}\n{\"text\":7}\n").string();
    const auto read = [](const JsonFields& row) { (void)row.get_string("text"); };
    CHECK_THROWS_WITH_AS(
        re::io::for_each_json_line(path, read), (path + ":2: text is 7, expected a string").c_str(), re::DataError);
  }
  TEST_CASE("for_each_json_line: rows before a broken line are given, and what the callback throws passes") {
    const test::Scratch scratch;
    const auto path = scratch.write("a.jsonl", "{}\n{}\nx\n");
    std::size_t count = 0;
    CHECK_THROWS_AS(re::io::for_each_json_line(path, [&](const JsonFields&) { ++count; }), re::DataError);
    CHECK(count == 2);
    const auto stop = [](const JsonFields&) { throw std::runtime_error("stop"); };
    CHECK_THROWS_WITH_AS(re::io::for_each_json_line(path, stop), "stop", std::runtime_error);
  }
  TEST_CASE("for_each_json_line: a file of many chunks is read in order") {
    const test::Scratch scratch;
    std::string content;
    for (int i = 0; i < 5000; ++i) {
      content += Json{{"i", i}, {"text", std::string(static_cast<std::size_t>(i % 100), 'x')}}.dump() + "\n";
    }
    std::int64_t next = 0;
    re::io::for_each_json_line(scratch.write("a.jsonl", content),
                               [&](const JsonFields& row) { next += row.get_int("i") == next ? 1 : 0; });
    CHECK(next == 5000);
  }
  TEST_CASE("for_each_json_line: a missing file is an error that names it") {
    const test::Scratch scratch;
    const std::string path = (scratch / "corpus.jsonl").string();
    CHECK_THROWS_WITH_AS(
        (void)rows_of(path), (path + ": file is missing, expected a readable file").c_str(), re::IoError);
  }
  TEST_CASE("JsonlWriter: appends rows that are read back, each visible at once") {
    const test::Scratch scratch;
    const auto path = scratch / "log.jsonl";
    {
      re::io::JsonlWriter log(path);
      CHECK(test::content_of(path).empty());
      log.write({{"step", 1}, {"loss", 0.5}});
      CHECK(test::content_of(path) == "{\"loss\":0.5,\"step\":1}\n");
      log.write({{"text", "a\nb\xE2\x82\xAC"}});
      log.sync();
    }
    re::io::JsonlWriter(path).write({{"step", 2}});
    CHECK(rows_of(path) == std::vector<std::string>{"log.jsonl:1 {\"loss\":0.5,\"step\":1}",
                                                    "log.jsonl:2 {\"text\":\"a\\nb\xE2\x82\xAC\"}",
                                                    "log.jsonl:3 {\"step\":2}"});
  }
  TEST_CASE("JsonlWriter: a last line without its newline is completed") {
    const test::Scratch scratch;
    for (const std::size_t size : {1, 70000, 200000}) {  // the line ends within and beyond one block read backwards
      const std::string line = "{\"a\":\"" + std::string(size, 'x') + "\"}";
      const auto path = scratch.write("log.jsonl", "{}\n" + line);
      re::io::JsonlWriter(path).write({{"b", 1}});
      CHECK(test::content_of(path) == "{}\n" + line + "\n{\"b\":1}\n");
      const auto single = scratch.write("single.jsonl", line);
      re::io::JsonlWriter(single).write({{"b", 1}});
      CHECK(test::content_of(single) == line + "\n{\"b\":1}\n");
    }
  }
  TEST_CASE("JsonlWriter: a last line that was cut off is refused and stays as it is") {
    const test::Scratch scratch;
    const std::string path = scratch.write("log.jsonl", "{}\n{\"a\":\"b").string();
    CHECK_THROWS_WITH_AS(re::io::JsonlWriter{path},
                         (path + ": last line is cut off at \"{\\\"a\\\":\\\"b\", expected a complete row").c_str(),
                         re::DataError);
    CHECK(test::content_of(path) == "{}\n{\"a\":\"b");
  }
  TEST_CASE("JsonlWriter: a row that is no JSON text is refused and nothing is written") {
    const test::Scratch scratch;
    re::io::JsonlWriter log(scratch / "log.jsonl");
    log.write({{"a", 1}});
    CHECK_THROWS_AS(log.write({{"a", std::nan("")}}), re::NonFiniteError);
    CHECK_THROWS_AS(log.write({{"a", "\xFF"}}), re::DataError);
    CHECK(test::content_of(scratch / "log.jsonl") == "{\"a\":1}\n");
  }
  TEST_CASE("JsonlWriter: a row that does not fit on the disk is taken back whole") {
    const test::Scratch scratch;
    const std::string path = (scratch / "log.jsonl").string();
    re::io::JsonlWriter log(path);
    log.write({{"a", 1}});
    rlimit old{};
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &old) == 0);
    auto* const handler = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit small{1000, old.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
    CHECK_THROWS_WITH_AS(
        log.write({{"a", std::string(2000, 'x')}}),
        (path + ": write is refused by the system (File too large), expected room for all bytes").c_str(),
        re::IoError);
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &old) == 0);
    (void)std::signal(SIGXFSZ, handler);
    CHECK(test::content_of(path) == "{\"a\":1}\n");
    log.write({{"b", 2}});
    CHECK(test::content_of(path) == "{\"a\":1}\n{\"b\":2}\n");
  }
  TEST_CASE("JsonlWriter: a full device and a missing directory are errors") {
    const test::Scratch scratch;
    if (std::filesystem::exists("/dev/full")) {
      re::io::JsonlWriter full("/dev/full");
      CHECK_THROWS_WITH_AS(
          full.write({{"a", 1}}),
          "/dev/full: write is refused by the system (No space left on device), expected room for all bytes",
          re::IoError);
    }
    const std::string path = (scratch / "no/log.jsonl").string();
    CHECK_THROWS_WITH_AS(
        re::io::JsonlWriter{path}, (path + ": file is missing, expected a writable file").c_str(), re::IoError);
  }
}
