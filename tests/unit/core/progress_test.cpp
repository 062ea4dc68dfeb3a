#include <reasonembed/core/progress.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace re = reasonembed;
using re::Progress;
using re::ProgressOptions;

namespace {

/// A progress line under full control: what it wrote, and a clock that stands still until told otherwise.
struct Stage {
  std::vector<std::string> written;
  double seconds = 100.0;

  [[nodiscard]] ProgressOptions options(bool terminal) {
    ProgressOptions options;
    options.unit = "documents";
    options.bar_width = 10;
    options.terminal = terminal;
    options.sink = [this](std::string_view text) { written.emplace_back(text); };
    options.clock = [this] { return seconds; };
    return options;
  }
};

}  // namespace

TEST_SUITE("core/progress") {
  TEST_CASE("terminal: redraws one line in place with bar, rate and remaining time") {
    Stage stage;
    Progress progress("encode", 40, stage.options(true));
    REQUIRE(stage.written.size() == 1);
    CHECK(stage.written[0] == "\rencode [>         ] 0/40 documents");
    stage.seconds += 2.0;
    progress.advance(10);
    REQUIRE(stage.written.size() == 2);
    CHECK(stage.written[1] == "\rencode [==>       ] 10/40 documents  5.00/s  eta 0:06");
    stage.seconds += 2.0;
    progress.advance(30);
    CHECK(stage.written.back() == "\rencode [==========] 40/40 documents  10/s  eta 0:00  ");
    progress.finish();
    CHECK(stage.written.back() == "\rencode [==========] 40/40 documents  10/s  in 0:04 \n");
  }

  TEST_CASE("terminal: covers what a longer earlier line left behind") {
    Stage stage;
    Progress progress("p", 0, stage.options(true));
    stage.seconds += 1.0;
    progress.advance(123456);
    stage.seconds += 9.0;
    progress.advance(0);
    const std::string& before = stage.written[1];
    const std::string& after = stage.written[2];
    CHECK(before == "\rp 123456 documents  123456/s");
    CHECK(after == "\rp 123456 documents  12346/s ");
    CHECK(before.size() == after.size());
  }

  TEST_CASE("terminal: draws at most once in the redraw interval") {
    Stage stage;
    Progress progress("p", 1000, stage.options(true));
    for (int i = 0; i < 99; ++i) {
      stage.seconds += 0.01;
      progress.advance();
    }
    CHECK(stage.written.size() >= 9);
    CHECK(stage.written.size() <= 11);
  }

  TEST_CASE("log: prints whole lines, and only every line_seconds") {
    Stage stage;
    auto options = stage.options(false);
    options.line_seconds = 5.0;
    {
      Progress progress("train", 100, options);
      CHECK(stage.written.empty());
      for (int i = 0; i < 12; ++i) {
        stage.seconds += 1.0;
        progress.advance();
      }
    }
    REQUIRE(stage.written.size() == 3);
    CHECK(stage.written[0] == "train [>         ] 5/100 documents  1.00/s  eta 1:35\n");
    CHECK(stage.written[1] == "train [=>        ] 10/100 documents  1.00/s  eta 1:30\n");
    CHECK(stage.written[2] == "train [=>        ] 12/100 documents  1.00/s  in 0:12\n");
  }

  TEST_CASE("total: unknown shows neither bar nor remaining time") {
    Stage stage;
    Progress progress("read", 0, stage.options(false));
    stage.seconds += 100.0;
    progress.advance(50);
    CHECK(stage.written[0] == "read 50 documents  0.50/s\n");
  }

  TEST_CASE("total: more work than announced keeps the bar full and the time at zero") {
    Stage stage;
    Progress progress("p", 10, stage.options(false));
    stage.seconds += 20.0;
    progress.advance(20);
    CHECK(stage.written[0] == "p [==========] 20/10 documents  1.00/s  eta 0:00\n");
    CHECK(progress.done() == 20);
    CHECK(progress.total() == 10);
  }

  TEST_CASE("duration: hours are shown from one hour on") {
    Stage stage;
    Progress progress("p", 7200, stage.options(false));
    stage.seconds += 10.0;
    progress.advance(10);
    CHECK(stage.written[0] == "p [>         ] 10/7200 documents  1.00/s  eta 1:59:50\n");
  }

  TEST_CASE("rate: no time gone gives no rate and no division by zero") {
    Stage stage;
    Progress progress("p", 10, stage.options(false));
    progress.advance(5);
    progress.finish();
    CHECK(stage.written[0] == "p [=====>    ] 5/10 documents  in 0:00\n");
  }

  TEST_CASE("clock: one that runs backwards does no harm") {
    Stage stage;
    Progress progress("p", 10, stage.options(true));
    stage.seconds -= 50.0;
    progress.advance(5);
    progress.finish();
    CHECK(stage.written.back() == "\rp [=====>    ] 5/10 documents  in 0:00\n");
  }

  TEST_CASE("bar: width zero leaves it out") {
    Stage stage;
    auto options = stage.options(false);
    options.bar_width = 0;
    Progress progress("p", 10, options);
    progress.finish();
    CHECK(stage.written[0] == "p 0/10 documents  in 0:00\n");
  }

  TEST_CASE("finish: prints the last state once, by itself or through the destructor") {
    Stage stage;
    {
      Progress progress("p", 10, stage.options(false));
      progress.advance(10);
      progress.finish();
      progress.finish();
      progress.advance(1);
      stage.seconds += 100.0;
      progress.advance(1);
    }
    CHECK(stage.written.size() == 1);
    {
      const Progress unfinished("q", 10, stage.options(false));
    }
    CHECK(stage.written.size() == 2);
  }

  TEST_CASE("note: stands behind the rate from the next drawing on, until it is replaced or taken away") {
    Stage stage;
    Progress progress("train", 40, stage.options(true));
    progress.note("loss 0.5000");
    CHECK(stage.written.size() == 1);  // nothing is drawn for it
    stage.seconds += 2.0;
    progress.advance(10);
    CHECK(stage.written.back() == "\rtrain [==>       ] 10/40 documents  5.00/s  loss 0.5000  eta 0:06");
    progress.note("loss 0.25");
    stage.seconds += 2.0;
    progress.advance(10);
    CHECK(stage.written.back() == "\rtrain [=====>    ] 20/40 documents  5.00/s  loss 0.25  eta 0:04  ");
    progress.note("");
    stage.seconds += 2.0;
    progress.advance(10);
    CHECK(stage.written.back() == "\rtrain [=======>  ] 30/40 documents  5.00/s  eta 0:02           ");
    progress.note("done");
    progress.finish();
    CHECK(stage.written.back() == "\rtrain [=======>  ] 30/40 documents  5.00/s  done  in 0:06\n");
    progress.note("too late");
    progress.finish();
    CHECK(stage.written.back().find("too late") == std::string::npos);
  }

  TEST_CASE("note: is shown without total and rate, and is safe beside other threads that advance") {
    Stage stage;
    {
      Progress progress("p", 0, stage.options(false));
      progress.note("first");
    }
    CHECK(stage.written == std::vector<std::string>{"p 0 documents  first  in 0:00\n"});
    auto options = stage.options(true);
    options.clock = nullptr;
    options.redraw_seconds = 0.0;
    Progress progress("p", 2000, options);
    {
      std::vector<std::jthread> threads;
      for (int thread = 0; thread < 2; ++thread) {
        threads.emplace_back([&, thread] {
          for (int i = 0; i < 1000; ++i) {
            progress.note(std::string(40, thread == 0 ? 'a' : 'b'));
            progress.advance();
          }
        });
      }
    }
    progress.finish();
    const std::string& last = stage.written.back();
    CHECK(
        (last.find(std::string(40, 'a')) != std::string::npos || last.find(std::string(40, 'b')) != std::string::npos));
  }

  TEST_CASE("silent: writes nothing but still counts") {
    Stage stage;
    auto options = stage.options(true);
    options.silent = true;
    {
      Progress progress("p", 10, options);
      stage.seconds += 100.0;
      progress.advance(3);
      progress.finish();
      CHECK(progress.done() == 3);
    }
    CHECK(stage.written.empty());
  }

  TEST_CASE("destructor: survives a sink that throws") {
    Stage stage;
    auto options = stage.options(false);
    options.sink = [](std::string_view) { throw std::runtime_error("closed"); };
    {
      const Progress progress("p", 10, options);
    }
    CHECK(true);
  }

  TEST_CASE("advance: is safe from several threads and loses nothing") {
    Stage stage;
    auto options = stage.options(true);
    options.clock = nullptr;  // the real one
    options.redraw_seconds = 0.0;
    {
      Progress progress("p", 4000, options);
      std::vector<std::jthread> threads;
      for (int thread = 0; thread < 4; ++thread) {
        threads.emplace_back([&] {
          for (int i = 0; i < 1000; ++i) {
            progress.advance();
          }
        });
      }
      threads.clear();
      CHECK(progress.done() == 4000);
    }
    CHECK(stage.written.back().find("4000/4000") != std::string::npos);
  }

  TEST_CASE("text: is printable ASCII apart from line control") {
    Stage stage;
    Progress progress("p", 10, stage.options(true));
    stage.seconds += 3.0;
    progress.advance(4);
    progress.finish();
    for (const std::string& text : stage.written) {
      CHECK(std::all_of(
          text.begin(), text.end(), [](char c) { return (c >= ' ' && c <= '~') || c == '\r' || c == '\n'; }));
    }
  }
}
