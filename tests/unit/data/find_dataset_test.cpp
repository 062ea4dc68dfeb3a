#include <reasonembed/data/find_dataset.hpp>

#include <doctest/doctest.h>

#include <support/scratch.hpp>

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

namespace fs = std::filesystem;
using reasonembed::data::find_dataset;

namespace {

/// Sets REASONEMBED_DATA, and puts back what it was.
class DataVariable {
 public:
  explicit DataVariable(const std::optional<std::string>& value) {
    if (const char* before = std::getenv("REASONEMBED_DATA")) {
      before_ = before;
    }
    set(value);
  }
  DataVariable(const DataVariable&) = delete;
  DataVariable& operator=(const DataVariable&) = delete;
  ~DataVariable() { set(before_); }

 private:
  static void set(const std::optional<std::string>& value) {
    if (value) {
      ::setenv("REASONEMBED_DATA", value->c_str(), 1);
    } else {
      ::unsetenv("REASONEMBED_DATA");
    }
  }
  std::optional<std::string> before_;
};

}  // namespace

TEST_SUITE("data/find_dataset") {
  TEST_CASE("find_dataset: a path that exists is taken as it is") {
    const test::Scratch scratch;
    const DataVariable variable("/elsewhere");
    CHECK(find_dataset(scratch.path()) == scratch.path());
  }
  TEST_CASE("find_dataset: a name is looked up in REASONEMBED_DATA") {
    const test::Scratch scratch;
    fs::create_directory(scratch / "facts");
    const DataVariable variable(scratch.path().string());
    CHECK(find_dataset("facts") == scratch / "facts");
  }
  TEST_CASE("find_dataset: what is nowhere keeps its name") {
    const test::Scratch scratch;
    {
      const DataVariable variable(scratch.path().string());
      CHECK(find_dataset("no-such-dataset") == fs::path("no-such-dataset"));
      CHECK(find_dataset("/no/such/directory") == fs::path("/no/such/directory"));
    }
    const DataVariable variable(std::nullopt);
    CHECK(find_dataset("no-such-dataset") == fs::path("no-such-dataset"));
    CHECK(find_dataset("") == fs::path());
  }
}
