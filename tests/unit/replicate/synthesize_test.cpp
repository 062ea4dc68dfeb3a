#include "replicate/synthesize.hpp"

#include <reasonembed/data/corpus.hpp>
#include <reasonembed/data/training_rows.hpp>
#include <reasonembed/io/json.hpp>
#include <reasonembed/io/npy.hpp>
#include <reasonembed/model/any_text_encoder.hpp>
#include <reasonembed/remixer/synthesis_files.hpp>

#include <doctest/doctest.h>

#include "support/data.hpp"
#include "support/scratch.hpp"
#include "support/scripted_model.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace re = reasonembed;
namespace rx = reasonembed::remixer;
using replicate::read_synthesis_config;
using replicate::Synthesis;
using replicate::SynthesisConfig;
using replicate::SynthesisSummary;

namespace {

/// Writes a question about the first words of a document, and scores by the length of what it is asked.
rx::ChatResult answer(const rx::ChatCall& call) {
  if (call.stage == "filter_domain") {
    return test::says(test::tagged(call, "document").size() % 3 == 0 ? "No" : "Yes");
  }
  if (call.stage == "generate_queries") {
    return test::says("Why is it that " + test::tagged(call, "document").substr(0, 60) + "?");
  }
  if (call.stage == "annotate_relevance") {
    const std::size_t size = test::tagged(call, "document").size() + test::tagged(call, "query").size();
    return test::says("Reasons.\n<score>" + std::to_string(1 + size % 5) + "</score>");
  }
  return test::says("The essential problem: " + test::tagged(call, "query"));
}

/// The shipped configuration, which encodes all documents.
SynthesisConfig shipped(const test::Scratch& scratch) {
  SynthesisConfig config = read_synthesis_config(test::source_path("examples/data/remix.toml"));
  config.out = scratch.path();
  config.tasks[0].data = test::source_path("examples/data").string();
  return config;
}
/// The same with candidates from BM25, for tests of what mining has no part in: an encoder is slow under sanitizers.
SynthesisConfig example(const test::Scratch& scratch) {
  SynthesisConfig config = shipped(scratch);
  config.retriever.kind = replicate::RetrieverKind::kBm25;
  return config;
}

SynthesisSummary run(const SynthesisConfig& config,
                     const test::ScriptedModel::Answer& answers = answer,
                     std::size_t in_flight = 1,
                     std::uint64_t order = 0) {
  return Synthesis(config,
                   [&](std::string_view, const std::string&) { return test::ScriptedModel(answers, in_flight, order); },
                   {.silent = true})
      .run();
}

}  // namespace

TEST_SUITE("replicate/synthesize") {
  TEST_CASE("run: the example data becomes rows that can be trained on, and every file between") {
    const test::Scratch scratch;
    const SynthesisSummary summary = run(shipped(scratch));
    CHECK(summary.unanswered == 0);
    const re::data::TrainingRows rows = re::data::read_rows(scratch / "rows", {.bad_rows = re::data::BadRows::kRefuse});
    REQUIRE(rows.datasets.size() == 1);
    CHECK(rows.datasets[0].name() == "everyday");
    CHECK(rows.size() == summary.rows);
    CHECK(rows.size() >= 60);
    CHECK(rows.reasoning_count() == rows.size());
    CHECK(rows.datasets[0].batch_size() == 16);
    const auto generated = rx::read_generated(scratch / "everyday" / "generated.jsonl");
    const auto mined = rx::read_mined(scratch / "everyday" / "mined.jsonl");
    const auto labelled = rx::read_labelled(scratch / "everyday" / "labelled.jsonl");
    CHECK(generated.size() == 72);
    REQUIRE(mined.size() == 72);
    CHECK(labelled.size() == 72);
    for (std::size_t i = 0; i < mined.size(); ++i) {
      CHECK(mined[i].candidates.size() == 10);
      CHECK(labelled[i].candidates == mined[i].candidates);
      for (const rx::SharedText& candidate : mined[i].candidates) {
        CHECK(!(candidate == mined[i].source.text));
      }
    }
    CHECK(re::io::read_json(scratch / "everyday" / "report.json").size() == 6);
  }

  TEST_CASE("run: rows are checked for the data set that is left out, and the report is read with them") {
    const test::Scratch scratch;
    const SynthesisConfig config = example(scratch);
    (void)run(config);
    const re::io::Json report = re::io::read_json(scratch / "rows" / "contamination.json");
    const re::data::TrainingRows rows = re::data::read_rows(scratch / "rows");
    CHECK(report["rows"] == rows.size());
    CHECK(report["benchmarks"][0]["name"] == "everyday test");
    CHECK(report["leaks"].size() > 0);  // the corpus is shared, so gold documents are among the positives
    CHECK(rows.contamination.starts_with("## Contamination\n"));
    CHECK(rows.notes.empty());
    const auto partly = [&](const rx::ChatCall& call) {
      return call.stage == "annotate_relevance" ? test::fails(rx::CallFault::kNotRecorded) : answer(call);
    };
    (void)run(config, partly);  // the report was about rows of another run
    CHECK(!std::filesystem::exists(scratch / "rows" / "contamination.md"));
    CHECK(!std::filesystem::exists(scratch / "rows" / "contamination.json"));
  }

  TEST_CASE("run: a strict check leaves out the rows with a leak, and says so") {
    const test::Scratch scratch;
    SynthesisConfig config = example(scratch);
    const re::Index all = run(config).rows;
    const std::size_t leaking = re::io::read_json(scratch / "rows" / "contamination.json")["leaking_rows"].size();
    REQUIRE(leaking > 0);
    config.contamination.strict = true;
    CHECK(run(config).rows == all - static_cast<re::Index>(leaking));
    const re::data::TrainingRows rows = re::data::read_rows(scratch / "rows");
    CHECK(rows.size() == all - static_cast<re::Index>(leaking));
    CHECK(rows.contamination.find("these " + std::to_string(leaking) + " rows were left out") != std::string::npos);
    config.contamination.enabled = false;
    CHECK(run(config).rows == all);
    CHECK(re::data::read_rows(scratch / "rows").contamination.empty());
  }

  TEST_CASE("run: tells how far each stage of each task has come, which are those that stages_of names") {
    const test::Scratch scratch;
    SynthesisConfig config = example(scratch);
    config.options.sample.most_documents = 5;
    config.options.filter_domain = true;
    config.tasks.push_back(config.tasks[0]);
    config.tasks[1].task.name = "second";
    std::vector<replicate::TaskAndStage> ended;
    (void)Synthesis(
        config,
        [&](std::string_view, const std::string&) { return test::ScriptedModel(answer); },
        {.silent = true},
        [&](const std::string& task, std::string_view stage, const rx::StageProgress& progress) {
          if (progress.ended && stage != rx::SampleSources::name) {  // which takes no time
            CHECK(progress.settled == progress.total);
            ended.emplace_back(task, std::string(stage));
          }
        })
        .run();
    CHECK(ended == replicate::stages_of(config));
    CHECK(ended.size() == 10);
  }

  TEST_CASE("run: annotations name documents by the ids of the corpus") {
    const test::Scratch scratch;
    const SynthesisConfig config = example(scratch);
    std::vector<std::string> notes;
    const re::data::Corpus corpus = re::data::read_corpus(test::source_path("examples/data/corpus.jsonl"), notes);
    re::Index named = 0;
    (void)run(config, [&](const rx::ChatCall& call) {
      if (call.stage == "annotate_relevance") {
        const re::Index document =
            corpus.find(re::io::parse_json(call.input, "input")["document_id"].get<std::string>());
        REQUIRE(document != re::StringIndex::kAbsent);
        named += corpus.texts()[static_cast<std::size_t>(document)] == test::tagged(call, "document") ? 1 : 0;
      }
      return answer(call);
    });
    CHECK(named == 720);
  }

  TEST_CASE("run: no source is a document that the benchmark's questions are judged by") {
    const test::Scratch scratch;
    (void)run(example(scratch));
    const auto dataset = re::data::read_retrieval_dataset(test::source_path("examples/data"), {.split = "test"});
    const re::StringIndex judged = rx::benchmark_documents(dataset.qrels, dataset.queries);
    CHECK(judged.size() > 100);
    for (const rx::GeneratedQuery& query : rx::read_generated(scratch / "everyday" / "generated.jsonl")) {
      CHECK(!judged.contains(query.source.id));
    }
  }

  TEST_CASE("run: the order of answers, and a second run, leave the bytes as they are") {
    const test::Scratch first;
    (void)run(example(first));
    const std::string rows = test::content_of(first / "rows" / "everyday.jsonl");
    (void)run(example(first));
    CHECK(test::content_of(first / "rows" / "everyday.jsonl") == rows);
    const test::Scratch second;
    (void)run(example(second), answer, 32, 5);
    CHECK(test::content_of(second / "rows" / "everyday.jsonl") == rows);
    CHECK(test::content_of(second / "everyday" / "report.json") ==
          test::content_of(first / "everyday" / "report.json"));
  }

  TEST_CASE("run: where answers are still to come, no stage works on a part, and no rows are written") {
    const test::Scratch scratch;
    std::set<std::string> asked;
    const auto partly = [&](const rx::ChatCall& call) {
      asked.insert(call.stage);
      return call.stage == "annotate_relevance" && call.id % 2 == 0 ? test::fails(rx::CallFault::kNotRecorded)
                                                                    : answer(call);
    };
    const SynthesisSummary summary = run(example(scratch), partly);
    CHECK(summary.unanswered == 360);
    CHECK(summary.rows == 0);
    CHECK(asked == std::set<std::string>{"annotate_relevance", "generate_queries"});
    CHECK(!std::filesystem::exists(scratch / "rows" / "everyday.jsonl"));
    CHECK(std::filesystem::exists(scratch / "everyday" / "mined.jsonl"));
    CHECK(run(example(scratch)).rows >= 60);  // the same again, when they are there
  }

  TEST_CASE("run: documents of another domain are not asked about, and the sample is drawn of the others") {
    const test::Scratch scratch;
    SynthesisConfig config = example(scratch);
    config.options.filter_domain = true;
    config.options.write_reasoning = false;
    (void)run(config);
    const auto generated = rx::read_generated(scratch / "everyday" / "generated.jsonl");
    CHECK(generated.size() == 72);
    for (const rx::GeneratedQuery& query : generated) {
      CHECK(query.source.text.str().size() % 3 != 0);
    }
    CHECK(re::data::read_rows(scratch / "rows").reasoning_count() == 0);
  }

  TEST_CASE("run: a task with documents alone, and several tasks") {
    const test::Scratch scratch;
    SynthesisConfig config = example(scratch);
    config.options.sample.most_documents = 5;
    config.tasks.push_back(config.tasks[0]);
    config.tasks[1].task.name = "second";
    config.tasks[1].data.clear();
    config.tasks[1].corpus = test::source_path("examples/data/corpus.jsonl").string();
    (void)run(config);
    CHECK(re::data::read_rows(scratch / "rows").datasets.size() == 2);
    config.tasks[1].corpus = (scratch / "missing.jsonl").string();
    CHECK_THROWS_AS((void)run(config), re::IoError);
  }

  TEST_CASE("print_generation_prompts: what would be asked, one JSON object a line, the same each time") {
    const test::Scratch scratch;
    const SynthesisConfig config = example(scratch);
    const auto printed = [&](const char* name) {
      std::FILE* file = std::fopen((scratch / name).c_str(), "wb");
      REQUIRE(file != nullptr);
      replicate::print_generation_prompts(config, file);
      REQUIRE(std::fclose(file) == 0);
      return test::content_of(scratch / name);
    };
    CHECK(printed("a.jsonl") == printed("b.jsonl"));
    std::vector<std::string> asked;
    (void)run(config, [&](const rx::ChatCall& call) {
      if (call.stage == "generate_queries") {
        asked.push_back(call.messages.back().content);
      }
      return answer(call);
    });
    std::size_t row = 0;
    re::io::for_each_json_line(scratch / "a.jsonl", [&](const re::io::JsonFields& fields) {
      CHECK(fields.get_string("task") == "everyday");
      REQUIRE(row < asked.size());
      CHECK(fields.get_array("messages").back()["content"] == asked[row++]);
    });
    CHECK(row == 72);
  }

  TEST_CASE("run: vectors in files give the candidates that the encoder gives in memory, and other files are refused") {
    const test::Scratch scratch;
    SynthesisConfig config = shipped(scratch);
    config.options.write_reasoning = false;
    (void)run(config);
    const std::string mined = test::content_of(scratch / "everyday" / "mined.jsonl");
    std::vector<std::string> notes;
    const re::data::Corpus corpus = re::data::read_corpus(test::source_path("examples/data/corpus.jsonl"), notes);
    const auto encoder = re::model::AnyTextEncoder<>::load(replicate::find_model(config.retriever.model));
    const re::Matrix<float> vectors = encoder.encode_document(std::span(corpus.texts()), nullptr);
    const std::string first = (scratch / "first.npy").string();
    const std::string second = (scratch / "second.npy").string();
    re::io::write_npy(first, vectors.view().row_block(0, 200));
    re::io::write_npy(second, vectors.view().row_block(200, vectors.rows() - 200));
    config.retriever.vectors = {first, second};
    (void)run(config);
    CHECK(test::content_of(scratch / "everyday" / "mined.jsonl") == mined);
    config.tasks[0].vectors = {first};  // those of the task count, and are too few
    CHECK_THROWS_WITH_AS((void)run(config),
                         (first + ": number of vectors is 200, expected " + std::to_string(corpus.size()) +
                          ", one for each document of the corpus")
                             .c_str(),
                         re::DataError);
    config.tasks[0].vectors = {second, first};
    CHECK_THROWS_AS((void)run(config), re::DataError);
    config.tasks[0].vectors.clear();
    config.retriever.kind = replicate::RetrieverKind::kFused;
    (void)run(config);
    const std::string fused = test::content_of(scratch / "everyday" / "mined.jsonl");
    config.retriever.vectors.clear();
    (void)run(config);
    CHECK(test::content_of(scratch / "everyday" / "mined.jsonl") == fused);
    CHECK(fused != mined);
  }

  TEST_CASE("run: a near-copy of a source is a candidate, and none where near-duplicates are left out") {
    const test::Scratch scratch;
    const std::string source =
        "Salt draws water out of the cells of a vegetable by osmosis, because water passes the membrane to where less "
        "of it is. The pressure within the cells falls, they lose their shape, and what was crisp is limp within the "
        "hour; a cook calls this sweating.";
    std::string lines;
    const auto document = [&](const std::string& id, const std::string& text) {
      lines += re::io::dump_json({{"id", id}, {"text", text}}, -1) + "\n";
    };
    document("source", source);
    document("copy", "NOTE: " + source + " (Reprinted.)");
    document("other", "Water that boils takes heat without becoming hotter.");
    scratch.write("corpus.jsonl", lines);
    const std::string toml =
        "out = \"" + (scratch / "out").string() + "\"\n[[task]]\nname = \"own\"\ncorpus = \"" +
        (scratch / "corpus.jsonl").string() +
        "\"\ndomain = \"Cooking\"\nquery_form = \"a question\"\nrelevance = \"it explains it\"\n[mine]\n";
    const auto candidates = [&](const std::string& mining) {
      (void)run(read_synthesis_config(scratch.write("c.toml", toml + mining)));
      std::set<std::string> found;
      for (const rx::MinedQuery& query : rx::read_mined(scratch / "out" / "own" / "mined.jsonl")) {
        if (query.source.id == "source") {
          for (const rx::SharedText& candidate : query.candidates) {
            found.insert(candidate.str().substr(0, 5));
          }
        }
      }
      return found;
    };
    CHECK(candidates("") == std::set<std::string>{"NOTE:", "Water"});
    CHECK(candidates("near_duplicates = {}\n") == std::set<std::string>{"Water"});
    CHECK(candidates("near_duplicates = {threshold = 0.99}\n") == std::set<std::string>{"NOTE:", "Water"});
    CHECK(test::content_of(scratch / "out" / "own" / "report.json").find("too like the source") == std::string::npos);
    (void)run(read_synthesis_config(scratch.write("c.toml", toml + "near_duplicates = {}\n")));
    CHECK(test::content_of(scratch / "out" / "own" / "report.json").find("candidates too like the source") !=
          std::string::npos);
  }

  TEST_CASE("read_task_data: documents in their order, copies with one text, nothing left in the directory") {
    const test::Scratch scratch;
    scratch.write("corpus.jsonl",
                  "{\"id\": \"a\", \"title\": \"T\", \"text\": \"x\"}\n{\"id\": \"b\", \"text\": \" \"}\n"
                  "{\"id\": \"c\", \"text\": \"T x\"}\n");
    replicate::TaskConfig task;
    task.corpus = (scratch / "corpus.jsonl").string();
    const replicate::TaskData data = replicate::read_task_data(task, scratch / "texts");
    REQUIRE(data.documents.size() == 3);
    CHECK(data.documents[0] == rx::SourceDocument{"a", "T x"});
    CHECK(data.documents[1] == rx::SourceDocument{"b", ""});
    CHECK(data.documents[2].text.view().data() == data.documents[0].text.view().data());
    CHECK(data.pool->size() == 1);
    CHECK(data.pool->corpus_size() == 3);
    CHECK(std::filesystem::is_empty(scratch / "texts"));
  }
}
