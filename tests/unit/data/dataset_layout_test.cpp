#include <reasonembed/data/dataset_layout.hpp>

#include <doctest/doctest.h>

#include <support/scratch.hpp>

#include <filesystem>
#include <initializer_list>
#include <string>
#include <vector>

namespace re = reasonembed;
namespace fs = std::filesystem;
using re::data::DatasetFiles;
using re::data::DatasetLayout;
using re::data::find_dataset_files;

namespace {

/// A directory with empty files of these names.
class Tree {
 public:
  Tree(std::initializer_list<const char*> names) {
    for (const char* name : names) {
      fs::create_directories((scratch_ / name).parent_path());
      scratch_.write(name, "");
    }
  }
  [[nodiscard]] const fs::path& path() const { return scratch_.path(); }
  [[nodiscard]] fs::path operator/(const char* name) const { return scratch_ / name; }

 private:
  test::Scratch scratch_;
};

}  // namespace

TEST_SUITE("data/dataset_layout") {
  TEST_CASE("find_dataset_files: knows a plain directory by dots or underscores, tables or rows") {
    for (const std::string separator : {".", "_"}) {
      for (const std::string ending : {"tsv", "txt", "jsonl"}) {
        const std::string queries = "dev" + separator + "queries.jsonl";
        const std::string qrels = "dev" + separator + "qrels." + ending;
        CAPTURE(qrels);
        const Tree tree{"corpus.jsonl", queries.c_str(), qrels.c_str()};
        CHECK(find_dataset_files(tree.path(), "dev") ==
              DatasetFiles{DatasetLayout::kPlain, tree / "corpus.jsonl", tree / queries.c_str(), tree / qrels.c_str()});
      }
    }
  }

  TEST_CASE("find_dataset_files: one file may have a dot and the other an underscore") {
    const Tree tree{"corpus.jsonl", "dev.queries.jsonl", "dev_qrels.tsv"};
    CHECK(find_dataset_files(tree.path(), "dev").qrels == tree / "dev_qrels.tsv");
  }

  TEST_CASE("find_dataset_files: an empty split means files without one") {
    const Tree tree{"corpus.jsonl", "queries.jsonl", "qrels.tsv"};
    CHECK(find_dataset_files(tree.path(), "") ==
          DatasetFiles{DatasetLayout::kPlain, tree / "corpus.jsonl", tree / "queries.jsonl", tree / "qrels.tsv"});
  }

  TEST_CASE("find_dataset_files: knows BEIR by its folder of judgements") {
    const Tree tree{"corpus.jsonl", "queries.jsonl", "qrels/test.tsv", "qrels/dev.tsv"};
    CHECK(find_dataset_files(tree.path(), "test") ==
          DatasetFiles{DatasetLayout::kBeir, tree / "corpus.jsonl", tree / "queries.jsonl", tree / "qrels/test.tsv"});
    CHECK(find_dataset_files(tree.path(), "dev", DatasetLayout::kBeir).qrels == tree / "qrels/dev.tsv");
  }

  TEST_CASE("find_dataset_files: knows a BRIGHT task by its examples, whatever the split") {
    const Tree tree{"documents.jsonl", "long_documents.jsonl", "examples.jsonl"};
    CHECK(find_dataset_files(tree.path(), "dev") ==
          DatasetFiles{DatasetLayout::kBright, tree / "documents.jsonl", tree / "examples.jsonl", {}});
    CHECK(find_dataset_files(tree.path(), "dev", DatasetLayout::kDetect, true).corpus == tree / "long_documents.jsonl");
  }

  TEST_CASE("find_dataset_files: a layout that is asked for wins over what else lies there") {
    const Tree tree{
        "corpus.jsonl", "queries.jsonl", "qrels/dev.tsv", "dev.queries.jsonl", "dev.qrels.tsv", "examples.jsonl"};
    CHECK(find_dataset_files(tree.path(), "dev").layout == DatasetLayout::kBeir);
    CHECK(find_dataset_files(tree.path(), "dev", DatasetLayout::kPlain).qrels == tree / "dev.qrels.tsv");
    CHECK(find_dataset_files(tree.path(), "dev", DatasetLayout::kBright).queries == tree / "examples.jsonl");
  }

  TEST_CASE("find_dataset_files: an unknown split is refused with those there are") {
    const Tree plain{"corpus.jsonl", "train.queries.jsonl", "train.qrels.tsv", "dev_queries.jsonl", "dev_qrels.tsv"};
    CHECK_THROWS_WITH_AS((void)find_dataset_files(plain.path(), "test"),
                         (plain.path().string() + ": split is \"test\", expected one of \"dev\", \"train\"").c_str(),
                         re::DataError);
    const Tree beir{"corpus.jsonl", "queries.jsonl", "qrels/test.tsv", "qrels/train.tsv"};
    CHECK_THROWS_WITH_AS((void)find_dataset_files(beir.path(), "dev"),
                         (beir.path().string() + ": split is \"dev\", expected one of \"test\", \"train\"").c_str(),
                         re::DataError);
    const Tree none{"corpus.jsonl"};
    CHECK_THROWS_WITH_AS(
        (void)find_dataset_files(none.path(), "dev"),
        (none.path().string() + ": split is \"dev\", expected a split, of which there is none").c_str(),
        re::DataError);
    const Tree without{"corpus.jsonl", "queries.jsonl", "qrels.tsv"};
    CHECK_THROWS_WITH_AS((void)find_dataset_files(without.path(), "dev"),
                         (without.path().string() + ": split is \"dev\", expected one of \"\"").c_str(),
                         re::DataError);
  }

  TEST_CASE("find_dataset_files: queries without judgements are refused") {
    const Tree tree{"corpus.jsonl", "dev_queries.jsonl"};
    CHECK_THROWS_WITH_AS((void)find_dataset_files(tree.path(), "dev"),
                         (tree.path().string() +
                          ": judgements of split \"dev\" is missing, expected dev.qrels.tsv beside dev_queries.jsonl")
                             .c_str(),
                         re::DataError);
  }

  TEST_CASE("find_dataset_files: two files for one purpose are refused") {
    const Tree queries{"corpus.jsonl", "dev.queries.jsonl", "dev_queries.jsonl", "dev.qrels.tsv"};
    CHECK_THROWS_WITH_AS(
        (void)find_dataset_files(queries.path(), "dev"),
        (queries.path().string() +
         ": choice of files is \"dev.queries.jsonl\" and \"dev_queries.jsonl\", expected one of the two")
            .c_str(),
        re::DataError);
    const Tree qrels{"corpus.jsonl", "dev.queries.jsonl", "dev.qrels.tsv", "dev.qrels.jsonl"};
    CHECK_THROWS_AS((void)find_dataset_files(qrels.path(), "dev"), re::DataError);
  }

  TEST_CASE("find_dataset_files: what is no dataset is refused with the layouts there are") {
    const test::Scratch empty;
    CHECK_THROWS_WITH_AS(
        (void)find_dataset_files(empty.path(), "dev"),
        (empty.path().string() +
         ": content of the directory is no dataset of a known layout, expected corpus.jsonl with "
         "SPLIT.queries.jsonl and SPLIT.qrels.tsv, corpus.jsonl with queries.jsonl and qrels/SPLIT.tsv "
         "(BEIR), or documents.jsonl with examples.jsonl (BRIGHT)")
            .c_str(),
        re::DataError);
    const std::string missing = (empty / "missing").string();
    CHECK_THROWS_WITH_AS((void)find_dataset_files(missing, "dev"),
                         (missing + ": dataset is missing, expected a directory").c_str(),
                         re::IoError);
    const std::string file = empty.write("file", "").string();
    CHECK_THROWS_WITH_AS((void)find_dataset_files(file, "dev"),
                         (file + ": dataset is a file, expected a directory").c_str(),
                         re::IoError);
  }
}
