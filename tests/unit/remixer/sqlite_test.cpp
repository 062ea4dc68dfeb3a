#include <reasonembed/remixer/sqlite.hpp>

#include <doctest/doctest.h>

#include <support/file_size_limit.hpp>
#include <support/scratch.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace re = reasonembed;
using re::remixer::SqliteDatabase;
using re::remixer::SqliteStatement;

namespace {

constexpr int kWrite = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;

/// The message of the error that `f` throws, which must be an Error of type E.
template <class E, class F>
std::string message_of(F&& f) {
  try {
    f();
  } catch (const E& error) {
    return error.what();
  }
  return "no such error";
}

}  // namespace

TEST_SUITE("remixer/sqlite") {
  TEST_CASE("SqliteStatement: values of every type come back as they were") {
    const test::Scratch scratch;
    SqliteDatabase database(scratch / "a.sqlite", kWrite);
    database.execute("CREATE TABLE t (i INTEGER, r REAL, s TEXT, b BLOB) STRICT");
    SqliteStatement insert(database, "INSERT INTO t VALUES (?1, ?2, ?3, ?4)");
    const std::array<std::uint8_t, 3> blob = {0, 255, 7};
    const std::string text("a\0\xC3\xA9", 4);
    insert.bind(1, std::numeric_limits<std::int64_t>::min()).bind(2, 0.1).bind(3, std::string_view(text));
    insert.bind(4, std::span<const std::uint8_t>(blob));
    CHECK(!insert.step());
    insert.bind(1, std::int64_t{2}).bind(2, -0.0).bind(3, std::string_view()).bind(4, std::span<const std::uint8_t>());
    CHECK(!insert.step());
    insert.bind_null(1).bind_null(2).bind_null(3).bind_null(4);
    CHECK(!insert.step());

    SqliteStatement select(database, "SELECT i, r, s, b FROM t ORDER BY rowid");
    REQUIRE(select.step());
    CHECK(select.integer(0) == std::numeric_limits<std::int64_t>::min());
    CHECK(select.real(1) == 0.1);
    CHECK(select.text(2) == text);
    CHECK(std::string(select.blob(3).begin(), select.blob(3).end()) == std::string("\0\xFF\7", 3));
    REQUIRE(select.step());
    CHECK(!select.is_null(2));
    CHECK(select.text(2).empty());
    REQUIRE(select.step());
    for (int column = 0; column < 4; ++column) {
      CHECK(select.is_null(column));
    }
    CHECK(!select.step());
    CHECK(select.step());  // from the beginning
    select.reset();
    CHECK(database.number("SELECT count(*) FROM t") == 3);
    CHECK(database.number("SELECT i FROM t WHERE i = 12345") == 0);
  }
  TEST_CASE("SqliteDatabase: a missing file and a directory are errors of the system") {
    const test::Scratch scratch;
    CHECK(message_of<re::IoError>([&] {
            SqliteDatabase(scratch / "none.sqlite", SQLITE_OPEN_READWRITE);
          }).starts_with((scratch / "none.sqlite").string() + ": file is refused ("));
    CHECK_THROWS_AS(SqliteDatabase(scratch.path(), kWrite), re::IoError);
    CHECK_THROWS_AS(SqliteDatabase(scratch / "no/such/directory.sqlite", kWrite), re::IoError);
  }
  TEST_CASE("SqliteDatabase: a file that is no database is refused by name") {
    const test::Scratch scratch;
    const auto path = scratch.write("a.jsonl", std::string(5000, 'x'));
    SqliteDatabase database(path, kWrite);
    CHECK(message_of<re::DataError>([&] { (void)database.number("PRAGMA user_version"); }) ==
          path.string() + ": file is no SQLite database, expected a journal of this library, or no file");
    CHECK(test::content_of(path) == std::string(5000, 'x'));
  }
  TEST_CASE("SqliteDatabase: wrong SQL, a broken rule and a full disk are errors of three kinds") {
    const test::Scratch scratch;
    SqliteDatabase database(scratch / "a.sqlite", kWrite);
    CHECK(message_of<re::DataError>([&] { database.execute("SELECT x FROM nowhere"); }) ==
          (scratch / "a.sqlite").string() +
              ": SQL is refused (no such table: nowhere), expected a journal with the tables of its version");
    database.execute("CREATE TABLE t (i INTEGER CHECK (i > 0)) STRICT");
    CHECK_THROWS_AS(database.execute("INSERT INTO t VALUES (0)"), re::DataError);
    CHECK_THROWS_AS(database.execute("INSERT INTO t VALUES ('x')"), re::DataError);
    CHECK_THROWS_AS(SqliteStatement(database, "SELECT"), re::DataError);
    const test::FileSizeLimit limit(20'000);
    database.execute("CREATE TABLE s (x TEXT)");
    CHECK_THROWS_AS(database.execute("INSERT INTO s VALUES (hex(randomblob(100000)))"), re::IoError);
    CHECK(database.number("SELECT count(*) FROM s") == 0);
  }
  TEST_CASE("SqliteStatement: a run that failed can be followed by another") {
    const test::Scratch scratch;
    SqliteDatabase database(scratch / "a.sqlite", kWrite);
    database.execute("CREATE TABLE t (i INTEGER PRIMARY KEY)");
    SqliteStatement insert(database, "INSERT INTO t VALUES (?1)");
    insert.bind(1, std::int64_t{1});
    CHECK(!insert.step());
    insert.bind(1, std::int64_t{1});
    CHECK_THROWS_AS((void)insert.step(), re::DataError);
    insert.bind(1, std::int64_t{2});
    CHECK(!insert.step());
    CHECK(database.number("SELECT count(*) FROM t") == 2);
  }
  TEST_CASE("SqliteDatabase: a moved database is the same") {
    const test::Scratch scratch;
    SqliteDatabase database(scratch / "a.sqlite", kWrite);
    database.execute("CREATE TABLE t (i INTEGER)");
    SqliteDatabase moved = std::move(database);
    CHECK(moved.path() == (scratch / "a.sqlite").string());
    CHECK(moved.number("SELECT count(*) FROM t") == 0);
    database = SqliteDatabase(scratch / "b.sqlite", kWrite);
    CHECK(database.path() == (scratch / "b.sqlite").string());
  }
}
