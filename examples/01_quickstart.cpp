// Scores BM25 (prints nDCG@10 0.18), a pretrained encoder (0.57), and what InfoNCE and Redapter make of it on mined
// hard negatives, over seeds (0.6x); saves runs, a JSON and an HTML report, and the last model.
#include <reasonembed/reasonembed.hpp>

#include <CLI/CLI.hpp>

#include <cstdio>

namespace re = reasonembed;

constexpr const char* kOptions[][3] = {{"--data", REASONEMBED_EXAMPLE_DATA, "a dataset, or a name in $REASONEMBED_DATA"},
                                       {"--train-split", "train", "queries to learn from"},
                                       {"--eval-split", "test", "queries to score"},
                                       {"--query-field", "", "a query's text; else text, query or question"},
                                       {"--reasoning-field", "", "its reasoning; else reasoning_query"},
                                       {"--model", "", "a BERT-family encoder; else all-MiniLM-L6-v2"},
                                       {"--epochs", "2", "visits of the training queries"},
                                       {"--seeds", "3", "runs of each loss"},
                                       {"--threads", "0", "0 takes one per hardware thread"},
                                       {"--save", "quickstart-model", "where the last model goes"},
                                       {"--report", "quickstart.json", ".html and run files lie beside it"}};

template <class Start>
void run(const CLI::App& app, const Start& start, double lr) {
  const auto option = [&](const char* name) { return app[name]->as<std::string>(); };
  const auto read = [&](const std::string& split) {
    auto dataset = re::data::read_retrieval_dataset(re::data::find_dataset(option("--data")),
                                                    {split, option("--query-field"), option("--reasoning-field")});
    for (const std::string& note : dataset.notes) std::fprintf(stderr, "%s\n", note.c_str());
    std::printf("%s: %td documents, %td queries\n", split.c_str(), dataset.corpus.size(), dataset.queries.size());
    return dataset;
  };
  const auto train = read(option("--train-split"));
  const auto dataset = read(option("--eval-split"));
  re::eval::EvaluationReport report;
  const auto add = [&](const re::eval::EvaluationRow& row, const re::retrieval::Run& found) {
    report.add(row);
    const std::filesystem::path file = option("--report");
    re::retrieval::write_trec_run(std::filesystem::path(file).replace_extension(row.name + ".trec"), found);
  };
  const auto bm25 = re::eval::score("bm25", dataset, [&](auto options) {
    return re::retrieval::Bm25(dataset.corpus.texts()).search(dataset.queries.texts(), options);
  });
  add(bm25.row, bm25.run);
  const auto encoder = start();
  const auto zero_shot = re::eval::score_encoder("zero-shot", dataset, encoder);
  add(zero_shot.row, zero_shot.run);
  const auto rows = re::train::mine_hard_negatives(
      encoder, re::data::rows_from_retrieval(train).rows, train.corpus.texts(), {.count = 15});
  std::vector<re::train::NamedRuns> runs;
  const auto study = [&]<class Weighting>(const char* name, Weighting, typename Weighting::Options weighting) {
    using Loss = re::loss::Contrastive<Weighting>;
    auto trained = re::train::study_seeds<Loss>(name, start, rows, dataset,
        {.loss = {.temperature = 0.05, .weighting = weighting}, .optimizer = {.lr = lr},
         .sampler = {.group_size = 4, .batch_size = 16}, .epochs = app["--epochs"]->as<int>()}, app["--seeds"]->as<int>());
    add(trained.row, trained.last_run);
    runs.push_back(trained.runs);
    trained.last_model.save(option("--save"));
  };
  study("infonce", re::loss::Uniform(), {});
  study("redapter", re::loss::ReasoningIntensity(), {.warmup_steps = 4});
  report.print(stdout);
  report.write(option("--report"));
}

int main(int argc, char** argv) try {
  re::simd::require_compiled_level();
  CLI::App app("Scores BM25 and a pretrained encoder on a retrieval task, before and after training.");
  for (const auto& [name, value, text] : kOptions) app.add_option(name)->description(text)->default_str(value);
  app.add_flag("--from-scratch")->description("a small causal decoder with random weights");
  CLI11_PARSE(app, argc, argv);
  const re::model::TextEncoderOptions options{.threads = app["--threads"]->as<int>()};
  if (app.count("--from-scratch") > 0)
    run(app, [&] { return re::model::random_byte_decoder(1, options); }, 1e-3);
  else
    run(app, [&] { return re::model::load_or_random_minilm(app["--model"]->as<std::string>(), options); }, 5e-5);
} catch (const std::exception& error) {
  std::fprintf(stderr, "error: %s\n", error.what());
  return 1;
}
