// What a language model's client and its journal cost: throughput at 64 calls in flight, memory over many calls, and
// how long a large journal takes to resume. usage: language_model_benchmark [calls [rows]]
//
// The server is a process of its own on loopback that answers after 50 ms.
#include <reasonembed/remixer/http_language_model.hpp>
#include <reasonembed/remixer/journaled.hpp>

#include <support/chat_server.hpp>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <utility>

namespace re = reasonembed;
using re::remixer::ChatCall;
using re::remixer::ChatResult;
using re::remixer::Durability;
using re::remixer::HttpLanguageModel;
using re::remixer::Journal;
using re::remixer::Journaled;

namespace {

constexpr double kDelay = 0.05;  // seconds
constexpr int kInFlight = 64;

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// @return  MiB of this process that are in memory
double resident_mib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) {
      return std::atof(line.c_str() + 6) / 1024.0;
    }
  }
  return 0.0;
}

/// A server in a process of its own, so that its memory and its locks are not the client's.
class ServerProcess {
 public:
  ServerProcess() {
    int port[2] = {-1, -1};
    int life[2] = {-1, -1};
    if (::pipe(port) != 0 || ::pipe(life) != 0) {
      throw re::Error("no pipe");
    }
    process_ = ::fork();
    if (process_ == 0) {
      ::close(life[1]);
      test::ChatServer server([](const test::HttpRequest&) {
        static const std::string kBody = test::completion(std::string(600, 'a'), "stop", 500, 150);
        return test::HttpReply{.body = kBody, .delay = kDelay};
      });
      const int number = server.port();
      (void)!::write(port[1], &number, sizeof number);
      char byte = 0;
      (void)!::read(life[0], &byte, 1);  // until the client ends
      ::_exit(0);
    }
    ::close(life[0]);
    life_ = life[1];
    if (::read(port[0], &port_, sizeof port_) != sizeof port_) {
      throw re::Error("no server");
    }
  }
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;
  ServerProcess(ServerProcess&&) = delete;
  ServerProcess& operator=(ServerProcess&&) = delete;
  ~ServerProcess() {
    ::close(life_);
    (void)::waitpid(process_, nullptr, 0);
  }
  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/v1/chat/completions"; }

 private:
  pid_t process_ = -1;
  int life_ = -1;
  int port_ = 0;
};

/// A call with a prompt of 2,000 bytes.
ChatCall call_of(std::int64_t number) {
  std::string prompt = "question " + std::to_string(number) + " ";
  prompt.resize(2000, 'x');
  return {.id = static_cast<std::uint64_t>(number),
          .stage = "annotate",
          .messages = {{.role = "user", .content = std::move(prompt)}}};
}

/// Runs `calls` calls. @return  seconds; prints memory on the way
template <class Model>
double run(Model& model, std::int64_t calls, bool memory) {
  std::int64_t given = 0;
  std::int64_t ended = 0;
  const double begin = now();
  model.run(
      [&]() -> std::optional<ChatCall> { return given == calls ? std::nullopt : std::optional(call_of(given++)); },
      [&](const ChatCall&, ChatResult result) {
        if (!result) {
          throw re::Error(result.error().message);
        }
        if (++ended % (calls / 5) == 0 && memory) {
          std::printf("  %7lld calls: %.1f MiB\n", static_cast<long long>(ended), resident_mib());
        }
      });
  return now() - begin;
}

void report(const char* name, std::int64_t calls, double seconds) {
  const double ideal = kInFlight / kDelay;
  const double rate = static_cast<double>(calls) / seconds;
  std::printf("%-34s %8lld calls in %6.2f s: %6.1f a second, %.1f%% of %.0f\n",
              name,
              static_cast<long long>(calls),
              seconds,
              rate,
              100.0 * rate / ideal,
              ideal);
}

HttpLanguageModel client(const ServerProcess& server) {
  return HttpLanguageModel({.model = {.name = "m"},
                            .http = {.url = server.url(), .key_environment = "", .proxy = "", .in_flight = kInFlight}});
}

void resume(const std::filesystem::path& path, std::int64_t rows) {
  {
    Journal journal(path, {.durability = Durability::kProcess, .keep_prompts = false});
    const std::string text(600, 'a');
    const double begin = now();
    for (std::int64_t i = 0; i < rows; ++i) {
      const ChatCall call = call_of(i);
      journal.store(call_key("m", call), "m", call, re::remixer::ChatAnswer{.text = text}, 0, 0.0);
      if (i % 64 == 0) {
        journal.commit();
      }
    }
    journal.commit();
    std::printf("%lld rows written in %.2f s\n", static_cast<long long>(rows), now() - begin);
  }
  const double begin = now();
  Journal journal(path);
  std::printf("opened in %.3f s\n", now() - begin);
  struct Nobody {
    [[nodiscard]] static std::string identity() { return "m"; }
    static void run(re::remixer::NextCall next, re::remixer::CallDone) {
      if (next()) {
        throw re::Error("a call that the journal lacks");
      }
    }
  };
  Journaled model(Nobody{}, journal);
  const double seconds = run(model, rows, true);
  std::printf("%lld answers found in %.2f s, with prompts of 2,000 bytes; %.0f MiB in the file\n",
              static_cast<long long>(rows),
              seconds,
              static_cast<double>(std::filesystem::file_size(path)) / 0x1p20);
  const double asked = now();
  const auto status = journal.status();
  std::printf("status of %lld calls in %.3f s\n", static_cast<long long>(status.at(0).calls), now() - asked);
}

}  // namespace

int main(int argc, char** argv) try {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const std::int64_t calls = argc > 1 ? std::atoll(argv[1]) : 20'000;
  const std::int64_t rows = argc > 2 ? std::atoll(argv[2]) : 1'000'000;
  const std::filesystem::path directory =
      std::filesystem::temp_directory_path() / ("language_model_benchmark." + std::to_string(::getpid()));
  std::filesystem::create_directories(directory);
  {
    const ServerProcess server;
    HttpLanguageModel bare = client(server);
    (void)run(bare, kInFlight * 5, false);  // connections
    report("client", calls, run(bare, calls, true));
    for (const auto durability : {Durability::kProcess, Durability::kMachine}) {
      const bool machine = durability == Durability::kMachine;
      Journal journal(directory / (machine ? "machine.sqlite" : "process.sqlite"), {.durability = durability});
      Journaled model(client(server), journal);
      report(machine ? "client and journal, kMachine" : "client and journal, kProcess", calls, run(model, calls, true));
    }
  }
  resume(directory / "resume.sqlite", rows);
  std::filesystem::remove_all(directory);
} catch (const std::exception& error) {
  std::fprintf(stderr, "error: %s\n", error.what());
  return 1;
}
