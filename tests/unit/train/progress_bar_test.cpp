#include <reasonembed/train/progress_bar.hpp>

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::train::ProgressBar;
using re::train::RunEnd;
using re::train::RunStart;
using re::train::StepReport;

static_assert(std::is_move_constructible_v<ProgressBar> && !std::is_copy_constructible_v<ProgressBar>);

namespace {

/// What a bar wrote, and a clock that stands still until told otherwise.
struct Stage {
  std::vector<std::string> written;
  double seconds = 100.0;

  [[nodiscard]] re::ProgressOptions options(bool terminal) {
    re::ProgressOptions options;
    options.bar_width = 10;
    options.line_seconds = 0.5;
    options.terminal = terminal;
    options.sink = [this](std::string_view text) { written.emplace_back(text); };
    options.clock = [this] { return seconds; };
    return options;
  }
};

}  // namespace

TEST_SUITE("train/progress_bar") {
  TEST_CASE("ProgressBar: shows steps, tokens a second, loss, and the intensity once it is measured") {
    Stage stage;
    ProgressBar bar("train", stage.options(true));
    bar(RunStart{.total_steps = 4});
    stage.seconds += 2.0;
    bar(StepReport{.step = 1, .loss = 1.23456, .tokens = 600, .seconds = 2.0});
    stage.seconds += 2.0;
    bar(StepReport{
        .step = 2, .loss = 0.41267, .measured = true, .mean_intensity = 2.314, .tokens = 200, .seconds = 2.0});
    REQUIRE(stage.written.size() == 3);
    CHECK(stage.written[0] == "\rtrain [>         ] 0/4 steps");
    CHECK(stage.written[1] == "\rtrain [==>       ] 1/4 steps  0.50/s  300 tokens/s  loss 1.2346  eta 0:06");
    CHECK(stage.written[2] ==
          "\rtrain [=====>    ] 2/4 steps  0.50/s  200 tokens/s  loss 0.4127  intensity 2.31  eta 0:04");
    bar(RunEnd{});
    CHECK(stage.written.back() ==
          "\rtrain [=====>    ] 2/4 steps  0.50/s  200 tokens/s  loss 0.4127  intensity 2.31  in 0:04 \n");
  }
  TEST_CASE("ProgressBar: where there is no terminal whole lines are printed") {
    Stage stage;
    ProgressBar bar("run-42", stage.options(false));
    bar(RunStart{.total_steps = 2});
    CHECK(stage.written.empty());
    stage.seconds += 1.0;
    bar(StepReport{.step = 1, .loss = 0.5, .tokens = 10, .seconds = 1.0});
    stage.seconds += 1.0;
    bar(StepReport{.step = 2, .loss = 0.25, .tokens = 30, .seconds = 1.0});
    bar(RunEnd{});
    CHECK(stage.written ==
          std::vector<std::string>{"run-42 [=====>    ] 1/2 steps  1.00/s  10 tokens/s  loss 0.5000  eta 0:01\n",
                                   "run-42 [==========] 2/2 steps  1.00/s  20 tokens/s  loss 0.2500  eta 0:00\n",
                                   "run-42 [==========] 2/2 steps  1.00/s  20 tokens/s  loss 0.2500  in 0:02\n"});
  }
  TEST_CASE("ProgressBar: notes of the run stand before it") {
    Stage stage;
    ProgressBar bar("train", stage.options(true));
    bar(RunStart{.total_steps = 1, .notes = {"one", "two"}});
    CHECK(stage.written == std::vector<std::string>{"note: one\n", "note: two\n", "\rtrain [>         ] 0/1 steps"});
  }
  TEST_CASE("ProgressBar: a run that goes on says where, and counts the steps it takes itself") {
    Stage stage;
    ProgressBar bar("train", stage.options(false));
    bar(RunStart{.first_step = 8, .total_steps = 10, .notes = {"another level"}});
    stage.seconds += 1.0;
    bar(StepReport{.step = 9, .loss = 0.5, .tokens = 5, .seconds = 1.0});
    CHECK(stage.written ==
          std::vector<std::string>{"note: another level\n",
                                   "train: goes on after step 8 of 10\n",
                                   "train [=====>    ] 1/2 steps  1.00/s  5 tokens/s  loss 0.5000  eta 0:01\n"});
  }
  TEST_CASE("ProgressBar: a step that was skipped is said to be") {
    Stage stage;
    ProgressBar bar("train", stage.options(false));
    bar(RunStart{.total_steps = 2});
    stage.seconds += 1.0;
    bar(StepReport{.step = 1, .measured = true, .skipped = true, .tokens = 5, .seconds = 1.0});
    CHECK(stage.written.back() == "train [=====>    ] 1/2 steps  1.00/s  step skipped: not finite  eta 0:01\n");
  }
  TEST_CASE("ProgressBar: steps that took no time have a rate of 0, not infinity") {
    Stage stage;
    ProgressBar bar("train", stage.options(false));
    bar(RunStart{.total_steps = 2});
    stage.seconds += 1.0;
    bar(StepReport{.step = 1, .loss = 0.5, .tokens = 5});
    CHECK(stage.written.back() == "train [=====>    ] 1/2 steps  1.00/s  0 tokens/s  loss 0.5000  eta 0:01\n");
  }
  TEST_CASE("ProgressBar: a run without steps, such as a finished one, ends at once") {
    Stage stage;
    ProgressBar bar("train", stage.options(false));
    bar(RunStart{.first_step = 3, .total_steps = 3});
    bar(RunEnd{.steps = 3, .total_steps = 3});
    CHECK(stage.written == std::vector<std::string>{"train: goes on after step 3 of 3\n", "train 0 steps  in 0:00\n"});
  }
  TEST_CASE("ProgressBar: a second run counts from 0, and one that fails still ends its line") {
    Stage stage;
    {
      ProgressBar bar("train", stage.options(false));
      for (int run = 0; run < 2; ++run) {
        bar(RunStart{.total_steps = 2});
        stage.seconds += 1.0;
        bar(StepReport{.step = 1, .loss = 0.5, .tokens = 100, .seconds = 1.0});
        CHECK(stage.written.back() == "train [=====>    ] 1/2 steps  1.00/s  100 tokens/s  loss 0.5000  eta 0:01\n");
        if (run == 0) {
          bar(RunEnd{});
        }
      }
    }
    CHECK(stage.written.back() == "train [=====>    ] 1/2 steps  1.00/s  100 tokens/s  loss 0.5000  in 0:01\n");
  }
  TEST_CASE("ProgressBar: huge numbers fit") {
    Stage stage;
    ProgressBar bar("train", stage.options(false));
    bar(RunStart{.total_steps = 1});
    stage.seconds += 1.0;
    bar(StepReport{.step = 1, .loss = 1e300, .tokens = 9223372036854775807, .seconds = 1e-9});
    CHECK(stage.written.back().ends_with("eta 0:00\n"));
  }
  TEST_CASE("ProgressBar: silent writes nothing, not even notes") {
    Stage stage;
    auto options = stage.options(true);
    options.silent = true;
    ProgressBar bar("train", options);
    bar(RunStart{.first_step = 1, .total_steps = 2, .notes = {"one"}});
    stage.seconds += 1.0;
    bar(StepReport{.step = 2});
    bar(RunEnd{});
    CHECK(stage.written.empty());
  }
  TEST_CASE("ProgressBar: its unit is steps whatever the options say, and it can be moved during a run") {
    Stage stage;
    auto options = stage.options(false);
    options.unit = "documents";
    ProgressBar bar("train", options);
    bar(RunStart{.total_steps = 1});
    ProgressBar moved = std::move(bar);
    stage.seconds += 1.0;
    moved(StepReport{.step = 1});
    CHECK(stage.written.back().find("1/1 steps") != std::string::npos);
  }
}
