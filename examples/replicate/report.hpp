#pragma once
/// @file `reasonembed report`: how trivial, how clean and how consistent training data is; `reasonembed distill`: a
/// fine-tuning set for a small annotator. Both work on files and journals alone.
#include <reasonembed/core/expected.hpp>
#include <reasonembed/data/find_dataset.hpp>
#include <reasonembed/data/retrieval_dataset.hpp>
#include <reasonembed/data/training_row.hpp>
#include <reasonembed/io/jsonl.hpp>
#include <reasonembed/io/line_reader.hpp>
#include <reasonembed/io/text_file.hpp>
#include <reasonembed/model/any_text_encoder.hpp>
#include <reasonembed/remixer/contamination.hpp>
#include <reasonembed/remixer/distillation.hpp>
#include <reasonembed/remixer/labelled_rows.hpp>
#include <reasonembed/remixer/triviality_report.hpp>

#include "contamination_check.hpp"
#include "run_journal.hpp"
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace replicate {

namespace re = reasonembed;

using ReportModel = re::model::AnyTextEncoder<>;

struct ReportOptions {
  std::vector<std::string> source = {};
  std::vector<std::string> mined = {};
  std::vector<std::string> sets = {};
  std::vector<std::string> rows = {};
  std::vector<std::string> benchmarks = {};
  std::string split = "test";
  std::string first = {};
  std::string second = {};
  std::string model = {};
  std::string pooling = {};
  std::string out = {};
  std::string keep = {};
  int threshold = 3;
  int threads = 0;
  bool stemming = false;
  bool no_positives = false;
  re::Index ngram = 13;
  double cosine = 0.9;
};

inline std::optional<ReportModel> load_report_model(const ReportOptions& options) {
  if (options.model.empty()) {
    return std::nullopt;
  }
  return ReportModel::load(options.model, {.threads = options.threads}, {}, options.pooling);
}

/// The lines of training rows, and what they hold. A row that can't be read is an error: a report must not skip it.
struct TrainingLines {
  std::vector<std::string> lines = {};
  std::vector<re::data::TrainingRow> rows = {};

  void read(const std::filesystem::path& path) {
    re::io::LineReader reader(path);
    re::io::for_each_record(reader, "a training row", [&] {
      auto row = re::data::parse_training_row(reader.text(), reader.where());
      if (!row) {
        throw re::DataError(row.error().message);
      }
      lines.emplace_back(reader.text());
      rows.push_back(std::move(row).value());
    });
  }
};

/// The positives of a file of training rows, {"query", "pos"}, or of labelled rows, {"query", "docs", "labels"}.
inline std::vector<re::remixer::PositivePair> read_pairs(const std::filesystem::path& path, int threshold) {
  bool labelled = false;
  bool first = true;
  re::io::for_each_json_line(path, [&](const re::io::JsonFields& row) {
    labelled = first ? row.has("labels") : labelled;
    first = false;
  });
  if (labelled) {
    return re::remixer::positive_pairs(re::remixer::read_labelled_rows(path), threshold);
  }
  TrainingLines rows;
  rows.read(path);
  return re::remixer::positive_pairs(rows.rows);
}

inline void report_triviality(const ReportOptions& options) {
  const std::optional<ReportModel> model = load_report_model(options);
  const re::remixer::RougeOptions rouge{.stemming = options.stemming};
  re::remixer::TrivialityReport report(rouge);
  const auto add = [&](const std::string& argument, std::optional<double> published) {
    const auto [name, file] = named_file(argument);
    const auto pairs = read_pairs(file, options.threshold);
    const auto similarities =
        model && !pairs.empty() ? re::remixer::pair_similarities(std::span(pairs), *model) : std::vector<float>();
    auto row = re::remixer::measure_triviality(name, pairs, rouge, similarities);
    row.published = published;
    report.add(std::move(row));
  };
  for (const std::string& argument : options.source) {
    add(argument, re::remixer::kPublishedSourceRouge);
  }
  for (const std::string& argument : options.mined) {
    add(argument, re::remixer::kPublishedMinedRouge);
  }
  for (const std::string& argument : options.sets) {
    add(argument, std::nullopt);
  }
  if (report.rows().empty()) {
    throw re::ConfigError::invalid("report triviality", "number of files", "0", "--source, --mined or --set");
  }
  std::printf("%s%s\n", re::eval::plain_text(report.table()).c_str(), report.table().note.c_str());
  if (!options.out.empty()) {
    report.write(options.out);
  }
}

inline void report_contamination(const ReportOptions& options) {
  TrainingLines training;
  for (const std::string& file : options.rows) {
    training.read(file);
  }
  const std::optional<ReportModel> model = load_report_model(options);
  re::remixer::ContaminationGate gate(
      {.ngram = options.ngram, .cosine = model ? options.cosine : 0.0, .positives = !options.no_positives});
  for (const std::string& argument : options.benchmarks) {
    const auto [name, directory] = named_file(argument);
    add_benchmark(gate, name, directory, options.split);
  }
  const re::ThreadPool pool(options.threads);
  const auto report = model ? gate.check(training.rows, *model) : gate.check(training.rows, &pool);
  std::printf("%s\n%s", re::eval::plain_text(report.overview()).c_str(), report.summary().c_str());
  std::printf("\n");
  if (!options.out.empty()) {
    report.write(options.out);
    re::io::write_file_atomically(std::filesystem::path(options.out).replace_extension(".md"), report.to_markdown());
  }
  if (!options.keep.empty()) {
    const auto leaking = report.leaking_rows();
    std::string kept;
    for (std::size_t i = 0; i < training.lines.size(); ++i) {
      if (!std::binary_search(leaking.begin(), leaking.end(), static_cast<re::Index>(i))) {
        kept += training.lines[i] + "\n";
      }
    }
    re::io::write_file_atomically(options.keep, kept);
    std::printf("%zu rows left out, %zu kept in %s\n",
                leaking.size(),
                training.lines.size() - leaking.size(),
                options.keep.c_str());
  }
}

inline void report_agreement(const ReportOptions& options) {
  const auto [first_name, first] = named_file(options.first);
  const auto [second_name, second] = named_file(options.second);
  re::Index unmatched = 0;
  const re::remixer::AgreementReport report(
      first_name, second_name, re::remixer::confusion_of_rows(read_labels(first), read_labels(second), unmatched));
  const re::eval::Table table = report.table();
  std::printf("%s\n%s%s\n", table.title.c_str(), re::eval::plain_text(table).c_str(), table.note.c_str());
  if (unmatched > 0) {
    std::fprintf(stderr, "%td pairs of query and document are in one file only\n", unmatched);
  }
  if (!options.out.empty()) {
    re::io::write_json(options.out, report.json());
  }
}

inline void register_report(CLI::App& app) {
  CLI::App* command = app.add_subcommand("report", "Says how trivial, clean and consistent training data is.");
  command->require_subcommand(1);
  auto options = std::make_shared<ReportOptions>();
  const auto add_common = [&](CLI::App* report) {
    report->option_defaults()->always_capture_default();
    report->add_option("--out", options->out, "JSON file; pages for the eye lie beside it");
  };
  const auto add_model = [&](CLI::App* report) {
    report->add_option("--model", options->model, "directory of an encoder, to compare vectors as well");
    report->add_option("--pooling", options->pooling, "mean, cls or lasttoken, where the directory does not say");
    report->add_option("--threads", options->threads, "0 takes one per hardware thread");
  };

  CLI::App* triviality = command->add_subcommand("triviality", "What queries and positives have in common.");
  add_common(triviality);
  add_model(triviality);
  triviality->add_option("--source", options->source, "[NAME=]FILE of rows whose positives are their sources");
  triviality->add_option("--mined", options->mined, "[NAME=]FILE of rows whose positives were mined and annotated");
  triviality->add_option("--set", options->sets, "[NAME=]FILE of other rows");
  triviality->add_option("--threshold", options->threshold, "least label of a positive in labelled rows");
  triviality->add_flag("--stemming", options->stemming, "count stems, as ROUGE does with its stemmer");
  triviality->callback([options] { report_triviality(*options); });

  CLI::App* contamination = command->add_subcommand("contamination", "Which rows have benchmark texts in them.");
  add_common(contamination);
  add_model(contamination);
  contamination->add_option("--rows", options->rows, "training rows, JSON Lines")->required();
  contamination->add_option("--benchmark", options->benchmarks, "[NAME=]DIRECTORY of a dataset")->required();
  contamination->add_option("--split", options->split, "of the datasets");
  contamination->add_option("--ngram", options->ngram, "words in a row in common that are a leak; 0: none are");
  contamination->add_option("--cosine", options->cosine, "with --model: cosine that is a leak");
  contamination->add_flag("--no-positives", options->no_positives, "check queries alone");
  contamination->add_option("--keep", options->keep, "strict: where the rows without a leak go");
  contamination->callback([options] { report_contamination(*options); });

  CLI::App* agreement = command->add_subcommand("agreement", "How far two annotators agree.");
  add_common(agreement);
  agreement->add_option("--first", options->first, "[NAME=]FILE of labelled rows, or a journal")->required();
  agreement->add_option("--second", options->second, "[NAME=]FILE of labelled rows, or a journal")->required();
  agreement->callback([options] { report_agreement(*options); });
}

struct DistillFiles {
  std::string in = {};
  std::string journal = {};
  std::string task = {};
  std::string out = {};
  std::string held_out = {};
  re::remixer::DistillationOptions options = {};
};

inline void register_distill(CLI::App& app) {
  CLI::App* command = app.add_subcommand("distill", "Annotations into a fine-tuning set for a small annotator.");
  auto files = std::make_shared<DistillFiles>();
  command->option_defaults()->always_capture_default();
  CLI::Option_group* source = command->add_option_group("annotations", "where they are");
  source->add_option("--journal", files->journal, "those that the last run of a synthesis has used");
  source->add_option("--in", files->in, "JSON Lines: query, document, messages, answer, score");
  source->require_option(1);
  command->add_option("--task", files->task, "with --journal: those of one task");
  command->add_option("--out", files->out, "where the examples to train on go")->required();
  command->add_option("--held-out-out", files->held_out, "where those held out go");
  command->add_option("--held-out", files->options.held_out, "part of the queries to hold out");
  command->add_option("--least-score", files->options.least_score, "annotations with a lower score are left out");
  command->add_option("--most-score", files->options.most_score, "annotations with a higher score are left out");
  command->add_option("--longest", files->options.longest, "characters of the longest example");
  command->add_option("--balance", files->options.balance, "times the rarest score that another may have; 0: all");
  command->add_option("--seed", files->options.seed, "of the choices");
  command->callback([files] {
    const auto records = files->journal.empty() ? re::remixer::read_annotation_records(files->in)
                                                : read_journal_annotations(files->journal, files->task);
    const auto set = re::remixer::distill(records, files->options);
    re::remixer::write_chat_examples(files->out, set.train);
    if (!files->held_out.empty()) {
      re::remixer::write_chat_examples(files->held_out, set.held_out);
    }
    std::printf("%s\n", set.summary().c_str());
  });
}

}  // namespace replicate
