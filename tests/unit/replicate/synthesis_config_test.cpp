#include "replicate/synthesis_config.hpp"

#include <doctest/doctest.h>

#include "support/data.hpp"
#include "support/scratch.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace re = reasonembed;
namespace rx = reasonembed::remixer;
using replicate::read_synthesis_config;
using replicate::RetrieverKind;
using replicate::SynthesisConfig;

namespace {

const std::string kOwnTask =
    "[[task]]\nname = \"law\"\ncorpus = \"law.jsonl\"\ndomain = \"Law\"\nquery_form = \"a case\"\nrelevance = \"it is "
    "the rule\"\n";
const std::string kBright = "[[task]]\nname = \"pony\"\ndata = \"bright/pony\"\n";

SynthesisConfig read(const std::string& text) {
  const test::Scratch scratch;
  return read_synthesis_config(scratch.write("c.toml", "out = \"out\"\n" + text));
}
std::string refused(const std::string& text) {
  try {
    (void)read(text);
  } catch (const re::Error& error) {
    const std::string message = error.what();
    const std::size_t at = message.find("c.toml");
    return at == std::string::npos ? message : message.substr(at);
  }
  return "";
}

}  // namespace

TEST_SUITE("replicate/synthesis_config") {
  TEST_CASE("read_synthesis_config: a task of BRIGHT needs its name and its data, the rest is the paper's") {
    const SynthesisConfig config = read(kBright);
    CHECK(config.out == std::filesystem::path("out"));
    CHECK(config.journal == std::filesystem::path("out/journal.sqlite"));
    CHECK(config.options == rx::SynthesisOptions{});
    CHECK(config.retriever.kind == RetrieverKind::kBm25);
    REQUIRE(config.tasks.size() == 1);
    CHECK(config.tasks[0].task == rx::bright_task("pony"));
    CHECK(config.tasks[0].data == "bright/pony");
    CHECK(config.tasks[0].splits.empty());
  }

  TEST_CASE("read_synthesis_config: a task of one's own, and every option of every stage") {
    const SynthesisConfig config = read(
        "seed = 7\njournal = \"j.sqlite\"\n" + kOwnTask +
        "kind = \"post\"\ninstruction = \"Find it.\"\ngroup_size = 4\nbatch_size = 3\n"
        "[filter_domain]\nenabled = true\nmax_tokens = 4\n"
        "[sample]\nleast_characters = 10\nmost_characters = 20\nmost_documents = 30\n"
        "[generate]\ntemperature = 0.5\ntop_p = 0.25\ntop_k = 3\nmax_tokens = 100\nsampling_seed = 9\nattempts = 5\n"
        "give_up_after = 6\nlengths = [{most = 50}, {least = 50, weight = 3}]\nlevels = [{name = \"any\"}]\n"
        "[mine]\ntop_k = 50\nkept = 10\nfill_gaps = true\nretriever = \"fused\"\nmodel = \"dir\"\nthreads = 2\n"
        "rank_constant = 10\n"
        "[annotate]\nlongest_text = 1000\nkeep_answers = true\n"
        "[assemble]\nleast_positive = 4\n"
        "[reasoning]\nenabled = false\nwithout = \"drop\"\n"
        "[contamination]\nstrict = true\nbenchmarks = [\"b=dir\"]\nsplit = \"dev\"\nngram = 8\npositives = false\n"
        "model = \"m\"\ncosine = 0.8\n");
    const rx::SynthesisOptions& options = config.options;
    CHECK(config.journal == std::filesystem::path("j.sqlite"));
    CHECK(options.filter_domain);
    CHECK(options.filter.sampling.max_tokens == 4);
    CHECK(options.sample == rx::SampleSourcesOptions{10, 20, 30, 7});
    CHECK(options.generate.seed == 7);
    CHECK(options.generate.sampling == rx::Sampling{0.5, 0.25, 3, 100, 9});
    CHECK(options.generate.ask == rx::AskOptions{5, 6});
    CHECK(options.generate.conditions.lengths == std::vector<rx::LengthBucket>{{0, 50, 1}, {50, 0, 3}});
    CHECK(options.generate.conditions.levels == std::vector<rx::EducationLevel>{{"any", 1}});
    CHECK(options.mine == rx::MineCandidatesOptions{50, 10, true});
    CHECK(config.retriever.kind == RetrieverKind::kFused);
    CHECK(config.retriever.model == "dir");
    CHECK(config.retriever.threads == 2);
    CHECK(config.retriever.fusion.rank_constant == 10.0);
    CHECK(options.annotate.longest_text == 1000);
    CHECK(options.annotate.keep_answers);
    CHECK(options.annotate.ask == rx::AskOptions{});  // those of another stage are its own
    CHECK(options.assemble.least_positive == 4);
    CHECK(!options.write_reasoning);
    CHECK(options.reasoning.without_reasoning == rx::WithoutReasoning::kDrop);
    CHECK(config.tasks[0].task == rx::Task{.name = "law",
                                           .kind = "post",
                                           .domain = "Law",
                                           .query_form = "a case",
                                           .relevance = "it is the rule",
                                           .instruction = "Find it.",
                                           .group_size = 4,
                                           .batch_size = 3});
    CHECK(config.tasks[0].corpus == "law.jsonl");
    CHECK(config.contamination.enabled);
    CHECK(config.contamination.strict);
    CHECK(config.contamination.benchmarks == std::vector<std::string>{"b=dir"});
    CHECK(config.contamination.split == "dev");
    CHECK(config.contamination.ngram == 8);
    CHECK(!config.contamination.positives);
    CHECK(config.contamination.model == "m");
    CHECK(config.contamination.cosine == 0.8);
  }

  TEST_CASE("read_synthesis_config: keys that nobody knows are refused by file, line and the closest name") {
    CHECK(refused(kBright + "[generate]\ntemprature = 1\n") ==
          "c.toml:6: key is \"generate.temprature\", expected \"generate.temperature\" or another known one");
    CHECK(refused("sed = 1\n" + kBright) == "c.toml:2: key is \"sed\", expected \"seed\" or another known one");
    CHECK(refused(kBright + "[generat]\n") ==
          "c.toml:5: key is \"generat\", expected \"generate\" or another known one");
    CHECK(refused(kBright + "corpsu = \"x\"\n").starts_with("c.toml:5: key is \"task[0].corpsu\""));
    CHECK(refused(kBright + "[mine]\nkep = 1\n").starts_with("c.toml:6: key is \"mine.kep\""));
  }

  TEST_CASE("read_synthesis_config: what a task lacks is named") {
    CHECK(refused("") == "c.toml: number of [[task]] tables is 0, expected at least 1");
    CHECK(refused("[[task]]\ndata = \"x\"\n") == "c.toml:2: task[0].name is missing, expected a value");
    CHECK(refused("[[task]]\nname = \"law\"\ndata = \"x\"\n") ==
          "c.toml:2: task[0].domain is missing, expected a value");
    CHECK(refused("[[task]]\nname = \"pony\"\n") ==
          "c.toml:2: task[0].data and task[0].corpus is missing, expected one of the two");
    CHECK(refused(kBright + "corpus = \"x\"\n") ==
          "c.toml:2: task[0].data and task[0].corpus is both given, expected one of the two");
    CHECK(refused(kBright + kBright).starts_with("c.toml:6: task[1].name is \"pony\", expected a name that no other"));
    CHECK(refused(kOwnTask + "kind = \"psot\"\n").starts_with("c.toml:8: task[0].kind is \"psot\""));
    CHECK(refused(kBright + "[mine]\nretriever = \"dense\"\n") == "c.toml:5: mine.model is missing, expected a value");
    CHECK(refused(kBright + "[mine]\nretriever = \"bert\"\n").starts_with("c.toml:6: mine.retriever is \"bert\""));
    CHECK(refused(kBright + "group_size = 0\n") == "remixer::Task \"pony\": group_size is 0, expected at least 1");
  }

  TEST_CASE("read_synthesis_config: a file without `out`, or none at all, is refused") {
    const test::Scratch scratch;
    CHECK_THROWS_WITH_AS((void)read_synthesis_config(scratch.write("c.toml", kBright)),
                         doctest::Contains("out is missing"),
                         re::ConfigError);
    CHECK_THROWS_AS((void)read_synthesis_config(scratch / "missing.toml"), re::IoError);
    CHECK_THROWS_AS(
        (void)read_synthesis_config(scratch.write("c.toml", "out = \"o\"\nprompts = \"/no/such\"\n" + kBright)),
        re::IoError);
  }

  TEST_CASE("read_synthesis_config: the file beside the example data is read") {
    const SynthesisConfig config = read_synthesis_config(test::source_path("examples/data/remix.toml"));
    REQUIRE(config.tasks.size() == 1);
    CHECK(config.tasks[0].task.name == "everyday");
    CHECK(config.tasks[0].splits == std::vector<std::string>{"test"});
    CHECK(config.options.sample.most_documents == 72);
    CHECK(config.options.mine == rx::MineCandidatesOptions{.kept = 10, .fill_gaps = true});
  }

  TEST_CASE("read_synthesis_config: vectors are one file or several, of all tasks or of one") {
    const std::string dense = "[mine]\nretriever = \"dense\"\nmodel = \"dir\"\n";
    CHECK(read(kBright + dense).retriever.vectors.empty());
    CHECK(read(kBright + dense + "vectors = \"v.npy\"\n").retriever.vectors == std::vector<std::string>{"v.npy"});
    CHECK(read(kBright + dense + "vectors = [\"a.npy\", \"b.npy\"]\n").retriever.vectors ==
          std::vector<std::string>{"a.npy", "b.npy"});
    const SynthesisConfig config = read(kBright + "vectors = \"pony.npy\"\n" + kOwnTask + dense);
    CHECK(config.tasks[0].vectors == std::vector<std::string>{"pony.npy"});
    CHECK(config.tasks[1].vectors.empty());
    CHECK(refused(kBright + dense + "vectors = 3\n") == "c.toml:8: mine.vectors is 3, expected an array of strings");
    CHECK(refused(kBright + "[mine]\nvectors = \"v.npy\"\n") ==
          "c.toml:6: mine.vectors is given, expected none, as mine.retriever is \"bm25\"");
    CHECK(refused(kBright + "vectors = \"v.npy\"\n") ==
          "c.toml:5: task[0].vectors is given, expected none, as mine.retriever is \"bm25\"");
  }

  TEST_CASE("read_synthesis_config: near-duplicates are left out where a table says so") {
    CHECK(read(kBright).retriever.exclusion == rx::SourceExclusionOptions{});
    CHECK(read(kBright + "[mine]\nnear_duplicates = {}\n").retriever.exclusion ==
          rx::SourceExclusionOptions{.near_duplicates = true});
    CHECK(read(kBright + "[mine.near_duplicates]\nthreshold = 0.6\nunit = \"characters\"\nlength = 5\n")
              .retriever.exclusion ==
          rx::SourceExclusionOptions{
              .near_duplicates = true,
              .near = {.threshold = 0.6, .shingles = {.unit = rx::ShingleUnit::kCharacters, .length = 5}}});
    CHECK(refused(kBright + "[mine]\nnear_duplicates = true\n") ==
          "c.toml:6: mine.near_duplicates is a truth value, expected a table");
    CHECK(refused(kBright + "[mine.near_duplicates]\nthreshhold = 0.6\n")
              .starts_with("c.toml:6: key is \"mine.near_duplicates.threshhold\", expected "
                           "\"mine.near_duplicates.threshold\""));
    CHECK(refused(kBright + "[mine]\nnear_duplicates = {threshold = 2}\n") ==
          "remixer::NearDuplicates: threshold is 2.000000, expected a number in (0, 1]");
    CHECK(refused(kBright + "[mine]\nnear_duplicates = {length = 0}\n") ==
          "remixer::shingles: length is 0, expected at least 1");
    CHECK(refused(kBright + "[mine]\nnear_duplicates = {unit = \"lines\"}\n")
              .starts_with("c.toml:6: mine.near_duplicates.unit is \"lines\""));
  }
}
