#pragma once
/// @file What the programs that take turns with peers answer on their standard input, line by line.
#include <reasonembed/core/thread_pool.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/data/text_list.hpp>
#include <reasonembed/io/jsonl.hpp>

#include "../peak.hpp"

#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace benchmarks {

namespace re = reasonembed;

/// Answers until the input ends:
///
///   a file of texts (JSON Lines with `text`)   encodes them: seconds and tokens
///   `vectors FROM TO`                          the same, and writes the vectors into TO, as floats
///   `peak`                                     operations a second that as many threads can do in these numbers
template <class Model>
void answer(const Model& model, const re::model::Role& role, int threads, std::string_view precision) {
  std::map<std::string, std::vector<std::string>> sets;
  const re::ThreadPool pool(threads);
  for (std::string line; std::getline(std::cin, line);) {
    if (line == "peak") {
      std::printf("%.0f\n", operations_a_second(precision, pool));
      std::fflush(stdout);
      continue;
    }
    std::string file = line;
    std::string to;
    if (line.starts_with("vectors ")) {
      const std::size_t space = line.find(' ', 8);
      file = line.substr(8, space - 8);
      to = line.substr(space + 1);
    }
    std::vector<std::string>& texts = sets[file];
    if (texts.empty()) {
      re::io::for_each_json_line(file, [&](const re::io::JsonFields& row) { texts.push_back(row.get_string("text")); });
    }
    re::Matrix<float> out(static_cast<re::Index>(texts.size()), model.dim());
    const auto start = std::chrono::steady_clock::now();
    const re::Index tokens = model.encode(role, texts, out.view());
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    if (!to.empty()) {
      std::ofstream(to, std::ios::binary)
          .write(reinterpret_cast<const char*>(out.view().data()),
                 static_cast<std::streamsize>(out.flat().size() * sizeof(float)));
    }
    std::printf("%.9f %td\n", seconds.count(), tokens);
    std::fflush(stdout);
  }
}

}  // namespace benchmarks
